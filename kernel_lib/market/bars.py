"""Form bars of ticks as the step does: a bar closes when the first tick at or after its end arrives."""

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.market.bar import BAR, Bars, bar_length_ns
from kernel_lib.market.tick import TICK, Ticks

__all__ = ["bars"]


def bars(ticks: Ticks, length: str) -> Bars:
    """Give the closed bars of recorded ticks.

    Prices are of the bid, ``volume`` counts ticks, ``spread`` is the last one of the bar. Bars begin at whole
    multiples of their length since 1970, UTC; where no tick came there is none. The last one is open until a tick comes
    at or after its end, and is not given.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n_ticks,)
        In order of time; ticks without a finite bid and ask are left out.
    length : str
        ``"1m"``, ``"15s"``, ``"4h"``, ``"1d"``.

    Returns
    -------
    ndarray of BAR, shape (n_bars,)

    Raises
    ------
    BadData
        Another dtype, or times that go back.

    >>> from kernel_lib.market.tick import make_ticks
    >>> ticks = make_ticks([0, 30 * 10**9, 60 * 10**9], [1.0, 3.0, 2.0], [1.1, 3.1, 2.1])
    >>> bars(ticks, "1m")[["open", "high", "low", "close", "volume"]].tolist()
    [(1.0, 3.0, 1.0, 3.0, 2.0)]
    """
    length_ns = bar_length_ns(length)
    if not isinstance(ticks, np.ndarray) or ticks.dtype != TICK or ticks.ndim != 1:
        got = f"{ticks.dtype} {ticks.shape}" if isinstance(ticks, np.ndarray) else type(ticks).__name__
        raise BadData(f"ticks must be a one-dimensional array of dtype TICK (see kernel_lib.market.tick), it was {got}")
    back = np.diff(ticks["time_ns"]) < 0
    if back.any():
        row = int(np.argmax(back)) + 1
        raise BadData(f"times must not go back, tick {row} does; sort by time_ns first", source="ticks", line=row)
    good: npt.NDArray[np.void] = ticks[np.isfinite(ticks["bid"]) & np.isfinite(ticks["ask"])]
    if not len(good):
        return np.zeros(0, BAR)
    slot = good["time_ns"] // length_ns
    starts = np.flatnonzero(np.r_[True, slot[1:] != slot[:-1]])
    last = np.r_[starts[1:], len(good)] - 1
    formed = np.zeros(len(starts), BAR)
    formed["time_ns"] = slot[starts] * length_ns
    formed["open"] = good["bid"][starts]
    formed["high"] = np.maximum.reduceat(good["bid"], starts)
    formed["low"] = np.minimum.reduceat(good["bid"], starts)
    formed["close"] = good["bid"][last]
    formed["volume"] = last - starts + 1
    formed["spread"] = good["ask"][last] - good["bid"][last]
    return formed[:-1]
