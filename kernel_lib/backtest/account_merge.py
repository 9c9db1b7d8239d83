"""Ticks of several symbols as one sequence by time, a part at a time: memory does not grow with their number."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from kernel_lib.market.tick import Ticks

__all__ = ["SYMBOL_TICK", "merged"]

#: A tick with the place of its symbol.
SYMBOL_TICK = np.dtype([("time_ns", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("symbol", "<i8")])


def merged(ticks: Sequence[Ticks], n_rows: int = 1 << 17) -> Iterator[npt.NDArray[np.void]]:
    """Give all ticks in order of time, in parts of about ``n_rows``.

    Parameters
    ----------
    ticks : sequence of ndarray of TICK
        One array a symbol, each in order of time.
    n_rows : int
        Rows of a part; more where so many ticks have one time.

    Yields
    ------
    ndarray of SYMBOL_TICK
        At one time in the order of the symbols, and within a symbol in its own.

    >>> from kernel_lib.market.tick import make_ticks
    >>> both = [make_ticks([1, 5], [1.0, 1.0], [1.1, 1.1]), make_ticks([1, 3], [2.0, 2.0], [2.1, 2.1])]
    >>> [(int(each["time_ns"]), int(each["symbol"])) for part in merged(both) for each in part]
    [(1, 0), (1, 1), (3, 1), (5, 0)]
    """
    share = max(1, n_rows // max(1, len(ticks)))
    starts = [0] * len(ticks)
    while any(start < len(each) for start, each in zip(starts, ticks, strict=True)):
        # Up to the time that every symbol's share reaches: nothing of a later part can be before it.
        ends = [
            int(each["time_ns"][start + share - 1])
            for start, each in zip(starts, ticks, strict=True)
            if start + share < len(each)
        ]
        stops = [
            start + int(np.searchsorted(each["time_ns"][start:], min(ends), side="right")) if ends else len(each)
            for start, each in zip(starts, ticks, strict=True)
        ]
        runs = np.concatenate([each[start:stop] for start, stop, each in zip(starts, stops, ticks, strict=True)])
        part = np.empty(len(runs), SYMBOL_TICK)
        ends_of_runs = np.cumsum(np.subtract(stops, starts))
        _merge(runs, ends_of_runs - np.subtract(stops, starts), ends_of_runs, part)
        starts = stops
        yield part


@njit(nogil=True, cache=True)
def _merge(runs, at, ends, part):  # type: ignore[no-untyped-def]
    """Merge sorted runs: of equal times the first run's."""
    for row in range(part.size):
        first = -1
        time_ns = 0
        for k in range(at.size):
            if at[k] < ends[k] and (first < 0 or runs[at[k]].time_ns < time_ns):
                first = k
                time_ns = runs[at[k]].time_ns
        tick = runs[at[first]]
        part[row].time_ns = time_ns
        part[row].bid = tick.bid
        part[row].ask = tick.ask
        part[row].symbol = first
        at[first] += 1
