"""What the limits let through, at the very edge of each: margin at a price of 1 is 10 dollars on a lot step."""

import msgspec
import pytest

from kernel_lib.market.instrument import EURUSD
from kernel_lib.trading.account import AccountConfig, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Control, Kind, Reason
from tests.kernel_lib.trading.test_book import FREE, MONDAY_NS, WIDE, aim, kinds, only, open_book, tick

LARGE = RiskLimits(max_lots=50.0, daily_loss_fraction=1.0, orders_per_minute=256)
MICRO = msgspec.structs.replace(EURUSD, min_lots=0.05)


def held(book: Book) -> int:
    return int(book.numbers["long_units"] - book.numbers["short_units"])


def refused(book: Book) -> list[Reason]:
    return [Reason(int(row["reason"])) for row in only(book.drain(), Kind.DENIED)]


@pytest.mark.parametrize(
    ("first", "then", "reached", "reasons"),
    [
        (0, 1000, 1000, []),  # 10,000 dollars of margin, which is all there is
        (0, 1001, 0, [Reason.NO_MARGIN]),
        (500, 1000, 1000, []),  # 5,000 more
        (500, 1001, 500, [Reason.NO_MARGIN]),
        (-500, -1001, -500, [Reason.NO_MARGIN]),
        (500, -1000, -1000, []),  # what was held is closed first, and its margin free again
        (-500, 1000, 1000, []),
        (500, -1001, 0, [Reason.NO_MARGIN]),  # as far as it may: out
        (-500, 1001, 0, [Reason.NO_MARGIN]),
    ],
)
def test_margin_must_be_there_for_what_is_added(first: int, then: int, reached: int, reasons: list[Reason]) -> None:
    book = open_book(limits=LARGE)
    tick(book, 0, 1.0, 1.0)
    aim(book, first)
    aim(book, then)
    assert held(book) == reached
    assert refused(book) == reasons


@pytest.mark.parametrize(
    ("first", "then", "reached", "reasons"),
    [
        (0, 20, 20, []),
        (0, -20, -20, []),
        (0, 21, 20, [Reason.MAX_LOTS]),
        (0, -21, -20, [Reason.MAX_LOTS]),
        (10, -21, -20, [Reason.MAX_LOTS]),
        (20, 21, 20, []),  # nothing is added, so nothing is refused
    ],
)
def test_the_largest_position_is_as_large_on_either_side(
    first: int, then: int, reached: int, reasons: list[Reason]
) -> None:
    book = open_book(limits=RiskLimits(max_lots=0.2))
    tick(book, 0, 1.1)
    aim(book, first)
    aim(book, then)
    assert held(book) == reached
    assert refused(book) == reasons


@pytest.mark.parametrize(
    ("first", "then", "reached"), [(0, 5, 0), (10, 11, 10), (10, -5, 0), (-10, 5, 0), (10, 4, 4), (-10, -11, -10)]
)
def test_a_paused_book_refuses_what_opens_and_says_that_it_is_paused(first: int, then: int, reached: int) -> None:
    book = open_book()
    tick(book, 0, 1.1)
    aim(book, first)
    book.control(Control.PAUSE, MONDAY_NS + 1)
    book.drain()
    aim(book, then)
    assert held(book) == reached
    assert refused(book) == ([] if reached == then else [Reason.PAUSED])


@pytest.mark.parametrize(
    ("first", "then", "reached", "reasons"),
    [
        (0, 4, 0, [Reason.BELOW_MINIMUM]),
        (0, -4, 0, [Reason.BELOW_MINIMUM]),
        (0, 5, 5, []),
        (0, -5, -5, []),
        (8, 12, 8, [Reason.BELOW_MINIMUM]),
        (8, 4, 8, [Reason.BELOW_MINIMUM]),
        (-8, -4, -8, [Reason.BELOW_MINIMUM]),
        (8, 3, 3, []),
        (8, -2, -2, []),
    ],
)
def test_an_order_is_at_least_the_symbol_s_smallest(first: int, then: int, reached: int, reasons: list[Reason]) -> None:
    book = Book(MICRO, AccountConfig(), WIDE, FREE)
    tick(book, 0, 1.1)
    aim(book, first)
    aim(book, then)
    assert held(book) == reached
    assert refused(book) == reasons


@pytest.mark.parametrize("side", [1, -1])
def test_what_is_left_of_a_position_can_be_closed_though_it_is_below_the_smallest(side: int) -> None:
    book = Book(MICRO, AccountConfig(), WIDE, FREE)
    tick(book, 0, 1.1)
    aim(book, side * 8)
    aim(book, side * 3)
    book.control(Control.KILL, MONDAY_NS + 1)
    assert held(book) == 0
    assert refused(book) == []


@pytest.mark.parametrize(
    ("limit", "spread", "enters"), [(10, 10, True), (10, 11, False), (None, 55, True), (None, 56, False)]
)
def test_an_entry_waits_while_the_spread_is_wider_than_the_limit(limit: int | None, spread: int, enters: bool) -> None:
    book = open_book(limits=RiskLimits(max_spread_points=limit))
    tick(book, 0, 1.1, (110_000 + spread) / 1e5)  # by default five hundredths of a percent: 55 points
    aim(book, 10)
    assert held(book) == (10 if enters else 0)
    assert refused(book) == ([] if enters else [Reason.MAX_SPREAD])


@pytest.mark.parametrize(("age_ms", "enters"), [(2_000, True), (2_001, False)])
def test_an_entry_waits_while_the_quote_is_older_than_the_limit(age_ms: int, enters: bool) -> None:
    book = open_book(limits=RiskLimits(max_quote_age_ms=2_000))
    tick(book, 0, 1.1, age_ns=age_ms * 10**6)
    aim(book, 10)
    assert held(book) == (10 if enters else 0)
    tick(book, 1, 1.1, age_ns=age_ms * 10**6)
    aim(book, 0)  # an exit never waits
    assert held(book) == 0


@pytest.mark.parametrize(("seconds", "enters"), [(59.9, False), (60.0, True)])
def test_a_minute_after_an_order_there_is_room_for_another(seconds: float, enters: bool) -> None:
    book = open_book(limits=RiskLimits(orders_per_minute=2, daily_loss_fraction=1.0))
    for second, units in ((0.0, 1), (1.0, 2), (seconds, 3)):
        tick(book, second, 1.1)
        aim(book, units)
    assert held(book) == (3 if enters else 2)
    assert refused(book) == ([] if enters else [Reason.MESSAGE_RATE])


def test_an_exit_is_sent_however_many_orders_went_before_it() -> None:
    book = open_book(limits=RiskLimits(orders_per_minute=2, daily_loss_fraction=1.0))
    tick(book, 0, 1.1)
    for units in (1, 2, 0):
        aim(book, units)
    assert held(book) == 0


def test_a_refusal_is_noted_anew_when_its_reason_or_its_size_is_another_and_each_is_counted() -> None:
    book = open_book(limits=RiskLimits(max_spread_points=20, max_quote_age_ms=100))
    for second, ask, age_ms, units in (
        (0, 1.1003, 0, 10), (1, 1.1003, 0, 10), (2, 1.1001, 500, 10), (3, 1.1001, 500, 20), (4, 1.1001, 500, 20),
    ):  # fmt: skip
        tick(book, second, 1.1, ask, age_ms * 10**6)
        aim(book, units)
    denied = only(book.drain(), Kind.DENIED)
    assert [(Reason(int(row["reason"])), int(row["units"])) for row in denied] == [
        (Reason.MAX_SPREAD, 10), (Reason.STALE_QUOTE, 10), (Reason.STALE_QUOTE, 20),
    ]  # fmt: skip
    assert book.numbers["n_denied"] == 3


def test_a_hedging_account_refuses_the_deal_that_its_book_has_no_place_for() -> None:
    book = open_book(limits=LARGE, hedging=True)
    for units in range(1, 80):
        tick(book, units, 1.1)
        aim(book, units)
    # Of 64 places one is kept, so that an order that rests may still fill.
    assert len(book.positions) == held(book) == 63
    assert set(refused(book)) == {Reason.TOO_MANY_POSITIONS}
    tick(book, 100, 1.1)
    aim(book, 0)
    assert "FILL" in kinds(book.drain())
    assert len(book.positions) == 0


@pytest.mark.parametrize(("side", "stop", "take"), [(1, 109_940, 110_060), (-1, 110_060, 109_940)])
def test_guards_are_rounded_to_the_tick_size_away_from_the_price(side: int, stop: int, take: int) -> None:
    coarse = msgspec.structs.replace(EURUSD, tick_size=0.0002)
    book = Book(coarse, AccountConfig(), WIDE, FREE)
    tick(book, 0, 1.1, 1.1)
    aim(book, side * 10, stop=59, take=59)
    assert (book.positions[0]["stop_points"], book.positions[0]["take_points"]) == (stop, take)
