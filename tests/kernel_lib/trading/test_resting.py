"""Resting orders, trailing stops, margin call and stop-out by hand: a EURUSD point on a lot is a dollar."""

import msgspec
import numpy as np
import pytest

from kernel_lib.market.instrument import EURUSD
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Control, Kind, OrderType, Reason, Status
from kernel_lib.trading.terms import MAX_POINTS, joined, limit_points_of, order_points_of, order_status, order_type_of
from tests.kernel_lib.trading.test_book import FREE, MONDAY_NS, SECOND_NS, WIDE, aim, kinds, only, open_book, tick

LIMIT, STOP, STOP_LIMIT = OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT


def ask(
    book: Book, order: OrderType, units: int, price: int, limit: int = 0, *, stop: int = 0, take: int = 0,
    trail: int = 0, lifetime_s: int = 0, target: float | None = None,
) -> None:  # fmt: skip
    """Take a proposal that asks for a resting order; prices in points."""
    wanted = float(np.sign(units)) if target is None else target
    status = order_status(int(order), price, limit)
    book.on_target(wanted, units, joined(stop, trail), joined(take, lifetime_s), status)


@pytest.mark.parametrize(
    ("order", "units", "price", "misses", "meets", "fill"),
    [
        (LIMIT, 10, 109_950, (109_941, 109_951), (109_930, 109_940), 109_940),  # a gap fills at the gap
        (LIMIT, 10, 109_950, (109_941, 109_951), (109_940, 109_950), 109_950),
        (LIMIT, -10, 110_050, (110_049, 110_059), (110_050, 110_060), 110_050),
        (LIMIT, -10, 110_050, (110_049, 110_059), (110_075, 110_085), 110_075),
        (STOP, 10, 110_050, (110_039, 110_049), (110_060, 110_070), 110_070),  # a gap fills at the gap
        (STOP, 10, 110_050, (110_039, 110_049), (110_040, 110_050), 110_050),
        (STOP, -10, 109_950, (109_951, 109_961), (109_950, 109_960), 109_950),
        (STOP, -10, 109_950, (109_951, 109_961), (109_920, 109_930), 109_920),
    ],
)  # fmt: skip
def test_an_order_fills_when_its_side_of_the_quote_comes_to_it(
    order: OrderType, units: int, price: int, misses: tuple[int, int], meets: tuple[int, int], fill: int
) -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10010)
    ask(book, order, units, price)
    tick(book, 1, misses[0] / 1e5, misses[1] / 1e5)
    ask(book, order, units, price)
    assert kinds(book.drain()) == ["DECISION", "PLACED", "ACCEPTED"]
    tick(book, 2, meets[0] / 1e5, meets[1] / 1e5)
    rows = book.drain()
    assert kinds(rows) == ["TRIGGERED", "FILL"] if order is STOP else ["FILL"]
    assert (rows[-1]["points"], rows[-1]["time_ns"], rows[-1]["units"]) == (fill, MONDAY_NS + 2 * SECOND_NS, 10)
    assert book.numbers["long_units"] - book.numbers["short_units"] == units
    assert book.numbers["rest_type"] == 0


@pytest.mark.parametrize(
    ("order", "units", "price"),
    [(LIMIT, 10, 109_981), (LIMIT, -10, 110_029), (STOP, 10, 110_039), (STOP, -10, 109_971)],
)
def test_an_order_nearer_to_the_quote_than_the_brokers_stops_level_is_rejected(
    order: OrderType, units: int, price: int
) -> None:
    contract = msgspec.structs.replace(EURUSD, stops_level_points=30)
    book = Book(contract, AccountConfig(), WIDE, FREE)
    tick(book, 0, 1.10000, 1.10010)
    ask(book, order, units, price)
    rejected = only(book.drain(), Kind.REJECTED)
    assert rejected["reason"].tolist() == [int(Reason.STOPS_LEVEL)]
    assert rejected["points"].tolist() == [price]
    assert book.numbers["rest_type"] == 0
    ask(book, order, units, price)  # the same once more is not sent again
    assert len(book.drain()) == 0
    away = 1 if (order is STOP) == (units > 0) else -1
    ask(book, order, units, price + away)
    assert kinds(book.drain())[-1] == "ACCEPTED"


def test_a_change_to_a_price_within_the_stops_level_leaves_the_order_where_it_was() -> None:
    book = Book(msgspec.structs.replace(EURUSD, stops_level_points=30), AccountConfig(), WIDE, FREE)
    tick(book, 0, 1.10000, 1.10010)
    ask(book, LIMIT, 10, 109_900)
    ask(book, LIMIT, 10, 110_000)
    assert book.drain()[-1]["reason"] == int(Reason.STOPS_LEVEL)
    assert book.numbers["rest_points"] == 109_900


def test_a_stop_nearer_to_its_orders_price_than_the_stops_level_is_rejected() -> None:
    book = Book(msgspec.structs.replace(EURUSD, stops_level_points=30), AccountConfig(), WIDE, FREE)
    tick(book, 0, 1.10000, 1.10010)
    ask(book, LIMIT, 10, 109_900, stop=29)
    assert book.drain()[-1]["reason"] == int(Reason.STOPS_LEVEL)
    ask(book, LIMIT, 10, 109_900, stop=30)
    assert kinds(book.drain())[-1] == "ACCEPTED"


def test_slippage_is_on_top_of_a_stop_order_and_not_of_a_limit() -> None:
    for order, price, bid, fill in ((STOP, 110_050, 1.1005, 110_060 + 3), (LIMIT, 109_950, 1.0993, 109_940)):
        book = open_book(Costs(commission_per_lot=0.0, latency_ms=0.0, swap=False, slippage_points=3))
        tick(book, 0, 1.1)
        ask(book, order, 10, price)
        tick(book, 1, bid)
        assert only(book.drain(), Kind.FILL)["points"].tolist() == [fill]


def test_a_stop_limit_order_becomes_a_limit_order_when_its_stop_is_met() -> None:
    book = open_book()
    tick(book, 0, 1.10000)
    ask(book, STOP_LIMIT, 10, 110_050, 110_020, stop=30, take=60)
    tick(book, 1, 1.10000)  # the limit's price alone does nothing
    assert book.numbers["rest_type"] == STOP_LIMIT
    tick(book, 2, 1.10055)
    assert book.numbers["rest_type"] == LIMIT
    ask(book, STOP_LIMIT, 10, 110_050, 110_020, stop=30, take=60)  # the same answer leaves it alone
    tick(book, 3, 1.10005)
    rows = book.drain()
    assert kinds(rows) == ["DECISION", "PLACED", "ACCEPTED", "TRIGGERED", "FILL"]
    assert (rows[-1]["points"], rows[-1]["stop_points"], rows[-1]["take_points"]) == (110_015, 109_990, 110_080)


def test_a_stop_limit_order_that_is_jumped_to_its_limit_fills_at_once() -> None:
    book = open_book()
    tick(book, 0, 1.10000)
    ask(book, STOP_LIMIT, 10, 110_050, 110_100)
    tick(book, 1, 1.10060)
    assert kinds(book.drain())[-2:] == ["TRIGGERED", "FILL"]


def test_an_order_is_with_the_broker_only_after_the_latency() -> None:
    book = open_book(Costs(commission_per_lot=0.0, latency_ms=500, swap=False))
    tick(book, 0.0, 1.10000)
    ask(book, LIMIT, 10, 109_950)
    tick(book, 0.4, 1.09900, 1.09910)
    tick(book, 0.45, 1.10000, 1.10010)
    tick(book, 0.6, 1.09930, 1.09940)
    rows = book.drain()
    assert kinds(rows) == ["DECISION", "PLACED", "ACCEPTED", "FILL"]
    assert rows[2]["time_ns"] == MONDAY_NS + SECOND_NS // 2
    assert rows[3]["points"] == 109_940  # 109,910 came before it was there


def test_an_order_beyond_the_market_on_arrival_fills_at_the_quote() -> None:
    book = open_book()
    tick(book, 0, 1.10000)
    ask(book, LIMIT, 10, 110_500)
    assert only(book.drain(), Kind.FILL)["points"].tolist() == [110_010]


def test_other_terms_change_the_order_and_a_number_takes_it_back() -> None:
    book = open_book()
    tick(book, 0, 1.10000)
    ask(book, LIMIT, 10, 109_950)
    ask(book, LIMIT, 10, 109_960)
    ask(book, LIMIT, 10, 109_960, stop=20)
    assert (book.numbers["rest_points"], book.numbers["rest_stop"]) == (109_960, 109_940)
    assert book.numbers["n_orders"] == 1
    tick(book, 1, 1.10000)
    book.on_target(0.0, 0, 0, 0, int(Status.HOLD))
    assert book.numbers["rest_type"] == LIMIT
    aim(book, 0)
    rows = book.drain()
    assert [kind for kind in kinds(rows) if kind != "DECISION"] == [
        "PLACED", "ACCEPTED", "MODIFIED", "MODIFIED", "CANCELLED",
    ]  # fmt: skip
    assert len(set(only(rows, Kind.MODIFIED)["order_id"])) == 1
    aim(book, 10)
    assert kinds(book.drain()) == ["DECISION", "ORDER", "FILL"]


def test_a_number_takes_back_an_order_that_is_still_on_its_way() -> None:
    book = open_book(Costs(commission_per_lot=0.0, latency_ms=500, swap=False))
    tick(book, 0, 1.10000)
    ask(book, LIMIT, 10, 109_950)
    for second in (0.2, 0.6, 1.2):
        tick(book, second, 1.10000)
        aim(book, 0)
    tick(book, 2, 1.09)
    rows = book.drain()
    assert kinds(rows) == ["DECISION", "PLACED", "DECISION", "ACCEPTED", "CANCELLED"]
    assert len(book.positions) == 0


def test_another_type_or_side_is_taken_back_first() -> None:
    book = open_book()
    tick(book, 0, 1.10000)
    ask(book, LIMIT, 10, 109_950)
    ask(book, STOP, 10, 110_050)
    ask(book, STOP, -10, 109_950)
    assert [kind for kind in kinds(book.drain()) if kind != "DECISION"] == [
        "PLACED", "ACCEPTED", "CANCELLED", "PLACED", "ACCEPTED", "CANCELLED", "PLACED", "ACCEPTED",
    ]  # fmt: skip


def test_an_order_lapses_at_its_time_and_is_not_placed_again_until_asked_otherwise() -> None:
    book = open_book()
    tick(book, 0, 1.10000)
    ask(book, LIMIT, 10, 109_950, lifetime_s=60)
    tick(book, 60, 1.10000)
    assert book.numbers["rest_type"] == LIMIT
    tick(book, 61, 1.09000)
    ask(book, LIMIT, 10, 109_950, lifetime_s=60)
    rows = book.drain()
    assert kinds(rows) == ["DECISION", "PLACED", "ACCEPTED", "EXPIRED"]
    assert rows[-1]["time_ns"] == MONDAY_NS + 60 * SECOND_NS
    ask(book, LIMIT, 10, 108_950, lifetime_s=60)
    assert kinds(book.drain()) == ["DECISION", "PLACED", "ACCEPTED"]


def test_an_order_can_leave_a_position_too_and_part_of_it() -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 10)
    ask(book, LIMIT, 4, 110_100, target=0.4)
    tick(book, 1, 1.10100, 1.10110)
    rows = book.drain()
    closed = only(rows, Kind.CLOSED)[0]
    assert (closed["units"], closed["profit_minor"]) == (6, 6_00)  # 0.06 lots, 100 points
    assert book.positions["units"].tolist() == [4]


def test_an_order_against_the_position_turns_it_on_netting_and_closes_the_oldest_first_on_hedging() -> None:
    for hedging in (False, True):
        book = open_book(hedging=hedging)
        for second, units in ((0, 10), (1, 25)):
            tick(book, second, 1.10000, 1.10000)
            aim(book, units)
        ask(book, STOP, -10, 109_900, stop=50)
        tick(book, 2, 1.09900, 1.09910)
        closed = only(book.drain(), Kind.CLOSED)
        assert closed["units"].tolist() == ([10, 15] if hedging else [25])
        assert [(p["side"], p["units"], p["stop_points"]) for p in book.positions] == [(-1, 10, 109_950)]


def test_less_is_filled_when_the_position_has_changed_meanwhile() -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 10, stop=100)
    ask(book, STOP, -10, 109_900)  # 20 lot steps: out of 10, into 10
    tick(book, 1, 1.09900, 1.09910)  # the stop-loss has closed the 10 before the order is met
    assert [(p["side"], p["units"]) for p in book.positions] == [(-1, 10)]


@pytest.mark.parametrize(
    ("limits", "account", "reason"),
    [(RiskLimits(max_spread_points=9), {}, Reason.MAX_SPREAD), (RiskLimits(max_lots=100.0), {}, Reason.NO_MARGIN)],
)
def test_limits_and_margin_hold_when_an_order_is_asked_for(
    limits: RiskLimits, account: dict[str, float], reason: Reason
) -> None:
    book = open_book(limits=limits, **account)
    for second in range(3):
        tick(book, second, 1.10000)
        ask(book, LIMIT, 5000, 109_000)
    assert kinds(rows := book.drain()) == ["DECISION", "DENIED"]
    assert rows[1]["reason"] == int(reason)


def test_an_order_that_the_margin_no_longer_bears_is_rejected_when_it_is_met() -> None:
    book = open_book(deposit=1_000.0, margin_call_fraction=0.0, stop_out_fraction=0.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 45)  # margin 495 of 1,000
    ask(book, LIMIT, 85, 109_800)  # 439 more
    tick(book, 1, 1.09790, 1.09800)  # 94.50 lost: 906 less 494 in use leaves 412
    rows = book.drain()
    assert only(rows, Kind.REJECTED)["reason"].tolist() == [int(Reason.NO_MARGIN)]
    assert book.positions["units"].tolist() == [45]
    ask(book, LIMIT, 85, 109_800)
    assert book.numbers["rest_type"] == 0


@pytest.mark.parametrize("control", [Control.PAUSE, Control.KILL])
def test_pause_and_kill_take_the_order_back(control: Control) -> None:
    book = open_book()
    tick(book, 0, 1.10000)
    aim(book, 10)
    ask(book, LIMIT, 20, 109_950)
    book.control(control, MONDAY_NS + 1)
    rows = book.drain()
    reason = Reason.PAUSED if control is Control.PAUSE else Reason.KILLED
    assert only(rows, Kind.CANCELLED)["reason"].tolist() == [int(reason)]
    tick(book, 1, 1.10000)
    ask(book, LIMIT, 20, 109_950)
    tick(book, 2, 1.09)
    assert book.positions["units"].tolist() == ([10] if control is Control.PAUSE else [])


def test_the_daily_loss_and_a_fault_take_the_order_back() -> None:
    book = open_book(limits=RiskLimits(max_lots=10, daily_loss_fraction=0.01))
    tick(book, 0, 1.10000)
    aim(book, 100)
    ask(book, LIMIT, 120, 109_000)
    tick(book, 1, 1.09890)  # 120 dollars lost
    assert only(book.drain(), Kind.CANCELLED)["reason"].tolist() == [int(Reason.DAILY_LOSS)]
    book = open_book()
    tick(book, 0, 1.10000)
    ask(book, LIMIT, 120, 109_000)
    book.on_target(float("nan"), 0, 0, 0, int(Status.RAISED))
    assert only(book.drain(), Kind.CANCELLED)["reason"].tolist() == [int(Reason.PAUSED)]


def test_an_order_that_only_reduces_rests_on_through_the_daily_loss_a_pause_and_a_margin_call() -> None:
    for why in ("loss", "pause", "margin"):
        limits = RiskLimits(max_lots=10, daily_loss_fraction=0.01 if why == "loss" else 1.0)
        book = open_book(limits=limits, deposit=1_300.0 if why == "margin" else 10_000.0)
        tick(book, 0, 1.10000, 1.10000)
        aim(book, 100)
        ask(book, STOP, 0, 109_500, target=0.0)
        if why == "pause":
            book.control(Control.PAUSE, MONDAY_NS + 1)
        for second in range(1, 5):
            tick(book, second, 1.09790, 1.09790)  # 210 dollars lost; margin 1,098
            ask(book, STOP, 0, 109_500, target=0.0)
        rows = book.drain()
        assert kinds(rows)[-1] == "CONTROL", why  # it was said, and nothing was taken back or sent again
        assert len(only(rows, Kind.PLACED)) == 1
        assert book.numbers["rest_type"] == STOP
        ask(book, STOP, 0, 109_600, target=0.0)  # and it may be moved
        tick(book, 6, 1.09600, 1.09600)
        assert not len(book.positions)


def test_while_the_day_is_locked_an_order_that_would_turn_the_position_is_denied_once_and_not_sent() -> None:
    book = open_book(limits=RiskLimits(max_lots=10, daily_loss_fraction=0.01))
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 100)
    ask(book, LIMIT, -100, 110_500)
    for second in range(1, 5):
        tick(book, second, 1.09890, 1.09890)
        ask(book, LIMIT, -100, 110_500)
    rows = book.drain()
    assert only(rows, Kind.CANCELLED)["reason"].tolist() == [int(Reason.DAILY_LOSS)]
    assert only(rows, Kind.DENIED)["reason"].tolist() == [int(Reason.DAILY_LOSS)]
    assert len(only(rows, Kind.PLACED)) == 1


def test_an_order_whose_time_is_over_before_it_is_at_the_broker_never_fills() -> None:
    book = open_book(Costs(commission_per_lot=0.0, latency_ms=1_500, swap=False))
    tick(book, 0, 1.10000)
    ask(book, LIMIT, 10, 109_950, lifetime_s=1)
    tick(book, 1.2, 1.09000)
    tick(book, 3, 1.09000)
    rows = book.drain()
    assert kinds(rows) == ["DECISION", "PLACED", "EXPIRED"]
    assert rows[-1]["time_ns"] == MONDAY_NS + 3 * SECOND_NS // 2
    assert book.numbers["rest_type"] == 0


def test_a_change_that_arrives_after_the_stop_was_met_moves_the_limit_and_arms_no_stop_again() -> None:
    book = open_book(Costs(commission_per_lot=0.0, latency_ms=500, swap=False))
    tick(book, 0, 1.10000)
    ask(book, STOP_LIMIT, 10, 110_050, 110_020)
    tick(book, 1, 1.10000)
    ask(book, STOP_LIMIT, 10, 110_060, 110_030)
    tick(book, 1.2, 1.10055)
    tick(book, 2, 1.10055)
    assert kinds(book.drain()) == ["DECISION", "PLACED", "ACCEPTED", "DECISION", "TRIGGERED", "MODIFIED"]
    assert (book.numbers["rest_type"], book.numbers["rest_points"]) == (LIMIT, 110_030)


def test_a_book_at_a_terminal_denies_orders_and_trailing_stops_and_sends_nothing() -> None:
    book = open_book(costs=None)
    tick(book, 0, 1.1)
    ask(book, LIMIT, 10, 109_950)
    aim(book, 20, stop=joined(50, 20))
    rows = book.drain()
    assert only(rows, Kind.DENIED)["reason"].tolist() == [int(Reason.PAPER_ONLY)] * 2
    assert kinds(rows) == ["DECISION", "DENIED", "DECISION", "DENIED"]
    assert book.numbers["n_working"] == 0


def test_a_snapshot_holds_the_resting_order_and_goes_on_alike() -> None:
    first = open_book(Costs(commission_per_lot=0.0, latency_ms=300, swap=False))
    second = open_book(Costs(commission_per_lot=0.0, latency_ms=300, swap=False))
    tick(first, 0, 1.1)
    ask(first, STOP_LIMIT, 10, 110_050, 110_020, lifetime_s=900, trail=25)
    tick(first, 1, 1.1)
    ask(first, STOP_LIMIT, 10, 110_060, 110_020, lifetime_s=900, trail=25)  # the change is on its way
    second.restore(first.snapshot())
    first.drain()
    for book in (first, second):
        for seconds, bid in ((2, 1.1006), (3, 1.1001), (4, 1.1009), (5, 1.1006)):
            tick(book, seconds, bid)
    rows = first.drain()
    assert kinds(rows) == ["MODIFIED", "TRIGGERED", "FILL", "FILL", "CLOSED"]
    assert rows.tobytes() == second.drain().tobytes()
    assert first.snapshot() == second.snapshot()


def test_a_trailing_stop_follows_the_bid_of_a_long_and_never_goes_back() -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10010)
    aim(book, 10, stop=joined(0, 30))
    stops = []
    for second, bid in enumerate((1.09990, 1.10010, 1.10050, 1.10035, 1.10051, 1.10022), 1):
        tick(book, second, bid)
        stops.append(int(book.positions["stop_points"][0]) if len(book.positions) else 0)
    assert stops == [109_970, 109_980, 110_020, 110_020, 110_021, 110_021]
    tick(book, 9, 1.10021)
    closed = book.drain()[-1]
    assert (closed["reason"], closed["points"], closed["stop_points"]) == (int(Reason.TRAILING_STOP), 110_021, 110_021)


def test_a_trailing_stop_of_a_short_follows_the_ask_from_its_own_stop_loss_on() -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10010)
    aim(book, -10, stop=joined(50, 20), take=500)
    assert book.positions["stop_points"].tolist() == [110_060]
    tick(book, 1, 1.09950, 1.09960)
    assert book.positions["stop_points"].tolist() == [109_980]
    tick(book, 2, 1.09975, 1.09985)
    assert book.drain()[-1]["points"] == 109_985


def test_a_trailing_stop_moves_by_whole_tick_sizes() -> None:
    from msgspec.structs import replace

    from kernel_lib.market.instrument import EURUSD

    book = Book(replace(EURUSD, tick_size=0.0001), AccountConfig(), WIDE, FREE)
    tick(book, 0, 1.10000, 1.10010)
    aim(book, 10, stop=joined(0, 30))
    tick(book, 1, 1.10009)
    assert book.positions["stop_points"].tolist() == [109_970]
    tick(book, 2, 1.10015)
    assert book.positions["stop_points"].tolist() == [109_980]


def test_terms_come_out_of_a_status_as_they_went_in_and_hostile_ones_stay_in_range() -> None:
    status = order_status(int(STOP_LIMIT), MAX_POINTS, 110_020)
    assert (order_type_of(status), order_points_of(status), limit_points_of(status)) == (3, MAX_POINTS, 110_020)
    book = open_book()
    for number, status in enumerate((-1, -2, -4, -(1 << 63), -(1 << 62) - 3, -((1 << 56) - 1))):
        tick(book, number, 1.1)
        book.on_target(1.0, 10, (1 << 63) - 1, -1, status)
        tick(book, number + 0.5, 1.1)
    assert abs(book.numbers["long_units"] - book.numbers["short_units"]) <= 10
