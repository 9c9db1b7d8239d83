"""Stops, trailing stops and stop-out at the simulated broker, and how long and how badly an order may travel."""

import msgspec
import numpy as np
import pytest

from kernel_lib.trading.account import Costs
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Kind, Reason
from kernel_lib.trading.simulated import _mix
from kernel_lib.trading.terms import joined
from tests.kernel_lib.trading.test_admission import LARGE, held
from tests.kernel_lib.trading.test_book import MONDAY_NS, SECOND_NS, aim, only, open_book, tick

SLIPPING = Costs(commission_per_lot=3.5, latency_ms=0.0, slippage_points=3, swap=False)


@pytest.mark.parametrize(
    ("side", "bid", "reason", "points"),
    [
        (1, 109_940, Reason.STOP_LOSS, 109_940 - 3),
        (1, 110_070, Reason.TAKE_PROFIT, 110_070),  # a limit order: at its price or better
        (-1, 110_062, Reason.STOP_LOSS, 110_072 + 3),
        (-1, 109_935, Reason.TAKE_PROFIT, 109_945),
    ],
)
def test_a_stop_slips_as_a_market_order_does_and_a_target_does_not(
    side: int, bid: int, reason: Reason, points: int
) -> None:
    book = open_book(SLIPPING)
    tick(book, 0, 1.1, 1.1001)
    aim(book, side * 10, stop=60, take=60)
    opened = only(book.drain(), Kind.FILL)[0]
    tick(book, 1, bid / 1e5, (bid + 10) / 1e5)
    fill, closed = book.drain()
    assert (fill["side"], fill["points"], fill["reason"], fill["commission_minor"]) == (-side, points, int(reason), 35)
    assert (closed["side"], closed["points"], closed["reason"]) == (side, points, int(reason))
    assert closed["profit_minor"] == (points - opened["points"]) * side * 10  # a point on 0.1 lots is 10 cents
    assert closed["order_id"] == fill["order_id"] > opened["order_id"]
    assert book.numbers["n_stopped"] == 1
    view = tick(book, 2, bid / 1e5, (bid + 10) / 1e5)
    assert view["n_stopped"][0] == 1


def test_each_stop_is_an_order_of_its_own_and_all_that_are_reached_close_at_once() -> None:
    book = open_book(hedging=True)
    for second, units in ((0, 10), (1, 20), (2, 30)):
        tick(book, second, 1.1, 1.1001)
        aim(book, units, stop=50 if units != 20 else 500)
    book.drain()
    tick(book, 3, 1.0995)
    fills = only(book.drain(), Kind.FILL)
    assert fills["order_id"].tolist() == [4, 5]
    assert book.numbers["n_stopped"] == 2
    assert [int(each["stop_points"]) for each in book.positions] == [109_500]


def test_a_trailing_stop_stays_when_another_position_s_stop_is_met() -> None:
    book = open_book(hedging=True)
    tick(book, 0, 1.1, 1.1)
    aim(book, 10, stop=joined(0, 50))
    tick(book, 1, 1.101, 1.101)
    assert book.positions["stop_points"].tolist() == [110_050]
    aim(book, 20, stop=10)
    tick(book, 2, 1.10085, 1.10085)
    assert [(int(p["units"]), int(p["stop_points"])) for p in book.positions] == [(10, 110_050)]


@pytest.mark.parametrize("side", [1, -1])
def test_a_trailing_stop_that_moved_catches_a_gap_that_leaves_the_first_one_untouched(side: int) -> None:
    book = open_book()
    tick(book, 0, 1.1, 1.1)
    aim(book, side * 10, stop=joined(0, 50))
    for second, points in ((1, 110_000 + side * 100), (2, 110_000 - side * 10)):  # stops: 50 behind, then 50 ahead
        tick(book, second, points / 1e5, points / 1e5)
    closed = book.drain()[-1]
    assert (Kind(int(closed["kind"])), closed["reason"]) == (Kind.CLOSED, int(Reason.TRAILING_STOP))
    assert (closed["points"], closed["stop_points"]) == (110_000 - side * 10, 110_000 + side * 50)


def test_a_stop_out_buys_back_at_the_ask_the_short_that_lost_most() -> None:
    book = open_book(SLIPPING, LARGE, deposit=1_000.0, hedging=True)
    for second, bid, units in ((0, 1.10200, -20), (1, 1.10000, -50), (2, 1.10100, -75)):
        tick(book, second, bid, bid)
        aim(book, units)
    book.drain()
    # 0.20, 0.30 and 0.25 lots, sold 3 points below the quote. At an ask of 110,880 the losses are 136.60, 264.90 and
    # 195.75; with 2.62 commission paid the equity of 400 is below half of the margin, 0.75 * 1108.80 / 2 = 415.80.
    tick(book, 3, 1.10870, 1.10880)
    rows = book.drain()
    closed = only(rows, Kind.CLOSED)
    assert [(row["reason"], row["units"], row["side"], row["points"]) for row in closed] == [
        (int(Reason.STOP_OUT), 30, -1, 110_883)
    ]
    assert [(row["side"], row["commission_minor"]) for row in only(rows, Kind.FILL)] == [(1, 105)]
    assert book.positions["units"].tolist() == [20, 25]
    assert book.numbers["n_stopped"] == 1
    aim(book, 0)
    orders = only(book.drain(), Kind.ORDER)["order_id"].tolist()
    assert orders == [5, 6]  # the stop-out was the fourth


def arrivals_ns(seed: int) -> list[int]:
    """How long each of 200 deals travels."""
    book = open_book(Costs(commission_per_lot=0.0, latency_ms=30, latency_jitter_ms=20, swap=False, seed=seed), LARGE)
    found = []
    for number in range(200):
        at_s = number * 10.0
        tick(book, at_s, 1.1)
        aim(book, 1 - number % 2)
        tick(book, at_s + 5, 1.1)
        found.append(int(only(book.drain(), Kind.FILL)["time_ns"][0]) - MONDAY_NS - round(at_s * SECOND_NS))
    return found


def test_an_order_travels_the_latency_and_up_to_the_jitter_longer_by_the_seed() -> None:
    one, again, other = arrivals_ns(1), arrivals_ns(1), arrivals_ns(2)
    assert one == again != other
    for found in (one, other):
        assert min(found) >= 30_000_000
        assert max(found) <= 50_000_000
        assert np.mean(found) == pytest.approx(40_000_000, abs=1_500_000)  # 5.8 ms / sqrt(200) is 0.4 ms


def slipped(book: Book) -> list[int]:
    """How much worse than the quote each of 200 deals is, in points."""
    found = []
    for number in range(200):
        tick(book, number * 10.0, 1.1, 1.1)
        aim(book, 1 - number % 2)
        fill = only(book.drain(), Kind.FILL)[0]
        found.append((int(fill["points"]) - 110_000) * int(fill["side"]))
    return found


def test_slippage_is_the_fixed_part_and_evenly_up_to_the_random_one_on_top_always_against_us() -> None:
    costs = Costs(commission_per_lot=0.0, latency_ms=0.0, slippage_points=2, slippage_random_points=3, swap=False)
    book = open_book(costs, LARGE)
    found = slipped(book)
    assert set(found) == {2, 3, 4, 5}
    assert np.mean(found) == pytest.approx(3.5, abs=0.3)  # 1.12 / sqrt(200) is 0.08
    assert found != slipped(open_book(msgspec.structs.replace(costs, seed=2), LARGE))
    assert held(book) == 0


def test_chance_is_splitmix64_as_its_published_vectors_have_it() -> None:
    seed = np.uint64(1_234_567)  # Rosetta Code, "Pseudo-random numbers/Splitmix64"
    assert [int(_mix(seed, np.uint64(number))) for number in (1, 2, 3)] == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
    ]  # fmt: skip
