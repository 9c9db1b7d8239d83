"""What a book makes of each kind of proposal: asked again, held, broken, or after a kill."""

import math

import pytest

from kernel_lib.trading.account import RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import BrokerKind, Control, Kind, OrderType, Reason, State, Status
from kernel_lib.trading.terms import order_status
from tests.kernel_lib.trading.test_admission import held
from tests.kernel_lib.trading.test_book import MONDAY_NS, SECOND_NS, aim, external, only, open_book, tick

DAY_S = 22 * 3_600  # the server's midnight, in seconds of Monday UTC


def outside(units: int) -> Book:
    """A book at an outside broker that holds ``units``, filled at 1.1001 or 1.1."""
    book = open_book(None)
    tick(book, 0, 1.1)
    aim(book, units, stop=50, take=80)
    points = 110_010 if units > 0 else 110_000
    book.on_broker(external(BrokerKind.FILLED, 1, units=abs(units), points=points, position_id=777))
    book.drain()
    return book


@pytest.mark.parametrize(("units", "wanted"), [(10, 0), (-10, 0), (10, -10), (-10, 10)])
def test_what_the_broker_refused_is_asked_for_again_as_long_as_it_is_wanted(units: int, wanted: int) -> None:
    book = outside(units)
    tick(book, 1, 1.1)
    aim(book, wanted)
    book.on_broker(external(BrokerKind.REJECTED, 2, reason=int(Reason.BROKER)))
    tick(book, 100, 1.1)
    aim(book, wanted)
    assert only(book.drain(), Kind.ORDER)["units"].tolist() == [abs(wanted - units)] * 2


@pytest.mark.parametrize("units", [10, -10])
@pytest.mark.parametrize("price", [1.099, 1.101])
def test_stop_and_target_of_a_position_at_a_broker_are_the_broker_s_to_fill(units: int, price: float) -> None:
    book = outside(units)
    tick(book, 1, price)  # 100 points either way: beyond the stop of 50, or the target of 80
    assert not book.has_rows
    assert held(book) == units


def test_a_stop_out_at_a_broker_is_the_broker_s_to_do() -> None:
    book = open_book(None, deposit=1_000.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)
    book.on_broker(external(BrokerKind.FILLED, 1, units=80, points=110_000, position_id=777))
    book.drain()
    tick(book, 1, 1.09200, 1.09200)  # equity 360 against half of 873.60
    assert only(book.drain(), Kind.CONTROL)["reason"].tolist() == [int(Reason.MARGIN_CALL)]
    assert held(book) == 80


@pytest.mark.parametrize("units", [10, -10])
def test_who_holds_says_nothing_and_keeps_what_is_there(units: int) -> None:
    book = open_book()
    tick(book, 0, 1.1)
    aim(book, units)
    book.drain()
    decisions = book.numbers["n_decisions"]
    for second in (1, 2):
        tick(book, second, 1.1)
        book.on_target(math.nan, 0, 0, 0, int(Status.HOLD))
    assert not book.has_rows
    assert (held(book), book.numbers["n_decisions"]) == (units, decisions)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.BAD_TARGET, Reason.BAD_TARGET), (Status.RAISED, Reason.RAISED), (Status.TIMEOUT, Reason.TIMEOUT),
    ],
)  # fmt: skip
@pytest.mark.parametrize("killed", [False, True])
def test_a_fault_pauses_with_its_name_and_brings_no_killed_book_back(
    status: Status, reason: Reason, killed: bool
) -> None:
    book = open_book()
    tick(book, 0, 1.1)
    if killed:
        book.control(Control.KILL, MONDAY_NS)
    tick(book, 1, 1.1)
    book.on_target(math.nan, 10, 0, 0, int(status))
    assert only(book.drain(), Kind.FAULT)["reason"].tolist() == [int(reason)]
    assert book.state is (State.KILLED if killed else State.PAUSED)
    assert held(book) == 0


def test_every_decision_counts_once_whether_it_is_new_asked_again_or_refused_for_the_day() -> None:
    book = open_book(limits=RiskLimits(daily_loss_fraction=0.01, max_lots=10.0))
    for second in (0, 1):
        tick(book, second, 1.10000, 1.10000)
        aim(book, 100)
    tick(book, 2, 1.09890, 1.09890)  # 110 dollars of 10,000
    aim(book, 0)
    for second in (3, 4, 5):
        tick(book, second, 1.09890, 1.09890)
        aim(book, 100)
    assert book.numbers["n_decisions"] == 6
    denied = only(book.drain(), Kind.DENIED)
    assert denied["reason"].tolist() == [int(Reason.DAILY_LOSS)]
    aim(book, 50)  # the same direction, other lots
    aim(book, -50)
    assert only(book.drain(), Kind.DENIED)["units"].tolist() == [50, -50]
    assert (book.numbers["n_decisions"], held(book)) == (8, 0)


def test_a_tick_at_midnight_itself_is_the_new_day_s() -> None:
    book = open_book(limits=RiskLimits(daily_loss_fraction=0.01, max_lots=10.0))
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 100)
    tick(book, 2, 1.09890, 1.09890)
    aim(book, 0)
    tick(book, DAY_S - 1 / SECOND_NS * 1_000, 1.1)
    aim(book, 10)
    assert held(book) == 0
    tick(book, DAY_S, 1.1)
    aim(book, 10)
    assert held(book) == 10


def test_a_killed_book_goes_flat_whatever_order_its_strategy_asks_for() -> None:
    book = outside(10)
    tick(book, 1, 1.1)
    book.control(Control.KILL, MONDAY_NS)
    book.on_broker(external(BrokerKind.REJECTED, 2, reason=int(Reason.BROKER)))
    tick(book, 100, 1.1)
    book.on_target(1.0, 20, 0, 0, order_status(int(OrderType.LIMIT), 109_000, 0))
    assert [(each["side"], each["units"]) for each in only(book.drain(), Kind.ORDER)] == [(-1, 10)] * 2


def test_an_order_that_lapsed_is_placed_again_once_the_strategy_decided_something_else() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    minute, limit = 60 << 32, order_status(int(OrderType.LIMIT), 109_000, 0)
    for second in (0, 61, 62):
        tick(book, second, 1.1)
        book.on_target(1.0, 10, 0, minute, limit)
    assert len(only(book.drain(), Kind.PLACED)) == 1  # it expired, and the same again does not bring it back
    aim(book, 5)
    book.on_target(1.0, 10, 0, minute, limit)
    assert len(only(book.drain(), Kind.PLACED)) == 1


def test_a_refusal_is_noted_again_once_something_else_was_wanted_in_between() -> None:
    book = open_book(limits=RiskLimits(max_spread_points=9))
    for second, units in enumerate((10, 10, 0, 0, 10)):
        tick(book, second, 1.1)
        aim(book, units)
    assert only(book.drain(), Kind.DENIED)["reason"].tolist() == [int(Reason.MAX_SPREAD)] * 2
