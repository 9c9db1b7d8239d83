"""Average true range."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, inlined, whole
from kernel_lib.market.bar import Bar

__all__ = ["atr", "true_range"]

_SHOWN, _WINDOW, _COUNT, _LAST, _MEAN = range(5)


@inlined
def true_range(high: float, low: float, last_close: float) -> float:
    """Give the largest of today's range and the two gaps from the last close."""
    return max(high - low, abs(high - last_close), abs(low - last_close))


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = s[_WINDOW]
    count = s[_COUNT]
    last = s[_LAST]
    s[_LAST] = bar.close
    s[_COUNT] = min(count + 1.0, n + 1.0)
    if count == 0.0:
        return
    reach = true_range(bar.high, bar.low, last)
    if count <= n:
        s[_MEAN] += reach / n
        if count < n:
            return
    else:
        s[_MEAN] += (reach - s[_MEAN]) / n
    s[_SHOWN] = s[_MEAN]


def atr(window: int = 14, *, bars: str | None = None) -> Feature:
    """Average how far the price travels in one bar, gaps included, in quote currency.

    Wilder's smoothing, seeded with the simple mean of the first ``window`` true ranges; the first bar has none
    (Wilder 1978; TA-Lib does the same).

    Parameters
    ----------
    window : int
        At least 1; Wilder's is 14.
    bars : str or None
        Bar length; None runs it on ticks, where the range is the step from tick to tick.
    """
    n = whole("window", window)
    return Feature("atr", {"window": n}, _update, [0.0, n, 0.0, 0.0, 0.0], warmup=n + 1, bars=bars)
