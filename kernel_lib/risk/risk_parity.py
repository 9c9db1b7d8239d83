"""Portfolios by risk alone: equal (or budgeted) shares of the variance, and Lopez de Prado's hierarchical parity."""

from typing import Any, Literal

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.correlation import to_correlation
from kernel_lib.risk.expected import Expected, read_expected
from kernel_lib.risk.portfolio import Portfolio, portfolio
from kernel_lib.risk.series import Floats, complete, floats, table
from kernel_lib.risk.solving import solved

__all__ = ["hierarchical_risk_parity", "risk_parity"]


@declared
def risk_parity(returns: Any, *, budget: Any = None, risk_free: float = 0.0) -> Portfolio:
    """Give the long-only portfolio in which each instrument brings its share of the variance: equal, or ``budget``.

    Parameters
    ----------
    budget : array_like or None, shape (n_instruments,)
        Shares of risk, positive; scaled to add up to 1.

    >>> found = risk_parity(Expected(names=("a", "b"), means=[0.1, 0.1], covariance=[[0.04, 0.0], [0.0, 0.01]]))
    >>> found.weights.round(4).tolist()
    [0.3333, 0.6667]
    """
    from skfolio.optimization import RiskBudgeting  # type: ignore[import-untyped, unused-ignore]

    expected = read_expected(returns)
    shares = None
    if budget is not None:
        shares = complete(budget, "budget")
        if len(shares) != len(expected.names) or np.any(shares <= 0.0):
            raise BadData(f"a budget must be {len(expected.names)} positive shares, it was {shares.tolist()}")
        shares = shares / shares.sum()
    weights = solved(RiskBudgeting(risk_budget=shares), expected)
    return portfolio(expected, weights, risk_free)


@declared
def hierarchical_risk_parity(
    returns: Any,
    *,
    method: Literal["lopez_de_prado", "skfolio"] = "lopez_de_prado",
    linkage: str = "single",
    correlation: Any = None,
    risk_free: float = 0.0,
) -> Portfolio:
    """Give the portfolio that splits risk down a tree of clusters of similar instruments.

    Needs no inverse of the covariance and no expected returns, and so holds up out of sample.

    Parameters
    ----------
    returns : array_like or DataFrame, shape (n_periods, n_instruments), or Expected
    method : {"lopez_de_prado", "skfolio"}
        The paper's algorithm as in PyPortfolioOpt, or skfolio's (Ward's linkage, optimal leaf order; returns only).
    linkage : str
        Of scipy's hierarchical clustering, for the first: ``single``, ``ward``, ``complete``, ``average``.
    correlation : array_like or None, shape (n_instruments, n_instruments)
        What counts as similar; None takes it from the covariance. They differ when instruments have histories of
        unlike lengths: PyPortfolioOpt then correlates each pair over the days that both have (``DataFrame.corr``).

    >>> found = hierarchical_risk_parity(
    ...     Expected(names=("a", "b"), means=[0.1, 0.1], covariance=[[0.04, 0.0], [0.0, 0.01]])
    ... )
    >>> found.weights.round(4).tolist()
    [0.2, 0.8]
    """
    expected = read_expected(returns)
    if method == "skfolio":
        from skfolio.optimization import (  # type: ignore[import-untyped, unused-ignore]
            HierarchicalRiskParity,
        )

        if isinstance(returns, Expected):
            raise BadData("skfolio's hierarchical risk parity needs the returns themselves")
        weights = np.asarray(HierarchicalRiskParity().fit(table(returns)[0]).weights_)
        return portfolio(expected, weights, risk_free)
    if method != "lopez_de_prado":
        raise BadData(f"method must be 'lopez_de_prado' or 'skfolio', it was {method!r}")
    return portfolio(expected, _bisected(expected.covariance, linkage, correlation), risk_free)


def _bisected(matrix: Floats, linkage: str, correlation: Any) -> Floats:
    """Order the leaves of the tree, then halve the list again and again, splitting weight by inverse variance."""
    from scipy.cluster.hierarchy import leaves_list
    from scipy.cluster.hierarchy import linkage as tree_of
    from scipy.spatial.distance import squareform

    weights = np.ones(len(matrix))
    if len(matrix) == 1:
        return weights
    if linkage not in ("single", "complete", "average", "ward"):
        raise BadData(f"linkage must be single, complete, average or ward, it was {linkage!r}")
    similar = to_correlation(matrix) if correlation is None else floats(correlation, "a correlation")
    if similar.shape != matrix.shape or not np.isfinite(similar).all():
        raise BadData(f"a correlation must be finite and of shape {matrix.shape}, its shape was {similar.shape}")
    distance = np.sqrt(np.clip((1.0 - similar) / 2.0, 0.0, 1.0))
    np.fill_diagonal(distance, 0.0)
    order = leaves_list(tree_of(squareform(distance, checks=False), linkage)).tolist()

    def split(leaves: list[int]) -> None:
        if len(leaves) < 2:
            return
        halves = leaves[: len(leaves) // 2], leaves[len(leaves) // 2 :]
        left, right = (_cluster_variance(matrix, half) for half in halves)
        weights[halves[0]] *= right / (left + right)
        weights[halves[1]] *= left / (left + right)
        split(halves[0])
        split(halves[1])

    split(order)
    return weights


def _cluster_variance(matrix: Floats, leaves: list[int]) -> float:
    part = matrix[np.ix_(leaves, leaves)]
    inverse = 1.0 / np.diag(part)
    weights = inverse / inverse.sum()
    return float(weights @ part @ weights)
