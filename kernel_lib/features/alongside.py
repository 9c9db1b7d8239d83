"""Put an outside series beside rows: each row sees the last value that was known at its time, never a later one."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.series import Rows, read_series
from kernel_lib.market.bar import BAR
from kernel_lib.market.tick import TICK

__all__ = ["put_alongside"]


def put_alongside(rows: Rows, other: Any, length_ns: int, name: str) -> npt.NDArray[np.float64]:
    """Give one outside value for each row, NaN where none was known yet.

    Parameters
    ----------
    rows : Rows
        The feature's own rows.
    other : array of TICK or BAR, pandas Series, KnownSeries, (times_ns, values), or array_like of float, shape (n,)
        A TICK is known at its time and counts as its mid, a bar at its close. A Series with a DatetimeIndex says by
        its index when each value was known; beside bars it is stamped as they are, by their opening, so that closes
        of two instruments meet. Without times there must be one value for each row.
    length_ns : int
        Length of the feature's bars, and of those in ``other``; 0 when it names none.
    name : str
        The feature, for messages.

    Raises
    ------
    BadData
        It cannot be said which value a row may see.
    """
    # A KnownSeries says when each value was known.
    found = read_series(_as_series(name, getattr(other, "outside", other)))
    values = found.values
    numbers = (values["bid"] + values["ask"]) * 0.5 if values.dtype == TICK else values["close"]
    if not found.timed:
        if len(numbers) != len(rows.values):
            raise BadData(
                f"{name}: other= must have times, or a value for each of {len(rows.values)} rows; it has {len(numbers)}"
            )
        return np.ascontiguousarray(numbers)
    if not rows.timed:
        raise BadData(f"{name}: other= has times, so the rows must have them too; give ticks, bars or a time index")
    if None not in (rows.aware, found.aware) and rows.aware != found.aware:
        raise BadData(f"{name}: the times of both series must have a time zone, or none of them; they are mixed")
    known_ns, other_ns = rows.values["time_ns"], values["time_ns"]
    if rows.values.dtype == BAR and values.dtype == TICK:
        known_ns = known_ns + _needed(length_ns, name)
    elif rows.values.dtype == TICK and found.are_bars:
        other_ns = other_ns + _needed(length_ns, name)
    at = np.searchsorted(other_ns, known_ns, side="right") - 1
    if not len(numbers):
        return np.full(len(at), np.nan)
    return np.where(at >= 0, numbers[np.maximum(at, 0)], np.nan)


def _as_series(name: str, other: Any) -> Any:
    """Turn a pair of times and values, the form that a replay takes too, into a Series."""
    if not isinstance(other, tuple) or len(other) != 2 or not hasattr(other[0], "__len__"):
        return other
    import pandas as pd

    times, values = (np.asarray(each) for each in other)
    if times.dtype != np.int64 or times.ndim != 1 or times.shape != values.shape:
        raise BadData(
            f"{name}: other= must have one time (int64 nanoseconds) for each value, it had {times.dtype} {times.shape} "
            f"for {values.shape}"
        )
    return pd.Series(values, index=pd.DatetimeIndex(times, tz="UTC"))


def _needed(length_ns: int, name: str) -> int:
    if not length_ns:
        raise BadData(f"{name}: it must be known when a bar closes; name the length in the feature, such as bars='1m'")
    return length_ns
