"""A tick as everything here carries it: 24 bytes, UTC nanoseconds, bid and ask."""

import numpy as np
import numpy.typing as npt

__all__ = ["TICK", "Ticks", "empty_ticks", "make_ticks"]

#: One quote: ``time_ns`` UTC nanoseconds since 1970, ``bid`` and ``ask`` in quote currency.
TICK = np.dtype([("time_ns", "<i8"), ("bid", "<f8"), ("ask", "<f8")])

#: A one-dimensional array of dtype :data:`TICK`.
Ticks = npt.NDArray[np.void]


def empty_ticks(n_ticks: int = 0) -> Ticks:
    """Give a zeroed array of ``n_ticks`` ticks."""
    return np.zeros(n_ticks, dtype=TICK)


def make_ticks(time_ns: npt.ArrayLike, bid: npt.ArrayLike, ask: npt.ArrayLike) -> Ticks:
    """Join three columns of equal length into ticks.

    Parameters
    ----------
    time_ns : array_like of int, shape (n_ticks,)
        UTC nanoseconds.
    bid, ask : array_like of float, shape (n_ticks,)
        Quotes.

    >>> make_ticks([1], [1.1], [1.2])["ask"]
    array([1.2])
    """
    times = np.asarray(time_ns, dtype=np.int64)
    ticks = np.empty(times.shape, dtype=TICK)
    ticks["time_ns"] = times
    ticks["bid"] = bid
    ticks["ask"] = ask
    return ticks
