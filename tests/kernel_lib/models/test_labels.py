"""Labels by hand: what lies ahead, when it is known, and nothing where it is not."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models import labels as lab
from kernel_lib.models.labels import past_volatility


def test_a_direction_is_up_down_or_not_known_yet() -> None:
    labels = lab.direction([1.0, 1.1, 1.0, 1.0, 1.2], 2)
    np.testing.assert_array_equal(labels.values, [-1, -1, 1, np.nan, np.nan])
    np.testing.assert_array_equal(labels.ends, [2, 3, 4, 3, 4])
    assert (labels.name, labels.kind, labels.horizon) == ("direction(2)", "direction", 2)


def test_a_return_within_the_threshold_is_flat() -> None:
    # ln(1.001) is 0.09995 %, ln(1.01) is 0.995 %
    labels = lab.direction([1.0, 1.001, 1.01101, 1.0], 1, threshold_pct=0.1)
    np.testing.assert_array_equal(labels.values, [0, 1, -1, np.nan])


def test_a_forward_return_is_the_logarithm_of_the_ratio_in_percent() -> None:
    values = lab.forward_return([2.0, 4.0, 1.0], 1).values
    np.testing.assert_allclose(values[:2], [100 * np.log(2), -100 * np.log(4)], rtol=1e-14)
    assert np.isnan(values[2])


def test_volatility_is_the_root_mean_square_of_the_next_returns() -> None:
    close = np.exp([0.0, 0.01, -0.02, 0.02])
    # returns 0.01, -0.03, 0.04: rms of the first two is sqrt(0.0005), of the last two sqrt(0.00125)
    values = lab.volatility(close, 2).values
    np.testing.assert_allclose(values[:2], [100 * np.sqrt(0.0005), 100 * np.sqrt(0.00125)], rtol=1e-12)
    assert np.isnan(values[2:]).all()


def test_momentum_is_the_return_in_units_of_past_volatility() -> None:
    close = np.exp([0.0, 0.01, 0.03, 0.03, 0.07])
    scale = np.sqrt((0.01**2 + 0.02**2) / 2)
    values = lab.momentum(close, 1, span=2).values
    np.testing.assert_allclose(values[2], 0.0, atol=1e-12)
    assert np.isnan(values[:2]).all()
    # weight of the newest 2/3: variance at row 3 is a third of what it was, for the return there was 0
    np.testing.assert_allclose(values[3], 0.04 / (scale * np.sqrt(1 / 3)), rtol=1e-12)


def test_past_volatility_does_not_look_ahead() -> None:
    close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 60)))
    np.testing.assert_array_equal(past_volatility(close[:40], 10), past_volatility(close, 10)[:40])


def test_an_outlook_joins_the_three() -> None:
    close = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 80)))
    labels = lab.outlook(close, 4, span=10)
    np.testing.assert_array_equal(labels.values[:, 0], lab.direction(close, 4).values)
    np.testing.assert_array_equal(labels.values[:, 1], lab.volatility(close, 4).values)
    np.testing.assert_array_equal(labels.values[:, 2], lab.momentum(close, 4, span=10).values)


def steady(moves: list[float]) -> np.ndarray:
    """Twenty returns of 1 % up and down, so that volatility is 1 %, and then the moves from 1."""
    return np.concatenate([np.exp(0.01 * (np.arange(20) % 2)), np.exp(0.01) * np.asarray(moves)])


def test_the_first_barrier_touched_decides() -> None:
    close = steady([1.0, 1.015, 1.035, 0.9])
    labels = lab.triple_barrier(close, 6, take=2.0, stop=2.0, span=10)
    row = 20  # price e^0.01, barriers near 2 % away: row 22 is 3.4 % above
    assert labels.values[row] == 1.0
    assert labels.ends[row] == 22


def test_nothing_touched_is_flat_at_the_vertical_barrier_and_unknown_at_the_end() -> None:
    close = steady([1.0, 1.001, 1.002, 1.001, 1.0])
    labels = lab.triple_barrier(close, 3, take=4.0, stop=4.0, span=10)
    assert (labels.values[20], labels.ends[20]) == (0.0, 23)
    assert np.isnan(labels.values[22:]).all()
    np.testing.assert_array_equal(labels.ends[22:], np.arange(22, 25))


def test_a_row_that_touches_both_barriers_is_flat() -> None:
    close = steady([1.0, 1.0, 1.0, 1.0])
    high, low = close.copy(), close.copy()
    high[21], low[21] = close[21] * 1.1, close[21] * 0.9
    labels = lab.triple_barrier(close, 3, span=10, high=high, low=low)
    assert (labels.values[20], labels.ends[20]) == (0.0, 21)


def test_labels_cut_at_a_row_forget_what_came_after() -> None:
    close = [1.0, 1.1, 1.0, 1.2, 1.3, 1.1]
    cut, short = lab.direction(close, 2)[:4], lab.direction(close[:4], 2)
    np.testing.assert_array_equal(cut.values, short.values)
    np.testing.assert_array_equal(cut.ends, short.ends)
    with pytest.raises(BadData, match="beginning"):
        lab.direction(close, 2)[1:]


@pytest.mark.parametrize(
    ("close", "says"),
    [
        ([1.0, -1.0], "row 1"),
        ([1.0, np.nan, 2.0], "row 1"),
        (["a", "b"], "numbers"),
        ([[1.0]], "dimension"),
        ([1.0], "two"),
    ],
)
def test_prices_that_are_none_are_refused(close: object, says: str) -> None:
    with pytest.raises(BadData, match=says):
        lab.direction(close, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("horizon", [0, -1, 1.5, True])
def test_a_horizon_must_be_whole_rows_ahead(horizon: int) -> None:
    with pytest.raises(BadData, match="must be a whole number"):
        lab.volatility([1.0, 2.0, 3.0], horizon)
