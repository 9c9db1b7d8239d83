"""A book whose orders are filled by an outside broker: what each of its answers does, and what waits for which."""

import math

import pytest

from kernel_lib.trading.account import RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import BrokerKind, Control, Entry, Kind, Reason, State, Status
from tests.kernel_lib.trading.test_admission import LARGE, held
from tests.kernel_lib.trading.test_book import MONDAY_NS, SECOND_NS, aim, external, kinds, only, open_book, tick

ACCEPTED, FILLED, REJECTED, CLOSED = (
    BrokerKind.ACCEPTED, BrokerKind.FILLED, BrokerKind.REJECTED, BrokerKind.CLOSED,
)  # fmt: skip


def live(**account: object) -> Book:
    """A book at an outside broker, after its first quote."""
    book = open_book(None, LARGE, **account)
    tick(book, 0, 1.1)
    return book


def fill(book: Book, order_id: int, units: int, points: int = 110_010, position_id: int = 777, **more: int) -> None:
    book.on_broker(external(FILLED, order_id, units=units, points=points, position_id=position_id, **more))


def test_an_order_leaves_once_and_nothing_more_until_it_is_answered() -> None:
    book = live()
    aim(book, 10, stop=50, take=80)
    (order,) = only(book.drain(), Kind.ORDER)
    assert (order["order_id"], order["side"], order["units"], order["position_id"]) == (1, 1, 10, 0)
    assert (order["points"], order["stop_points"], order["take_points"]) == (110_010, 109_950, 110_080)
    for second in range(1, 400):
        tick(book, second, 1.1)
        aim(book, 20)
    assert len(only(book.drain(), Kind.ORDER)) == 0
    book.on_broker(external(ACCEPTED, 1, position_id=9, points=110_010, time_ns=5))
    (accepted,) = book.drain()
    assert (accepted["kind"], accepted["order_id"], accepted["units"], accepted["side"]) == (Kind.ACCEPTED, 1, 10, 1)
    aim(book, 20)
    assert len(only(book.drain(), Kind.ORDER)) == 0
    fill(book, 1, 10)
    (position,) = book.positions
    assert (position["stop_points"], position["take_points"], position["trail_points"]) == (109_950, 110_080, 0)
    aim(book, 20)
    (order,) = only(book.drain(), Kind.ORDER)
    assert (order["order_id"], order["units"]) == (2, 10)


def test_the_rest_of_a_partial_fill_is_waited_for_and_may_be_rejected() -> None:
    book = live()
    aim(book, 10)
    fill(book, 1, 4)
    assert (book.numbers["n_working"], held(book)) == (1, 4)
    assert int(book.working[0]["units"]) == 6
    book.on_broker(external(REJECTED, 1, reason=int(Reason.BROKER), time_ns=7))
    rejected = only(book.drain(), Kind.REJECTED)
    assert (rejected["order_id"].tolist(), rejected["units"].tolist(), rejected["time_ns"].tolist()) == ([1], [6], [7])
    assert (book.numbers["n_working"], held(book)) == (0, 4)


def test_after_a_rejection_nothing_is_asked_for_as_long_as_the_limits_say() -> None:
    book = open_book(None, RiskLimits(rejection_pause_ms=5_000))
    tick(book, 0, 1.1)
    aim(book, 10)
    book.on_broker(external(REJECTED, 1, reason=int(Reason.BROKER)))
    for second, orders in ((4.999, 1), (5.0, 2)):
        tick(book, second, 1.1)
        aim(book, 10)
        assert book.numbers["n_orders"] == orders


@pytest.mark.parametrize("between", ["fill", "resume"])
def test_rejections_are_in_a_row_only_without_a_fill_or_a_person_between_them(between: str) -> None:
    book = live()
    order_id = 0

    def refuse(times: int) -> None:
        nonlocal order_id
        for _ in range(times):
            order_id += 1
            tick(book, order_id * 10, 1.1)
            aim(book, held(book) + 10)
            book.on_broker(external(REJECTED, order_id, reason=int(Reason.BROKER)))

    refuse(2)
    if between == "fill":
        order_id += 1
        tick(book, order_id * 10, 1.1)
        aim(book, 10)
        fill(book, order_id, 10)
    else:
        book.control(Control.RESUME, MONDAY_NS)
    refuse(2)
    assert book.state is State.ACTIVE
    refuse(1)
    assert book.state is State.PAUSED
    assert book.drain()[-1]["reason"] == int(Reason.REJECTED_REPEATEDLY)


def test_a_close_at_the_broker_is_booked_with_its_price_swap_and_commission_and_counted_as_a_stop() -> None:
    book = live()
    aim(book, 10)
    fill(book, 1, 10, commission_minor=35)
    book.drain()
    booked = {"commission_minor": 14, "swap_minor": -20, "time_ns": 9, "reason": int(Reason.STOP_LOSS)}
    book.on_broker(external(CLOSED, 0, units=4, points=109_910, position_id=777, **booked))
    fill_row, closed = book.drain()
    assert (fill_row["kind"], fill_row["side"], fill_row["entry"]) == (Kind.FILL, -1, Entry.OUT)
    # 100 points on 0.04 lots are 4 dollars; the swap that the broker booked with them; 14 of the entry's 35, and 14
    assert (closed["profit_minor"], closed["swap_minor"], closed["commission_minor"]) == (-4_00, -20, 28)
    assert (closed["reason"], closed["units"], closed["time_ns"]) == (int(Reason.STOP_LOSS), 4, 9)
    assert held(book) == 6
    assert (book.numbers["n_stopped"], book.numbers["n_working"]) == (1, 0)
    assert book.numbers["balance_minor"] == 10_000_00 - 35 - 14 - 4_00 - 20


def test_a_rebate_of_the_broker_is_a_gain() -> None:
    book = live()
    aim(book, 10)
    fill(book, 1, 10, commission_minor=-25)
    assert book.numbers["balance_minor"] == 10_000_00 + 25
    aim(book, 0)
    fill(book, 2, 10, points=110_010, position_id=0, commission_minor=-1)  # neither won nor lost by the price
    (closed,) = only(book.drain(), Kind.CLOSED)
    assert (closed["profit_minor"], closed["commission_minor"]) == (0, -26)
    assert (book.numbers["balance_minor"], book.numbers["commission_minor"]) == (10_000_00 + 26, -26)
    assert book.arrays.seen["won_minor"][0] == 26


def test_a_close_of_one_of_two_positions_leaves_the_other() -> None:
    book = live(hedging=True)
    aim(book, 10)
    fill(book, 1, 10, position_id=5)
    tick(book, 1, 1.1)
    aim(book, 30)
    fill(book, 2, 20, position_id=6)
    book.on_broker(external(CLOSED, 0, units=20, points=110_000, position_id=6, swap_minor=-100))
    assert [(int(each["position_id"]), int(each["units"])) for each in book.positions] == [(5, 10)]
    assert book.numbers["swap_minor"] == -100
    aim(book, 4)
    (order,) = only(book.drain()[-1:], Kind.ORDER)
    assert (order["position_id"], order["side"], order["units"]) == (5, -1, 6)
    fill(book, 3, 6, position_id=5, swap_minor=-30)
    assert [(int(each["position_id"]), int(each["units"])) for each in book.positions] == [(5, 4)]
    assert book.numbers["swap_minor"] == -100 - 30
    assert book.positions["swap_minor"].tolist() == [0.0]


def test_an_order_filled_in_parts_is_one_position_and_its_close_leaves_nothing() -> None:
    book = live(hedging=True)
    aim(book, 10, stop=50)
    fill(book, 1, 4, points=110_010, commission_minor=2)
    fill(book, 1, 6, points=110_020, commission_minor=3)
    (position,) = book.positions
    assert (position["position_id"], position["units"], position["cost"]) == (777, 10, 4 * 110_010 + 6 * 110_020)
    assert (position["stop_points"], position["commission_minor"]) == (109_950, 5)
    aim(book, 20)
    fill(book, 2, 10, position_id=778)
    assert [int(each["units"]) for each in book.positions] == [10, 10]
    book.on_broker(external(CLOSED, 0, position_id=777, units=10, points=109_950, reason=int(Reason.STOP_LOSS)))
    assert [(int(each["position_id"]), int(each["units"])) for each in book.positions] == [(778, 10)]


def test_an_answer_concerns_the_order_that_it_names_and_no_other() -> None:
    book = live(hedging=True)
    for order_id, units in ((1, 10), (2, 30)):
        tick(book, order_id, 1.1)
        aim(book, units)
        fill(book, order_id, 10 * order_id, position_id=order_id)
    aim(book, 0)
    orders = only(book.drain(), Kind.ORDER)[-2:]
    assert orders["order_id"].tolist() == [3, 4]
    for kind in (ACCEPTED, REJECTED, FILLED):
        book.on_broker(external(kind, 99, units=10, points=110_000, position_id=1, reason=int(Reason.BROKER)))
    assert not book.has_rows
    book.on_broker(external(ACCEPTED, 4))
    assert book.drain()["units"].tolist() == [20]
    fill(book, 4, 20, position_id=2)
    assert [(int(each["position_id"]), int(each["units"])) for each in book.positions] == [(1, 10)]
    book.on_broker(external(REJECTED, 3, reason=int(Reason.BROKER)))
    assert (book.numbers["n_working"], held(book)) == (0, 10)
    assert book.numbers["n_rejected"] == book.arrays.seen["n_rejected"][0] == 1


def test_a_close_of_a_position_that_is_gone_is_noted_and_opens_nothing() -> None:
    book = live(hedging=True)
    aim(book, 10)
    fill(book, 1, 10, position_id=5)
    tick(book, 1, 1.1)
    aim(book, 0)
    book.on_broker(external(CLOSED, 0, units=10, points=110_000, position_id=5))
    book.drain()
    fill(book, 2, 10, position_id=5)
    rejected = only(book.drain(), Kind.REJECTED)
    assert rejected["reason"].tolist() == [int(Reason.POSITION_GONE)]
    assert held(book) == 0
    assert book.numbers["n_working"] == 0


def test_a_kill_waits_for_the_order_that_is_on_its_way_and_then_closes_what_it_made() -> None:
    book = live()
    aim(book, 10)
    book.drain()
    book.control(Control.KILL, MONDAY_NS + 1)
    assert kinds(book.drain()) == ["CONTROL"]
    fill(book, 1, 10)
    tick(book, 1, 1.1)
    aim(book, 10)
    (order,) = only(book.drain(), Kind.ORDER)
    assert (order["side"], order["units"]) == (-1, 10)
    fill(book, 2, 10)
    tick(book, 2, 1.1)
    aim(book, 10)
    assert held(book) == 0
    assert len(only(book.drain(), Kind.ORDER)) == 0


@pytest.mark.parametrize(("control", "reason"), [(Control.PAUSE, Reason.PAUSED), (Control.RESUME, Reason.OPERATOR)])
def test_only_a_kill_sends_something_by_itself(control: Control, reason: Reason) -> None:
    book = live()
    aim(book, 10, stop=50, take=80)
    fill(book, 1, 10)
    book.drain()
    book.control(control, MONDAY_NS + 1)
    (said,) = book.drain()
    assert (said["kind"], said["reason"], said["time_ns"]) == (Kind.CONTROL, int(reason), MONDAY_NS + 1)
    book.control(Control.KILL, MONDAY_NS + 2)
    killed, order = book.drain()
    assert (killed["kind"], killed["reason"]) == (Kind.CONTROL, int(Reason.KILLED))
    assert (order["kind"], order["side"], order["units"]) == (Kind.ORDER, -1, 10)
    assert (order["stop_points"], order["take_points"]) == (0, 0)


def test_a_kill_before_the_first_quote_sends_nothing() -> None:
    book = open_book(None)
    book.control(Control.KILL, MONDAY_NS)
    assert kinds(book.drain()) == ["CONTROL"]
    tick(book, 0, 1.1)
    aim(book, 10)
    assert kinds(book.drain()) == ["DECISION"]


def test_nothing_of_a_broker_s_counts_before_the_first_quote() -> None:
    book = open_book(None)
    before = book.snapshot()
    book.on_broker(external(CLOSED, 0, units=10, points=110_000, position_id=5))
    assert book.snapshot() == before
    assert not book.has_rows


def test_the_strategy_is_told_what_is_held_what_is_on_its_way_and_what_it_is_worth() -> None:
    book = live()
    view = book.arrays.seen
    aim(book, 10)
    tick(book, 1, 1.1)
    assert (view["units"][0], view["in_flight"][0], view["open_time_ns"][0]) == (0, 1, 0)
    assert math.isnan(view["entry_price"][0])
    fill(book, 1, 10, points=110_012, time_ns=MONDAY_NS + SECOND_NS)
    assert (view["units"][0], view["in_flight"][0]) == (10, 0)  # at once, not at the next quote
    assert (view["entry_price"][0], view["open_time_ns"][0]) == (pytest.approx(1.10012), MONDAY_NS + SECOND_NS)
    assert (view["floating_minor"][0], view["equity_minor"][0]) == (-1_20, 10_000_00 - 1_20)
    tick(book, 2, 1.10112, 1.10122)
    assert (view["floating_minor"][0], view["equity_minor"][0]) == (10_00, 10_010_00)
    tick(book, 3, 1.10012, 1.10022)
    numbers = book.numbers
    assert (numbers["peak_minor"], numbers["drawdown_minor"]) == (10_010_00, 10_00)
    assert numbers["drawdown_fraction"] == pytest.approx(10 / 10_010)
    aim(book, -5)
    fill(book, 2, 15, points=110_012)
    assert (view["units"][0], view["entry_price"][0]) == (-5, pytest.approx(1.10012))
    assert (view["floating_minor"][0], view["equity_minor"][0]) == (-50, 9_999_50)
    tick(book, 4, 1.1, 1.10052)
    assert numbers["drawdown_minor"] < book.numbers["drawdown_minor"] == 10_010_00 - 9_998_00
    book.on_target(float("nan"), 0, 0, 0, int(Status.RAISED))
    tick(book, 5, 1.1)
    assert view["state"][0] == int(State.PAUSED)


def test_rows_are_numbered_without_a_gap_and_say_all_of_a_trade() -> None:
    book = live()
    aim(book, 10, target=0.7)
    fill(book, 1, 10, points=110_012, time_ns=MONDAY_NS + 5, commission_minor=35)
    tick(book, 1, 1.102)
    aim(book, 0)
    fill(book, 2, 10, points=110_200, time_ns=MONDAY_NS + SECOND_NS, commission_minor=35)
    rows = book.drain()
    assert kinds(rows) == ["DECISION", "ORDER", "FILL", "DECISION", "ORDER", "FILL", "CLOSED"]
    assert rows["seq"].tolist() == list(range(7))
    assert (rows[0]["target"], rows[0]["units"], rows[0]["time_ns"]) == (0.7, 10, MONDAY_NS)
    assert rows["order_id"].tolist() == [0, 1, 1, 0, 2, 2, 2]
    assert rows["side"].tolist() == [0, 1, 1, 0, -1, -1, 1]
    assert rows["position_id"].tolist() == [0, 0, 777, 0, 777, 777, 777]
    closed = rows[-1]
    assert (closed["open_time_ns"], closed["open_points"]) == (MONDAY_NS + 5, 110_012.0)
    assert (closed["profit_minor"], closed["commission_minor"]) == (18_80, 70)
    assert rows[5]["profit_minor"] == 18_80
