"""Relative strength index."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.market.bar import Bar

__all__ = ["rsi"]

_SHOWN, _WINDOW, _COUNT, _LAST, _GAIN, _LOSS = range(6)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = s[_WINDOW]
    count = s[_COUNT]
    change = bar.close - s[_LAST]
    s[_LAST] = bar.close
    s[_COUNT] = min(count + 1.0, n + 1.0)
    if count == 0.0:
        return
    gain = max(change, 0.0)
    loss = max(-change, 0.0)
    if count < n:
        s[_GAIN] += gain / n
        s[_LOSS] += loss / n
        return
    if count == n:
        s[_GAIN] += gain / n
        s[_LOSS] += loss / n
    else:
        s[_GAIN] += (gain - s[_GAIN]) / n
        s[_LOSS] += (loss - s[_LOSS]) / n
    total = s[_GAIN] + s[_LOSS]
    s[_SHOWN] = 50.0 if total == 0.0 else 100.0 * s[_GAIN] / total


def rsi(window: int = 14, *, bars: str | None = None) -> Feature:
    """Compare recent gains with recent losses, from 0 (only losses) to 100 (only gains).

    ``100 * G / (G + L)`` with Wilder's smoothing of gains and losses, seeded with the simple mean of the first
    ``window`` changes (Wilder, New Concepts in Technical Trading Systems, 1978). Where nothing moved it is 50.

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
    return Feature("rsi", {"window": n}, _update, [0.0, n, 0.0, 0.0, 0.0, 0.0], warmup=n + 1, bars=bars)
