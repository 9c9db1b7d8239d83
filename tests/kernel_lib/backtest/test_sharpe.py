"""Sharpe ratios that account for length, tails and trials, against their formulas by hand and simulation."""

import math
from typing import Literal

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from kernel_lib.backtest.sharpe import (
    SharpeEstimate,
    deflated_sharpe_ratio,
    effective_trials,
    expected_max_sharpe,
    haircut_sharpe,
    haircut_trials,
    min_track_record,
    probabilistic_sharpe_ratio,
    sharpe_estimate,
)
from kernel_lib.errors import BadData

# Nobody here had the papers' pages at hand, so no figure below is quoted from one. Expected values are the published
# formulas written a second time, per period and with scipy, and rounded to what a printed example would show.
MONTHLY = 0.458  # of a month: 1.59 a year


def by_hand(sharpe: float, bar: float, n_periods: float, skewness: float, kurtosis: float) -> float:
    variance = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return float(stats.norm.cdf((sharpe - bar) * math.sqrt(n_periods - 1) / math.sqrt(variance)))


def bar_by_hand(n_trials: int, deviation: float) -> float:
    upper = stats.norm.isf([1.0 / n_trials, 1.0 / (n_trials * math.e)])
    return float(deviation * ((1.0 - np.euler_gamma) * upper[0] + np.euler_gamma * upper[1]))


def hedge_fund(n_periods: int, skewness: float, kurtosis: float) -> SharpeEstimate:
    return SharpeEstimate(
        sharpe=MONTHLY * math.sqrt(12), n_periods=n_periods, skewness=skewness, kurtosis=kurtosis, periods_per_year=12
    )


@pytest.mark.parametrize(("skewness", "kurtosis", "rounded"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_heavy_left_tails_lower_the_probabilistic_ratio(skewness: float, kurtosis: float, rounded: float) -> None:
    found = hedge_fund(24, skewness, kurtosis).probability_above()
    assert found == pytest.approx(by_hand(MONTHLY, 0.0, 24, skewness, kurtosis), rel=1e-12)
    assert round(found, 3) == rounded


def test_two_years_of_months_are_too_few_for_95_percent_and_three_suffice() -> None:
    assert by_hand(MONTHLY, 0.0, 24, -2.448, 10.164) < 0.95 < by_hand(MONTHLY, 0.0, 36, -2.448, 10.164)
    assert 24 < hedge_fund(24, -2.448, 10.164).least_periods() < 36


@pytest.mark.parametrize(("a_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)], ids=["daily", "weekly", "monthly"])
def test_the_years_to_show_a_ratio_of_2_above_1(a_year: int, years: float) -> None:
    normal = SharpeEstimate(sharpe=2.0, n_periods=100, periods_per_year=a_year)
    needed = normal.least_periods(1.0, 0.95)
    assert by_hand(2.0 / math.sqrt(a_year), 1.0 / math.sqrt(a_year), needed, 0.0, 3.0) == pytest.approx(0.95, rel=1e-12)
    assert needed / a_year == pytest.approx(years, abs=0.005)


@pytest.mark.parametrize(
    ("n_trials", "skewness", "kurtosis", "rounded"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_the_deflated_ratio_of_five_years_of_250_days(
    n_trials: int, skewness: float, kurtosis: float, rounded: float
) -> None:
    # An annual ratio of 2.5 picked from trials whose annual ratios have the variance 1/2.
    picked = SharpeEstimate(sharpe=2.5, n_periods=1250, skewness=skewness, kurtosis=kurtosis, periods_per_year=250.0)
    bar = expected_max_sharpe(n_trials, math.sqrt(0.5))
    daily = bar_by_hand(n_trials, math.sqrt(0.5 / 250))
    assert bar / math.sqrt(250) == pytest.approx(daily, rel=1e-12)
    found = picked.probability_above(bar)
    assert found == pytest.approx(by_hand(2.5 / math.sqrt(250), daily, 1250, skewness, kurtosis), rel=1e-12)
    assert round(found, 4) == rounded


def test_the_standard_error_is_that_of_simulated_ratios() -> None:
    # Gamma returns: skewness 2 / sqrt(a), kurtosis 3 + 6 / a. Nothing of the formula is in the simulation.
    shape, n_periods, n_runs = 4.0, 400, 4000
    draws = np.random.default_rng(8).gamma(shape, 1.0, (n_runs, n_periods)) - 3.0  # mean 1, deviation 2
    ratios = draws.mean(axis=1) / draws.std(axis=1, ddof=1)
    told = SharpeEstimate(
        sharpe=0.5, n_periods=n_periods, skewness=2.0 / math.sqrt(shape), kurtosis=3.0 + 6.0 / shape, periods_per_year=1
    )
    # The deviation of 4,000 runs is itself known to one part in ninety.
    assert ratios.std() == pytest.approx(told.standard_error, rel=3 / math.sqrt(2 * n_runs))
    ignored = SharpeEstimate(sharpe=0.5, n_periods=n_periods, periods_per_year=1)
    assert ignored.standard_error > 1.2 * ratios.std()


def test_the_expected_maximum_is_near_the_exact_mean_of_the_largest_of_n_normals() -> None:
    for n_trials, exact in ((10, 1.53875), (100, 2.50759), (1000, 3.24144)):  # tables of normal order statistics
        assert expected_max_sharpe(n_trials, 1.0) == pytest.approx(exact, rel=0.025)
    assert expected_max_sharpe(1, 1.0) == 0.0
    assert expected_max_sharpe(1.2, 1.0) == 0.0


def test_returns_give_the_same_as_their_moments() -> None:
    returns = np.random.default_rng(3).standard_t(4, 400) * 0.01 + 0.001
    by_scipy = stats.norm.cdf(
        (returns.mean() / returns.std(ddof=1) - 0.5 / math.sqrt(252))
        * math.sqrt(399)
        / math.sqrt(
            1
            - stats.skew(returns) * (r := returns.mean() / returns.std(ddof=1))
            + (stats.kurtosis(returns, fisher=False) - 1) / 4 * r * r
        )
    )
    assert probabilistic_sharpe_ratio(returns, 0.5) == pytest.approx(by_scipy, rel=1e-9)
    with_gaps = np.insert(returns, [5, 90], np.nan)
    assert probabilistic_sharpe_ratio(with_gaps, 0.5) == pytest.approx(by_scipy, rel=1e-9)
    assert probabilistic_sharpe_ratio(returns + 0.001, 0.5, risk_free=0.001) == pytest.approx(by_scipy, rel=1e-9)


def test_one_trial_is_not_deflated_and_more_trials_lower_the_probability() -> None:
    returns = np.random.default_rng(4).normal(0.001, 0.01, 500)
    assert deflated_sharpe_ratio(returns) == probabilistic_sharpe_ratio(returns)
    fell = [deflated_sharpe_ratio(returns, n) for n in (1, 2, 10, 1000, 10**6)]
    assert fell == sorted(fell, reverse=True)
    assert len(set(fell)) == 5
    ratios = [0.1, 0.8, 1.4, -0.4]
    assert deflated_sharpe_ratio(returns, trial_sharpes=ratios) == deflated_sharpe_ratio(
        returns, 4, float(np.std(ratios, ddof=1))
    )


def test_the_least_record_is_where_the_probability_reaches_the_confidence() -> None:
    returns = np.random.default_rng(5).normal(0.001, 0.01, 500)
    estimate = sharpe_estimate(returns)
    needed = min_track_record(returns, 0.2, confidence=0.9)
    exactly = SharpeEstimate(
        sharpe=estimate.sharpe, n_periods=round(needed), skewness=estimate.skewness, kurtosis=estimate.kurtosis
    )
    assert exactly.probability_above(0.2) == pytest.approx(0.9, abs=1e-3)
    assert min_track_record(returns, estimate.sharpe) == math.inf


def test_the_rate_of_false_alarms_is_as_promised() -> None:
    random = np.random.default_rng(6)
    alarms = [probabilistic_sharpe_ratio(random.normal(0, 0.01, 250)) > 0.95 for _ in range(2000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.015)  # three deviations of 2,000 draws


def test_the_haircut_of_harvey_and_liu() -> None:
    # An annual ratio of 0.75 over twenty years of months is 3.35 standard errors of nothing; the best of 200 trials.
    cut = haircut_sharpe(0.75, 240, 200, periods_per_year="monthly")
    once = 2.0 * stats.norm.sf(0.75 * math.sqrt(20))
    best = 1.0 - (1.0 - once) ** 200
    assert cut.p_value == pytest.approx(once, rel=1e-9)
    assert cut.adjusted_p_value == pytest.approx(best, rel=1e-9)
    assert cut.adjusted_sharpe == pytest.approx(stats.norm.isf(best / 2.0) / math.sqrt(20), rel=1e-9)
    rounded = round(cut.p_value, 4), round(cut.adjusted_p_value, 2), round(cut.adjusted_sharpe, 2)
    assert rounded == (0.0008, 0.15, 0.32)
    assert haircut_sharpe(0.75, 240, 200, periods_per_year="monthly", method="bonferroni").adjusted_p_value == (
        pytest.approx(200 * cut.p_value)
    )


def test_one_trial_has_no_haircut_and_an_overwhelming_one_stays_finite() -> None:
    assert haircut_sharpe(1.3, 500, 1).adjusted_sharpe == pytest.approx(1.3)
    assert haircut_sharpe(-1.3, 500, 1).adjusted_sharpe == pytest.approx(-1.3)
    assert haircut_sharpe(40.0, 5000, 10).adjusted_sharpe == pytest.approx(40.0)
    assert haircut_sharpe(0.1, 100, 10**9).adjusted_sharpe == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("ours", "theirs"), [("holm", "holm"), ("bhy", "fdr_by")])
def test_haircuts_of_all_trials_have_the_p_values_of_statsmodels(ours: Literal["holm", "bhy"], theirs: str) -> None:
    ratios = [2.1, 0.3, 1.2, -1.9, 0.9, 0.05]
    cuts = haircut_trials(ratios, 700, method=ours)
    _, adjusted, _, _ = multipletests([each.p_value for each in cuts], method=theirs)
    np.testing.assert_allclose([each.adjusted_p_value for each in cuts], adjusted, rtol=1e-12)
    assert [each.sharpe for each in cuts] == ratios


def test_without_variance_or_observations_nothing_is_said() -> None:
    for returns in ([], [0.01], [0.01] * 30, [math.nan] * 5):
        assert math.isnan(probabilistic_sharpe_ratio(returns))
        assert math.isnan(deflated_sharpe_ratio(returns, 10))
        assert math.isnan(min_track_record(returns))


def test_numbers_out_of_range_are_refused_in_words() -> None:
    with pytest.raises(BadData, match="trials must be at least 1"):
        deflated_sharpe_ratio([0.1, 0.2], 0)
    with pytest.raises(BadData, match="either trial_sharpes"):
        deflated_sharpe_ratio([0.1, 0.2], 3, trial_sharpes=[1.0, 2.0])
    with pytest.raises(BadData, match="confidence must be between 0 and 1"):
        min_track_record([0.1, 0.2], confidence=95)
    with pytest.raises(BadData, match="correlation of the trials"):
        effective_trials(10, 1.5)
    with pytest.raises(BadData, match="n_periods must be"):
        haircut_sharpe(1.0, 1, 10)
    with pytest.raises(BadData, match="deviation of the trials"):
        expected_max_sharpe(10, -1.0)
