"""Average true range."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, inlined, whole
from kernel_lib.market.bar import Bar

__all__ = ["atr", "true_range", "wilder_range_push"]


@inlined
def true_range(high: float, low: float, last_close: float) -> float:
    """Give the largest of today's range and the two gaps from the last close."""
    return max(high - low, abs(high - last_close), abs(low - last_close))


@inlined
def wilder_range_push(s: npt.NDArray[np.float64], base: int, high: float, low: float, close: float) -> float:
    """Add a bar and give the average range, NaN until warm; four places: window, count, last close, mean."""
    n = s[base]
    count = s[base + 1]
    last = s[base + 2]
    s[base + 1] = min(count + 1.0, n + 1.0)
    s[base + 2] = close
    if count == 0.0:
        return math.nan
    reach = true_range(high, low, last)
    if count <= n:
        s[base + 3] += reach / n
        return s[base + 3] if count == n else math.nan
    s[base + 3] += (reach - s[base + 3]) / n
    return s[base + 3]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    s[0] = wilder_range_push(s, 1, bar.high, bar.low, bar.close)


def atr(window: int = 14, *, bars: str | None = None) -> Feature:
    """Average how far the price travels in one bar, gaps included, in quote currency.

    ``A = A + (TR - A) / n`` with ``TR = max(H - L, |H - C_last|, |L - C_last|)``: Wilder's smoothing, seeded with the
    simple mean of the first ``window`` true ranges; the first bar has none (Wilder 1978; TA-Lib does the same).

    Parameters
    ----------
    window : int
        At least 1; Wilder's is 14.
    bars : str or None
        Bar length; None runs it on ticks, where the range is the step from tick to tick.

    >>> atr(2)([1.0, 2.0, 4.0, 4.5]).tolist()
    [nan, nan, 1.5, 1.0]
    """
    n = whole("window", window)
    return Feature("atr", {"window": n}, _update, [0.0, n, 0.0, 0.0, 0.0], warmup=n + 1, bars=bars)
