"""Sharpe ratios that account for length, tails and trials, against the papers' own worked examples."""

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

# Bailey and Lopez de Prado (2012): a ratio of 1.59 a year from months, 0.458 a month, skewness -2.448, kurtosis 10.164.
MONTHLY = 0.458 * math.sqrt(12)


def hedge_fund(n_periods: int, skewness: float, kurtosis: float) -> SharpeEstimate:
    return SharpeEstimate(
        sharpe=MONTHLY, n_periods=n_periods, skewness=skewness, kurtosis=kurtosis, periods_per_year=12
    )


def test_the_probabilistic_ratio_of_the_papers_hedge_fund() -> None:
    assert hedge_fund(24, 0.0, 3.0).probability_above() == pytest.approx(0.982, abs=5e-4)
    assert hedge_fund(24, -2.448, 10.164).probability_above() == pytest.approx(0.913, abs=5e-4)
    # Two years are too few for 95 percent, three suffice.
    assert 24 < hedge_fund(24, -2.448, 10.164).least_periods() < 36


@pytest.mark.parametrize(("a_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)], ids=["daily", "weekly", "monthly"])
def test_the_papers_years_to_show_a_ratio_of_2_above_1(a_year: int, years: float) -> None:
    normal = SharpeEstimate(sharpe=2.0, n_periods=100, periods_per_year=a_year)
    assert normal.least_periods(1.0, 0.95) / a_year == pytest.approx(years, abs=0.005)


@pytest.mark.parametrize(
    ("n_trials", "skewness", "kurtosis", "deflated"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_the_deflated_ratios_of_the_papers_example(
    n_trials: int, skewness: float, kurtosis: float, deflated: float
) -> None:
    # Bailey and Lopez de Prado (2014), "A numerical example": 5 years of 250 days, annual ratio 2.5, variance 1/2.
    picked = SharpeEstimate(sharpe=2.5, n_periods=1250, skewness=skewness, kurtosis=kurtosis, periods_per_year=250.0)
    bar = expected_max_sharpe(n_trials, math.sqrt(0.5))
    if n_trials == 100:
        assert bar / math.sqrt(250) == pytest.approx(0.1132, abs=5e-5)
    assert picked.probability_above(bar) == pytest.approx(deflated, abs=5e-5)


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
    # "Backtesting" (2015): an annual ratio of 0.75 over twenty years of months: p 0.0008, of 200 trials 0.15; 0.32.
    cut = haircut_sharpe(0.75, 240, 200, periods_per_year="monthly")
    assert cut.p_value == pytest.approx(0.0008, abs=5e-5)
    assert cut.adjusted_p_value == pytest.approx(0.15, abs=5e-3)
    assert cut.adjusted_sharpe == pytest.approx(0.32, abs=5e-3)
    assert 0.55 < cut.fraction < 0.6
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
