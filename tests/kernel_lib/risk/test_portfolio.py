"""Portfolios against PyPortfolioOpt's and skfolio's own results, and against closed forms."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib.errors import BadData
from kernel_lib.risk.expected import Expected, expected_of_prices, expected_of_returns
from kernel_lib.risk.mean_variance import efficient_frontier, for_return, for_volatility, max_sharpe, min_variance
from kernel_lib.risk.portfolio import Portfolio
from kernel_lib.risk.risk_parity import hierarchical_risk_parity, risk_parity

RETURNS = np.random.default_rng(5).multivariate_normal(
    [0.0006, 0.0003, 0.0005, 0.0002],
    [[4e-4, 1e-4, 5e-5, 0], [1e-4, 2e-4, 2e-5, 0], [5e-5, 2e-5, 3e-4, -2e-5], [0, 0, -2e-5, 1e-4]],
    600,
)


@pytest.fixture(scope="module")
def prices(data_dir: Path) -> pd.DataFrame:
    path = data_dir / "reference/pypfopt/stock_prices.csv"
    if not path.is_file():
        pytest.skip(f"PyPortfolioOpt's prices are absent: {path}")
    return pd.read_csv(path, index_col=0, parse_dates=True)


@pytest.fixture(scope="module")
def published(data_dir: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((data_dir / "reference/pypfopt/expected.json").read_text())
    return held


@pytest.fixture(scope="module")
def sp500(data_dir: Path) -> pd.DataFrame:
    path = data_dir / "reference/skfolio/sp500_dataset.csv.gz"
    if not path.is_file():
        pytest.skip(f"skfolio's prices are absent: {path}")
    return pd.read_csv(path, index_col=0, parse_dates=True).iloc[-1000:].pct_change().dropna()


def performance(found: Portfolio) -> tuple[float, float, float]:
    return found.expected_return, found.volatility, found.sharpe_ratio


def test_min_variance_is_pypfopts(prices: pd.DataFrame, published: dict[str, Any]) -> None:
    found = min_variance(expected_of_prices(prices), risk_free=0.02)
    assert performance(found) == pytest.approx(published["min_volatility"], abs=1e-6)


def test_max_sharpe_is_pypfopts(prices: pd.DataFrame, published: dict[str, Any]) -> None:
    found = max_sharpe(expected_of_prices(prices), risk_free=0.02)
    assert performance(found) == pytest.approx(published["max_sharpe_long_only_rf0.02"], abs=2e-6)


# Asserted in PyPortfolioOpt's tests/test_efficient_frontier.py, of the same prices: return, volatility, Sharpe at 2 %.
PYPFOPT: list[tuple[str, Any, tuple[float, float, float]]] = [
    ("min_volatility_short", lambda b: min_variance(b, bounds=(None, None), risk_free=0.02),
     (0.1516319319875544, 0.1555915367269669, 0.8460095886741129)),
    ("max_sharpe_short", lambda b: max_sharpe(b, bounds=(None, None), risk_free=0.02),
     (0.4937195216716211, 0.29516576454651955, 1.6049270564945908)),
    ("efficient_risk", lambda b: for_volatility(b, 0.19, risk_free=0.02),
     (0.2552422849133517, 0.19, 1.2381172871434818)),
    ("efficient_risk_short", lambda b: for_volatility(b, 0.19, bounds=(-1, 1), risk_free=0.02),
     (0.30035471606347336, 0.19, 1.4755511348079207)),
    ("efficient_risk_market_neutral", lambda b: for_volatility(b, 0.21, bounds=(-1, 1), budget=0.0, risk_free=0.02),
     (0.28640632960825885, 0.21, 1.2686015698590967)),
    ("efficient_return", lambda b: for_return(b, 0.25, risk_free=0.02),
     (0.25, 0.18723269942026335, 1.2284179030274036)),
    ("efficient_return_market_neutral", lambda b: for_return(b, 0.25, bounds=(-1, 1), budget=0.0, risk_free=0.02),
     (0.25, 0.1833060046337015, 1.2547324920403273)),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), [case[1:] for case in PYPFOPT], ids=[case[0] for case in PYPFOPT])
def test_it_is_the_figure_in_pypfopts_tests(
    prices: pd.DataFrame, ours: Any, theirs: tuple[float, float, float]
) -> None:
    assert performance(ours(expected_of_prices(prices))) == pytest.approx(theirs, abs=2e-6)


def test_hierarchical_parity_is_pypfopts(prices: pd.DataFrame) -> None:
    """Asserted in PyPortfolioOpt's tests/test_hrp.py: arithmetic annual return, volatility, Sharpe ratio at 2 %."""
    returns = prices.pct_change(fill_method=None).dropna(how="all")
    beliefs = Expected(
        names=tuple(returns.columns), means=(returns.mean() * 252).to_numpy(), covariance=returns.cov().to_numpy() * 252
    )
    found = hierarchical_risk_parity(beliefs, correlation=returns.corr(), risk_free=0.02)
    assert performance(found) == pytest.approx((0.21353402380950973, 0.17844159743748936, 1.084579081272277), rel=1e-9)


def test_skfolio_agrees_from_the_returns_themselves(sp500: pd.DataFrame) -> None:
    """In percent: with daily variances of 1e-4 its solver stops 2e-4 before the optimum, at absolute tolerances."""
    optimization = pytest.importorskip("skfolio.optimization")
    goal = optimization.ObjectiveFunction
    for found, model in (
        (min_variance(sp500), optimization.MeanRisk()),
        (max_sharpe(sp500), optimization.MeanRisk(objective_function=goal.MAXIMIZE_RATIO)),
        (for_return(sp500, 0.0008), optimization.MeanRisk(min_return=0.08)),
        (risk_parity(sp500), optimization.RiskBudgeting()),
        (hierarchical_risk_parity(sp500, method="skfolio"), optimization.HierarchicalRiskParity()),
    ):
        np.testing.assert_allclose(found.weights, model.fit(100.0 * sp500).weights_, atol=2e-5)
        assert found.names == tuple(sp500.columns)


def test_with_shorts_the_least_variance_is_the_closed_form() -> None:
    matrix = np.cov(RETURNS.T)
    inverse = np.linalg.solve(matrix, np.ones(4))
    found = min_variance(RETURNS, bounds=(-2.0, 2.0))
    np.testing.assert_allclose(found.weights, inverse / inverse.sum(), atol=1e-6)


def test_with_shorts_the_best_sharpe_is_the_tangency() -> None:
    beliefs = Expected(names=tuple("abcd"), means=np.array([6e-4, 3e-4, 5e-4, 2e-4]), covariance=np.cov(RETURNS.T))
    away = np.linalg.solve(beliefs.covariance, beliefs.means - 0.0001)
    found = max_sharpe(beliefs, bounds=(-5.0, 5.0), risk_free=0.0001)
    np.testing.assert_allclose(found.weights, away / away.sum(), atol=1e-5)


def test_no_other_long_only_mix_beats_the_optimum() -> None:
    beliefs = expected_of_returns(RETURNS)
    best_sharpe, least = max_sharpe(beliefs), min_variance(beliefs)
    for weights in np.random.default_rng(0).dirichlet(np.ones(4), 2000):
        volatility = float(np.sqrt(weights @ beliefs.covariance @ weights))
        assert volatility >= least.volatility - 1e-9
        assert weights @ beliefs.means / volatility <= best_sharpe.sharpe_ratio + 1e-7


def test_risk_parity_shares_the_risk_as_budgeted() -> None:
    np.testing.assert_allclose(risk_parity(RETURNS).risk_shares, 0.25, atol=1e-5)
    found = risk_parity(RETURNS, budget=[4.0, 3.0, 2.0, 1.0])
    np.testing.assert_allclose(found.risk_shares, [0.4, 0.3, 0.2, 0.1], atol=1e-5)
    assert found.weights.sum() == pytest.approx(1.0)


def test_hierarchical_parity_of_unrelated_instruments_is_inverse_variance() -> None:
    matrix = np.diag([0.04, 0.01, 0.02, 0.05])
    found = hierarchical_risk_parity(Expected(names=("a", "b", "c", "d"), means=np.ones(4), covariance=matrix))
    inverse = 1.0 / np.diag(matrix)
    np.testing.assert_allclose(found.weights.sum(), 1.0)
    halves = inverse.reshape(2, 2)
    assert found.weights[:2].sum() == pytest.approx(halves[0].sum() / inverse.sum())
    np.testing.assert_allclose(found.weights, inverse / inverse.sum())


def test_the_frontier_rises_and_meets_its_targets() -> None:
    points = efficient_frontier(RETURNS, 8)
    returns = [each.expected_return for each in points]
    volatilities = [each.volatility for each in points]
    assert returns == sorted(returns)
    assert np.all(np.diff(volatilities) > 0)
    np.testing.assert_allclose(np.diff(returns), np.diff(returns)[0], rtol=1e-3)
    middle = for_volatility(RETURNS, volatilities[4])
    assert middle.expected_return == pytest.approx(returns[4], rel=1e-4)


def test_a_result_shows_itself() -> None:
    found = min_variance(pd.DataFrame(RETURNS, columns=["EURUSD", "GBPUSD", "XAUUSD", "USDJPY"]))
    assert "XAUUSD" in found._repr_html_()
    assert found.plot().axes
    assert set(found.cleaned()) <= {"EURUSD", "GBPUSD", "XAUUSD", "USDJPY"}


def test_shrinkage_makes_a_singular_covariance_usable() -> None:
    few = RETURNS[:3]
    with pytest.raises(BadData, match=r"singular.*ledoit_wolf"):
        min_variance(few)
    assert min_variance(expected_of_returns(few, "ledoit_wolf")).weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: min_variance(RETURNS[0]), "two dimensions"),
        (lambda: min_variance(np.full((5, 2), np.nan)), "no NaN"),
        (lambda: min_variance(RETURNS, bounds=(0.0, 0.2)), "can't add up to 1"),
        (lambda: max_sharpe(RETURNS, risk_free=1.0), "more than the risk-free"),
        (lambda: for_return(RETURNS, 1.0), "at most the best instrument"),
        (lambda: for_volatility(RETURNS, 1e-6), "at least the smallest possible"),
        (lambda: for_return(RETURNS, 0.5, bounds=(-0.1, 0.9)), "no portfolio meets"),
        (lambda: risk_parity(RETURNS, budget=[1.0, -1.0, 1.0, 1.0]), "4 positive shares"),
        (lambda: hierarchical_risk_parity(RETURNS, linkage="magic"), "linkage must be"),
        (lambda: Expected(names=("a",), means=np.ones(2), covariance=np.eye(1)), "as many means"),
        (lambda: Expected(names=("a", "b"), means=np.ones(2), covariance=np.triu(np.ones((2, 2)))), "symmetric"),
        (lambda: expected_of_prices(pd.DataFrame({"a": [1.0, -1.0, 2.0]})), "above 0"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(BadData, match=message):
        call()
