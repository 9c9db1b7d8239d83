"""What counts as a series of returns: one-dimensional or a table, numbers throughout, aligned where there are two.

Every measure takes plain arrays, lists, pandas Series and DataFrames. Two conventions hold in the whole package:

* The measures of a track record (:mod:`~kernel_lib.risk.growth`, ``ratios``, ``downside``, ``benchmark``,
  ``moments``, ``drawdown``) take NaN as "no observation": it is left out of means and deviations, and compounds as
  zero. With too few observations they answer NaN, as empyrical and pandas do.
* What sizes a risk or a portfolio (value at risk, covariance, optimisers) refuses NaN, because a gap there would
  silently understate the risk.

Infinite and huge numbers (beyond 1e100, whose squares overflow) and wrong shapes are :class:`BadData` everywhere.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import numpy as np
import numpy.typing as npt

from kernel_lib.arrays import numbers
from kernel_lib.errors import BadData

__all__ = [
    "PERIODS", "Floats", "amounts", "complete", "each_column", "floats", "matched", "number", "over", "periods",
    "series", "table",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
P = ParamSpec("P")

#: Periods a year by name, as empyrical counts them; an hour is a trading hour of a market open day and night.
PERIODS = {"hourly": 252.0 * 24, "daily": 252.0, "weekly": 52.0, "monthly": 12.0, "quarterly": 4.0, "yearly": 1.0}

_HUGE = 1e100


def periods(per_year: float | str) -> float:
    """Read how many periods a year has: a number, or a name of :data:`PERIODS`.

    >>> periods("weekly"), periods(365)
    (52.0, 365.0)
    """
    if isinstance(per_year, str):
        if per_year not in PERIODS:
            raise BadData(f"periods a year must be a number or one of {', '.join(PERIODS)}, it was {per_year!r}")
        return PERIODS[per_year]
    if isinstance(per_year, bool) or not np.isfinite(per_year) or per_year <= 0:
        raise BadData(f"periods a year must be a positive number, it was {per_year!r}")
    return float(per_year)


def number(given: Any, name: str) -> float:
    """Read one number; NaN and infinity pass, a text does not.

    >>> number(np.float32(0.5), "a share")
    0.5
    """
    if isinstance(given, bool | str | bytes) or np.ndim(given) != 0:
        raise BadData(f"{name} must be a number, it was {given!r}")
    try:
        if isinstance(given, complex | np.complexfloating):
            raise TypeError
        return float(given)
    except (TypeError, ValueError):
        raise BadData(f"{name} must be a number, it was {given!r}") from None


def floats(values: Any, name: str) -> Floats:
    """Give a float64 array of whatever shape; NaN stays, infinite and huge numbers are refused, and so are texts."""
    array = numbers(values, name)
    if array.size:
        with np.errstate(invalid="ignore"):
            sound = array.min() > -_HUGE and array.max() < _HUGE
        # A NaN fails both comparisons, so only then the sizes are looked at one by one.
        if not sound and np.any(np.abs(array) >= _HUGE):
            worst = float(np.nanmax(np.abs(array)))
            raise BadData(f"{name} must be finite and below {_HUGE:g} in size, one was {worst!r}")
    return array


def series(values: Any, name: str = "returns") -> Floats:
    """Give a one-dimensional float64 array; NaN stays, infinite and huge numbers are refused."""
    array = floats(values, name)
    if array.ndim != 1:
        raise BadData(f"{name} must have one dimension, the shape was {array.shape}")
    return array


def complete(values: Any, name: str = "returns", least: int = 1) -> Floats:
    """Give a one-dimensional float64 array of at least ``least`` numbers, none of them NaN."""
    array = series(values, name)
    _refuse_gaps(array, name)
    if array.shape[0] < least:
        raise BadData(f"{name} must have at least {least} observation{'s' * (least > 1)}, there were {len(array)}")
    return array


def table(values: Any, name: str = "returns", least: int = 2) -> tuple[Floats, tuple[str, ...]]:
    """Give a float64 table (n_periods, n_instruments) without gaps, and its columns' names.

    Raises
    ------
    BadData
        Not two-dimensional, fewer than ``least`` rows, no column, or anything that is not a finite number.
    """
    array = floats(values, name)
    if array.ndim != 2:
        raise BadData(f"{name} must have two dimensions, periods by instruments, the shape was {array.shape}")
    _refuse_gaps(array, name)
    if array.shape[0] < least or array.shape[1] < 1:
        raise BadData(f"{name} must have at least {least} rows and 1 column, the shape was {array.shape}")
    columns = getattr(values, "columns", None)
    names = tuple(map(str, columns)) if columns is not None else tuple(f"x{i}" for i in range(array.shape[1]))
    return array, names


def amounts(exposures: Any, returns: Any) -> Floats:
    """Read the money in each instrument of a table of returns, in the order of its columns.

    A mapping or a pandas Series of symbols is put into the order of the columns by name; plain numbers are taken as
    they stand.

    Raises
    ------
    BadData
        Not one for each instrument, a NaN, or names that are not those of the columns.

    >>> import pandas as pd
    >>> amounts({"b": 2.0, "a": 1.0}, pd.DataFrame({"a": [0.1], "b": [0.2]})).tolist()
    [1.0, 2.0]
    """
    columns = [str(each) for each in getattr(returns, "columns", ())]
    n_columns = len(columns) or np.shape(returns)[1]
    index = exposures if isinstance(exposures, Mapping) else getattr(exposures, "index", None)
    labels = [] if index is None or callable(index) else [str(each) for each in index]
    if isinstance(exposures, Mapping) and not columns:
        raise BadData("exposures by name need returns with names: give a DataFrame with a column for each instrument")
    if columns and labels and labels != [str(each) for each in range(n_columns)]:
        if sorted(labels) != sorted(columns):
            raise BadData(f"exposures must be of {', '.join(columns)}, one each; they were of {', '.join(labels)}")
        plain = exposures.values() if isinstance(exposures, Mapping) else np.asarray(exposures)
        by_name = dict(zip(labels, plain, strict=True))
        return complete([by_name[each] for each in columns], "exposures")
    money = complete(exposures, "exposures")
    if len(money) != n_columns:
        raise BadData(f"exposures must be one for each of the {n_columns} instruments, there were {len(money)}")
    return money


def matched(values: Any, other: Any, name: str = "benchmark") -> tuple[Floats, Floats]:
    """Give two arrays of one length; pandas Series are joined on their index, a single number is repeated.

    A table of one column counts as a series.

    Where only one of the two has an observation, the other is NaN there.
    """
    if np.ndim(other) == 2 and np.shape(other)[1] == 1:
        other = other.iloc[:, 0] if hasattr(other, "iloc") else np.asarray(other)[:, 0]
    if hasattr(values, "to_frame") and hasattr(other, "to_frame"):
        _require_joinable(values.index, other.index, name)
        both = values.rename("values").to_frame().join(other.rename("other"), how="outer")
        values, other = both["values"], both["other"]
    first = series(values)
    second = np.full(first.shape, floats(number(other, name), name)) if np.isscalar(other) else floats(other, name)
    if second.shape != first.shape:
        raise BadData(f"{name} must be as long as the returns, {first.shape[0]}, its shape was {second.shape}")
    return first, second


def each_column(measure: Callable[P, float]) -> Callable[P, Any]:
    """Let a measure of one series take a table too: one number a column, as pandas Series for a DataFrame."""

    first = measure.__code__.co_varnames[0]

    @functools.wraps(measure)
    def of_each(*args: P.args, **kwargs: P.kwargs) -> Any:
        if not args:  # by its name
            named: dict[str, Any] = kwargs
            if first not in named:
                raise BadData(f"{measure.__name__} needs {first}, none were given")
            return of_each(named.pop(first), **named)
        values: Any = args[0]
        rest: Any = args[1:]
        if hasattr(values, "columns"):
            import pandas as pd

            numbers = [measure(values.iloc[:, i], *rest, **kwargs) for i in range(values.shape[1])]
            return pd.Series(numbers, index=values.columns, dtype=float)
        if isinstance(values, np.ndarray) and values.ndim == 2:
            return np.array([measure(column, *rest, **kwargs) for column in values.T])
        return measure(*args, **kwargs)

    return of_each


def over(top: float, bottom: float) -> float:
    """Divide as the field does: something over nothing is infinite, nothing over nothing is NaN."""
    if bottom != 0.0 or np.isnan(top):
        return float(top) / float(bottom) if bottom != 0.0 else float("nan")
    return float("nan") if top == 0.0 else float(np.copysign(np.inf, top))


def _require_joinable(index: Any, other: Any, name: str) -> None:
    for each, called in ((index, "the returns"), (other, name)):
        if each.has_duplicates:
            twice = each[each.duplicated()][0]
            raise BadData(f"{called} must have each label of the index once to be joined, {twice} is there twice")
    zones = [getattr(each, "tz", None) for each in (index, other)]
    if (zones[0] is None) != (zones[1] is None) and hasattr(index, "tz") and hasattr(other, "tz"):
        raise BadData(
            f"the times of returns and {name} must both have a zone or neither, they were {zones[0]} and {zones[1]}; "
            "say index.tz_localize('UTC') where it is missing"
        )


def _refuse_gaps(array: Floats, name: str) -> None:
    if np.isnan(array).any():
        place = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
        raise BadData(f"{name} must have no NaN, there is one at {place if len(place) > 1 else place[0]}")
