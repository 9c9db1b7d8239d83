"""Resting orders where a position is held already: on the short side, on hedging accounts, and after they are met."""

import pytest

from kernel_lib.trading.account import Costs
from kernel_lib.trading.record import Control, Kind, Reason
from tests.kernel_lib.trading.test_admission import held
from tests.kernel_lib.trading.test_book import MONDAY_NS, aim, kinds, only, open_book, tick
from tests.kernel_lib.trading.test_resting import LIMIT, STOP, STOP_LIMIT, ask

SLOW = Costs(commission_per_lot=0.0, latency_ms=500, swap=False)


@pytest.mark.parametrize(("units", "gone"), [(10, 1.09900), (-10, 1.10100)])
def test_less_is_filled_when_a_position_of_either_side_has_gone_meanwhile(units: int, gone: float) -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10000)
    aim(book, units, stop=100)
    ask(book, STOP, -units, round(gone * 1e5))  # 20 lot steps: out of 10, into 10
    tick(book, 1, gone, gone)  # the stop-loss has closed the 10 before the order is met
    assert held(book) == -units


@pytest.mark.parametrize(("side", "price"), [(1, 109_900), (-1, 110_100)])
def test_an_order_that_adds_on_a_hedging_account_opens_a_position_beside_the_first(side: int, price: int) -> None:
    book = open_book(hedging=True)
    tick(book, 0, 1.1, 1.1)
    aim(book, 10 * side)
    ask(book, LIMIT, 30 * side, price)
    tick(book, 1, price / 1e5, price / 1e5)
    assert [(int(each["side"]), int(each["units"])) for each in book.positions] == [(side, 10), (side, 20)]


@pytest.mark.parametrize("hedging", [False, True])
def test_an_order_that_ends_the_position_opens_nothing(hedging: bool) -> None:
    book = open_book(hedging=hedging)
    for second, units in enumerate((10, 15)):
        tick(book, second, 1.1, 1.1)
        aim(book, units)
    book.drain()
    ask(book, LIMIT, 0, 110_100)
    tick(book, 2, 1.101, 1.101)
    rows = book.drain()
    assert only(rows, Kind.CLOSED)["units"].sum() == only(rows, Kind.FILL)["units"].sum() == 15
    assert (held(book), len(book.positions)) == (0, 0)


def test_the_time_of_an_order_that_has_filled_ends_nothing() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    ask(book, LIMIT, 10, 109_900, lifetime_s=60)
    tick(book, 1, 1.0989, 1.0990)
    assert kinds(book.drain())[-1] == "FILL"
    tick(book, 100, 1.1)
    assert not book.has_rows
    assert held(book) == 10


def test_an_order_that_was_rejected_when_it_was_met_is_not_placed_again_by_the_same_terms() -> None:
    book = open_book(deposit=1_000.0, margin_call_fraction=0.0, stop_out_fraction=0.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 45)  # margin 495 of 1,000
    ask(book, LIMIT, 85, 109_800)  # 439 more
    tick(book, 1, 1.09790, 1.09800)
    assert kinds(book.drain())[-1] == "REJECTED"
    tick(book, 2, 1.10000, 1.10000)  # it would be borne again
    ask(book, LIMIT, 85, 109_800)
    assert not book.has_rows


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("wanted", "becomes"), [(20, "CANCELLED"), (4, "ACCEPTED")])
def test_a_pause_stops_what_is_on_its_way_to_enter_and_lets_what_reduces_rest(
    side: int, wanted: int, becomes: str
) -> None:
    book = open_book(SLOW)
    tick(book, 0, 1.1, 1.1)
    aim(book, 10 * side)
    tick(book, 1, 1.1, 1.1)
    adds = wanted > 10
    ask(book, LIMIT, wanted * side, 110_000 + 100 * side * (-1 if adds else 1))
    book.control(Control.PAUSE, MONDAY_NS)
    book.drain()
    tick(book, 2, 1.1, 1.1)
    (row,) = book.drain()
    assert Kind(int(row["kind"])).name == becomes
    assert row["reason"] == (int(Reason.PAUSED) if adds else 0)


def test_a_taking_back_that_comes_too_late_is_rejected_in_the_order_s_own_words() -> None:
    book = open_book(SLOW)
    tick(book, 0, 1.1)
    ask(book, LIMIT, 10, 109_900)
    tick(book, 1, 1.1)
    aim(book, 0)
    tick(book, 1.1, 1.0989, 1.0990)  # met before the word is there
    book.drain()
    tick(book, 2, 1.1)
    (row,) = only(book.drain(), Kind.REJECTED)
    assert (row["reason"], row["order_id"], row["side"], row["entry"]) == (int(Reason.ORDER_GONE), 1, 1, int(LIMIT))
    assert (row["units"], row["points"], row["position_id"]) == (10, 109_900, 0)


def test_a_stop_limit_order_changed_after_its_stop_was_met_is_left_alone_by_the_same_terms() -> None:
    book = open_book(SLOW)
    tick(book, 0, 1.10000)
    ask(book, STOP_LIMIT, 10, 110_050, 110_020)
    tick(book, 1, 1.10000)
    ask(book, STOP_LIMIT, 10, 110_060, 110_030)
    for second in (1.2, 2.0):
        tick(book, second, 1.10055)
    book.drain()
    for second in (3.0, 4.0):
        tick(book, second, 1.10055)
        ask(book, STOP_LIMIT, 10, 110_060, 110_030)
    assert not book.has_rows
    assert book.numbers["n_working"] == 0
