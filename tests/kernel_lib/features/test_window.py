"""Rolling windows against NumPy over every window, through ties, leaps and long quiet."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.features.window import (
    delay_push,
    delay_size,
    extreme_age,
    extreme_push,
    extreme_size,
    pair_push,
    pair_size,
    ring_push,
    ring_size,
    weighted_push,
)

SERIES = {
    "walk": 1.1 + np.cumsum(np.random.default_rng(1).normal(0, 1e-4, 400)),
    "ties": np.random.default_rng(2).integers(0, 4, 400).astype(float),
    "leaps": np.where(np.arange(400) % 37 == 0, 100.0, 1.0) + np.random.default_rng(3).normal(0, 1e-3, 400),
    "falling": np.linspace(2.0, 1.0, 400),
}
WINDOWS = (1, 2, 7, 64)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("n", WINDOWS)
def test_a_ring_knows_mean_and_squares_of_its_window(name: str, n: int) -> None:
    state = np.zeros(ring_size(n) + 1)
    for row, x in enumerate(SERIES[name]):
        inside = SERIES[name][max(0, row - n + 1) : row + 1]
        assert ring_push(state, 1, n, x) == (row >= n - 1)
        assert state[3] == pytest.approx(inside.mean(), rel=1e-12)
        assert state[4] == pytest.approx(((inside - inside.mean()) ** 2).sum(), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("n", WINDOWS)
def test_a_weighted_ring_knows_both_sums(name: str, n: int) -> None:
    state = np.zeros(ring_size(n) + 1)
    for row, x in enumerate(SERIES[name]):
        inside = SERIES[name][max(0, row - n + 1) : row + 1]
        assert weighted_push(state, 1, n, x) == (row >= n - 1)
        assert state[3] == pytest.approx(inside.sum(), rel=1e-12)
        assert state[4] == pytest.approx((inside * np.arange(1, len(inside) + 1)).sum(), rel=1e-12)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("n", WINDOWS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_extreme_and_its_age_are_those_of_the_window(name: str, n: int, sign: float) -> None:
    state = np.zeros(extreme_size(n) + 1)
    for row, x in enumerate(SERIES[name]):
        inside = SERIES[name][max(0, row - n + 1) : row + 1] * sign
        assert extreme_push(state, 1, n, x, sign) == inside.max() * sign
        assert extreme_age(state, 1) == len(inside) - 1 - np.flatnonzero(inside == inside.max())[-1]


@pytest.mark.parametrize("n", WINDOWS)
def test_a_delay_gives_back_what_went_in_before(n: int) -> None:
    state = np.zeros(delay_size(n) + 1)
    given = [delay_push(state, 1, n, float(row)) for row in range(200)]
    assert np.isnan(given[:n]).all()
    assert given[n:] == [float(row) for row in range(200 - n)]


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("n", WINDOWS)
def test_a_ring_of_pairs_knows_means_squares_and_products(name: str, n: int) -> None:
    xs, ys = SERIES[name], SERIES["walk"][::-1] + 0.5 * SERIES[name]
    state = np.zeros(pair_size(n) + 1)
    for row, (x, y) in enumerate(zip(xs, ys, strict=True)):
        a, b = (each[max(0, row - n + 1) : row + 1] for each in (xs, ys))
        da, db = a - a.mean(), b - b.mean()
        assert pair_push(state, 1, n, x, y) == (row >= n - 1)
        want = [a.mean(), b.mean(), (da * da).sum(), (db * db).sum(), (da * db).sum()]
        np.testing.assert_allclose(state[3:8], want, rtol=1e-9, atol=1e-9)


def test_a_market_that_stands_still_correlates_with_nothing() -> None:
    """Rounding that is left of livelier times must not be blown up to a correlation of one."""
    random = np.random.default_rng(5)
    mine = np.r_[1.1 + np.cumsum(random.normal(0, 1e-3, 333)), np.full(200, 1.234)]
    other = 1.3 + np.cumsum(random.normal(0, 1e-3, 533))
    flat = slice(334 + 50, None)
    assert (f.correlation("X", 50)(mine, other)[flat] == 0.0).all()
    assert (f.beta("X", 50)(mine, other)[flat] == 0.0).all()
    assert (f.beta("X", 50)(other, mine)[flat] == 0.0).all()
    assert (f.return_autocorrelation(50)(mine)[flat] == 0.0).all()
