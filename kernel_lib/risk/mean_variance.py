"""Minimum variance and mean-variance portfolios (Markowitz 1952); skfolio and Clarabel do the optimising.

Every function takes a table of returns (skfolio's habit: arithmetic means, sample covariance) or an
:class:`~kernel_lib.risk.expected.Expected` of your own, say PyPortfolioOpt's habit from
:func:`~kernel_lib.risk.expected.expected_of_prices`. Weights are long only, 0 to 1, unless ``bounds`` say otherwise;
they add up to 1 unless ``budget`` does.
"""

from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.expected import Expected, read_expected
from kernel_lib.risk.portfolio import Portfolio, portfolio
from kernel_lib.risk.solving import solved, typical_deviation

__all__ = ["efficient_frontier", "for_return", "for_volatility", "max_sharpe", "min_variance"]

Bounds = tuple[float | None, float | None]
_LONG_ONLY = (0.0, 1.0)


@declared
def min_variance(
    returns: Any, *, bounds: Bounds = _LONG_ONLY, budget: float = 1.0, risk_free: float = 0.0
) -> Portfolio:
    """Give the portfolio with the least variance.

    Parameters
    ----------
    returns : array_like or DataFrame, shape (n_periods, n_instruments), or Expected
    bounds : tuple of float
        Least and most of every weight; a negative least allows shorts, None sets no bound.
    budget : float
        What the weights add up to; 0 is market neutral.
    risk_free : float
        Of the same span, for the Sharpe ratio shown.

    Raises
    ------
    BadData
        Returns with NaN, a singular covariance, bounds that can't add up to the budget.

    >>> found = min_variance(Expected(names=("a", "b"), means=[0.1, 0.1], covariance=[[0.04, 0.0], [0.0, 0.01]]))
    >>> found.weights.round(4).tolist()
    [0.2, 0.8]
    """
    return _mean_risk(read_expected(returns), bounds, budget, risk_free, "MINIMIZE_RISK")


@declared
def max_sharpe(returns: Any, *, bounds: Bounds = _LONG_ONLY, budget: float = 1.0, risk_free: float = 0.0) -> Portfolio:
    """Give the portfolio with the highest Sharpe ratio; parameters as :func:`min_variance`.

    Raises
    ------
    BadData
        Also when no instrument is expected to return more than ``risk_free``.

    >>> found = max_sharpe(Expected(names=("a", "b"), means=[0.1, 0.05], covariance=[[0.04, 0.0], [0.0, 0.01]]))
    >>> found.weights.round(4).tolist()
    [0.3333, 0.6667]
    """
    expected = read_expected(returns)
    if bounds[0] is not None and bounds[0] >= 0.0 and float(np.max(expected.means)) <= risk_free:
        raise BadData(
            f"an instrument must be expected to return more than the risk-free {risk_free:g}, the best was "
            f"{float(np.max(expected.means)):g}; hold cash, or use min_variance"
        )
    return _mean_risk(expected, bounds, budget, risk_free, "MAXIMIZE_RATIO")


@declared
def for_return(
    returns: Any, target: float, *, bounds: Bounds = _LONG_ONLY, budget: float = 1.0, risk_free: float = 0.0
) -> Portfolio:
    """Give the portfolio with the least variance among those expected to return at least ``target``.

    >>> beliefs = Expected(names=("a", "b"), means=[0.1, 0.05], covariance=[[0.04, 0.0], [0.0, 0.01]])
    >>> for_return(beliefs, 0.08).weights.round(4).tolist()
    [0.6, 0.4]
    """
    expected = read_expected(returns)
    if bounds == _LONG_ONLY and target > float(np.max(expected.means)):
        raise BadData(
            f"the target must be at most the best instrument's {float(np.max(expected.means)):g}, was {target:g}"
        )
    return _mean_risk(expected, bounds, budget, risk_free, "MINIMIZE_RISK", least_return=float(target))


@declared
def for_volatility(
    returns: Any, target: float, *, bounds: Bounds = _LONG_ONLY, budget: float = 1.0, risk_free: float = 0.0
) -> Portfolio:
    """Give the portfolio with the highest expected return among those of at most ``target`` volatility.

    >>> beliefs = Expected(names=("a", "b"), means=[0.1, 0.05], covariance=[[0.04, 0.0], [0.0, 0.01]])
    >>> for_volatility(beliefs, 0.2).weights.round(4).tolist()
    [1.0, 0.0]
    """
    expected = read_expected(returns)
    least = min_variance(expected, bounds=bounds, budget=budget).volatility
    if not target >= least * (1.0 - 1e-9):
        raise BadData(f"the target volatility must be at least the smallest possible {least:.6g}, it was {target:g}")
    return _mean_risk(expected, bounds, budget, risk_free, "MAXIMIZE_RETURN", most_volatility=float(target))


@declared
def efficient_frontier(
    returns: Any, points: int = 20, *, bounds: Bounds = _LONG_ONLY, budget: float = 1.0, risk_free: float = 0.0
) -> tuple[Portfolio, ...]:
    """Give portfolios from the least variance to the highest expected return, evenly by return."""
    expected = read_expected(returns)
    if isinstance(points, bool) or not isinstance(points, int) or not 2 <= points <= 1000:
        raise BadData(f"points must be a whole number from 2 to 1000, it was {points!r}")
    first = min_variance(expected, bounds=bounds, budget=budget, risk_free=risk_free)
    most = _mean_risk(expected, bounds, budget, risk_free, "MAXIMIZE_RETURN")
    targets = np.linspace(first.expected_return, most.expected_return, points)
    between = [
        _mean_risk(expected, bounds, budget, risk_free, "MINIMIZE_RISK", least_return=float(target))
        for target in targets[1:-1]
    ]
    return (first, *between, most)


def _mean_risk(
    expected: Expected,
    bounds: Bounds,
    budget: float,
    risk_free: float,
    objective: str,
    *,
    least_return: float | None = None,
    most_volatility: float | None = None,
) -> Portfolio:
    from skfolio.optimization import (  # type: ignore[import-untyped, unused-ignore]
        MeanRisk,
        ObjectiveFunction,
    )

    n = len(expected.names)
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise BadData(f"bounds must be the least and the most of a weight, such as (0.0, 0.5), they were {bounds!r}")
    least, most = (-np.inf if bounds[0] is None else bounds[0]), (np.inf if bounds[1] is None else bounds[1])
    if not (np.isfinite(budget) and least <= most and least * n <= budget <= most * n):
        raise BadData(f"weights of {n} instruments within {bounds} can't add up to {budget:g}")
    if not (np.isfinite(risk_free) and np.isfinite(0.0 if least_return is None else least_return)):
        raise BadData(f"the risk-free return and a target must be finite, they were {risk_free!r} and {least_return!r}")
    unit = typical_deviation(expected)
    model = MeanRisk(
        objective_function=getattr(ObjectiveFunction, objective), budget=budget,
        min_weights=least if np.isfinite(least) else None, max_weights=most if np.isfinite(most) else None,
        risk_free_rate=risk_free / unit,
        min_return=None if least_return is None else least_return / unit,
        max_variance=None if most_volatility is None else (most_volatility / unit) ** 2,
    )  # fmt: skip
    return portfolio(expected, solved(model, expected), risk_free)
