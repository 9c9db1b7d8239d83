"""The tier's trades of a day are counted over all strategies and over a crash, and begin anew at midnight."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.strategies import ma_cross, rsi_reversion
from kernel_lib.trading.record import Control, Entry, Kind, State
from live_engine.day_trades import keep_to_tier
from live_engine.trading import Desk
from tests.live_engine.desk_kit import blocks_of, desk_bundle, journaled_rows
from tests.live_engine.test_desk import crash, feed, open_desk

_DAY_NS = 86_400 * 10**9


@pytest.fixture(scope="module")
def ticks(data_dir: Path) -> Ticks:
    return read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]


@pytest.fixture(scope="module")
def quick() -> Any:
    return ma_cross.with_params(fast=10, slow=40)


def opened(directory: Path) -> int:
    rows = journaled_rows(directory)
    return int(((rows["kind"] == int(Kind.FILL)) & (rows["entry"] != int(Entry.OUT))).sum())


def limited(directory: Path, most: int | None, **fields: Any) -> Desk:
    desk = open_desk(directory, **fields)
    desk.daily_trades = most
    return desk


def test_entries_end_with_the_days_trades_and_positions_are_managed_on(
    ticks: Ticks, quick: Any, tmp_path: Path
) -> None:
    desk = limited(tmp_path, 3)
    desk.reload(desk_bundle(quick), {})
    feed(desk, blocks_of(ticks, [1] * len(ticks)))
    (said,) = desk.state().strategies
    assert (said.state, said.lots) == ("paused", 0.0)
    assert "3 trades a day" in said.reason
    desk.close()
    assert opened(tmp_path) == 3


def test_a_person_who_resumes_gets_no_trade_beyond_the_tier(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    desk = limited(tmp_path, 3)
    desk.reload(desk_bundle(quick), {})
    blocks = blocks_of(ticks, [200] * 30)
    for number in range(1, len(blocks) + 1):
        feed(desk, blocks[:number])
        if opened(tmp_path) >= 3:
            assert desk.control(Control.RESUME, by="tom", reason="go on") == [quick.name]
            (said,) = desk.state().strategies
            assert (said.state, "3 trades a day" in said.reason) == ("paused", True)
    desk.close()
    whole = opened(tmp_path)
    calm = limited(tmp_path / "calm", 3)
    calm.reload(desk_bundle(quick), {})
    feed(calm, blocks)
    calm.close()
    assert whole == opened(tmp_path / "calm")


def test_trades_of_all_strategies_count_together(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    desk = limited(tmp_path, 5)
    desk.reload(desk_bundle(quick) | desk_bundle(rsi_reversion), {})
    feed(desk, blocks_of(ticks, [1] * len(ticks)))
    assert {each.state for each in desk.state().strategies} == {"paused"}
    desk.close()
    assert 5 <= opened(tmp_path) <= 6  # one order may have been on its way


def test_no_limit_pauses_nothing(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    desk = limited(tmp_path, None)
    desk.reload(desk_bundle(quick), {})
    feed(desk, blocks_of(ticks, [25] * 240))
    assert desk.state().strategies[0].state == "active"
    desk.close()
    assert opened(tmp_path) > 5


def test_the_next_day_begins_anew(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    tomorrow = ticks.copy()
    tomorrow["time_ns"] += _DAY_NS
    both = blocks_of(ticks, [25] * 240) + [
        (f"{240 + at}-0", raw) for at, (_, raw) in enumerate(blocks_of(tomorrow, [25] * 240), 1)
    ]
    desk = limited(tmp_path, 2)
    desk.reload(desk_bundle(quick), {})
    feed(desk, both[:240])
    first = opened(tmp_path)
    assert desk.state().strategies[0].state == "paused"
    feed(desk, both[:241])
    assert desk.state().strategies[0].state == "active"
    feed(desk, both)
    assert desk.state().strategies[0].state == "paused"
    desk.close()
    assert opened(tmp_path) > first >= 2


def test_a_desk_that_starts_again_counts_the_same(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    blocks = blocks_of(ticks, [25] * 240)
    whole = limited(tmp_path / "whole", 3)
    whole.reload(desk_bundle(quick), {})
    feed(whole, blocks)
    whole.close()
    for cut in (10, 60, 120, 200):
        directory = tmp_path / f"cut{cut}"
        desk = limited(directory, 3)
        desk.reload(desk_bundle(quick), {})
        feed(desk, blocks[:cut])
        crash(desk)
        again = limited(directory, 3)
        feed(again, blocks)
        assert again.state().strategies[0].state == "paused"
        again.close()
        assert journaled_rows(directory).tobytes() == journaled_rows(tmp_path / "whole").tobytes()


def test_what_a_person_paused_is_not_resumed_and_a_higher_tier_frees_the_rest(
    ticks: Ticks, quick: Any, tmp_path: Path
) -> None:
    blocks = blocks_of(ticks, [25] * 240)
    desk = limited(tmp_path, 2)
    desk.reload(desk_bundle(quick) | desk_bundle(rsi_reversion), {})
    feed(desk, blocks[:200])
    assert {each.state for each in desk.state().strategies} == {"paused"}
    desk.control(Control.PAUSE, by="tom", reason="looks odd", strategy=rsi_reversion.name)
    desk.daily_trades = 100
    feed(desk, blocks[:202])
    assert {each.name: each.state for each in desk.state().strategies} == {
        quick.name: "active",
        "rsi_reversion": "paused",
    }
    desk.close()


class NotingDesk:
    """Has slots, and notes which of them are held or let go."""

    def __init__(self, *slots: SimpleNamespace) -> None:
        self.books: Any = SimpleNamespace(slots=dict(enumerate(slots)))
        self.noted: list[tuple[list[str], bool]] = []

    def hold(self, slots: Any, reason: str, *, release: bool = False) -> None:
        self.noted.append(([each.name for each in slots], release))


def _slot(name: str, trades: int = 0, *, state: State = State.ACTIVE, **more: bool) -> SimpleNamespace:
    known = {"withdrawn": False, "held": False, "faulted": False} | more
    return SimpleNamespace(name=name, trades_today=trades, book=SimpleNamespace(state=state), **known)


@pytest.mark.parametrize(
    ("most", "slots", "noted"),
    [
        (5, [_slot("a", 2), _slot("b", 2)], []),
        (5, [_slot("a", 2), _slot("b", 3)], [(["a", "b"], False)]),
        (5, [_slot("a", 5, withdrawn=True), _slot("b", state=State.PAUSED), _slot("c")], [(["c"], False)]),
        (5, [_slot("a", 5, state=State.PAUSED, held=True)], []),
        (5, [_slot("a", state=State.PAUSED, held=True), _slot("b")], [(["a"], True)]),
        (None, [_slot("a", 99, state=State.PAUSED, held=True)], [(["a"], True)]),
        # what has failed or was withdrawn does not trade again because it is midnight
        (5, [_slot("a", held=True, faulted=True), _slot("b", held=True, withdrawn=True)], []),
    ],
)  # fmt: skip
def test_only_what_trades_is_held_and_only_what_the_tier_held_is_let_go(
    most: int | None, slots: list[SimpleNamespace], noted: list[tuple[list[str], bool]]
) -> None:
    desk = NotingDesk(*slots)
    keep_to_tier(desk, most)
    assert desk.noted == noted
