"""What a strategy's half is told of its own orders is what the record says of them, whoever the broker is."""

import numpy as np
import pytest

from kernel_lib.strategy.position import traded_of
from kernel_lib.trading.account import Costs
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import BROKER_EVENT, BrokerKind, Kind
from tests.kernel_lib.trading.test_book import MONDAY_NS, SECOND_NS, aim, open_book, tick


def told(book: Book) -> dict[str, float]:
    return {name: book.arrays.seen[0][name].item() for name in (book.arrays.seen.dtype.names or ())}


def test_a_round_trip_by_hand() -> None:
    book = open_book(Costs(commission_per_lot=3.5, latency_ms=0, swap=False))
    assert traded_of(told(book), 100.0)[:6] == (0, 0, 0, 0, 0.0, 0.0)
    assert np.isnan(traded_of(told(book), 100.0).slippage_points)
    tick(book, 0, 1.10000)
    aim(book, 100)  # one lot bought at 1.1001
    tick(book, 1, 1.10110)
    aim(book, 0)  # sold at 1.1011: 100 points, less 3.50 twice
    aim(book, -100)
    tick(book, 2, 1.10200)
    aim(book, 0)  # sold at 1.1011, bought at 1.1021: 100 points lost
    traded = traded_of(told(book), 100.0)
    assert (traded.fills, traded.rejected, traded.closed, traded.won) == (4, 0, 2, 1)
    assert (traded.gained, traded.lost) == (100.0 - 7.0, 100.0 + 7.0)
    assert (traded.slippage_points, traded.expected_slippage_points) == (0.0, 0.0)


def test_slippage_is_what_a_deal_is_worse_than_the_quote_it_was_asked_at() -> None:
    book = open_book(Costs(commission_per_lot=0.0, latency_ms=500, slippage_points=3, swap=False))
    tick(book, 0, 1.10000, 1.10000)
    aim(book, 10)
    tick(book, 0.4, 1.10002, 1.10002)  # 2 points dearer when the order arrives
    tick(book, 2, 1.10100, 1.10100)
    assert told(book)["slipped_points"] == 2 + 3
    aim(book, 0)
    tick(book, 2.1, 1.10101, 1.10101)  # a point in our favour
    tick(book, 4, 1.10100, 1.10100)
    traded = traded_of(told(book), 100.0)
    assert traded.slippage_points == (5 + 2) / 2
    assert traded.expected_slippage_points == 3.0


@pytest.mark.parametrize("hedging", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_record_says_the_same(hedging: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    costs = Costs(commission_per_lot=3.5, latency_ms=300, slippage_points=1, slippage_random_points=3)
    book = open_book(costs, hedging=hedging)
    bid, rows = 1.1, []
    for second in range(3_000):
        bid += 1e-5 * float(np.round(random.normal(0.0, 3.0)))
        tick(book, 40.0 * second, bid, bid + 1e-5 * int(random.integers(3, 9)))
        if random.random() < 0.1:
            aim(book, int(random.integers(-20, 21)), int(random.choice([0, 60])), int(random.choice([0, 60])))
        rows.append(book.drain())
    events = np.concatenate(rows)
    by = {kind: events[events["kind"] == int(kind)] for kind in Kind}
    closed = by[Kind.CLOSED]
    nets = closed["profit_minor"] + closed["swap_minor"] - closed["commission_minor"]
    view = told(book)
    assert len(closed) > 50
    assert view["n_fills"] == len(by[Kind.FILL]) == book.numbers["n_fills"]
    assert view["n_rejected"] == len(by[Kind.REJECTED]) == book.numbers["n_rejected"]
    assert view["n_closed"] == len(closed)
    assert view["n_won"] == int((nets > 0).sum())
    assert view["won_minor"] == int(nets[nets > 0].sum())
    assert view["lost_minor"] == -int(nets[nets <= 0].sum())
    asked = {int(row["order_id"]): row for row in by[Kind.ORDER]}
    deals = [row for row in by[Kind.FILL] if int(row["order_id"]) in asked]
    worse = [int(row["side"]) * int(row["points"] - asked[int(row["order_id"])]["points"]) for row in deals]
    assert view["n_at_market"] == len(deals)
    assert view["slipped_points"] == sum(worse)
    assert view["expected_points"] == pytest.approx(len(deals) * (1 + 1.5))


def test_an_outside_broker_is_counted_the_same() -> None:
    book = open_book(None)
    tick(book, 0, 1.10000)
    aim(book, 10)
    event = np.zeros(1, BROKER_EVENT)
    order = int(book.working[0]["order_id"])
    event[0] = (BrokerKind.FILLED, order, 77, 10, 110_014, MONDAY_NS + SECOND_NS, 30, 0, 0)
    book.on_broker(event)
    assert told(book)["slipped_points"] == 4  # asked at 1.10010, filled at 1.10014
    tick(book, 2, 1.10100)
    event[0] = (BrokerKind.CLOSED, 0, 77, 10, 110_100, MONDAY_NS + 2 * SECOND_NS, 30, 0, 0)
    book.on_broker(event)
    tick(book, 3, 1.10100)
    aim(book, 10)
    order = int(book.working[0]["order_id"])
    event[0] = (BrokerKind.REJECTED, order, 0, 10, 0, MONDAY_NS + 3 * SECOND_NS, 0, 0, 0)
    book.on_broker(event)
    traded = traded_of(told(book), 100.0)
    assert (traded.fills, traded.rejected, traded.closed, traded.won) == (2, 1, 1, 1)
    assert traded.gained == pytest.approx(8.60 - 0.60)  # 86 points on 0.1 lot, less 0.30 twice
    assert told(book)["n_at_market"] == 1  # what the broker closed was not asked for


def test_counts_survive_a_snapshot_and_cost_nothing_at_a_tick() -> None:
    book = open_book()
    tick(book, 0, 1.10000)
    aim(book, 10)
    tick(book, 1, 1.10100)
    aim(book, 0)
    before = told(book)
    tick(book, 2, 1.10100)
    names = ("n_fills", "n_rejected", "n_closed", "n_won", "won_minor", "lost_minor", "n_at_market", "slipped_points")
    assert {name: told(book)[name] for name in names} == {name: before[name] for name in names}
    other = open_book()
    other.restore(book.snapshot())
    assert other.arrays.seen.tobytes() == book.arrays.seen.tobytes()
