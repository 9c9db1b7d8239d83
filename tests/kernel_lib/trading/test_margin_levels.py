"""A margin call refuses entries while it lasts, and a stop-out closes what lost most, one position after the other."""

import pytest

from kernel_lib.errors import Misconfigured
from kernel_lib.trading.record import Control, Kind, OrderType, Reason, State
from kernel_lib.trading.terms import order_status
from tests.kernel_lib.trading.test_book import MONDAY_NS, aim, kinds, only, open_book, tick


def test_a_margin_call_refuses_entries_until_the_equity_is_back() -> None:
    book = open_book(deposit=1_000.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)  # margin 880 dollars
    tick(book, 1, 1.09850, 1.09850)  # lost 120: equity 880.00 against 878.80
    assert not book.margin_called
    view = tick(book, 2, 1.09840, 1.09840)  # 872.00 against 878.72
    assert book.margin_called
    assert view["state"][0] == int(State.MARGIN_CALL)
    assert book.state is State.ACTIVE
    aim(book, 81)
    tick(book, 3, 1.09845, 1.09845)
    aim(book, 81)
    tick(book, 4, 1.09855, 1.09855)  # 884.00 against 878.84
    assert not book.margin_called
    rows = book.drain()
    said = only(rows, Kind.CONTROL)["reason"].tolist()
    assert said == [int(Reason.MARGIN_CALL), int(Reason.MARGIN_RESTORED)]
    assert only(rows, Kind.DENIED)["reason"].tolist() == [int(Reason.MARGIN_CALL)]
    aim(book, 40)  # less is always allowed
    assert book.positions["units"].tolist() == [40]


@pytest.mark.parametrize("hedging", [False, True])
def test_a_strategy_that_goes_flat_in_a_margin_call_may_enter_again_at_the_next_quote(hedging: bool) -> None:
    book = open_book(deposit=1_000.0, hedging=hedging)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)
    tick(book, 1, 1.09840, 1.09840)
    assert book.margin_called
    aim(book, 0)
    assert not len(book.positions)
    view = tick(book, 2, 1.09840, 1.09840)
    assert not book.margin_called
    assert view["state"][0] == int(State.ACTIVE)
    aim(book, 10)
    assert book.positions["units"].tolist() == [10]
    tick(book, 3, 1.09840, 1.09840)
    said = only(book.drain(), Kind.CONTROL)["reason"].tolist()
    assert said == [int(Reason.MARGIN_CALL), int(Reason.MARGIN_RESTORED)]


def test_a_stop_out_closes_the_most_losing_first_until_the_level_holds_again() -> None:
    book = open_book(deposit=1_000.0, hedging=True)
    for second, bid, units in ((0, 1.10000, 20), (1, 1.10200, 50), (2, 1.10100, 75)):
        tick(book, second, bid, bid)
        aim(book, units)
    # 0.20 at 110,000, 0.30 at 110,200 and 0.25 at 110,100: at 109,320 they lose 136, 264 and 195. Equity 405 is
    # below half of the margin, 0.75 * 1093.20 / 2 = 409.95. Without the second: 0.45 * 1093.20 / 2 = 245.97.
    tick(book, 3, 1.09320, 1.09320)
    rows = book.drain()
    closed = only(rows, Kind.CLOSED)
    assert [(row["reason"], row["units"], row["profit_minor"]) for row in closed] == [
        (int(Reason.STOP_OUT), 30, -264_00)
    ]
    assert book.positions["units"].tolist() == [20, 25]
    assert kinds(rows)[-3:] == ["CONTROL", "FILL", "CLOSED"]  # 405 is less than 491.94, the call goes on


@pytest.mark.parametrize("name", ["margin_call_fraction", "stop_out_fraction"])
def test_a_margin_level_out_of_range_is_refused_by_name(name: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        open_book(**{name: -0.1})


def test_margin_of_a_long_is_reckoned_at_the_ask_and_what_it_lost_at_the_bid() -> None:
    book = open_book(deposit=1_000.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)
    tick(book, 1, 1.09855, 1.10495)  # 884.00 dollars left against 80 * 10 * 1.10495 = 883.96
    assert not book.margin_called
    tick(book, 2, 1.09855, 1.10510)  # 884.08
    assert book.margin_called


def test_a_second_margin_call_is_noticed_as_the_first_was() -> None:
    book = open_book(deposit=1_000.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)
    for second, price in enumerate((1.09840, 1.09855, 1.09840, 1.09855), 1):
        tick(book, second, price, price)
        assert book.margin_called == (second % 2 == 1)


def test_a_margin_call_takes_a_resting_entry_back() -> None:
    book = open_book(deposit=1_000.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)
    book.on_target(1.0, 81, 0, 0, order_status(int(OrderType.LIMIT), 109_000, 0))
    book.drain()
    tick(book, 1, 1.09840, 1.09840)
    assert only(book.drain(), Kind.CANCELLED)["reason"].tolist() == [int(Reason.MARGIN_CALL)]
    assert book.numbers["rest_type"] == 0


def test_a_stop_out_of_all_ends_its_margin_call_at_the_same_quote() -> None:
    book = open_book(deposit=1_000.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)
    book.drain()
    tick(book, 1, 1.09200, 1.09200)  # lost 640: equity 360 against half of 873.60
    rows = book.drain()
    assert kinds(rows) == ["CONTROL", "FILL", "CLOSED", "CONTROL"]
    assert only(rows, Kind.CONTROL)["reason"].tolist() == [int(Reason.MARGIN_CALL), int(Reason.MARGIN_RESTORED)]
    assert not book.margin_called


def test_a_stop_out_takes_back_what_rests_where_no_margin_call_came_before() -> None:
    book = open_book(deposit=1_000.0, margin_call_fraction=0.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)
    book.on_target(1.0, 81, 0, 0, order_status(int(OrderType.LIMIT), 109_000, 0))
    book.drain()
    tick(book, 1, 1.09200, 1.09200)
    rows = book.drain()
    assert only(rows, Kind.CANCELLED)["reason"].tolist() == [int(Reason.STOP_OUT)]
    assert only(rows, Kind.CLOSED)["reason"].tolist() == [int(Reason.STOP_OUT)]


def test_a_paused_book_is_shown_as_paused_in_a_margin_call() -> None:
    book = open_book(deposit=1_000.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)
    book.control(Control.PAUSE, MONDAY_NS)
    view = tick(book, 1, 1.09840, 1.09840)
    assert book.margin_called
    assert view["state"][0] == int(State.PAUSED)
