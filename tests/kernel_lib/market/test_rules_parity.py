"""Implied quotes by hand arithmetic, however the legs arrive; what is no triangle is refused."""

import itertools

import numpy as np
import pytest

from kernel_lib.errors import Misconfigured
from kernel_lib.market.instrument import instrument
from kernel_lib.market.quality import TickQuality
from kernel_lib.market.rules_parity import Triangle
from kernel_lib.market.tick import Ticks, make_ticks

SECOND = 10**9
MONDAY = 1_399_248_000 * SECOND
# Mid prices of four currencies in dollars, from which every pair follows.
WORTH = {"EUR": 1.10, "GBP": 1.25, "JPY": 1 / 150, "AUD": 0.65, "USD": 1.0, "CHF": 1.12}


def quote(symbol: str, times: list[int]) -> Ticks:
    mid = WORTH[symbol[:3]] / WORTH[symbol[3:]]
    return make_ticks(times, [mid * (1 - 1e-4)] * len(times), [mid * (1 + 1e-4)] * len(times))


@pytest.mark.parametrize(
    ("of", "first", "second"),
    [("EURGBP", "EURUSD", "GBPUSD"), ("AUDJPY", "AUDUSD", "USDJPY"), ("EURUSD", "EURGBP", "GBPUSD"),
     ("USDJPY", "AUDUSD", "AUDJPY"), ("EURCHF", "EURUSD", "USDCHF")],
)  # fmt: skip
def test_the_implied_quote_is_what_a_round_trip_gets(of: str, first: str, second: str) -> None:
    for legs in itertools.permutations((first, second)):
        triangle = Triangle(*map(instrument, (of, *legs)))
        for leg in triangle.symbols:
            triangle.remember(leg, quote(leg, [0]))
        bid, ask = triangle.implied(np.array([SECOND]))
        mid = WORTH[of[:3]] / WORTH[of[3:]]
        assert bid[0] == pytest.approx(mid * (1 - 2e-4), rel=1e-6)
        assert ask[0] == pytest.approx(mid * (1 + 2e-4), rel=1e-6)


def test_an_unknown_or_old_leg_implies_nothing() -> None:
    triangle = Triangle(*map(instrument, ("EURGBP", "EURUSD", "GBPUSD")))
    triangle.remember("EURUSD", quote("EURUSD", [0]))
    assert np.isnan(triangle.implied(np.array([1]))[0]).all()
    triangle.remember("GBPUSD", quote("GBPUSD", [0, SECOND]))
    bid, _ = triangle.implied(np.array([1, 5 * SECOND, 5 * SECOND + 1]))
    assert np.isnan(bid).tolist() == [False, False, True]


def test_legs_that_arrive_in_pieces_imply_the_same() -> None:
    rng = np.random.default_rng(3)
    legs = {
        name: make_ticks(np.sort(rng.integers(0, 100 * SECOND, 300)), price, price + 1e-4)
        for name, price in (("EURUSD", 1.1 + 1e-4 * rng.random(300)), ("GBPUSD", 1.25 + 1e-4 * rng.random(300)))
    }
    times = np.sort(rng.integers(0, 100 * SECOND, 200))
    whole = Triangle(*map(instrument, ("EURGBP", "EURUSD", "GBPUSD")))
    for name, ticks in legs.items():
        whole.remember(name, ticks)
    expected = whole.implied(times)
    pieces, got = Triangle(*map(instrument, ("EURGBP", "EURUSD", "GBPUSD"))), []
    edges = [0, 20, 33, 34, 70, 101]
    for start, end in itertools.pairwise(np.array(edges) * SECOND):
        for name, ticks in legs.items():
            pieces.remember(name, ticks[(ticks["time_ns"] >= start) & (ticks["time_ns"] < end)])
        got.append(pieces.implied(times[(times >= start) & (times < end)]))
    np.testing.assert_array_equal(np.concatenate([each[0] for each in got]), expected[0])
    np.testing.assert_array_equal(np.concatenate([each[1] for each in got]), expected[1])


def test_a_wrong_cross_is_refused_at_enterprise() -> None:
    times = (MONDAY + SECOND * np.arange(40)).tolist()
    triangle = Triangle(*map(instrument, ("EURGBP", "EURUSD", "GBPUSD")))
    for leg in triangle.symbols:
        triangle.remember(leg, quote(leg, times))
    ticks = quote("EURGBP", times)
    ticks["bid"] += 1e-7 * np.arange(40)
    ticks["bid"][5] *= 1.002
    ticks["ask"][5] *= 1.002
    verdict = TickQuality("enterprise").check(ticks, implied=triangle.implied(ticks["time_ns"]))
    assert (verdict.refused.tolist(), verdict.rules) == ([5], ("parity",))


@pytest.mark.parametrize("legs", [("EURUSD", "USDCHF"), ("EURGBP", "GBPUSD"), ("GBPUSD", "GBPUSD")])
def test_what_is_no_triangle_is_misconfigured(legs: tuple[str, str]) -> None:
    with pytest.raises(Misconfigured, match="common currency"):
        Triangle(*map(instrument, ("EURGBP", *legs)))
