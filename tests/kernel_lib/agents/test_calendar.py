"""The recorded calendar is read, and its blackouts reach a strategy through the channel."""

from pathlib import Path

import numpy as np
import pytest

from kernel_lib import agents
from kernel_lib.agents import Release
from kernel_lib.agents.calendar import next_releases, read_calendar
from kernel_lib.backtest import replay
from kernel_lib.errors import BadData
from kernel_lib.importers import read_ticks
from tests.kernel_lib.agents.test_as_feature import evaluator, follower

MINUTE = 60 * 10**9
#: Friday 1 February 2019, 13:30 UTC: the Employment Situation.
NFP = 1_549_027_800 * 10**9
#: The same of Friday 2 May 2014, 12:30 UTC.
NFP_2014 = 1_399_033_800 * 10**9
DAY = 86_400 * 10**9


def test_every_recorded_year_is_read(data_dir: Path) -> None:
    files = sorted((data_dir / "calendar").glob("*.csv"))
    releases = [each for file in files for each in read_calendar(file.read_bytes())]
    assert len(releases) == 4_020
    assert {each.currency for each in releases} == {"USD", "EUR", "GBP", "CHF"}
    assert any(each.time_ns == NFP and each.currency == "USD" and each.impact == "high" for each in releases)


def release(minute: int, currency: str = "USD", impact: str = "high") -> Release:
    return Release(time_ns=minute * MINUTE, currency=currency, name="x", impact=impact)  # type: ignore[arg-type]


def test_the_next_release_is_told_once_the_last_is_past() -> None:
    entries = [release(300), release(100), release(103), release(200, "JPY"), release(250, impact="low")]
    told, seconds = next_releases(entries, ("USD",))
    assert (seconds / 60).tolist() == [100, 103, 300]
    assert (told // MINUTE).tolist() == [0, 103, 108]
    assert len(next_releases([], ("USD",))[0]) == 0
    assert (next_releases([release(250, impact="low")], impact="low")[1] / 60).tolist() == [250]


@pytest.mark.parametrize(
    ("row", "why"),
    [("2019-02-01T13:30:00,NFP,US,high", "with its zone"), ("soon,NFP,US,high", "with its zone"),
     ("2019-02-01T13:30:00+00:00,NFP,Atlantis,high", "a country must be"),
     ("2019-02-01T13:30:00Z,NFP,US,huge", "an impact")],
)  # fmt: skip
def test_what_cannot_be_read_is_named_by_line(row: str, why: str) -> None:
    with pytest.raises(BadData, match=f"calendar:2: .*{why}"):
        read_calendar(f"datetime_utc,event,country,impact\n{row}\n".encode())
    with pytest.raises(BadData, match="must have the columns"):
        read_calendar(b"time,name\n1,2\n")


def test_on_recorded_ticks_the_panel_vetoes_around_recorded_releases(data_dir: Path) -> None:
    week = read_ticks(data_dir / "ticks" / "EURUSD_oanda_20140501_20140507_utc.parquet").ticks
    ticks = week[week["time_ns"] // DAY == NFP_2014 // DAY][::3]
    releases = read_calendar((data_dir / "calendar" / "emm_calendar_2014_utc.csv").read_bytes())
    day = [
        each.time_ns for each in releases
        if ticks["time_ns"][0] < each.time_ns < ticks["time_ns"][-1] and each.currency in ("USD", "EUR")
    ]  # fmt: skip
    assert NFP_2014 in day
    panel = agents.consensus("enterprise", bars="5m", symbol="EURUSD", calendar="calendar:EURUSD", agents=(
        "market_analysis", "execution_timing",
    ))  # fmt: skip
    told = next_releases(releases, ("USD", "EUR"), impact="medium")
    seen: list[tuple[int, bool]] = []
    inner = evaluator(panel)
    ask = inner.evaluate

    def remembering(row, moment):  # type: ignore[no-untyped-def]
        answer = ask(row, moment)
        assert inner.decision is not None
        seen.append((moment.time_ns, any("a release" in vote.reason for vote in inner.decision.votes if vote.veto)))
        return answer

    inner.evaluate = remembering  # type: ignore[method-assign]
    assert replay(follower(panel), ticks, outside={"calendar:EURUSD": told}, progress=False).fault == ""
    # Counted from the end of the bar; five minutes after a release the next one is told.
    for moment, vetoed in seen:
        end = moment - moment % (5 * MINUTE)
        assert vetoed == any(-5 * MINUTE < each - end <= 15 * MINUTE for each in day)
    assert 0 < np.sum([vetoed for _, vetoed in seen]) < len(seen)
