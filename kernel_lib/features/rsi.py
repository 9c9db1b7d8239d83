"""Relative strength index."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, inlined, whole
from kernel_lib.market.bar import Bar

__all__ = ["rsi", "rsi_push", "rsi_state"]


def rsi_state(window: int) -> list[float]:
    """Working state of one index: window, count, last price, mean gain and loss."""
    return [float(window), 0.0, 0.0, 0.0, 0.0]


@inlined
def rsi_push(s: npt.NDArray[np.float64], base: int, x: float) -> float:
    """Add ``x`` and give the index, NaN until warm."""
    n = s[base]
    count = s[base + 1]
    change = x - s[base + 2]
    s[base + 2] = x
    s[base + 1] = min(count + 1.0, n + 1.0)
    if count == 0.0:
        return math.nan
    gain = max(change, 0.0)
    loss = max(-change, 0.0)
    if count <= n:
        s[base + 3] += gain / n
        s[base + 4] += loss / n
        if count < n:
            return math.nan
    else:
        s[base + 3] += (gain - s[base + 3]) / n
        s[base + 4] += (loss - s[base + 4]) / n
    total = s[base + 3] + s[base + 4]
    return 50.0 if total == 0.0 else 100.0 * s[base + 3] / total


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    s[0] = rsi_push(s, 1, bar.close)


def rsi(window: int = 14, *, bars: str | None = None) -> Feature:
    """Compare recent gains with recent losses, from 0 (only losses) to 100 (only gains).

    ``100 * G / (G + L)`` with Wilder's smoothing of gains and losses, seeded with the simple mean of the first
    ``window`` changes (Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib RSI). Where nothing moved it is
    50; TA-Lib gives 0 there.

    Parameters
    ----------
    window : int
        At least 1; Wilder's is 14.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> rsi(2)([1.0, 2.0, 1.0, 2.0]).tolist()
    [nan, nan, 50.0, 75.0]
    """
    n = whole("window", window)
    return Feature("rsi", {"window": n}, _update, [0.0, *rsi_state(n)], warmup=n + 1, bars=bars)
