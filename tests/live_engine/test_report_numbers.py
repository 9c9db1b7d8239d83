"""What the bus has lost of an agent's reports is noticed, and its strategies enter nothing until a person looked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.trading.record import Control, State
from kernel_lib.wire import OrderIntent, Report
from live_engine.report_numbers import ReportNumbers
from live_engine.trading import Desk
from tests.live_engine.desk_kit import desk_bundle
from tests.live_engine.test_desk import answered, crash, first_order, open_desk


def _report(seq: int, *, time_ns: int = 5, agent: str = "pc1", origin: str = "agent") -> Report:
    return Report(agent=agent, seq=seq, kind="rejected", key="k", time_ns=time_ns, origin=origin)


def _heard(*reports: Report) -> list[str]:
    numbers = ReportNumbers()
    found = []
    for report in reports:
        lost = numbers.lost_before(report)
        found.append(lost.partition(" never")[0] if lost else "taken" if numbers.take(report) else "doubled")
        numbers.take(report)
    return found


def test_a_number_left_out_is_lost_and_one_told_before_is_doubled() -> None:
    assert _heard(_report(1), _report(2), _report(2), _report(4), _report(5), _report(1), _report(9)) == [
        "taken", "taken", "doubled", "report 3 of agent pc1", "taken", "doubled", "reports 6 to 8 of agent pc1",
    ]  # fmt: skip


def test_the_first_report_of_each_agent_and_the_bridge_s_own_are_no_gap() -> None:
    own = _report(1, origin="bridge")
    assert (
        _heard(_report(700), _report(1, agent="pc2"), own, _report(701), own, _report(2, agent="pc2")) == ["taken"] * 6
    )


def test_what_is_sent_again_tells_nothing_later_and_numbers_that_begin_anew_do() -> None:
    numbers = ReportNumbers()
    for seq, time_ns in [(56, 1000), (57, 900)]:
        assert numbers.take(_report(seq, time_ns=time_ns))
    assert not numbers.take(_report(56, time_ns=1000))
    fresh = _report(1, time_ns=2000)
    assert numbers.lost_before(fresh).startswith("agent pc1 numbers its reports anew, 1 after 57")
    assert numbers.take(fresh)
    assert numbers.lost_before(_report(2, time_ns=2001)) == ""


def test_a_fresh_spool_s_first_report_is_new_beside_the_old_one_s_only() -> None:
    numbers = ReportNumbers()
    assert numbers.take(_report(1, time_ns=1000))
    fresh = _report(1, time_ns=2000)
    assert numbers.lost_before(fresh).startswith("agent pc1 numbers its reports anew, 1 after 1")
    assert numbers.take(fresh)


def test_the_bridge_s_word_on_an_order_is_later_than_the_agent_s_reports_and_no_new_count() -> None:
    numbers = ReportNumbers()
    assert numbers.take(_report(57, time_ns=1000))
    own = _report(1, time_ns=2000, origin="bridge")
    assert numbers.lost_before(own) == ""
    assert numbers.take(own)
    assert numbers.last == {"pc1": 57}


def test_reports_that_tell_no_time_are_never_taken_for_a_new_count() -> None:
    numbers = ReportNumbers()
    assert numbers.take(_report(57, time_ns=0))
    again = _report(3, time_ns=10**18)
    assert numbers.lost_before(again) == ""
    assert not numbers.take(again)


def test_a_desk_of_an_older_release_goes_on_with_its_numbers() -> None:
    numbers = ReportNumbers()
    numbers.restore({"pc1": 57}, {})  # it kept no times
    assert not numbers.take(_report(57, time_ns=10**18))
    assert numbers.lost_before(_report(59)) != ""
    assert numbers.take(_report(58))


class Trading:
    """A desk with an order at the terminal of pc1, a second strategy at pc1's on paper, and what it sent."""

    def __init__(self, ticks: Ticks, quick: Any, directory: Path) -> None:
        self.directory = directory
        self.sent: list[OrderIntent] = []
        self.bundles = desk_bundle(quick, mode="mt5")
        self.desk, self.rest = first_order(ticks, quick, directory, self.sent)
        self.desk.reload(self.bundles | desk_bundle(ma_cross.with_params(fast=11, slow=40)), {})

    def restart(self) -> Desk:
        crash(self.desk)
        self.desk = open_desk(self.directory, self.sent, was_sent=lambda key: True)
        return self.desk

    @property
    def states(self) -> list[State]:
        return [slot.book.state for slot in self.desk.slots.values()]


@pytest.fixture
def trading(data_dir: Path, tmp_path: Path) -> Iterator[Trading]:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]
    made = Trading(ticks, ma_cross.with_params(fast=10, slow=40), tmp_path)
    yield made
    crash(made.desk)


def test_a_gap_pauses_who_trades_that_account_says_which_numbers_and_outlives_a_crash(trading: Trading) -> None:
    desk, (intent,) = trading.desk, trading.sent
    desk.on_report("1-0", answered(intent, 7, kind="accepted"))
    desk.on_report("2-0", answered(intent, 10))  # the report is taken nevertheless
    assert trading.states == [State.PAUSED, State.ACTIVE]
    (position,) = desk.state().positions
    real, _ = desk.state().strategies
    assert "reports 8 to 9 of agent pc1 never came" in real.reason
    assert "then resume" in real.reason
    assert "compare positions and deals with the terminal" in desk.state().warnings[-1]
    again = trading.restart()
    assert trading.states == [State.PAUSED, State.ACTIVE]
    assert again.state().positions == [position]
    assert again.state().strategies[0].reason == real.reason
    again.control(Control.RESUME, by="ann", reason="compared")
    again.on_report("3-0", answered(intent, 10))
    again.on_report("4-0", answered(intent, 11, key="", magic=5, kind="closed"))
    assert trading.states == [State.ACTIVE, State.ACTIVE]


def test_a_crash_between_pause_and_report_comes_to_the_same(trading: Trading) -> None:
    (intent,) = trading.sent
    trading.desk.on_report("1-0", answered(intent, 7, kind="accepted"))
    append = trading.desk.journal.append

    def dying(kind: int, payload: bytes, **more: Any) -> int:
        if kind == 3:  # REPORT: the process is killed here
            raise KeyboardInterrupt
        return append(kind, payload, **more)

    trading.desk.journal.append = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trading.desk.on_report("2-0", answered(intent, 9))
    again = trading.restart()
    assert trading.states[0] is State.PAUSED
    assert again.report_id == "1-0"
    again.on_report("2-0", answered(intent, 9))  # read again from the bus
    assert trading.states[0] is State.PAUSED
    assert again.state().strategies[0].fills == 1


def test_a_gap_takes_no_kill_back_and_another_agent_s_pauses_nobody(trading: Trading) -> None:
    (intent,) = trading.sent
    for seq in (1, 5):
        trading.desk.on_report(f"{seq}-0", answered(intent, seq, agent="pc2"))
    assert trading.states == [State.ACTIVE, State.ACTIVE]
    trading.desk.control(Control.KILL, by="tom", reason="drill")
    trading.desk.on_report("6-0", answered(intent, 1, kind="accepted"))
    trading.desk.on_report("7-0", answered(intent, 3))
    assert trading.states == [State.KILLED, State.KILLED]
    assert "report 2 of agent pc1 never came" in trading.desk.state().warnings[-1]
