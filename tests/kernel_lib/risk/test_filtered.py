"""The volatility filters against plain loops and known processes; filtered simulation reacts to the present."""

import math

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.risk.filtered import (
    ewma_volatility,
    filtered_expected_shortfall,
    filtered_returns,
    filtered_value_at_risk,
    fit_garch,
    garch_volatility,
)
from kernel_lib.risk.report import risk_report
from kernel_lib.risk.var import value_at_risk

RETURNS = np.random.default_rng(3).normal(0, 0.01, 300)


def garch_path(n: int, omega: float, alpha: float, beta: float) -> np.ndarray:
    rng, variance, path = np.random.default_rng(11), omega / (1 - alpha - beta), []
    for _ in range(n):
        path.append(math.sqrt(variance) * rng.standard_normal())
        variance = omega + alpha * path[-1] ** 2 + beta * variance
    return np.array(path)


def test_the_weighted_volatility_is_riskmetrics_recursion() -> None:
    variance, expected = RETURNS[0] ** 2, []
    for step in RETURNS:
        expected.append(math.sqrt(variance))
        variance = 0.94 * variance + 0.06 * step**2
    expected.append(math.sqrt(variance))
    np.testing.assert_allclose(ewma_volatility(RETURNS, seed="first"), expected, rtol=1e-12)


def test_a_hand_computed_update() -> None:
    """Hull, example 23.1: lambda 0.90, volatility 1 percent, a move of 2 percent: 1.14 percent."""
    assert ewma_volatility([0.01, 0.02], 0.9, seed="first")[-1] == pytest.approx(math.sqrt(0.00013), rel=1e-12)


def test_a_garch_fit_finds_the_process_it_was_made_of() -> None:
    fitted = fit_garch(garch_path(6000, 2e-6, 0.10, 0.85))
    assert fitted.alpha == pytest.approx(0.10, abs=0.02)
    assert fitted.beta == pytest.approx(0.85, abs=0.03)
    assert fitted.long_run_volatility == pytest.approx(math.sqrt(2e-6 / 0.05), rel=0.1)


def test_a_garch_fit_does_not_depend_on_the_unit() -> None:
    path = garch_path(1000, 2e-6, 0.10, 0.85)
    in_percent = fit_garch(100.0 * path)
    fitted = fit_garch(path)
    assert (in_percent.alpha, in_percent.beta) == pytest.approx((fitted.alpha, fitted.beta), rel=1e-3)
    assert in_percent.omega == pytest.approx(1e4 * fitted.omega, rel=1e-2)


def test_the_garch_volatility_is_its_recursion() -> None:
    fitted = fit_garch(RETURNS)
    variance, expected = np.mean(RETURNS**2), []
    for step in RETURNS:
        expected.append(math.sqrt(variance))
        variance = fitted.omega + fitted.alpha * step**2 + fitted.beta * variance
    np.testing.assert_allclose(garch_volatility(RETURNS, fitted), [*expected, math.sqrt(variance)], rtol=1e-12)


def test_every_return_is_rescaled_to_the_volatility_of_now() -> None:
    expected = ewma_volatility(RETURNS)
    np.testing.assert_allclose(filtered_returns(RETURNS), RETURNS * expected[-1] / expected[:-1])


@pytest.mark.parametrize("filter_by", ["ewma", "garch"])
def test_it_sees_a_rise_of_volatility_that_plain_history_averages_away(filter_by: str) -> None:
    calm_then_wild = np.concatenate([RETURNS, 4.0 * RETURNS[:40]])
    filtered = filtered_value_at_risk(calm_then_wild, filter_by=filter_by)  # type: ignore[arg-type]
    assert filtered > 1.5 * value_at_risk(calm_then_wild)
    shortfall = filtered_expected_shortfall(calm_then_wild, filter_by=filter_by)  # type: ignore[arg-type]
    assert shortfall > filtered


def test_a_portfolio_is_filtered_instrument_by_instrument() -> None:
    columns = np.column_stack([RETURNS, np.concatenate([RETURNS[150:], 3.0 * RETURNS[:150]])])
    money = np.array([1000.0, 500.0])
    by_hand = np.column_stack([filtered_returns(columns[:, 0]), filtered_returns(columns[:, 1])]) @ money
    assert filtered_value_at_risk(columns, money) == pytest.approx(value_at_risk(by_hand))


def test_bad_input_is_named() -> None:
    with pytest.raises(BadData, match="at least 50 observations"):
        fit_garch(RETURNS[:49])
    with pytest.raises(BadData, match="constant"):
        fit_garch(np.full(60, 0.01))
    with pytest.raises(BadData, match="every return is 0"):
        filtered_value_at_risk(np.zeros(60))
    with pytest.raises(BadData, match="above 0 and below 1"):
        ewma_volatility(RETURNS, 1.0)
    with pytest.raises(BadData, match="no NaN"):
        filtered_value_at_risk([0.01, math.nan, 0.02])


def test_the_report_holds_every_method_and_shows_itself() -> None:
    report = risk_report(np.column_stack([RETURNS, -RETURNS[::-1]]), [1000.0, 2000.0], currency="USD", horizon=10)
    assert len(report.tails) == 8
    assert report.at("historical", 0.99).value_at_risk > report.at("historical", 0.95).value_at_risk
    assert "USD" in report._repr_html_()
    assert report.plot().axes
    assert risk_report(np.zeros(10)).at("filtered", 0.95).value_at_risk == 0.0
