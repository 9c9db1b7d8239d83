"""A desk whose orders go to a broker: sent once, told of by reports, and looked up after a crash."""

from pathlib import Path
from typing import Any

import pytest

from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.trading.record import Control
from kernel_lib.wire import AccountState, BrokerPosition, OrderIntent, encode
from tests.live_engine.test_desk import answered, crash, first_order, open_desk


@pytest.fixture(scope="module")
def ticks(data_dir: Path) -> Ticks:
    return read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]


@pytest.fixture(scope="module")
def quick() -> Any:
    return ma_cross.with_params(fast=10, slow=40)


def test_orders_go_to_the_terminal_once_and_fills_come_back(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    sent: list[OrderIntent] = []
    desk, rest = first_order(ticks, quick, tmp_path, sent)
    (intent,) = sent
    assert (intent.agent, intent.symbol, intent.lots) == ("pc1", "EURUSD", 0.1)
    assert len(intent.key) <= 16
    assert intent.expires_ns > intent.sent_ns
    desk.on_report("1-0", answered(intent, 1, kind="unknown"))
    for block in rest[:20]:
        desk.on_block(*block)
    assert len(sent) == 1, "while an outcome is unknown nothing more is sent"
    desk.on_report("2-0", answered(intent, 2))
    desk.on_report("3-0", answered(intent, 2))
    (position,) = desk.state().positions
    assert (position.side, position.lots, position.position_id) == (intent.side, 0.1, 4711)
    assert desk.state().strategies[0].fills == 1
    crash(desk)
    again = open_desk(tmp_path, sent)
    assert len(sent) == 1
    assert again.state().positions == [position]
    again.on_report("4-0", answered(intent, 2))
    assert again.state().strategies[0].fills == 1
    state = AccountState(
        agent="pc1", login=1, time_ns=1, balance=1.0, equity=1.0, margin=0.0, margin_free=1.0, trade_allowed=True,
        positions=[
            BrokerPosition(ticket=4711, symbol="EURUSD", side=intent.side, lots=0.3, price=1.1, magic=intent.magic)
        ],
    )  # fmt: skip
    again.on_report("5-0", encode(state))
    assert "check by hand" in again.state().warnings[-1]
    crash(again)


@pytest.mark.parametrize("restart", [False, True])
def test_an_exit_says_that_it_closes_and_is_taken_as_gone_when_the_broker_s_word_comes(
    ticks: Ticks, quick: Any, tmp_path: Path, restart: bool
) -> None:
    sent: list[OrderIntent] = []
    desk, rest = first_order(ticks, quick, tmp_path, sent)
    entry = sent[0]
    assert (entry.lots, entry.closes) == (0.1, 0.0)
    desk.on_report("1-0", answered(entry, 1))
    if restart:
        desk.snapshot()
        crash(desk)
        desk = open_desk(tmp_path, sent)
    desk.control(Control.KILL, by="tom", reason="drill")
    _, exit_ = sent
    assert (exit_.side, exit_.lots, exit_.closes) == (-entry.side, 0.1, 0.1)
    desk.on_report("2-0", answered(exit_, 2, kind="rejected", position=0, deal=0, reason="nothing to close"))
    (position,) = desk.state().positions
    by_hand = answered(entry, 3, kind="closed", side=-entry.side, position=position.position_id)
    desk.on_report("3-0", by_hand)
    for block in rest:
        desk.on_block(*block)
    assert (desk.state().positions, desk.state().orders, len(sent)) == ([], [], 2)
    crash(desk)


def test_an_order_that_a_crash_left_in_between_is_looked_up_and_never_sent_again(
    ticks: Ticks, quick: Any, tmp_path: Path
) -> None:
    for was_sent in (True, False):
        directory = tmp_path / str(was_sent)
        sent: list[OrderIntent] = []
        desk, _ = first_order(ticks, quick, directory, sent)
        crash(desk)
        asked: list[str] = []

        def look(key: str, asked: list[str] = asked, found: bool = was_sent) -> bool:
            asked.append(key)
            return found

        again = open_desk(directory, sent, was_sent=look)
        assert asked == [sent[0].key]
        assert len(sent) == 1
        assert len(again.state().orders) == int(was_sent)
        assert again.state().strategies[0].rejected == int(not was_sent)
        if was_sent:
            again.on_report("2-0", answered(sent[0], 1))
            assert again.state().strategies[0].fills == 1
        crash(again)
        crash(open_desk(directory, sent, was_sent=look))


@pytest.mark.parametrize("lots", [0.0, 0.004, -0.1])
@pytest.mark.parametrize("kind", ["filled", "closed"])
def test_a_deal_of_no_lots_is_told_and_stops_no_desk(
    ticks: Ticks, quick: Any, tmp_path: Path, lots: float, kind: str
) -> None:
    sent: list[OrderIntent] = []
    desk, _ = first_order(ticks, quick, tmp_path, sent)
    desk.on_report("1-0", answered(sent[0], 1, lots=0.05))
    desk.on_report("2-0", answered(sent[0], 2, lots=lots, kind=kind))
    assert f"it was of {lots:g} and is not booked" in desk.state().warnings[-1]
    crash(desk)
    again = open_desk(tmp_path, sent, was_sent=lambda key: True)
    assert [each.lots for each in again.state().positions] == [0.05]
    assert [each.lots for each in again.state().orders] == [0.05]
    crash(again)


def test_anothers_reports_change_nothing(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    sent: list[OrderIntent] = []
    desk, _ = first_order(ticks, quick, tmp_path, sent)
    before = desk.slots[1].book.snapshot()
    desk.on_report("1-0", answered(sent[0], 1, agent="pc2"))
    desk.on_report("2-0", answered(sent[0], 1, key="zzz.1"))
    desk.on_report("3-0", answered(sent[0], 2, key="", magic=5, kind="closed"))
    assert desk.slots[1].book.snapshot() == before
    crash(desk)
