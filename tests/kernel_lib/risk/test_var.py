"""Value at risk and expected shortfall against Hull, numpy, skfolio and hand arithmetic; bad input by name."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kernel_lib.errors import BadData
from kernel_lib.risk.var import (
    expected_shortfall,
    modified_value_at_risk,
    normal_expected_shortfall,
    normal_value_at_risk,
    value_at_risk,
)

RETURNS = np.random.default_rng(7).standard_t(4, 500) / 100.0


@pytest.fixture(scope="module")
def hull(data_dir: Path) -> dict[str, float]:
    path = data_dir / "reference/textbook_cases.json"
    if not path.is_file():
        pytest.skip(f"the textbook cases are absent: {path}")
    return {case["id"]: case["computed"] for case in json.loads(path.read_text())["cases"]}


@pytest.mark.parametrize(
    ("name", "money", "volatility", "days"),
    [("hull_deltanormal_msft_1d99", 10e6, 0.02, 1), ("hull_msft_10d99", 10e6, 0.02, 10),
     ("hull_att_1d99", 5e6, 0.01, 1), ("hull_att_10d99", 5e6, 0.01, 10)],
)  # fmt: skip
def test_delta_normal_is_hulls(hull: dict[str, float], name: str, money: float, volatility: float, days: int) -> None:
    got = money * normal_value_at_risk(mean=0.0, volatility=volatility, confidence=0.99, horizon=days)
    assert got == pytest.approx(hull[name], rel=1e-9)


def test_hulls_convention_takes_the_fifth_worst_of_five_hundred_and_the_four_beyond_it() -> None:
    """Hull's example: 500 scenarios, 99 percent."""
    losses = np.sort(-RETURNS)[::-1]
    assert value_at_risk(RETURNS, confidence=0.99, method="hull") == losses[4]
    assert expected_shortfall(RETURNS, confidence=0.99, method="hull") == pytest.approx(losses[:4].mean())


def test_hulls_published_figures_from_his_five_worst_losses() -> None:
    worst = [477_841.0, 345_435.0, 282_204.0, 277_041.0, 253_385.0]
    scenarios = np.concatenate([-np.array(worst), np.linspace(-200_000, 500_000, 495)])
    assert value_at_risk(scenarios, confidence=0.99, method="hull") == 253_385.0
    assert expected_shortfall(scenarios, confidence=0.99, method="hull") == pytest.approx(345_630.25)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.975, 0.99, 0.999])
@pytest.mark.parametrize("n", [2, 3, 100, 101, 499, 500])
def test_the_linear_quantile_is_numpys(confidence: float, n: int) -> None:
    expected = -np.percentile(RETURNS[:n], 100 * (1 - confidence))
    assert value_at_risk(RETURNS[:n], confidence=confidence) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.975, 0.99])
@pytest.mark.parametrize("n", [100, 101, 499, 500])
def test_the_order_statistic_is_skfolios(confidence: float, n: int) -> None:
    measures = pytest.importorskip("skfolio.measures")
    assert value_at_risk(RETURNS[:n], confidence=confidence, method="order") == pytest.approx(
        measures.value_at_risk(RETURNS[:n], beta=confidence)
    )
    assert expected_shortfall(RETURNS[:n], confidence=confidence, method="order") == pytest.approx(
        measures.cvar(RETURNS[:n], beta=confidence)
    )


def test_empyricals_shortfall_is_the_mean_of_the_partition() -> None:
    """empyrical: index ``int((n - 1) * cutoff)`` of the sorted returns, that one included."""
    cut = int((len(RETURNS) - 1) * 0.05)
    assert expected_shortfall(RETURNS) == pytest.approx(-np.sort(RETURNS)[: cut + 1].mean())


def test_a_portfolio_is_its_instruments_times_the_exposures() -> None:
    table = np.random.default_rng(1).normal(0, 0.01, (300, 3))
    money = np.array([1000.0, -500.0, 250.0])
    assert value_at_risk(table, money) == pytest.approx(value_at_risk(table @ money))
    assert value_at_risk(table, money, horizon=10) == pytest.approx(math.sqrt(10) * value_at_risk(table, money))


def test_the_normal_figures_are_those_of_the_fitted_distribution() -> None:
    mu, sigma = RETURNS.mean(), RETURNS.std()
    fitted = stats.norm(mu, sigma)
    assert normal_value_at_risk(RETURNS, confidence=0.975) == pytest.approx(-fitted.ppf(0.025))
    # Acerbi: the shortfall is the mean of the quantiles beyond.
    expected = -fitted.expect(lambda x: x, ub=fitted.ppf(0.025), conditional=True)
    assert normal_expected_shortfall(RETURNS, confidence=0.975) == pytest.approx(expected)


def test_the_modified_figure_is_the_cornish_fisher_expansion() -> None:
    z = stats.norm.ppf(0.05)
    s, k = stats.skew(RETURNS), stats.kurtosis(RETURNS)
    w = z + (z**2 - 1) / 6 * s + (z**3 - 3 * z) / 24 * k - (2 * z**3 - 5 * z) / 36 * s**2
    assert modified_value_at_risk(RETURNS) == pytest.approx(-(RETURNS.mean() + w * RETURNS.std()), rel=1e-12)


def test_with_a_normal_distribution_every_method_tells_the_same() -> None:
    normal = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    for confidence in (0.95, 0.99):
        expected = stats.norm.ppf(confidence)
        for got in (value_at_risk(normal, confidence=confidence), normal_value_at_risk(normal, confidence=confidence),
                    modified_value_at_risk(normal, confidence=confidence)):  # fmt: skip
            assert got == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(
    ("returns", "exposures", "message"),
    [
        ([], None, "at least 2 observations, there were 0"),
        ([0.01], None, "at least 2 observations, there were 1"),
        ([0.01, math.nan], None, "no NaN, there is one at 1"),
        ([0.01, math.inf], None, "finite"),
        ([0.01, 1e200], None, "finite and below 1e"),
        (["a", "b"], None, "must be numbers"),
        ([[0.01, 0.02], [0.0, 0.0]], None, "a table of returns needs exposures"),
        ([0.01, 0.02], [1.0], "two dimensions"),
        ([[0.01, 0.02], [0.0, 0.0]], [1.0], "one for each of the 2 instruments, there were 1"),
        ([[0.01, 0.02], [0.0, 0.0]], [1.0, math.nan], "exposures must have no NaN"),
        ([[0.01, 0.02]], [1.0, 1.0], "at least 2 rows"),
    ],
)
@pytest.mark.parametrize("measure", [value_at_risk, expected_shortfall, normal_value_at_risk, modified_value_at_risk])
def test_bad_input_is_named(measure: Any, returns: Any, exposures: Any, message: str) -> None:
    with pytest.raises(BadData, match=message):
        measure(returns, exposures)


@pytest.mark.parametrize("confidence", [0.0, 0.05, 1.0, 95.0, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(BadData, match=r"confidence must be from 0\.5"):
        value_at_risk(RETURNS, confidence=confidence)


def test_a_constant_series_loses_what_it_always_loses() -> None:
    assert value_at_risk([-0.01] * 10) == 0.01
    assert modified_value_at_risk([-0.01] * 10) == 0.01
    assert normal_value_at_risk([-0.01] * 10) == pytest.approx(0.01)
