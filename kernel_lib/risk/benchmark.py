"""A track record beside a benchmark: alpha and beta, capture, and what of its risk was the market's.

``alpha`` and the captures follow empyrical; the annual measures with geometric returns and the population's deviation
(Jensen's alpha, Fama's decomposition, M squared) follow Bacon and PerformanceAnalytics. Pairs in which either is NaN
are left out; pandas Series are joined on their index.
"""

from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.risk.downside import downside_deviation
from kernel_lib.risk.growth import annual_return, annual_volatility, compounded, deviation
from kernel_lib.risk.series import Floats, floats, matched, over, periods

__all__ = [
    "alpha",
    "alpha_beta",
    "appraisal_ratio",
    "batting_average",
    "beta",
    "capture",
    "down_alpha_beta",
    "down_capture",
    "fama_beta",
    "information_ratio",
    "jensen_alpha",
    "m2_sortino",
    "m_squared",
    "m_squared_excess",
    "net_selectivity",
    "specific_risk",
    "systematic_risk",
    "total_risk",
    "tracking_error",
    "treynor_ratio",
    "up_alpha_beta",
    "up_capture",
    "up_down_capture",
]

# Below this the benchmark does not move and has no beta; empyrical's figure.
_LEAST_VARIANCE = 1e-30


@declared
def beta(returns: Any, benchmark: Any) -> float:
    """Give the slope of returns on the benchmark; NaN for fewer than two pairs or a benchmark that stands still.

    >>> round(beta([0.02, 0.04, -0.02], [0.01, 0.02, -0.01]), 6)
    2.0
    """
    first, second = _pairs(returns, benchmark)
    if first.shape[0] < 2:
        return float("nan")
    away = second - second.mean()
    variance = float(np.mean(away**2))
    return float(np.mean(away * first)) / variance if variance >= _LEAST_VARIANCE else float("nan")


@declared
def alpha(returns: Any, benchmark: Any, risk_free: float = 0.0, periods_per_year: float | str = "daily") -> float:
    """Give the annual return that beta does not explain: the mean of ``r - beta * b`` compounded (empyrical).

    >>> round(alpha([0.011, 0.021, -0.009], [0.01, 0.02, -0.01], periods_per_year=1), 6)
    0.001
    """
    return alpha_beta(returns, benchmark, risk_free, periods_per_year)[0]


@declared
def alpha_beta(
    returns: Any, benchmark: Any, risk_free: float = 0.0, periods_per_year: float | str = "daily"
) -> tuple[float, float]:
    """Give :func:`alpha` and :func:`beta` at once."""
    first, second = _pairs(returns, benchmark)
    floats(risk_free, "risk_free")
    slope = beta(first, second)
    if np.isnan(slope):
        return float("nan"), float("nan")
    rest = (first - risk_free) - slope * (second - risk_free)
    return compounded(1.0 + float(rest.mean()), periods(periods_per_year)) - 1.0, slope


@declared
def up_alpha_beta(
    returns: Any, benchmark: Any, risk_free: float = 0.0, periods_per_year: float | str = "daily"
) -> tuple[float, float]:
    """Give alpha and beta over the periods in which the benchmark rose."""
    first, second = _pairs(returns, benchmark)
    return alpha_beta(first[second > 0.0], second[second > 0.0], risk_free, periods_per_year)


@declared
def down_alpha_beta(
    returns: Any, benchmark: Any, risk_free: float = 0.0, periods_per_year: float | str = "daily"
) -> tuple[float, float]:
    """Give alpha and beta over the periods in which the benchmark fell."""
    first, second = _pairs(returns, benchmark)
    return alpha_beta(first[second < 0.0], second[second < 0.0], risk_free, periods_per_year)


@declared
def batting_average(returns: Any, benchmark: Any) -> float:
    """Give the share of periods that beat the benchmark; NaN without any.

    >>> batting_average([0.02, 0.0, 0.01, 0.03], [0.01, 0.01, 0.0, 0.01])
    0.75
    """
    first, second = _pairs(returns, benchmark)
    return float(np.mean(first > second)) if first.size else float("nan")


@declared
def capture(returns: Any, benchmark: Any, periods_per_year: float | str = "daily") -> float:
    """Give the compounded annual return over the benchmark's.

    As in empyrical a NaN here is a period that compounds as zero, in either series for itself.

    >>> round(capture([0.02, 0.02], [0.01, 0.01], 2), 4)
    2.01
    """
    first, second = matched(returns, benchmark)
    return over(annual_return(first, periods_per_year), annual_return(second, periods_per_year))


@declared
def up_capture(returns: Any, benchmark: Any, periods_per_year: float | str = "daily") -> float:
    """Give the capture over the periods in which the benchmark rose."""
    first, second = matched(returns, benchmark)
    return capture(first[second > 0.0], second[second > 0.0], periods_per_year)


@declared
def down_capture(returns: Any, benchmark: Any, periods_per_year: float | str = "daily") -> float:
    """Give the capture over the periods in which the benchmark fell."""
    first, second = matched(returns, benchmark)
    return capture(first[second < 0.0], second[second < 0.0], periods_per_year)


@declared
def up_down_capture(returns: Any, benchmark: Any, periods_per_year: float | str = "daily") -> float:
    """Give the up capture over the down capture; above 1 is good."""
    return over(up_capture(returns, benchmark, periods_per_year), down_capture(returns, benchmark, periods_per_year))


@declared
def tracking_error(returns: Any, benchmark: Any, periods_per_year: float | str = "daily") -> float:
    """Give the annual sample deviation of the difference from the benchmark."""
    first, second = _pairs(returns, benchmark)
    return deviation(first - second) * float(np.sqrt(periods(periods_per_year)))


@declared
def information_ratio(
    returns: Any, benchmark: Any, periods_per_year: float | str = 1.0, *, geometric: bool = False
) -> float:
    """Give the active return over the tracking error.

    Parameters
    ----------
    periods_per_year : float or str
        1 by default: the ratio of one period, empyrical's ``excess_sharpe``.
    geometric : bool
        True: difference of the compounded annual returns over the tracking error (PerformanceAnalytics).
    """
    first, second = _pairs(returns, benchmark)
    if first.shape[0] < 2:
        return float("nan")
    a_year = periods(periods_per_year)
    error = tracking_error(first, second, a_year)
    if geometric:
        return over(annual_return(first, a_year) - annual_return(second, a_year), error)
    return over(float(np.mean(first - second)) * a_year, error)


@declared
def jensen_alpha(
    returns: Any, benchmark: Any, risk_free_annual: float = 0.0, periods_per_year: float | str = "daily"
) -> float:
    """Give the compounded annual return less what beta explains of it (Bacon p. 72); Fama's selectivity.

    >>> round(jensen_alpha([0.02, 0.02, 0.03], [0.01, 0.01, 0.015], 0.0, 3), 6)
    0.000809
    """
    market = annual_return(_pairs(returns, benchmark)[1], periods_per_year) - risk_free_annual
    own = annual_return(_pairs(returns, benchmark)[0], periods_per_year) - risk_free_annual
    return float(own - beta(returns, benchmark) * market)


@declared
def treynor_ratio(
    returns: Any,
    benchmark: Any,
    risk_free_annual: float = 0.0,
    periods_per_year: float | str = "daily",
    *,
    modified: bool = False,
) -> float:
    """Give the compounded annual excess return over beta, or over the systematic risk where ``modified``."""
    own = annual_return(_pairs(returns, benchmark)[0], periods_per_year) - risk_free_annual
    return over(own, systematic_risk(returns, benchmark, periods_per_year) if modified else beta(returns, benchmark))


@declared
def systematic_risk(returns: Any, benchmark: Any, periods_per_year: float | str = "daily") -> float:
    """Give beta times the benchmark's annual deviation, of the population (Bacon p. 75)."""
    first, second = _pairs(returns, benchmark)
    return float(beta(first, second) * annual_volatility(second, periods_per_year, ddof=0))


@declared
def specific_risk(returns: Any, benchmark: Any, periods_per_year: float | str = "daily") -> float:
    """Give the annual deviation, of the population, of what alpha and beta leave over (Bacon p. 75)."""
    first, second = _pairs(returns, benchmark)
    return deviation(first - beta(first, second) * second, 0) * float(np.sqrt(periods(periods_per_year)))


@declared
def total_risk(returns: Any, benchmark: Any, periods_per_year: float | str = "daily") -> float:
    """Give the root of the squared systematic and specific risk (Bacon p. 75)."""
    return float(
        np.hypot(
            systematic_risk(returns, benchmark, periods_per_year), specific_risk(returns, benchmark, periods_per_year)
        )
    )


@declared
def appraisal_ratio(
    returns: Any, benchmark: Any, risk_free_annual: float = 0.0, periods_per_year: float | str = "daily"
) -> float:
    """Give Jensen's alpha over the specific risk (Bacon p. 77)."""
    return over(
        jensen_alpha(returns, benchmark, risk_free_annual, periods_per_year),
        specific_risk(returns, benchmark, periods_per_year),
    )


@declared
def fama_beta(returns: Any, benchmark: Any) -> float:
    """Give the beta that total risk would earn: own deviation over the benchmark's (Bacon p. 78)."""
    first, second = _pairs(returns, benchmark)
    return over(deviation(first, 0), deviation(second, 0))


@declared
def net_selectivity(
    returns: Any, benchmark: Any, risk_free_annual: float = 0.0, periods_per_year: float | str = "daily"
) -> float:
    """Give Jensen's alpha less what the missing diversification should have earned (Fama 1972)."""
    market = annual_return(_pairs(returns, benchmark)[1], periods_per_year) - risk_free_annual
    diversification = (fama_beta(returns, benchmark) - beta(returns, benchmark)) * market
    return float(jensen_alpha(returns, benchmark, risk_free_annual, periods_per_year) - diversification)


@declared
def m_squared(
    returns: Any,
    benchmark: Any,
    risk_free_annual: float = 0.0,
    periods_per_year: float | str = "daily",
    *,
    inverted: bool = False,
) -> float:
    """Give the annual return at the benchmark's risk: ``(r - rf) * sigma_b / sigma + rf`` (Modigliani 1997).

    Parameters
    ----------
    inverted : bool
        True multiplies by ``sigma / sigma_b``, as the code of PerformanceAnalytics' ``MSquared`` does against its own
        formula; its documented figures (0.1068 and -0.00998 for Bacon's portfolio) come out so.
    """
    own = annual_return(_pairs(returns, benchmark)[0], periods_per_year)
    leverage = fama_beta(returns, benchmark)
    scaled = (own - risk_free_annual) * leverage if inverted else over(own - risk_free_annual, leverage)
    return float(scaled + risk_free_annual)


@declared
def m_squared_excess(
    returns: Any,
    benchmark: Any,
    risk_free_annual: float = 0.0,
    periods_per_year: float | str = "daily",
    *,
    inverted: bool = False,
) -> float:
    """Give M squared over the benchmark's annual return, geometrically (Bacon p. 68); see :func:`m_squared`."""
    market = annual_return(_pairs(returns, benchmark)[1], periods_per_year)
    own = m_squared(returns, benchmark, risk_free_annual, periods_per_year, inverted=inverted)
    return over(1.0 + own, 1.0 + market) - 1.0


@declared
def m2_sortino(returns: Any, benchmark: Any, required: float = 0.0, periods_per_year: float | str = "daily") -> float:
    """Give the annual return at the benchmark's downside risk (Bacon p. 102, as PerformanceAnalytics has it)."""
    first, second = _pairs(returns, benchmark)
    if not first.size:
        return float("nan")
    own, market = (downside_deviation(each, required, periods_per_year) for each in (first, second))
    sortino = over(float(first.mean()) - required, downside_deviation(first, required))
    return float(annual_return(first, periods_per_year) + sortino * (market - own))


def _pairs(returns: Any, benchmark: Any) -> tuple[Floats, Floats]:
    first, second = matched(returns, benchmark)
    both = ~(np.isnan(first) | np.isnan(second))
    return first[both], second[both]
