"""Values from outside in a replay: each becomes an event at the time it was known, before the first tick after it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.market.tick import TICK

__all__ = ["OUTSIDE", "outside_events"]

#: One value from outside; ``channel`` is its place among the strategy's channels.
OUTSIDE = np.dtype([("time_ns", "<i8"), ("channel", "<i8"), ("number", "<f8")])


def outside_events(channels: tuple[str, ...], given: Mapping[str, Any] | None) -> npt.NDArray[np.void]:
    """Merge what was given by channel into one sequence by time.

    Parameters
    ----------
    channels : tuple of str
        What the strategy reads.
    given : mapping of str
        For each channel an array of TICK (the mid price counts), a pandas Series with a DatetimeIndex, a
        :class:`~kernel_lib.backtest.known_series.KnownSeries`, or a pair of arrays: times in nanoseconds since 1970,
        UTC, at which each value was known, and the values.

    Returns
    -------
    ndarray of OUTSIDE
        In order of time; at one time in order of channels.

    Raises
    ------
    BadData
        A channel is missing or not read, or its times go back.
    """
    given = dict(given or {})
    missing = [name for name in channels if name not in given]
    if missing:
        raise BadData(
            f"the strategy reads {', '.join(map(repr, missing))} from outside; give outside={{{missing[0]!r}: ...}} "
            "with ticks, a Series with its times, or (times_ns, values)"
        )
    unread = [name for name in given if name not in channels]
    if unread:
        raise BadData(
            f"outside must hold what the strategy reads ({', '.join(map(repr, channels)) or 'nothing'}), "
            f"it also held {', '.join(map(repr, unread))}"
        )
    parts = [np.zeros(0, OUTSIDE)]
    for place, name in enumerate(channels):
        # A KnownSeries gives each value at the time it was known.
        times, numbers = _times_and_numbers(name, getattr(given[name], "outside", given[name]))
        part = np.zeros(len(times), OUTSIDE)
        part["time_ns"], part["channel"], part["number"] = times, place, numbers
        parts.append(part)
    events = np.concatenate(parts)
    return events[np.argsort(events["time_ns"], kind="stable")]


def _times_and_numbers(name: str, series: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    if isinstance(series, np.ndarray) and series.dtype == TICK:
        times, numbers = series["time_ns"], (series["bid"] + series["ask"]) * 0.5
    elif hasattr(series, "index") and hasattr(series, "to_numpy"):
        times, numbers = _index_times(name, series.index), series.to_numpy(dtype=np.float64)
    elif isinstance(series, tuple) and len(series) == 2:
        times, numbers = np.asarray(series[0]), np.asarray(series[1], dtype=np.float64)
    else:
        raise BadData(
            f"outside[{name!r}] must be ticks, a Series with its times, or (times_ns, values), it was "
            f"{type(series).__name__}"
        )
    if times.dtype != np.int64 or times.ndim != 1 or times.shape != numbers.shape:
        raise BadData(
            f"outside[{name!r}] must have one time (int64 nanoseconds) for each value, it had {times.dtype} "
            f"{times.shape} for {numbers.shape}"
        )
    if (np.diff(times) < 0).any():
        raise BadData(f"times of outside[{name!r}] must not go back; sort them first")
    return times, numbers


def _index_times(name: str, index: Any) -> npt.NDArray[np.int64]:
    import pandas as pd

    if not isinstance(index, pd.DatetimeIndex):
        raise BadData(f"outside[{name!r}] must have a DatetimeIndex, it has {type(index).__name__}")
    if index.tz is None:
        raise BadData(f"times of outside[{name!r}] must carry their zone; use .tz_localize('UTC')")
    return index.tz_convert("UTC").as_unit("ns").asi8
