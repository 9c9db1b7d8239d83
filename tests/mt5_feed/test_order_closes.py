"""An order that closes opens nothing, whatever somebody did to the position in the meantime."""

from typing import Any

import msgspec
import pytest

from kernel_lib.wire import OrderIntent, decode
from mt5_feed.simulator import Fault
from tests.mt5_feed.order_bench import Bench, Make, intent, path_of


def _entered(make: Make, lots: float, *, hedging: bool = False, side: int = 1, **settings: Any) -> Bench:
    bench = make(path_of(1.1, 1.1), hedging=hedging, balance=100_000.0, **settings)
    bench.desk.receive(intent("k1", side=side, lots=lots))
    assert bench.kinds() == ["filled"]
    return bench


def _net(bench: Bench) -> float:
    sides = {bench.terminal.POSITION_TYPE_BUY: 1, bench.terminal.POSITION_TYPE_SELL: -1}
    return round(float(sum(sides[each.type] * each.volume for each in bench.positions)), 8)


@pytest.mark.parametrize("side", [1, -1])
def test_an_exit_from_a_position_that_was_closed_by_hand_is_not_sent(make: Make, side: int) -> None:
    bench = _entered(make, 0.1, side=side)
    bench.close_by_hand(bench.positions[0].ticket, 0.1, side=-side)
    bench.desk.receive(intent("k2", side=-side, closes=0.1))
    (report,) = bench.reports()
    assert (report.kind, report.key) == ("rejected", "k2")
    assert report.reason.startswith("nothing to close: the account holds no " + ("long" if side > 0 else "short"))
    assert bench.positions == ()
    bench.desk.reconcile()
    assert bench.kinds() == ["closed"]
    assert bench.desk.n_open == 0


def test_an_order_without_the_word_opens_as_before(make: Make) -> None:
    bench = _entered(make, 0.1)
    bench.close_by_hand(bench.positions[0].ticket, 0.1)
    bench.desk.receive(intent("k2", side=-1))
    assert _net(bench) == -0.1


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("lots", "closes"), [(0.4, 0.4), (0.9, 0.4)], ids=["exit", "turn"])
def test_what_is_left_of_a_position_is_closed_and_nothing_opened(
    make: Make, lots: float, closes: float, restart: bool
) -> None:
    bench = _entered(make, 0.4)
    bench.close_by_hand(bench.positions[0].ticket, 0.3)
    bench.desk.receive(intent("k2", side=-1, lots=lots, closes=closes))
    (filled,) = bench.reports()
    assert (filled.kind, filled.lots) == ("filled", 0.1)
    assert bench.positions == ()
    if restart:
        bench.again()
    bench.desk.reconcile()
    by_hand, rest = sorted(bench.reports(), key=lambda each: each.kind)
    assert (by_hand.kind, by_hand.lots) == ("closed", 0.3)
    assert (rest.kind, rest.key) == ("rejected", "k2")
    assert rest.reason == f"only 0.1 of {lots:g} lots were there to close; 0.1 were closed"
    assert bench.desk.n_open == 0


@pytest.mark.parametrize("comment", ["=", "broker's own words"])
def test_a_trimmed_order_whose_answer_was_lost_comes_to_its_end(make: Make, comment: str) -> None:
    bench = _entered(make, 0.4, faults=(Fault(3, "lose_reply", comment=comment),))
    bench.close_by_hand(bench.positions[0].ticket, 0.3)
    bench.desk.receive(intent("k2", side=-1, lots=0.4, closes=0.4))
    for _ in range(3):
        bench.seconds += 10.0
        bench.desk.reconcile()
    told = [(each.kind, each.lots) for each in bench.reports() if each.kind != "closed"]
    assert told == [("unknown", 0.4), ("filled", 0.1), ("rejected", 0.4)]
    assert bench.positions == ()
    assert bench.desk.n_open == 0


@pytest.mark.parametrize("lots", [0.1, 0.4])
def test_a_turn_of_a_position_that_is_gone_opens_nothing(make: Make, lots: float) -> None:
    bench = _entered(make, 0.1)
    bench.close_by_hand(bench.positions[0].ticket, 0.1)
    bench.desk.receive(intent("k2", side=-1, lots=lots, closes=0.1))
    assert bench.kinds() == ["rejected"]
    assert bench.positions == ()


@pytest.mark.parametrize(
    ("lots", "closes", "net"), [(0.4, 0.4, 0.0), (0.1, 0.1, 0.3), (0.9, 0.4, -0.5)], ids=["exit", "part", "turn"]
)
def test_what_is_there_in_full_is_closed_and_turned_as_asked(
    make: Make, lots: float, closes: float, net: float
) -> None:
    bench = _entered(make, 0.4)
    bench.desk.receive(intent("k2", side=-1, lots=lots, closes=closes))
    assert bench.kinds() == ["filled"]
    assert _net(bench) == net
    bench.desk.reconcile()
    assert bench.kinds() == []
    assert bench.desk.n_open == 0


def test_a_position_of_the_other_side_is_none_to_close(make: Make) -> None:
    bench = _entered(make, 0.2, side=-1)  # somebody turned it
    bench.desk.receive(intent("k2", side=-1, closes=0.1))
    (report,) = bench.reports()
    assert "holds no long position" in report.reason
    assert _net(bench) == -0.2


def test_a_position_that_goes_between_the_look_and_the_server_is_named_to_it(make: Make) -> None:
    bench = _entered(make, 0.1)
    send, ticket = bench.terminal.order_send, bench.positions[0].ticket

    def late(request: Any) -> Any:
        bench.terminal.order_send = send  # type: ignore[method-assign]
        bench.close_by_hand(ticket, 0.1)
        return send(request)

    bench.terminal.order_send = late  # type: ignore[method-assign]
    bench.desk.receive(intent("k2", side=-1, closes=0.1))
    (report,) = bench.reports()
    assert (report.kind, report.retcode) == ("rejected", 10036)
    assert bench.positions == ()


def test_nothing_that_closes_is_sent_while_the_terminal_does_not_show_its_positions(make: Make) -> None:
    bench = _entered(make, 0.1)
    bench.terminal.positions_get = lambda **filters: None  # type: ignore[method-assign]
    bench.desk.receive(intent("k2", side=-1, closes=0.1))
    (report,) = bench.reports()
    assert (report.kind, "must show its positions" in report.reason) == ("rejected", True)


def test_on_a_hedging_account_no_more_of_a_position_is_closed_than_is_left(make: Make) -> None:
    bench = _entered(make, 0.4, hedging=True)
    (held,) = bench.positions
    bench.close_by_hand(held.ticket, 0.3)
    bench.desk.receive(intent("k2", side=-1, lots=0.4, closes=0.4, position=held.identifier))
    assert [(each.kind, each.lots) for each in bench.reports()] == [("filled", 0.1)]
    assert bench.positions == ()


def test_an_intent_from_before_the_word_is_still_read() -> None:
    frame = msgspec.msgpack.decode(msgspec.msgpack.encode(intent("k1")))
    del frame["closes"]
    read = decode(msgspec.msgpack.encode(frame))
    assert isinstance(read, OrderIntent)
    assert read.closes == 0.0
