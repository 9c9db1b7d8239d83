"""The book against hand arithmetic: one EURUSD point on one lot is one dollar."""

import numpy as np
import pytest

from kernel_lib.errors import Broken, Misconfigured
from kernel_lib.market.instrument import EURUSD, instrument
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import BROKER_EVENT, BrokerKind, Control, Kind, Reason, State, Status

MONDAY_NS = 1_549_238_400 * 10**9  # 2019-02-04 00:00 UTC
SECOND_NS = 10**9
FREE = Costs(commission_per_lot=0.0, latency_ms=0.0, swap=False)
WIDE = RiskLimits(max_lots=10.0, daily_loss_fraction=1.0, orders_per_minute=256)


def open_book(
    costs: Costs | None = FREE, limits: RiskLimits = WIDE, *, symbol: str = "EURUSD", **account: object
) -> Book:
    return Book(instrument(symbol), AccountConfig(**account), limits, costs)  # type: ignore[arg-type]


def tick(book: Book, seconds: float, bid: float, ask: float | None = None, age_ns: int = 0) -> np.ndarray:
    return book.on_tick(MONDAY_NS + round(seconds * SECOND_NS), bid, bid + 0.0001 if ask is None else ask, age_ns)


def aim(book: Book, units: int, stop: int = 0, take: int = 0, target: float | None = None) -> None:
    book.on_target(float(np.sign(units)) if target is None else target, units, stop, take, int(Status.DECIDED))


def only(rows: np.ndarray, kind: Kind) -> np.ndarray:
    return rows[rows["kind"] == int(kind)]


def kinds(rows: np.ndarray) -> list[str]:
    return [Kind(int(row["kind"])).name for row in rows]


def test_a_round_trip_earns_the_move_less_spread_and_commission() -> None:
    book = open_book(Costs(commission_per_lot=3.5, latency_ms=0, swap=False))
    tick(book, 0, 1.10000)
    aim(book, 100)  # one lot bought at 1.1001
    tick(book, 1, 1.10110)
    aim(book, 0)  # sold at 1.1011: 100 points
    rows = book.drain()
    assert kinds(rows) == ["DECISION", "ORDER", "FILL", "DECISION", "ORDER", "FILL", "CLOSED"]
    assert rows[-1]["profit_minor"] == 100_00
    assert rows[-1]["commission_minor"] == 7_00
    assert book.numbers["balance_minor"] == 10_000_00 + 100_00 - 7_00
    assert book.numbers["equity_minor"] == book.numbers["balance_minor"]


def test_netting_reverses_in_one_order_and_averages_in_whole_points() -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 10)
    tick(book, 1, 1.10100, 1.10100)
    aim(book, 30)  # 20 more at 1.101: average 1.100666...
    assert book.positions["cost"].tolist() == [110000 * 10 + 110100 * 20]
    tick(book, 2, 1.10200, 1.10200)
    aim(book, -10)
    rows = book.drain()
    closed = rows[rows["kind"] == int(Kind.CLOSED)][0]
    # 0.1 lot gained 200 points, 0.2 lots gained 100: 20 + 20 dollars
    assert closed["profit_minor"] == 40_00
    assert [(p["side"], p["units"]) for p in book.positions] == [(-1, 10)]
    assert book.numbers["n_orders"] == 3


def test_hedging_closes_the_oldest_first_and_partly() -> None:
    book = open_book(hedging=True)
    for second, units in ((0, 10), (1, 25)):
        tick(book, second, 1.10000 + second * 0.001, 1.10000 + second * 0.001)
        aim(book, units)
    assert [p["units"] for p in book.positions] == [10, 15]
    tick(book, 2, 1.10200, 1.10200)
    aim(book, 13)
    assert [p["units"] for p in book.positions] == [13]
    rows = book.drain()
    closed = rows[rows["kind"] == int(Kind.CLOSED)]
    assert [(c["units"], c["profit_minor"]) for c in closed] == [(10, 20_00), (2, 2_00)]
    tick(book, 3, 1.10200, 1.10200)
    aim(book, -5)
    assert [(p["side"], p["units"]) for p in book.positions] == [(-1, 5)]


def test_an_order_fills_at_the_quote_that_prevails_when_it_arrives() -> None:
    book = open_book(Costs(commission_per_lot=0, latency_ms=500, swap=False))
    tick(book, 0.0, 1.10000)
    aim(book, 10)
    tick(book, 0.4, 1.10050)  # the last quote at or before 0.5 s
    aim(book, 10)
    assert len(book.positions) == 0
    tick(book, 0.9, 1.10900)
    fill = book.drain()[-1]
    assert fill["points"] == 110060
    assert fill["time_ns"] == MONDAY_NS + SECOND_NS // 2
    assert book.numbers["n_orders"] == 1


def test_an_order_that_arrives_on_a_quote_takes_that_quote() -> None:
    book = open_book(Costs(commission_per_lot=0, latency_ms=500, swap=False))
    tick(book, 0.0, 1.10000)
    aim(book, 10)
    tick(book, 0.5, 1.10050)
    tick(book, 0.6, 1.10900)
    assert book.drain()[-1]["points"] == 110060


def test_a_stop_that_the_market_jumps_fills_at_the_gap() -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10010)
    aim(book, 10, stop=50, take=80)
    assert (book.positions[0]["stop_points"], book.positions[0]["take_points"]) == (109950, 110080)
    tick(book, 1, 1.09951)
    assert len(book.positions) == 1
    tick(book, 2, 1.09900)
    closed = book.drain()[-1]
    assert (closed["reason"], closed["points"]) == (int(Reason.STOP_LOSS), 109900)


def test_a_short_is_stopped_by_the_ask_and_takes_profit_on_it() -> None:
    book = open_book()
    tick(book, 0, 1.10000, 1.10010)
    aim(book, -10, stop=50, take=50)
    tick(book, 1, 1.10055, 1.10059)
    assert len(book.positions) == 1
    tick(book, 2, 1.09950, 1.09960)
    closed = book.drain()[-1]
    assert (closed["reason"], closed["points"]) == (int(Reason.TAKE_PROFIT), 109960)
    assert closed["profit_minor"] == 4_00


def test_swap_is_charged_at_server_midnight_three_nights_on_wednesday() -> None:
    book = open_book(Costs(commission_per_lot=0, latency_ms=0))
    tick(book, 0, 1.10000)
    aim(book, 100)
    for day, nights in ((1, 1), (2, 2), (3, 5), (4, 6), (5, 7), (7, 7), (8, 8)):
        tick(book, day * 86_400 + 60, 1.10000)  # server midnight is 22:00 UTC
        assert book.positions[0]["swap_minor"] == pytest.approx(-650.0 * nights), day
    assert book.numbers["equity_minor"] == pytest.approx(10_000_00 - 10_00 - 8 * 650)


@pytest.mark.parametrize(
    ("limits", "bid", "ask", "age_ns", "units", "reason"),
    [
        (RiskLimits(max_spread_points=9), 1.1, 1.1001, 0, 10, Reason.MAX_SPREAD),
        (RiskLimits(max_quote_age_ms=100), 1.1, 1.1001, 200_000_000, 10, Reason.STALE_QUOTE),
        (RiskLimits(max_lots=100.0), 1.1, 1.1001, 0, 5000, Reason.NO_MARGIN),
    ],
)
def test_an_entry_beyond_a_limit_is_denied_once_with_its_reason(
    limits: RiskLimits, bid: float, ask: float, age_ns: int, units: int, reason: Reason
) -> None:
    book = open_book(limits=limits)
    for second in range(3):
        tick(book, second, bid, ask, age_ns)
        aim(book, units)
    rows = book.drain()
    assert kinds(rows) == ["DECISION", "DENIED"]
    assert rows[1]["reason"] == int(reason)
    assert len(book.positions) == 0


def test_a_target_above_the_largest_position_is_cut_to_it() -> None:
    book = open_book(limits=RiskLimits(max_lots=0.2))
    tick(book, 0, 1.1)
    aim(book, 50)
    assert [p["units"] for p in book.positions] == [20]
    assert int(Reason.MAX_LOTS) in book.drain()["reason"]


def test_orders_a_minute_are_limited_and_free_again_a_minute_later() -> None:
    book = open_book(limits=RiskLimits(orders_per_minute=2, daily_loss_fraction=1.0))
    for second, units in ((0, 1), (1, 2), (2, 3)):
        tick(book, second, 1.1)
        aim(book, units)
    assert book.positions[0]["units"] == 2
    tick(book, 62, 1.1)
    aim(book, 3)
    assert book.positions[0]["units"] == 3


def test_the_daily_loss_locks_entries_until_the_servers_next_day_but_not_exits() -> None:
    book = open_book(limits=RiskLimits(max_lots=10, daily_loss_fraction=0.01))
    tick(book, 0, 1.10000)
    aim(book, 100)
    tick(book, 1, 1.09890)  # 120 dollars lost
    aim(book, 0)
    assert len(book.positions) == 0
    tick(book, 2, 1.1)
    aim(book, 10)
    assert len(book.positions) == 0
    assert book.drain()[-1]["reason"] == int(Reason.DAILY_LOSS)
    tick(book, 23 * 3600, 1.1)
    aim(book, 10)
    assert len(book.positions) == 1


def test_a_paused_book_only_reduces_and_a_killed_one_goes_flat_and_stays_so() -> None:
    book = open_book()
    tick(book, 0, 1.1)
    aim(book, 10)
    book.control(Control.PAUSE, MONDAY_NS + 1)
    tick(book, 1, 1.1)
    aim(book, 20)
    assert book.positions[0]["units"] == 10
    aim(book, 4)
    assert book.positions[0]["units"] == 4
    book.control(Control.KILL, MONDAY_NS + 2)
    assert len(book.positions) == 0
    tick(book, 3, 1.1)
    aim(book, 10)
    assert len(book.positions) == 0
    assert book.state is State.KILLED
    book.control(Control.RESUME, MONDAY_NS + 4)
    tick(book, 5, 1.1)
    aim(book, 10)
    assert book.positions[0]["units"] == 10


@pytest.mark.parametrize("status", [Status.BAD_TARGET, Status.RAISED, Status.TIMEOUT])
def test_a_strategy_at_fault_pauses_its_book_and_keeps_the_position(status: Status) -> None:
    book = open_book()
    tick(book, 0, 1.1)
    aim(book, 10)
    book.on_target(float("nan"), 0, 0, 0, int(status))
    assert book.state is State.PAUSED
    assert book.positions[0]["units"] == 10
    assert book.drain()[-1]["kind"] == int(Kind.FAULT)


def test_a_stop_out_closes_everything_before_the_account_is_gone() -> None:
    book = open_book(deposit=1_000.0)
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 80)  # margin 880 dollars
    tick(book, 1, 1.09300, 1.09300)  # lost 560: equity 440 is just above half of the margin
    assert len(book.positions) == 1
    tick(book, 2, 1.09290, 1.09290)
    assert len(book.positions) == 0
    rows = book.drain()
    assert rows[rows["kind"] == int(Kind.CLOSED)][-1]["reason"] == int(Reason.STOP_OUT)


def test_profit_in_another_currency_is_converted_at_the_close() -> None:
    book = open_book(symbol="USDJPY")
    tick(book, 0, 110.000, 110.000)
    aim(book, 100)
    tick(book, 1, 111.000, 111.000)
    aim(book, 0)
    # 100,000 yen at 111.000
    assert book.drain()[-1]["profit_minor"] == round(100_000 / 111 * 100)


def test_a_currency_without_a_rate_is_refused_by_name() -> None:
    with pytest.raises(Misconfigured, match=r"rates=.*'GBP'"):
        open_book(symbol="EURGBP")


def external(kind: BrokerKind, order_id: int, **fields: int) -> np.ndarray:
    event = np.zeros(1, BROKER_EVENT)
    event["kind"], event["order_id"] = int(kind), order_id
    for name, number in fields.items():
        event[name] = number
    return event


def test_an_outside_broker_fills_in_parts_under_its_own_ticket() -> None:
    book = open_book(costs=None)
    tick(book, 0, 1.1)
    aim(book, 10)
    assert len(book.positions) == 0
    assert book.numbers["n_working"] == 1
    for units in (4, 6):
        book.on_broker(
            external(BrokerKind.FILLED, 1, units=units, points=110012, position_id=777, commission_minor=3, time_ns=1)
        )
    assert [(p["units"], p["position_id"]) for p in book.positions] == [(10, 777)]
    assert book.numbers["n_working"] == 0
    assert book.numbers["commission_minor"] == 6


def test_three_rejections_in_a_row_pause_the_book() -> None:
    book = open_book(costs=None)
    for number in range(1, 4):
        tick(book, number * 10, 1.1)
        aim(book, 10)
        book.on_broker(external(BrokerKind.REJECTED, number, reason=int(Reason.BROKER), time_ns=number))
    assert book.state is State.PAUSED
    assert book.drain()[-1]["reason"] == int(Reason.REJECTED_REPEATEDLY)


def test_a_close_on_the_brokers_side_is_booked_and_unknown_events_change_nothing() -> None:
    book = open_book(costs=None)
    tick(book, 0, 1.1)
    aim(book, 10)
    book.on_broker(external(BrokerKind.FILLED, 1, units=10, points=110010, position_id=9))
    before = book.snapshot()
    book.on_broker(external(BrokerKind.FILLED, 99, units=10, points=110010, position_id=9))
    book.on_broker(external(BrokerKind.CLOSED, 0, units=10, points=110010, position_id=12345))
    assert book.snapshot() == before
    book.on_broker(external(BrokerKind.CLOSED, 0, units=10, points=109910, position_id=9, reason=int(Reason.STOP_LOSS)))
    assert len(book.positions) == 0
    assert book.numbers["balance_minor"] == 10_000_00 - 10_00


def test_a_snapshot_restores_to_the_byte_and_goes_on_alike() -> None:
    first, second = open_book(), open_book()
    for second_s, units in ((0, 10), (1, -10), (2, 5)):
        tick(first, second_s, 1.1 + second_s * 0.001)
        aim(first, units, stop=500)
    second.restore(first.snapshot())
    first.drain()
    for book in (first, second):
        tick(book, 5, 1.05)
        aim(book, 10)
    assert first.drain().tobytes() == second.drain().tobytes()
    assert first.snapshot() == second.snapshot()
    with pytest.raises(Broken, match="snapshot must have"):
        second.restore(b"short")


@pytest.mark.parametrize(
    "fields",
    [{"max_lots": 0.0}, {"orders_per_minute": 0}, {"orders_per_minute": 257}, {"daily_loss_fraction": 0.0},
     {"daily_loss_fraction": float("nan")}, {"max_spread_points": -1}],
)  # fmt: skip
def test_a_limit_out_of_range_is_refused_by_name(fields: dict[str, float]) -> None:
    with pytest.raises(Misconfigured, match=next(iter(fields))):
        open_book(limits=RiskLimits(**fields))  # type: ignore[arg-type]


def test_an_instrument_knows_its_contract() -> None:
    assert EURUSD.point_worth == pytest.approx(1.0)
