from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import load_strategy
from kernel_lib.trading.record import Control, State
from kernel_lib.wire import AccountState, BrokerPosition, OrderIntent
from live_engine.agreement import Agreement
from live_engine.day_trades import keep_to_tier
from live_engine.trading import Desk
from tests.live_engine.test_desk import answered, crash, first_order, open_desk


class Watched:
    """A desk with one order of 0.1 lots at the broker, and a clock."""

    def __init__(self, ticks: Ticks, quick: Any, directory: Path) -> None:
        self.sent: list[OrderIntent] = []
        self.desk: Desk
        self.desk, self.rest = first_order(ticks, quick, directory, self.sent)
        (self.intent,) = self.sent
        self.now_s = 0.0
        self.agreement = Agreement(self.desk, lambda: self.now_s)

    @property
    def state(self) -> State:
        (slot,) = self.desk.slots.values()
        return slot.book.state

    def told(
        self, lots: float, *, agent: str = "pc1", times: int = 1, every_s: float = 5.0, trade_allowed: bool = True,
        stop_loss: float = 0.0,
    ) -> None:  # fmt: skip
        positions = [
            BrokerPosition(
                ticket=4711,
                symbol="EURUSD",
                side=self.intent.side,
                lots=lots,
                price=1.1,
                magic=self.intent.magic,
                stop_loss=stop_loss,
            )
        ]
        state = AccountState(
            agent=agent, login=1, time_ns=1, balance=1.0, equity=1.0, margin=0.0, margin_free=1.0,
            trade_allowed=trade_allowed, positions=positions if lots else [],
        )  # fmt: skip
        for _ in range(times):
            self.now_s += every_s
            self.agreement.on_account(state)


@pytest.fixture
def watched(data_dir: Path, tmp_path: Path) -> Iterator[Watched]:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]
    made = Watched(ticks, ma_cross.with_params(fast=10, slow=40), tmp_path)
    yield made
    crash(made.desk)


def test_a_strategy_whose_position_the_broker_does_not_have_is_paused_with_both_numbers(watched: Watched) -> None:
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    watched.told(0.0, times=2)
    assert watched.state is State.ACTIVE
    watched.told(0.0)
    assert watched.state is State.PAUSED
    (told,) = watched.desk.state().strategies
    assert "the broker holds 0 lots, the book" in told.reason
    watched.desk.control(Control.RESUME, by="ann", reason="it is right again")
    watched.told(0.1, times=5)
    assert watched.state is State.ACTIVE


def test_an_account_told_beside_its_fill_pauses_nothing(watched: Watched) -> None:
    watched.told(0.1, times=5)  # the fill is not told yet: the order is on its way
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    watched.told(0.0, times=2)
    watched.told(0.1)
    watched.told(0.0, times=2)
    watched.told(0.0, agent="pc2", times=9)
    watched.told(0.1)
    assert watched.state is State.ACTIVE


def test_a_pause_of_the_account_outlives_a_crash(watched: Watched, tmp_path: Path) -> None:
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    watched.told(0.0, times=4)
    crash(watched.desk)
    watched.desk = open_desk(tmp_path, [])
    assert watched.state is State.PAUSED


def test_a_terminal_that_allows_no_trading_and_one_that_is_silent_are_named(watched: Watched) -> None:
    watched.told(0.0, trade_allowed=False)
    assert "AutoTrading" in watched.desk.state().warnings[-1]
    watched.now_s += 31.0
    watched.agreement.look_for_silence()
    assert "agent pc1 has not told its account" in watched.desk.state().warnings[-1]


def test_a_fill_in_part_with_its_rest_cancelled_frees_the_strategy(watched: Watched) -> None:
    lots = watched.intent.lots / 2
    watched.desk.on_report("1-0", answered(watched.intent, 1, lots=lots))
    assert len(watched.desk.state().orders) == 1
    watched.desk.on_report("2-0", answered(watched.intent, 2, kind="rejected"))
    assert watched.desk.state().orders == []
    assert watched.desk.state().positions[0].lots == lots


def test_a_doubt_lasts_three_looks_and_eight_seconds(watched: Watched) -> None:
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    watched.told(0.0, every_s=2.0, times=4)  # 6 seconds after the first
    assert watched.state is State.ACTIVE
    watched.told(0.0, every_s=2.0)
    assert watched.state is State.PAUSED
    watched.desk.control(Control.RESUME, by="ann", reason="it is right again")
    watched.told(0.1)
    watched.told(0.0, every_s=60.0, times=2)
    assert watched.state is State.ACTIVE


def test_a_fill_between_two_looks_begins_the_doubt_anew(watched: Watched) -> None:
    watched.desk.on_report("1-0", answered(watched.intent, 1, lots=0.05))
    watched.told(0.0, times=2)
    watched.desk.on_report("2-0", answered(watched.intent, 2, lots=0.05))
    watched.told(0.0, times=2)
    assert watched.state is State.ACTIVE
    watched.told(0.0)
    assert watched.state is State.PAUSED


def test_what_a_person_paused_keeps_the_person_s_reason(watched: Watched) -> None:
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    watched.desk.control(Control.PAUSE, by="ann", reason="lunch")
    watched.told(0.0, times=5)
    (told,) = watched.desk.state().strategies
    assert "ann" in told.reason
    assert "lunch" in told.reason


def test_an_account_that_is_right_and_told_in_time_is_worth_no_warning(watched: Watched) -> None:
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    before = len(watched.desk.state().warnings)
    watched.told(0.1, times=5)
    watched.now_s += 30.0
    watched.agreement.look_for_silence()
    assert watched.desk.state().warnings[before:] == []


GUARDED = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(features={'fast': f.ema(10), 'slow': f.ema(40)}, params={'stop': 200}, stop_loss_points='stop')
def guarded(x, position, p):
    return 1.0 if x.fast > x.slow else -1.0
"""


def test_a_position_without_the_stop_that_was_sent_with_it_is_named_and_nothing_more_entered(
    data_dir: Path, tmp_path: Path
) -> None:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]
    watched = Watched(ticks, load_strategy(GUARDED, "guarded"), tmp_path)
    stop = watched.intent.stop_loss
    assert stop > 0
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    watched.told(0.1, times=5, stop_loss=stop)
    watched.told(0.1, times=5, stop_loss=stop + 0.001)  # a person moved it
    watched.told(0.1, times=2)
    assert watched.state is State.ACTIVE
    watched.told(0.1)
    assert watched.state is State.PAUSED
    (told,) = watched.desk.state().strategies
    assert f"0.1 lots of EURUSD without their stop-loss; set it in the terminal, at {stop:g}" in told.reason
    watched.desk.control(Control.RESUME, by="ann", reason="it is set")
    watched.told(0.1, times=5, stop_loss=stop)
    assert watched.state is State.ACTIVE
    crash(watched.desk)


def test_what_the_tier_holds_is_paused_for_the_broker_s_account_and_not_let_go_at_midnight(watched: Watched) -> None:
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    (slot,) = watched.desk.slots.values()
    watched.desk.hold([slot], "10 trades a day")
    watched.told(0.0, times=4)
    (told,) = watched.desk.state().strategies
    assert "the broker holds 0 lots" in told.reason
    keep_to_tier(watched.desk, None)  # a new day
    assert watched.state is State.PAUSED


def test_an_order_of_which_nobody_says_what_became_of_it_is_named_for_as_long(watched: Watched) -> None:
    def named() -> bool:
        watched.agreement.look_for_orders()
        return any(f"order {watched.intent.key} of ma_cross" in each for each in watched.desk.state().warnings)

    for seconds, expected in [(0.0, False), (60.0, False), (61.0, True), (90.0, True)]:
        watched.now_s = seconds
        assert named() is expected
    watched.desk.on_report("1-0", answered(watched.intent, 1))
    assert not named()
