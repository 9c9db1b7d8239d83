"""What a quote is held against, by hand: a point on a lot step of EURUSD is ten cents."""

import math

import pytest

from kernel_lib.trading.book import Book
from kernel_lib.trading.standing import floating_at, margin_at, standing
from tests.kernel_lib.trading.test_book import aim, open_book, tick


def stands(book: Book) -> object:
    return standing(book.arrays.book[0], book.arrays.rules[0])


def test_a_flat_book_waits_for_nothing_and_needs_no_margin() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    q = stands(book)
    assert q.watched == q.cost == q.swap == 0  # type: ignore[attr-defined]
    assert (floating_at(q, 110_000, 110_010, 1.1), margin_at(q, 1.1, 1.1001)) == (0.0, 0.0)


@pytest.mark.parametrize(("units", "floating"), [(10, 10 * 90.0), (-10, -10 * 110.0)], ids=["long", "short"])
def test_floating_profit_and_margin_follow_the_side_of_the_position(units: int, floating: float) -> None:
    book = open_book(leverage=50)
    tick(book, 0, 1.1000)
    aim(book, units)  # bought at 110,010, sold at 110,000
    q = stands(book)
    assert floating_at(q, 110_100, 110_110, 1.1010) == floating
    # A tenth of a lot is 10,000 EUR; the margin is a fiftieth of it, for a long at the ask, for a short at the bid.
    assert margin_at(q, 1.1010, 1.1011) == pytest.approx(200_00 * (1.1011 if units > 0 else 1.1010))
    tick(book, 1, 1.1010)
    assert book.numbers["equity_minor"] == 10_000_00 + floating


def test_the_daily_loss_is_a_floor_until_it_is_reached() -> None:
    book = open_book(deposit=1_000.0)
    tick(book, 0, 1.1)
    assert stands(book).floor == 0.0  # type: ignore[attr-defined]
    book.arrays.rules["daily_loss_fraction"] = 0.25
    assert stands(book).floor == 750_00.0  # type: ignore[attr-defined]
    book.arrays.book["loss_locked"] = 1
    assert stands(book).floor == -math.inf  # type: ignore[attr-defined]
