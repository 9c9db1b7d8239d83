"""The nightly comparison: a desk's own day, read from its journal, against the backtest of that day in a sandbox."""

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kernel_lib.certificate import read_certificate
from kernel_lib.config import Home
from kernel_lib.keys import create_keys, read_public_key
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.sandbox import capabilities
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import Strategy, load_strategy
from kernel_lib.trading.account import Costs
from kernel_lib.trading.record import Control
from kernel_lib.wire import OrderIntent, OutsideValue, Report, encode
from live_engine.entries import read_snapshot
from live_engine.heard import Question
from live_engine.journal import JournalConfig
from live_engine.parity_night import Night, compare_day, compare_desk
from live_engine.parity_record import read_desk
from live_engine.proposers import Fault
from live_engine.segment import segments_behind
from live_engine.strategy_wire import Answer
from live_engine.trading import Desk, DeskConfig
from tests.live_engine.desk_kit import InProcessStrategies, blocks_of, desk_bundle

pytestmark = pytest.mark.flow

DAY = datetime.date(2019, 2, 5)
TRUSTED = not capabilities().isolates

BY_NEWS = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="tick", features=dict(news=f.outside("news:EURUSD")))
def by_news(x, position, p):
    return 1.0 if x.news > 0.0 else -1.0
"""

RANDOM = """
import random
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="1m", features=dict(wide=f.spread()))
def by_chance(x, position, p):
    if x.time_ns < START:
        return 0.0
    return random.choice((1.0, -1.0))
"""


@cache
def two_days() -> Ticks:
    """Three hours before midnight and three after it, a tick every two seconds."""
    n_ticks = 10_800
    random = np.random.default_rng(5)
    start_ns = int(datetime.datetime(2019, 2, 4, 21, tzinfo=datetime.UTC).timestamp()) * 10**9
    bid = np.round(1.1 + np.cumsum(random.normal(0, 4e-5, n_ticks)), 5)
    return make_ticks(start_ns + np.arange(n_ticks) * 2 * 10**9, bid, bid + 6e-5)


class Broker:
    """Fills each order two points dearer than asked, 30 ms later, and counts its reports."""

    def __init__(self) -> None:
        self.waiting: list[OrderIntent] = []
        self.n_reports = 0

    def send(self, intent: OrderIntent) -> None:
        self.waiting.append(intent)

    def report(self, time_ns: int, ask: float, bid: float) -> Iterator[bytes]:
        for intent in self.waiting:
            self.n_reports += 1
            price = ask + 2e-5 if intent.side > 0 else bid - 2e-5
            yield encode(
                Report(
                    agent="pc1", seq=self.n_reports, kind="filled", key=intent.key, time_ns=time_ns, symbol="EURUSD",
                    magic=intent.magic, side=intent.side, lots=intent.lots, price=round(price, 5),
                    position=self.n_reports,
                )
            )  # fmt: skip
        self.waiting.clear()


def lived_days(
    directory: Path, strategy: Strategy, *, mode: str = "paper", controls: bool = False, segment_bytes: int = 1 << 24,
    code: InProcessStrategies | None = None,
) -> None:  # fmt: skip
    """Let a desk live through the two days."""
    now = [0]
    broker = Broker()
    config = DeskConfig(journal=JournalConfig(segment_bytes=segment_bytes))
    desk = Desk(directory, "acme", code or InProcessStrategies(), send=broker.send, clock=lambda: now[0], config=config)
    desk.reload(desk_bundle(strategy, mode=mode, costs=Costs(latency_jitter_ms=15)), {})
    blocks = blocks_of(two_days(), iter(lambda: 20, None))
    at = 0
    for number, (entry_id, raw) in enumerate(blocks):
        at = min(at + 20, len(two_days()))
        time_ns, bid, ask = two_days()[at - 1].item()
        now[0] = time_ns + 10_000_000
        if controls and number in (100, 130, 400, 410):
            desk.control(Control.PAUSE if number in (100, 400) else Control.RESUME, by="ada", reason="a test")
        if strategy.channels and number % 40 == 0:
            value = OutsideValue(channel="news:EURUSD", number=float(np.sin(number)), known_ns=time_ns, by="t")
            desk.on_outside(f"{number + 1}-0", encode(value))
        desk.on_block(entry_id, raw)
        now[0] += 30_000_000
        for report in broker.report(time_ns + 30_000_000, ask, bid):
            desk.on_report(f"{number + 1}-0", report)
    desk.close()


def compared(directory: Path) -> Night:
    (lived,) = read_desk(directory).lives
    night = compare_day(lived, DAY, tenant="acme", trusted=TRUSTED)
    assert night is not None
    return night


def test_a_paper_desks_day_is_identical_though_it_was_paused(tmp_path: Path) -> None:
    lived_days(tmp_path, ma_cross, controls=True)
    night = compared(tmp_path)
    assert night.identical, night
    assert not night.from_state
    assert night.counts["ticks"] == 5_400
    assert night.counts["fills"] > 3
    assert night.counts["denied"] >= 0
    (lived,) = read_desk(tmp_path).lives
    assert compare_day(lived, datetime.date(2019, 2, 6), tenant="acme", trusted=TRUSTED) is None


def test_what_came_from_outside_comes_again(tmp_path: Path) -> None:
    lived_days(tmp_path, load_strategy(BY_NEWS, "by_news"))
    night = compared(tmp_path)
    assert night.identical, night
    assert night.counts["decisions"] > 2


def test_a_terminals_fills_are_given_to_both_and_their_slippage_and_latency_told(tmp_path: Path) -> None:
    lived_days(tmp_path, ma_cross, mode="mt5")
    night = compared(tmp_path)
    assert night.identical, night
    assert night.execution is not None
    assert night.execution.n_fills > 3
    assert night.execution.latency_ms == {"p50": 30.0, "p95": 30.0, "max": 30.0}
    assert night.execution.assumed_latency_ms == 40.0
    assert night.execution.slippage_points["p95"] > -100.0


def test_a_strategy_that_throws_dice_is_found_on_the_day_it_did(tmp_path: Path) -> None:
    start_ns = int(datetime.datetime(2019, 2, 5, 1, tzinfo=datetime.UTC).timestamp()) * 10**9
    lived_days(tmp_path, load_strategy(RANDOM.replace("START", str(start_ns)), "by_chance"))
    night = compared(tmp_path)
    assert night.gap is not None
    assert (night.identical, night.gap.cause, night.from_state) == (False, "decision", False)
    assert night.gap.time_ns >= start_ns


def test_a_difference_of_an_earlier_day_does_not_hide_a_good_one(tmp_path: Path) -> None:
    midnight_ns = int(datetime.datetime(2019, 2, 5, tzinfo=datetime.UTC).timestamp()) * 10**9
    source = RANDOM.replace("x.time_ns < START", f"x.time_ns > {midnight_ns - 10**10}")
    lived_days(tmp_path, load_strategy(source, "by_chance"))
    night = compared(tmp_path)
    assert night.from_state
    assert night.identical, night


def by_chance(when: str) -> Strategy:
    midnight_ns = int(datetime.datetime(2019, 2, 5, tzinfo=datetime.UTC).timestamp()) * 10**9
    return load_strategy(RANDOM.replace("x.time_ns < START", f"x.time_ns {when} {midnight_ns - 10**10}"), "by_chance")


NIGHTS = {
    "paused": (lambda: ma_cross, {"controls": True}),
    "told": (lambda: load_strategy(BY_NEWS, "by_news"), {}),
    "terminal": (lambda: ma_cross, {"mode": "mt5"}),
    "dice before": (lambda: by_chance(">"), {}),
    "dice on the day": (lambda: by_chance("<"), {}),
}


@pytest.mark.parametrize("name", NIGHTS)
def test_a_night_goes_on_where_the_one_before_left_off_and_needs_no_older_journal(name: str, home: Home) -> None:
    create_keys(home)
    make, settings = NIGHTS[name]
    journal = home / "engine" / "desks" / "acme" / "journal"
    lived_days(journal.parent, make(), segment_bytes=1 << 17, **settings)  # type: ignore[arg-type]
    (whole,) = compare_desk(home, "acme", DAY, trusted=TRUSTED)
    for path in (home / "engine" / "parity" / "acme").glob("morning-*"):
        path.unlink()
    compare_desk(home, "acme", DAY - datetime.timedelta(days=1), trusted=TRUSTED)
    (morning,) = (home / "engine" / "parity" / "acme").glob("morning-*")
    assert morning.name == "morning-2019-02-05.snapshot"
    kept = read_snapshot(morning)
    assert kept is not None
    older = set(journal.glob("*.wal")) - set(segments_behind(journal, kept.seq))
    assert older
    for path in older:
        path.unlink()
    (night,) = compare_desk(home, "acme", DAY, trusted=TRUSTED)
    assert night.identical == whole.identical == (name != "dice on the day")
    assert night.counts == whole.counts
    assert night.execution == whole.execution
    assert not night.from_state
    assert {each.gap.cause for each in (night, whole) if each.gap is not None} <= {"decision"}


def test_a_damaged_morning_is_told_and_the_whole_journal_read(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    create_keys(home)
    lived_days(home / "engine" / "desks" / "acme", ma_cross)
    folder = home / "engine" / "parity" / "acme"
    folder.mkdir(parents=True)
    (folder / "morning-2019-02-05.snapshot").write_bytes(b"x" * 100)
    (night,) = compare_desk(home, "acme", DAY, trusted=TRUSTED)
    assert night.identical
    assert "a morning is of no use" in caplog.text


class OnceMisled(InProcessStrategies):
    """Shows the strategy one tick at another price than the desk had."""

    def ask(self, questions: list[Question]) -> dict[int, Answer | Fault]:
        if questions and questions[0].time_ns == int(two_days()["time_ns"][6_000]):
            questions = [each._replace(bid=each.bid * 1.02, ask=each.ask * 1.02) for each in questions]
        return super().ask(questions)


def test_a_feature_that_had_drifted_in_the_desk_is_told_from_a_decision(home: Home) -> None:
    create_keys(home)
    lived_days(home / "engine" / "desks" / "acme", ma_cross, code=OnceMisled())
    (night,) = compare_desk(home, "acme", DAY, trusted=TRUSTED)
    assert night.gap is not None
    assert night.gap.cause == "feature", night.gap
    assert night.gap.why.startswith("slow was 1.1")
    assert "in the desk when its code was next kept, behind tick 10,799; target was" in night.gap.why


def test_the_command_tells_a_gap_by_status_report_and_log(home: Home) -> None:
    create_keys(home)
    start_ns = int(datetime.datetime(2019, 2, 5, 1, tzinfo=datetime.UTC).timestamp()) * 10**9
    lived_days(home / "engine" / "desks" / "acme", load_strategy(RANDOM.replace("START", str(start_ns)), "by_chance"))
    done = subprocess.run(
        [sys.executable, "-m", "kernel_lib.cli", "parity", "--nightly", "--day", DAY.isoformat(), "--json",
         *(["--trusted"] if TRUSTED else [])],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"TICKHUB_HOME": str(home.root)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["identical"] is False
    (night,) = answer["nights"]
    assert night["gap"]["cause"] == "decision"
    assert "live and backtest differ" in done.stderr
    (report,) = (home / "engine" / "parity" / "acme").glob("night-2019-02-05-*.json")
    kept = json.loads(report.read_bytes())
    certificate, signed = read_certificate(kept["certificate"], read_public_key(home))
    assert (signed, certificate.verdict, certificate.cause) == (True, "gap", "decision")
