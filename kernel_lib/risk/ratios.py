"""Reward over risk: Sharpe, Sortino, Calmar, Omega and their kin, each by its named convention.

Ratios of daily figures are brought to a year with the root of the periods; ratios of a growth rate (Calmar, Martin,
Pain, Burke) use the compounded annual return. ``risk_free`` and ``required`` are per period unless said otherwise.
Something over nothing is infinite, nothing over nothing NaN, fewer than two observations NaN.
"""

from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.drawdown import max_drawdown, pain_index, ulcer_index
from kernel_lib.risk.growth import annual_return, deviation
from kernel_lib.risk.moments import kurtosis, skewness
from kernel_lib.risk.series import Floats, each_column, matched, over, periods, series

__all__ = [
    "adjusted_sharpe_ratio",
    "burke_ratio",
    "calmar_ratio",
    "martin_ratio",
    "omega_ratio",
    "pain_ratio",
    "rolling",
    "sharpe_ratio",
    "sortino_ratio",
    "stability",
    "tail_ratio",
]


@declared
@each_column
def sharpe_ratio(
    returns: Any,
    risk_free: Any = 0.0,
    periods_per_year: float | str = "daily",
    *,
    geometric: bool = False,
    ddof: int = 1,
) -> float:
    """Give the excess return over its deviation, for a year.

    Parameters
    ----------
    returns : array_like, shape (n_periods,)
        NaN is left out.
    risk_free : float or array_like
        Return of a period without risk.
    periods_per_year : float or str
        252 by default; 1 leaves the ratio of one period.
    geometric : bool
        False: mean over deviation times the root of the periods (empyrical). True: compounded annual excess over the
        annual deviation (``SharpeRatio.annualized`` of PerformanceAnalytics).
    ddof : int
        1 is the sample deviation, 0 the population's.

    >>> round(sharpe_ratio([0.01, 0.02, -0.01]), 4)
    6.9282
    """
    excess, a_year = _excess(returns, risk_free), periods(periods_per_year)
    if excess.shape[0] < 2:
        return float("nan")
    spread = deviation(excess, ddof)
    if geometric:
        return over(annual_return(excess, a_year), spread * np.sqrt(a_year))
    return over(_mean(excess), spread) * float(np.sqrt(a_year))


@declared
@each_column
def sortino_ratio(returns: Any, required: Any = 0.0, periods_per_year: float | str = "daily") -> float:
    """Give the excess return over the downside deviation, for a year.

    The downside deviation is the root of the mean square of what falls short, over *all* periods (empyrical,
    Sortino's own), not over the bad ones only.

    >>> round(sortino_ratio([0.01, 0.02, -0.01], 0.0, 1), 4)
    1.1547
    """
    excess, a_year = _excess(returns, required), periods(periods_per_year)
    if excess.shape[0] < 2:
        return float("nan")
    short = np.minimum(excess, 0.0)
    below = float(np.sqrt(_mean(short**2)))
    return over(_mean(excess) * a_year, below * np.sqrt(a_year))


@declared
@each_column
def calmar_ratio(returns: Any, periods_per_year: float | str = "daily") -> float:
    """Give the compounded annual return over the deepest drawdown; NaN where there was none (empyrical).

    >>> round(calmar_ratio([0.1, -0.05, 0.1], 3), 4)
    2.99
    """
    deepest = max_drawdown(returns)
    return annual_return(returns, periods_per_year) / -deepest if deepest < 0.0 else float("nan")


@declared
@each_column
def omega_ratio(
    returns: Any, risk_free: Any = 0.0, required: float = 0.0, periods_per_year: float | str = "daily"
) -> float:
    """Give the sum of what exceeds a threshold over the sum of what falls short (Keating and Shadwick 2002).

    Parameters
    ----------
    risk_free : float or array_like
        Per period.
    required : float
        Return required of a *year*; brought to a period by its root, as in empyrical.

    Returns
    -------
    float
        NaN where nothing falls short.

    >>> round(omega_ratio([0.02, -0.01, 0.01]), 4)
    3.0
    """
    excess, a_year = _excess(returns, risk_free), periods(periods_per_year)
    if excess.shape[0] < 2 or required <= -1.0:
        return float("nan")
    threshold = required if a_year == 1.0 else (1.0 + required) ** (1.0 / a_year) - 1.0
    above = excess - threshold
    above = above[~np.isnan(above)]
    short = -float(above[above < 0.0].sum())
    return float(above[above > 0.0].sum()) / short if short > 0.0 else float("nan")


@declared
@each_column
def tail_ratio(returns: Any) -> float:
    """Give the 95th percentile over the size of the 5th (linear interpolation, empyrical).

    >>> round(tail_ratio([-0.01, 0.0, 0.02]), 4)
    2.0
    """
    array = series(returns)
    seen = array[~np.isnan(array)]
    if not seen.size:
        return float("nan")
    low, high = np.percentile(seen, [5.0, 95.0])
    return over(abs(float(high)), abs(float(low)))


@declared
@each_column
def stability(returns: Any) -> float:
    """Give R squared of a straight line through the cumulative log returns; 1 is steady growth (empyrical).

    >>> round(stability([0.01] * 10), 6)
    1.0
    """
    array = series(returns)
    seen = array[~np.isnan(array)]
    if seen.shape[0] < 2 or np.any(seen <= -1.0):
        return float("nan")
    path = np.cumsum(np.log1p(seen))
    if path.max() == path.min():
        return float("nan")
    path = path / np.abs(path).max()
    return float(np.corrcoef(np.arange(len(path)), path)[0, 1] ** 2)


@declared
@each_column
def adjusted_sharpe_ratio(returns: Any, risk_free: float = 0.0, periods_per_year: float | str = "daily") -> float:
    """Give the annual Sharpe ratio with penalties for negative skewness and heavy tails (Pezier and White 2006).

    ``SR * (1 + S/6 * SR - (K-3)/24 * SR**2)`` with the geometric annual SR and moments of the population
    (PerformanceAnalytics ``AdjustedSharpeRatio``).
    """
    sharpe = sharpe_ratio(returns, risk_free, periods_per_year, geometric=True)
    tilt = sharpe * skewness(returns) / 6.0 - sharpe**2 * kurtosis(returns, "excess") / 24.0
    return float(sharpe * (1.0 + tilt))


@declared
@each_column
def martin_ratio(returns: Any, risk_free_annual: float = 0.0, periods_per_year: float | str = "daily") -> float:
    """Give the compounded annual return over the ulcer index (Bacon p. 91)."""
    return over(annual_return(returns, periods_per_year) - risk_free_annual, ulcer_index(returns))


@declared
@each_column
def pain_ratio(returns: Any, risk_free_annual: float = 0.0, periods_per_year: float | str = "daily") -> float:
    """Give the compounded annual return over the pain index (Bacon p. 91)."""
    return over(annual_return(returns, periods_per_year) - risk_free_annual, pain_index(returns))


@declared
@each_column
def burke_ratio(
    returns: Any, risk_free_annual: float = 0.0, periods_per_year: float | str = "daily", *, modified: bool = False
) -> float:
    """Give the compounded annual return over the root of the squared drawdowns (Bacon p. 90).

    A drawdown here is an unbroken run of negative returns, and its size the sum of the run's compounded percent as
    PerformanceAnalytics' ``BurkeRatio`` takes it (``prod(1 + r/100) - 1``, times 100); ``modified`` multiplies with
    the root of the number of returns.
    """
    array = np.nan_to_num(series(returns), nan=0.0)
    worst, run = [], 1.0
    for number in [*array.tolist(), 0.0]:
        if number < 0.0:
            run *= 1.0 + 0.01 * number
        elif run != 1.0:
            worst.append((run - 1.0) * 100.0)
            run = 1.0
    ratio = over(annual_return(returns, periods_per_year) - risk_free_annual, float(np.sqrt(np.sum(np.square(worst)))))
    return ratio * float(np.sqrt(len(array))) if modified else ratio


@declared
def rolling(measure: Any, returns: Any, window: int, *args: Any, **settings: Any) -> Floats:
    """Run a measure over every window of a series.

    Parameters
    ----------
    measure : callable
        Of this package: ``sharpe_ratio``, or one of two series such as ``alpha_beta`` with the benchmark first in
        ``args``.
    returns : array_like, shape (n_periods,)
    window : int
        Periods in a window, at least 1.

    Returns
    -------
    ndarray, shape (max(0, n_periods - window + 1),) or that by the measure's numbers
        The first is of the first full window.

    >>> rolling(sharpe_ratio, [0.01, 0.02, -0.01, 0.03], 3, periods_per_year=1).round(4).tolist()
    [0.4364, 0.6405]
    """
    if isinstance(window, bool) or not isinstance(window, int | np.integer) or window < 1:
        raise BadData(f"a window must be a whole number of at least 1, it was {window!r}")
    if not callable(measure):
        raise BadData(f"a measure must be a function of this package, such as sharpe_ratio, it was {measure!r}")
    array = series(returns)
    others = [matched(array, each)[1] if np.ndim(each) == 1 else each for each in args]
    starts = range(len(array) - window + 1)
    return np.array(
        [
            measure(array[i : i + window], *(o[i : i + window] if np.ndim(o) else o for o in others), **settings)
            for i in starts
        ]
    )


def _excess(returns: Any, other: Any) -> Floats:
    array, less = matched(returns, other, "risk_free")
    return array - less


def _mean(array: Floats) -> float:
    seen = array[~np.isnan(array)]
    if not seen.size:
        return float("nan")
    return float(seen[0]) if seen.max() == seen.min() else float(seen.mean())
