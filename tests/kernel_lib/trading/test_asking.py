"""What a book sends for a proposal of a resting order, row by row, and when it leaves alone what rests."""

from typing import Any

import msgspec
import numpy as np
import pytest

from kernel_lib.market.instrument import EURUSD
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Control, Kind, OrderType, Reason
from tests.kernel_lib.trading.test_admission import held
from tests.kernel_lib.trading.test_book import FREE, MONDAY_NS, WIDE, aim, kinds, only, open_book, tick
from tests.kernel_lib.trading.test_resting import LIMIT, STOP, STOP_LIMIT, ask

SLOW = Costs(commission_per_lot=0.0, latency_ms=500, swap=False)


def coarse() -> Book:
    """A book of an instrument whose prices are multiples of 5 points, after a quote of 1.10000 and 1.10010."""
    book = Book(msgspec.structs.replace(EURUSD, tick_size=0.00005), AccountConfig(), WIDE, FREE)
    tick(book, 0, 1.1)
    return book


def told(row: np.void, *names: str) -> tuple[int, ...]:
    return tuple(int(row[name]) for name in names)


@pytest.mark.parametrize(
    ("order", "units", "price", "limit", "placed"),
    [
        # Off the grid, a limit moves to the price that is better for us, a stop to the one that is met later.
        (LIMIT, 10, 109_953, 0, (109_950, 0)), (LIMIT, -10, 110_052, 0, (110_055, 0)),
        (STOP, 10, 110_052, 0, (110_055, 0)), (STOP, -10, 109_953, 0, (109_950, 0)),
        (STOP_LIMIT, 10, 110_052, 110_048, (110_055, 110_045)),
        (STOP_LIMIT, -10, 109_953, 109_957, (109_950, 109_960)),
    ],
)  # fmt: skip
def test_prices_off_the_tick_grid_are_moved_away_from_a_fill(
    order: OrderType, units: int, price: int, limit: int, placed: tuple[int, int]
) -> None:
    book = coarse()
    ask(book, order, units, price, limit)
    (row,) = only(book.drain(), Kind.PLACED)
    assert (int(row["points"]), row["open_points"]) == placed


@pytest.mark.parametrize(("order", "price", "limit"), [(LIMIT, 4, 0), (STOP_LIMIT, 110_050, 4)])
def test_a_price_that_the_grid_makes_nothing_of_is_denied(order: OrderType, price: int, limit: int) -> None:
    book = coarse()
    ask(book, order, 10, price, limit)
    assert only(book.drain(), Kind.DENIED)["reason"].tolist() == [int(Reason.BAD_TARGET)]
    assert (book.numbers["n_orders"], book.numbers["rest_type"]) == (0, 0)


def test_decision_and_order_say_their_stop_and_target_and_are_counted_and_numbered() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    ask(book, LIMIT, 10, 109_900, stop=50, take=80)
    decision, placed, _ = book.drain()
    assert told(decision, "units", "points", "stop_points", "take_points") == (10, 109_900, 50, 80)
    assert told(placed, "order_id", "side", "units", "stop_points", "take_points") == (1, 1, 10, 109_850, 109_980)
    ask(book, STOP, 10, 110_200)
    assert only(book.drain(), Kind.PLACED)["order_id"].tolist() == [2]
    assert (book.numbers["n_decisions"], book.numbers["n_orders"]) == (2, 2)


TERMS: dict[str, Any] = {"units": 10, "price": 110_100, "limit": 110_080, "stop": 50, "take": 80, "trail": 60}


@pytest.mark.parametrize(
    "other",
    [
        {"units": 12}, {"price": 110_101}, {"limit": 110_081}, {"stop": 51}, {"take": 81}, {"trail": 61},
        {"lifetime_s": 60},
    ],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_each_term_alone_changes_what_rests_and_the_same_terms_leave_it_alone(other: dict[str, Any]) -> None:
    book = open_book()
    tick(book, 0, 1.1)
    for terms in (TERMS, TERMS, TERMS | other, TERMS | other):
        ask(book, STOP_LIMIT, **terms, target=terms["units"] / 100)
    assert kinds(book.drain()) == ["DECISION", "PLACED", "ACCEPTED", "DECISION", "MODIFIED"]


def test_another_type_or_side_waits_until_the_broker_has_taken_the_first_back() -> None:
    book = open_book(SLOW)
    tick(book, 0, 1.1)
    ask(book, LIMIT, 10, 109_900)
    tick(book, 1, 1.1)
    book.drain()
    for second in (1.0, 1.4):
        tick(book, second, 1.1)
        ask(book, STOP, 10, 110_200)
    assert kinds(book.drain()) == ["DECISION"]
    tick(book, 1.6, 1.1)
    ask(book, STOP, 10, 110_200)
    assert kinds(book.drain()) == ["CANCELLED", "PLACED"]


@pytest.mark.parametrize(("units", "rest", "left", "side"), [(10, 109_900, 4, -1), (-10, 110_100, -4, 1)])
def test_an_order_that_reduces_is_for_the_difference_and_carries_no_stop_or_target(
    units: int, rest: int, left: int, side: int
) -> None:
    book = open_book()
    tick(book, 0, 1.1, 1.1)
    aim(book, units)
    book.drain()
    ask(book, STOP, left, rest, stop=50, take=80)
    (placed,) = only(book.drain(), Kind.PLACED)
    assert told(placed, "side", "units", "stop_points", "take_points") == (side, 6, 0, 0)


def test_what_is_held_already_takes_the_order_back() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    aim(book, 10)
    ask(book, LIMIT, 20, 109_900, target=0.2)
    book.drain()
    ask(book, LIMIT, 10, 109_900, target=0.1)
    assert kinds(book.drain()) == ["DECISION", "CANCELLED"]


@pytest.mark.parametrize("units", [50, -50])
def test_at_the_most_lots_nothing_more_is_placed(units: int) -> None:
    book = open_book(limits=RiskLimits(max_lots=0.5, daily_loss_fraction=1.0))
    tick(book, 0, 1.1, 1.1)
    aim(book, units)
    book.drain()
    ask(book, STOP, 2 * units, 110_100 if units > 0 else 109_900)
    assert len(only(book.drain(), Kind.PLACED)) == 0
    assert (book.numbers["rest_type"], held(book)) == (0, units)


def test_each_order_and_each_change_is_a_message_of_the_minute() -> None:
    book = open_book(limits=RiskLimits(orders_per_minute=3, max_lots=10.0))
    for second, price in enumerate((109_900, 109_901, 109_902, 109_903)):
        tick(book, second, 1.1)
        ask(book, LIMIT, 10, price)
    rows = book.drain()
    assert [len(only(rows, kind)) for kind in (Kind.PLACED, Kind.MODIFIED)] == [1, 2]
    assert only(rows, Kind.DENIED)["reason"].tolist() == [int(Reason.MESSAGE_RATE)]


def test_a_paused_book_says_so_of_an_entry_and_places_what_reduces() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    aim(book, 10)
    book.control(Control.PAUSE, MONDAY_NS)
    book.drain()
    ask(book, LIMIT, 20, 109_900)
    assert only(book.drain(), Kind.DENIED)["reason"].tolist() == [int(Reason.PAUSED)]
    ask(book, LIMIT, 4, 110_100)
    assert kinds(book.drain()) == ["DECISION", "PLACED", "ACCEPTED"]
