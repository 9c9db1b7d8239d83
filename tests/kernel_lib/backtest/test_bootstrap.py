"""The stationary bootstrap: its rows, its block length against arch's, its intervals against exact ones."""

import math

import numpy as np
import pytest

from kernel_lib.backtest.bootstrap import (
    block_length,
    bootstrap_interval,
    resample_rows,
    resampled,
    stationary_rows,
)
from kernel_lib.errors import BadData
from kernel_lib.risk import sharpe_ratio


def autoregressive(seed: int, coefficient: float, n_rows: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(n_rows + 100)
    rows = np.zeros(n_rows + 100)
    for i in range(1, len(rows)):
        rows[i] = coefficient * rows[i - 1] + noise[i]
    return rows[100:]


@pytest.mark.parametrize(
    ("seed", "coefficient", "n_rows", "stationary", "circular"),
    [
        (0, 0.9, 1000, 29.375417688425276, 33.62645900889349),
        (1, 0.5, 1000, 11.740271032119624, 13.43925546190364),
        (3, -0.5, 500, 10.468122375459696, 11.983008775979933),
        (4, 0.3, 250, 4.4665631766312615, 5.112938483554059),
    ],
)
def test_block_lengths_are_those_of_arch_8(
    seed: int, coefficient: float, n_rows: int, stationary: float, circular: float
) -> None:
    # arch.bootstrap.optimal_block_length, version 8.0.0, on the same series.
    rows = autoregressive(seed, coefficient, n_rows)
    assert block_length(rows) == pytest.approx(stationary, rel=1e-9)
    assert block_length(rows, circular=True) == pytest.approx(circular, rel=1e-9)


def test_a_series_without_memory_is_drawn_row_by_row() -> None:
    assert block_length(autoregressive(2, 0.0, 1000)) == 1.0  # arch gives 0.435, which no block can have
    assert block_length(np.full(100, 0.3)) == 1.0
    assert block_length([0.1, 0.2, 0.3]) == 1.0


def test_the_longest_of_a_tables_columns_counts() -> None:
    long, short = autoregressive(0, 0.9, 1000), autoregressive(1, 0.5, 1000)
    assert block_length(np.column_stack([short, long])) == block_length(long)


def test_blocks_follow_one_another_in_a_circle_and_have_the_mean_length() -> None:
    rows = np.concatenate(list(stationary_rows(200, 8.0, 500, seed=3)))
    assert rows.shape == (500, 200)
    follows = rows[:, 1:] == (rows[:, :-1] + 1) % 200
    # A new block follows by chance once in 200, so the share of breaks is 1/8 * 199/200.
    assert 1.0 - follows.mean() == pytest.approx(199 / 200 / 8, abs=0.003)
    counts = np.bincount(rows.reshape(-1), minlength=200)
    assert counts.min() > 350  # 500 each on average: no row is left out, at the edges neither
    assert counts.max() < 650


def test_a_seed_gives_the_same_rows_whatever_the_portions() -> None:
    np.testing.assert_array_equal(resample_rows(50, 4.0, 9), resample_rows(50, 4.0, 9))
    assert (resample_rows(50, 4.0, 9) != resample_rows(50, 4.0, 10)).any()
    assert len(list(stationary_rows(3_000_000, 4.0, 2))) == 2


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(8).normal(0.1, 1.0, 900)
    interval = bootstrap_interval(values, lambda x: x.mean(axis=1), n_draws=5000, block=1.0, vectorized=True)
    half = 1.959964 * values.std() / 30.0
    assert interval.estimate == values.mean()
    assert interval.low == pytest.approx(values.mean() - half, abs=0.06 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.06 * half)
    assert interval.standard_error == pytest.approx(values.std() / 30.0, rel=0.05)
    assert values.mean() in interval
    assert 2.0 not in interval


def test_memory_widens_the_interval_as_theory_says() -> None:
    # The mean of AR(1) with 0.5 has sqrt((1 + 0.5) / (1 - 0.5)) = 1.73 times the error of independent rows.
    values = autoregressive(11, 0.5, 4000)
    aware = bootstrap_interval(values, lambda x: x.mean(axis=1), vectorized=True).standard_error
    blind = bootstrap_interval(values, lambda x: x.mean(axis=1), block=1.0, vectorized=True).standard_error
    assert aware / blind == pytest.approx(math.sqrt(3.0), rel=0.12)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(200):
        values = autoregressive(seed, 0.4, 300)
        covered += 0.0 in bootstrap_interval(
            values, lambda x: x.mean(axis=1), confidence=0.9, n_draws=300, vectorized=True
        )
    # 180 are promised, give or take 4 by chance; block bootstraps of short series fall a little short.
    assert 164 <= covered <= 192


def test_basic_intervals_are_percentile_ones_reflected() -> None:
    values = np.random.default_rng(1).exponential(1.0, 60)
    one, other = (bootstrap_interval(values, np.median, n_draws=400, method=m) for m in ("percentile", "basic"))
    assert other.low == pytest.approx(2 * one.estimate - one.high)
    assert other.high == pytest.approx(2 * one.estimate - one.low)


def test_any_statistic_of_one_series_or_of_several_aligned_ones() -> None:
    random = np.random.default_rng(2)
    market = random.normal(0.0005, 0.01, 400)
    pair = np.column_stack([market, 0.5 * market + random.normal(0, 0.002, 400)])
    beta = bootstrap_interval(pair, lambda x: np.cov(x.T)[0, 1] / x[:, 0].var(ddof=1), n_draws=300)
    assert 0.5 in beta
    assert beta.high - beta.low < 0.1  # rows stay together: shuffled apart it would lie around 0
    sharpe = bootstrap_interval(market, sharpe_ratio, n_draws=300)
    # Lo (2002): the error of an annual ratio of n days is about sqrt(252 / n).
    assert sharpe.standard_error == pytest.approx(math.sqrt(252 / 400), rel=0.2)


def test_a_statistic_that_fails_on_most_draws_has_no_interval() -> None:
    interval = bootstrap_interval(np.arange(20.0), lambda x: math.nan, n_draws=50)
    assert math.isnan(interval.low)
    assert interval.n_draws == 0


def test_what_cannot_be_resampled_is_refused_in_words() -> None:
    with pytest.raises(BadData, match="no NaN to be resampled, there is one in row 1"):
        bootstrap_interval([0.1, math.nan, 0.2], np.mean)
    with pytest.raises(BadData, match="at least 2 rows"):
        bootstrap_interval([0.1], np.mean)
    with pytest.raises(BadData, match="confidence"):
        bootstrap_interval([0.1, 0.2], np.mean, confidence=95)
    with pytest.raises(BadData, match="length of a block"):
        resample_rows(5, 0.5)
    with pytest.raises(BadData, match="number of draws"):
        resampled([0.1, 0.2], np.mean, n_draws=0)
    with pytest.raises(BadData, match="at least one row"):
        resample_rows(0, 1.0)
