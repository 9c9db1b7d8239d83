"""What becomes of an order when something happens while it is on its way, or before its price comes."""

import msgspec
import pytest

from kernel_lib.market.instrument import EURUSD
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Control, Kind, OrderType, Reason, Status
from tests.kernel_lib.trading.test_admission import LARGE, held
from tests.kernel_lib.trading.test_book import FREE, MONDAY_NS, SECOND_NS, WIDE, aim, kinds, only, open_book, tick
from tests.kernel_lib.trading.test_resting import LIMIT, STOP, STOP_LIMIT, ask

SLOW = Costs(commission_per_lot=0.0, latency_ms=500, swap=False)


@pytest.mark.parametrize(("control", "reason"), [(Control.PAUSE, Reason.PAUSED), (Control.KILL, Reason.KILLED)])
def test_an_entry_that_is_on_its_way_at_a_pause_or_a_kill_is_taken_back_where_it_arrives(
    control: Control, reason: Reason
) -> None:
    book = open_book(SLOW)
    tick(book, 0, 1.1)
    ask(book, LIMIT, 10, 109_950)
    book.control(control, MONDAY_NS + 1)
    tick(book, 1, 1.1)
    tick(book, 2, 1.09)  # through its price
    assert only(book.drain(), Kind.CANCELLED)["reason"].tolist() == [int(reason)]
    assert held(book) == 0
    assert book.numbers["rest_type"] == 0


@pytest.mark.parametrize(("control", "rests"), [(Control.PAUSE, True), (Control.KILL, False)])
def test_an_exit_that_is_on_its_way_at_a_pause_comes_to_rest_and_at_a_kill_does_not(
    control: Control, rests: bool
) -> None:
    book = open_book(SLOW)
    tick(book, 0, 1.1)
    aim(book, 10)
    tick(book, 1, 1.1)
    ask(book, STOP, 0, 109_000, target=0.0)
    book.control(control, MONDAY_NS + SECOND_NS + 1)
    tick(book, 2, 1.1)
    assert (book.numbers["rest_type"] == OrderType.STOP) == rests
    if not rests:
        aim(book, 10)  # whatever the strategy says
        tick(book, 3, 1.1)
        assert held(book) == 0


def test_an_entry_that_is_on_its_way_when_the_day_is_lost_is_taken_back_where_it_arrives() -> None:
    book = open_book(SLOW, RiskLimits(max_lots=10, daily_loss_fraction=0.01))
    tick(book, 0, 1.1, 1.1)
    aim(book, 100)
    tick(book, 1, 1.1, 1.1)
    ask(book, LIMIT, 120, 109_000)
    tick(book, 1.2, 1.0988, 1.0988)  # 120 dollars of 10,000
    tick(book, 2, 1.0988, 1.0988)
    assert only(book.drain(), Kind.CANCELLED)["reason"].tolist() == [int(Reason.DAILY_LOSS)]
    assert book.numbers["rest_type"] == 0


def test_an_entry_that_is_on_its_way_at_a_margin_call_is_taken_back_where_it_arrives() -> None:
    book = open_book(SLOW, WIDE, deposit=1_000.0)
    tick(book, 0, 1.1, 1.1)
    aim(book, 80)  # margin 880
    tick(book, 1, 1.1, 1.1)
    ask(book, LIMIT, 81, 109_000)
    tick(book, 1.2, 1.0984, 1.0984)  # 872 dollars left
    assert book.margin_called
    tick(book, 2, 1.0984, 1.0984)
    assert only(book.drain(), Kind.CANCELLED)["reason"].tolist() == [int(Reason.MARGIN_CALL)]
    assert book.numbers["rest_type"] == 0


def test_an_order_that_fills_before_it_is_taken_back_was_filled_and_is_then_closed() -> None:
    book = open_book(SLOW)
    tick(book, 0, 1.1)
    ask(book, LIMIT, 10, 109_950)
    tick(book, 1, 1.1)
    aim(book, 0)
    tick(book, 1.2, 1.0993)  # met while the cancellation is on its way
    aim(book, 0)
    tick(book, 2, 1.0993)
    rows = book.drain()
    assert kinds(rows)[-2:] == ["FILL", "REJECTED"]
    assert (rows[-1]["reason"], rows[-1]["order_id"]) == (int(Reason.ORDER_GONE), 1)
    assert book.numbers["n_rejected"] == book.arrays.seen["n_rejected"][0] == 1
    aim(book, 0)
    tick(book, 3, 1.0993)
    assert held(book) == 0


def test_an_order_whose_target_is_reached_when_its_price_comes_is_cancelled() -> None:
    book = open_book()
    tick(book, 0, 1.1, 1.1)
    aim(book, 10, stop=100)
    ask(book, STOP, 0, 109_900, target=0.0)
    tick(book, 1, 1.098)  # the stop-loss closes first, at the same price
    rows = book.drain()
    assert kinds(rows)[-4:] == ["FILL", "CLOSED", "TRIGGERED", "CANCELLED"]
    assert rows[-1]["reason"] == int(Reason.ORDER_GONE)
    assert held(book) == 0
    assert book.numbers["rest_type"] == 0


@pytest.mark.parametrize(
    ("order", "price", "quote", "fills"),
    [
        # 500 lot steps hold 5,000 dollars of margin; 100 points on them are 500 dollars; -1,000 need 10,010 or 9,990.
        (LIMIT, 100_100, 1.001, True),  # 10,500 are there once the 500 are closed
        (STOP, 99_900, 0.999, False),  # 9,500
    ],
)
def test_an_order_that_turns_a_position_frees_its_margin_and_needs_its_own(
    order: OrderType, price: int, quote: float, fills: bool
) -> None:
    book = open_book(limits=LARGE)
    tick(book, 0, 1.0, 1.0)
    aim(book, 500)
    ask(book, order, -1000, price)
    tick(book, 1, quote, quote)
    assert held(book) == (-1000 if fills else 500)
    assert only(book.drain(), Kind.REJECTED)["reason"].tolist() == ([] if fills else [int(Reason.NO_MARGIN)])
    assert book.numbers["n_rejected"] == book.arrays.seen["n_rejected"][0] == (0 if fills else 1)


def test_an_order_that_reduces_needs_no_margin() -> None:
    book = open_book(limits=LARGE, margin_call_fraction=0.0, stop_out_fraction=0.0)
    tick(book, 0, 1.0, 1.0)
    aim(book, 1000)
    ask(book, STOP, 900, 99_000, target=0.9)
    tick(book, 1, 0.99, 0.99)  # all 10,000 dollars are lost
    assert held(book) == 900


@pytest.mark.parametrize(
    ("order", "price", "limit", "guards", "near"),
    [
        (LIMIT, 109_900, 0, {"take": 29}, True), (LIMIT, 109_900, 0, {"take": 30}, False),
        (LIMIT, 109_900, 0, {"stop": 29}, True), (LIMIT, 109_900, 0, {"stop": 30, "take": 30}, False),
        # a stop-limit order's guards stand around its limit: 110,050, not 110,100
        (STOP_LIMIT, 110_100, 110_050, {"take": 30}, False), (STOP_LIMIT, 110_100, 110_050, {"stop": 29}, True),
    ],
)  # fmt: skip
def test_guards_nearer_to_the_entry_than_the_stops_level_are_rejected_and_counted(
    order: OrderType, price: int, limit: int, guards: dict[str, int], near: bool
) -> None:
    book = Book(msgspec.structs.replace(EURUSD, stops_level_points=30), AccountConfig(), WIDE, FREE)
    for side, at in ((1, (price, limit)), (-1, (220_010 - price, 220_010 - limit if limit else 0))):
        tick(book, 1 - side, 1.10000, 1.10010)
        ask(book, order, side * 10, *at, **guards)
        said = kinds(book.drain())
        assert ("REJECTED" in said, "ACCEPTED" in said) == (near, not near)
        aim(book, 0)
        book.drain()
    assert book.numbers["n_rejected"] == book.arrays.seen["n_rejected"][0] == (2 if near else 0)


def test_the_same_terms_asked_again_change_nothing_and_another_lifetime_is_a_change() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    for second in (1, 2):
        tick(book, second, 1.1)
        ask(book, LIMIT, 10, 109_950, stop=20, take=40, lifetime_s=60)
    assert kinds(book.drain()) == ["DECISION", "PLACED", "ACCEPTED"]
    tick(book, 3, 1.1)
    ask(book, LIMIT, 10, 109_950, stop=20, take=40, lifetime_s=90)
    changed = book.drain()[-1]
    assert (Kind(int(changed["kind"])), changed["stop_points"], changed["take_points"]) == (
        Kind.MODIFIED, 109_930, 109_990,
    )  # fmt: skip
    tick(book, 62, 1.1)
    assert book.numbers["rest_type"] == OrderType.LIMIT
    tick(book, 94, 1.1)
    expired = book.drain()[-1]
    assert (Kind(int(expired["kind"])), expired["time_ns"]) == (Kind.EXPIRED, MONDAY_NS + 93 * SECOND_NS)


def test_an_order_that_was_too_late_is_not_sent_again_for_the_same_answer() -> None:
    book = open_book(Costs(commission_per_lot=0.0, latency_ms=1_500, swap=False))
    for second in range(6):
        tick(book, second, 1.1)
        ask(book, LIMIT, 10, 109_950, lifetime_s=1)
    assert kinds(book.drain()) == ["DECISION", "PLACED", "EXPIRED"]


def test_deals_fill_in_the_order_of_their_arrival_each_at_its_own_time() -> None:
    costs = Costs(commission_per_lot=0.0, latency_ms=100, latency_jitter_ms=400, swap=False)
    book = open_book(costs, LARGE, hedging=True)
    for second, units in enumerate((1, 2, 3, 4, 5, 6, 7, 8)):
        tick(book, second, 1.1)
        aim(book, units)
    tick(book, 20, 1.1)
    book.drain()
    aim(book, 0)
    tick(book, 21, 1.1)
    fills = only(book.drain(), Kind.FILL)
    after_ns = (fills["time_ns"] - MONDAY_NS - 20 * SECOND_NS).tolist()
    assert after_ns == sorted(after_ns)
    assert fills["order_id"].tolist() != sorted(fills["order_id"].tolist())  # some overtook others
    assert all(100_000_000 <= each <= 500_000_000 for each in after_ns)
    assert held(book) == 0


def test_a_decision_that_holds_leaves_the_order_and_a_status_of_fault_takes_it_back() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    ask(book, LIMIT, 10, 109_950)
    book.on_target(0.0, 0, 0, 0, int(Status.HOLD))
    assert book.numbers["rest_type"] == OrderType.LIMIT
    book.on_target(0.0, 0, 0, 0, int(Status.TIMEOUT))
    assert book.numbers["rest_type"] == 0
