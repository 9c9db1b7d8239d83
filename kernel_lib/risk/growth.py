"""From prices to returns, and from returns to growth: total, by year, by calendar period.

Returns are simple (0.01 is one percent), one a period. A NaN return is a period in which nothing was observed: it
compounds as zero and still counts as a period of the span, as in empyrical.
"""

from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, each_column, floats, periods, series

__all__ = [
    "aggregate_returns",
    "annual_return",
    "annual_volatility",
    "cumulative_returns",
    "log_returns",
    "simple_returns",
    "total_return",
]

_GROUPS = {"weekly": "W", "monthly": "M", "quarterly": "Q", "yearly": "Y"}


@declared
def simple_returns(prices: Any) -> Any:
    """Give ``p[t] / p[t-1] - 1``, one shorter than the prices; infinite after a price of zero.

    Parameters
    ----------
    prices : array_like or pandas Series or DataFrame, shape (n_periods,) or (n_periods, n_instruments)
        Not negative; a NaN price gives NaN returns on both its sides.

    >>> simple_returns([100.0, 110.0, 99.0]).round(6).tolist()
    [0.1, -0.1]
    """
    array = _prices(prices)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = array[1:] / array[:-1] - 1.0
    return _like(prices, returns, 1)


@declared
def log_returns(prices: Any) -> Any:
    """Give ``ln(p[t] / p[t-1])``, one shorter than the prices.

    >>> log_returns([1.0, np.e]).tolist()
    [1.0]
    """
    array = _prices(prices)
    if np.any(array <= 0.0):
        raise BadData(f"prices must be positive for log returns, one was {float(np.nanmin(array))!r}")
    return _like(prices, np.diff(np.log(array), axis=0), 1)


@declared
def cumulative_returns(returns: Any, starting: float = 0.0) -> Any:
    """Compound returns.

    Parameters
    ----------
    returns : array_like or pandas Series or DataFrame, shape (n_periods,) or (n_periods, n_series)
    starting : float
        0 gives the total return so far; anything else the worth of that much capital.

    Returns
    -------
    ndarray, or pandas with the same index

    >>> cumulative_returns([0.1, -0.5], starting=100).round(6).tolist()
    [110.0, 55.0]
    """
    array = floats(returns, "returns")
    if array.ndim not in (1, 2):
        raise BadData(f"returns must have one or two dimensions, the shape was {array.shape}")
    worth = growth_path(array)
    return _like(returns, worth - 1.0 if starting == 0.0 else worth * starting, 0)


def growth_path(array: Floats) -> Floats:
    """Give what one unit of capital has grown to after each period, along the first axis."""
    with np.errstate(over="ignore"):
        return np.asarray(np.multiply.accumulate(_factors(array), axis=0))


@declared
@each_column
def total_return(returns: Any) -> float:
    """Give the compounded return of the whole span; 0 for an empty one.

    >>> round(total_return([0.1, 0.1]), 6)
    0.21
    """
    return _product(_factors(series(returns))) - 1.0


@declared
@each_column
def annual_return(returns: Any, periods_per_year: float | str = "daily", *, geometric: bool = True) -> float:
    """Give the growth of a year.

    Parameters
    ----------
    returns : array_like, shape (n_periods,)
    periods_per_year : float or str
        252 by default.
    geometric : bool
        True compounds to a year (CAGR: empyrical, PerformanceAnalytics), infinite where the growth is too large for
        a number; False multiplies the mean by the periods.

    >>> round(annual_return([0.01] * 12, "monthly"), 6)
    0.126825
    """
    array, a_year = series(returns), periods(periods_per_year)
    if array.shape[0] == 0:
        return float("nan")
    if not geometric:
        seen = array[~np.isnan(array)]
        return float(seen.mean() * a_year) if seen.size else float("nan")
    return compounded(_product(_factors(array)), a_year / array.shape[0]) - 1.0


@declared
@each_column
def annual_volatility(returns: Any, periods_per_year: float | str = "daily", *, ddof: int = 1) -> float:
    """Give the standard deviation of the returns times the root of the periods a year.

    Parameters
    ----------
    ddof : int
        1 is the sample deviation (empyrical, pandas), 0 the population's (Bacon).

    >>> round(annual_volatility([0.01, -0.01, 0.01, -0.01], ddof=0), 6)
    0.158745
    """
    return deviation(series(returns), ddof) * float(np.sqrt(periods(periods_per_year)))


def deviation(array: Floats, ddof: int = 1) -> float:
    """Standard deviation of what is observed; exactly 0 of a constant, NaN of too little."""
    seen = array[~np.isnan(array)]
    if seen.shape[0] <= ddof:
        return float("nan")
    if seen.max() == seen.min():
        return 0.0
    return float(np.std(seen, ddof=ddof))


@declared
def aggregate_returns(returns: Any, to: str) -> Any:
    """Compound a dated series to calendar periods.

    Parameters
    ----------
    returns : pandas Series with a DatetimeIndex
    to : {"weekly", "monthly", "quarterly", "yearly"}
        A week is an ISO week within its calendar year, as in empyrical.

    Returns
    -------
    pandas.Series
        Indexed by year, or by year and the number of the week, month or quarter.

    >>> import pandas as pd
    >>> days = pd.Series([0.1, 0.1], index=pd.to_datetime(["2020-01-01", "2020-01-31"]))
    >>> aggregate_returns(days, "monthly").round(6).tolist()
    [0.21]
    """
    import pandas as pd

    if to not in _GROUPS:
        raise BadData(f"returns must be aggregated to one of {', '.join(_GROUPS)}, it was {to!r}")
    index = getattr(returns, "index", None)
    if not isinstance(index, pd.DatetimeIndex):
        raise BadData(f"returns must have a DatetimeIndex to aggregate, it was {type(index).__name__}")
    numbers = pd.Series(series(returns), index=index)
    parts: Any = {
        "weekly": [index.year, index.isocalendar().week.to_numpy()],
        "monthly": [index.year, index.month],
        "quarterly": [index.year, index.quarter],
        "yearly": [index.year],
    }[to]
    return numbers.groupby(parts).apply(total_return)


def compounded(base: float, exponent: float) -> float:
    """Raise to a power; infinite where that is too large for a number, NaN for a root of less than nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.float64(base) ** np.float64(exponent))


def _product(factors: Floats) -> float:
    with np.errstate(over="ignore"):
        return float(np.prod(factors))


def _prices(prices: Any) -> Floats:
    array = floats(prices, "prices")
    if array.ndim not in (1, 2):
        raise BadData(f"prices must have one or two dimensions, the shape was {array.shape}")
    if np.any(array < 0.0):
        raise BadData(f"prices must not be negative, one was {float(np.nanmin(array))!r}")
    return array


def _factors(array: Floats) -> Floats:
    if np.any(array < -1.0):
        raise BadData(f"a return can't be below -1 (all is lost), one was {float(np.nanmin(array))!r}")
    return 1.0 + np.nan_to_num(array, nan=0.0)


def _like(given: Any, numbers: Floats, first: int) -> Any:
    """Dress numbers as what was given, from its row ``first`` on."""
    if not hasattr(given, "iloc"):
        return numbers
    import pandas as pd

    if numbers.ndim == 2:
        return pd.DataFrame(numbers, index=given.index[first:], columns=given.columns)
    return pd.Series(numbers, index=given.index[first:], name=given.name)
