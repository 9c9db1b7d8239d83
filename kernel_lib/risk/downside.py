"""The two sides of a return's distribution around what is required of it, as Bacon's textbook lays them out.

``required`` is the minimum acceptable return (MAR) of one period: a number, or a series of them. Means run over all
periods (PerformanceAnalytics' ``method="full"``). NaN is left out.
"""

from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, each_column, matched, over, periods

__all__ = [
    "bernardo_ledoit_ratio",
    "d_ratio",
    "downside_deviation",
    "downside_frequency",
    "downside_potential",
    "kappa",
    "omega_sharpe_ratio",
    "upside_frequency",
    "upside_potential",
    "upside_potential_ratio",
    "upside_risk",
    "variability_skewness",
    "volatility_skewness",
]


@declared
@each_column
def downside_deviation(returns: Any, required: Any = 0.0, periods_per_year: float | str = 1.0) -> float:
    """Give the root of the mean square of what falls short of ``required``.

    ``periods_per_year`` of 1 leaves it per period (Bacon); 252 is empyrical's ``downside_risk``.

    >>> round(downside_deviation([0.02, -0.02]), 6)
    0.014142
    """
    return _root_mean_square(np.minimum(_away(returns, required), 0.0)) * float(np.sqrt(periods(periods_per_year)))


@declared
@each_column
def downside_potential(returns: Any, required: Any = 0.0) -> float:
    """Give the mean of what falls short, positive.

    >>> round(downside_potential([0.02, -0.02]), 6)
    0.01
    """
    return _mean(np.maximum(-_away(returns, required), 0.0))


@declared
@each_column
def downside_frequency(returns: Any, required: Any = 0.0) -> float:
    """Give the share of periods below ``required``."""
    return _mean((_away(returns, required) < 0.0).astype(np.float64))


@declared
@each_column
def upside_risk(returns: Any, required: Any = 0.0) -> float:
    """Give the root of the mean square of what exceeds ``required``; its square is the upside variance."""
    return _root_mean_square(np.maximum(_away(returns, required), 0.0))


@declared
@each_column
def upside_potential(returns: Any, required: Any = 0.0) -> float:
    """Give the mean of what exceeds ``required``."""
    return _mean(np.maximum(_away(returns, required), 0.0))


@declared
@each_column
def upside_frequency(returns: Any, required: Any = 0.0) -> float:
    """Give the share of periods above ``required``."""
    return _mean((_away(returns, required) > 0.0).astype(np.float64))


@declared
@each_column
def upside_potential_ratio(returns: Any, required: Any = 0.0) -> float:
    """Give the upside potential over the downside deviation (Sortino, van der Meer and Plantinga 1999)."""
    return over(upside_potential(returns, required), downside_deviation(returns, required))


@declared
@each_column
def volatility_skewness(returns: Any, required: Any = 0.0) -> float:
    """Give the upside variance over the downside variance (Bacon p. 97)."""
    return over(upside_risk(returns, required) ** 2, downside_deviation(returns, required) ** 2)


@declared
@each_column
def variability_skewness(returns: Any, required: Any = 0.0) -> float:
    """Give the upside risk over the downside deviation (Bacon p. 98)."""
    return over(upside_risk(returns, required), downside_deviation(returns, required))


@declared
@each_column
def omega_sharpe_ratio(returns: Any, required: Any = 0.0) -> float:
    """Give upside less downside potential, over the downside potential: Omega less 1 (Bacon p. 95)."""
    short = downside_potential(returns, required)
    return over(upside_potential(returns, required) - short, short)


@declared
@each_column
def kappa(returns: Any, required: Any = 0.0, order: float = 3.0) -> float:
    """Give the mean excess over the root of the lower partial moment of an order (Kaplan and Knowles 2004).

    Order 1 is the Omega-Sharpe ratio, 2 the Sortino ratio of a period.
    """
    if not 0.0 < order <= 100.0:
        raise BadData(f"an order must be above 0 and at most 100, it was {order!r}")
    away = _away(returns, required)
    return over(_mean(away), _mean(np.maximum(-away, 0.0) ** order) ** (1.0 / order))


@declared
@each_column
def bernardo_ledoit_ratio(returns: Any) -> float:
    """Give the sum of gains over the sum of losses (Bernardo and Ledoit 1996).

    >>> round(bernardo_ledoit_ratio([0.03, -0.01]), 6)
    3.0
    """
    away = _away(returns, 0.0)
    return over(float(away[away > 0.0].sum()), -float(away[away < 0.0].sum()))


@declared
@each_column
def d_ratio(returns: Any) -> float:
    """Give losses over gains, each times its number (Bacon p. 98); 0 is best.

    >>> round(d_ratio([0.02, 0.02, -0.01]), 6)
    0.125
    """
    away = _away(returns, 0.0)
    lost, won = away[away < 0.0], away[away > 0.0]
    return over(-float(lost.sum()) * len(lost), float(won.sum()) * len(won))


def _away(returns: Any, required: Any) -> Floats:
    array, less = matched(returns, required, "required")
    away = array - less
    return away[~np.isnan(away)]


def _mean(array: Floats) -> float:
    return float(array.mean()) if array.size else float("nan")


def _root_mean_square(array: Floats) -> float:
    return float(np.sqrt(np.mean(array**2))) if array.size else float("nan")
