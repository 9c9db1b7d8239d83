"""Track records: drawdown, capture and ratios by hand arithmetic and by empyrical's definitions written plainly."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kernel_lib import risk
from kernel_lib.errors import BadData

RETURNS = np.random.default_rng(21).normal(0.0004, 0.011, 400)
MARKET = 0.6 * RETURNS + np.random.default_rng(22).normal(0.0001, 0.006, 400)


def test_drawdown_by_hand() -> None:
    returns = [0.10, -0.20, -0.10, 0.50, 0.10, -0.05]
    report = risk.drawdown_report(returns)
    assert report.max_drawdown == pytest.approx(0.8 * 0.9 - 1.0)
    assert (report.peak, report.trough, report.recovery, report.longest_periods) == (0, 2, 3, 2)
    assert risk.max_drawdown(returns) == report.max_drawdown
    expected = [0.0, -0.2, -0.28, 0.0, 0.0, -0.05]
    np.testing.assert_allclose(risk.drawdowns(returns), expected, atol=1e-12)
    assert risk.average_drawdown(returns) == pytest.approx((0.28 + 0.05) / 2)
    assert report.ulcer_index == pytest.approx(math.sqrt(np.mean(np.square(expected))))
    assert "Drawdown" in report._repr_html_()
    assert report.plot().axes


def test_a_loss_in_the_first_period_counts_from_the_start() -> None:
    report = risk.drawdown_report([-0.1, -0.1])
    assert report.max_drawdown == pytest.approx(-0.19)
    assert (report.peak, report.trough, report.recovery) == (-1, 1, None)


def test_conditional_drawdown_is_skfolios() -> None:
    measures = pytest.importorskip("skfolio.measures")
    depths = measures.get_drawdowns(RETURNS, compounded=True)
    assert risk.conditional_drawdown_at_risk(RETURNS) == pytest.approx(measures.cdar(depths, beta=0.95))
    assert risk.ulcer_index(RETURNS) == pytest.approx(measures.ulcer_index(depths))
    assert risk.pain_index(RETURNS) == pytest.approx(measures.average_drawdown(depths))


def test_without_a_loss_there_is_no_drawdown() -> None:
    report = risk.drawdown_report([0.01, 0.0])
    assert (report.max_drawdown, report.peak, report.longest_periods) == (0.0, None, 0)
    assert math.isnan(risk.calmar_ratio([0.01, 0.0]))


def test_exposure_falls_in_a_straight_line_to_the_limit() -> None:
    scales = [risk.drawdown_control(-dd, 0.2, start=0.25) for dd in (0.0, 0.05, 0.125, 0.2, 0.5)]
    assert scales == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])
    for bad in ({"limit": 0.0}, {"limit": 1.5}, {"limit": 0.1, "start": 1.0}, {"limit": math.nan}):
        with pytest.raises(BadData):
            risk.drawdown_control(0.1, **bad)


def test_empyricals_definitions_written_plainly() -> None:
    year = 252
    growth = (1 + RETURNS).prod() ** (year / 400) - 1
    assert risk.annual_return(RETURNS) == pytest.approx(growth)
    worth = np.concatenate([[1.0], np.cumprod(1 + RETURNS)])
    deepest = (worth / np.maximum.accumulate(worth) - 1).min()
    assert risk.max_drawdown(RETURNS) == pytest.approx(deepest)
    assert risk.calmar_ratio(RETURNS) == pytest.approx(growth / -deepest)
    assert risk.tail_ratio(RETURNS) == pytest.approx(abs(np.percentile(RETURNS, 95)) / abs(np.percentile(RETURNS, 5)))
    fit = stats.linregress(np.arange(400), np.log1p(RETURNS).cumsum())
    assert risk.stability(RETURNS) == pytest.approx(fit.rvalue**2)
    threshold = 1.05 ** (1 / year) - 1
    away = RETURNS - threshold
    assert risk.omega_ratio(RETURNS, required=0.05) == pytest.approx(away[away > 0].sum() / -away[away < 0].sum())
    up = MARKET > 0

    def yearly(part: np.ndarray) -> float:
        return float((1 + part).prod() ** (year / len(part)) - 1)

    assert risk.up_capture(RETURNS, MARKET) == pytest.approx(yearly(RETURNS[up]) / yearly(MARKET[up]))
    assert risk.down_capture(RETURNS, MARKET) == pytest.approx(yearly(RETURNS[~up]) / yearly(MARKET[~up]))
    assert risk.beta(RETURNS, MARKET) == pytest.approx(stats.linregress(MARKET, RETURNS).slope)
    active = RETURNS - MARKET
    assert risk.information_ratio(RETURNS, MARKET) == pytest.approx(active.mean() / active.std(ddof=1))
    assert risk.downside_deviation(RETURNS, 0.0, "daily") == pytest.approx(
        math.sqrt(np.mean(np.minimum(RETURNS, 0) ** 2) * year)
    )


@pytest.mark.parametrize("method", ["fisher", "moment"])
def test_moments_are_scipys(method: Any) -> None:
    bias = method == "moment"
    assert risk.skewness(RETURNS, method) == pytest.approx(stats.skew(RETURNS, bias=bias))
    ours = risk.kurtosis(RETURNS, "excess" if bias else method)
    assert ours == pytest.approx(stats.kurtosis(RETURNS, bias=bias))


def test_pandas_agrees_and_a_gap_is_left_out() -> None:
    gapped = pd.Series(RETURNS).mask(np.arange(400) % 7 == 0)
    assert risk.skewness(gapped, "fisher") == pytest.approx(gapped.skew())
    assert risk.kurtosis(gapped, "fisher") == pytest.approx(gapped.kurt())
    assert risk.annual_volatility(gapped) == pytest.approx(gapped.std() * math.sqrt(252))
    assert risk.sharpe_ratio(gapped) == pytest.approx(gapped.mean() / gapped.std() * math.sqrt(252))


def test_a_table_gives_one_number_a_column() -> None:
    frame = pd.DataFrame({"a": RETURNS, "b": MARKET})
    found = risk.sharpe_ratio(frame)
    assert found["b"] == pytest.approx(risk.sharpe_ratio(MARKET))
    np.testing.assert_allclose(risk.sharpe_ratio(frame.to_numpy()), found)


def test_series_are_joined_on_their_index() -> None:
    days = pd.date_range("2020-01-01", periods=400)
    late = pd.Series(MARKET, index=days).iloc[10:]
    assert risk.beta(pd.Series(RETURNS, index=days), late) == pytest.approx(risk.beta(RETURNS[10:], MARKET[10:]))


ONE_SERIES = ["sharpe_ratio", "sortino_ratio", "calmar_ratio", "omega_ratio", "tail_ratio", "stability", "skewness",
              "kurtosis", "annual_return", "annual_volatility", "max_drawdown", "ulcer_index", "martin_ratio",
              "downside_deviation", "bernardo_ledoit_ratio", "kappa"]  # fmt: skip


@pytest.mark.parametrize("name", ONE_SERIES)
@pytest.mark.parametrize("bad", [[0.01, math.inf], [0.01, 1e200], "abc", [[[0.1]]], [0.1, "x"]])
def test_what_is_no_series_is_bad_data(name: str, bad: Any) -> None:
    with pytest.raises(BadData):
        getattr(risk, name)(bad)


@pytest.mark.parametrize("name", ONE_SERIES)
@pytest.mark.parametrize("few", [[], [0.01], [math.nan, math.nan], [0.0, 0.0, 0.0], [0.01] * 5, [-1.0, 0.0]])
def test_too_little_or_constant_gives_a_number_or_nan_and_no_warning(name: str, few: Any) -> None:
    assert isinstance(getattr(risk, name)(few), float)


def test_a_return_below_minus_one_is_refused_where_it_compounds() -> None:
    with pytest.raises(BadData, match="below -1"):
        risk.annual_return([0.1, -1.5])


def test_every_name_is_listed_and_described() -> None:
    assert set(risk.CATALOGUE) <= set(risk.__all__)
    assert {"value_at_risk", "kelly_bet", "judge", "rebalance", "black_scholes"} <= set(risk.CATALOGUE)
    assert all(each.__doc__ for each in risk.CATALOGUE.values())
