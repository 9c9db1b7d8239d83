"""Williams' %R."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import extreme_push, extreme_size
from kernel_lib.market.bar import Bar

__all__ = ["williams_r"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    high = extreme_push(s, 3, n, bar.high, 1.0)
    low = extreme_push(s, 3 + 2 * n + 4, n, bar.low, -1.0)
    if s[2] < n - 1:
        s[2] += 1.0
        return
    s[0] = 100.0 * (bar.close - high) / (high - low) if high > low else -50.0


def williams_r(window: int = 14, *, bars: str | None = None) -> Feature:
    """Say where the close stands below the highest high of the last ``window`` bars, from -100 to 0.

    ``-100 * (H - C) / (H - L)`` (Williams 1973; TA-Lib WILLR). A flat range counts as -50; TA-Lib gives 0 there.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> williams_r(2)([1.0, 3.0, 2.0]).tolist()
    [nan, 0.0, -100.0]
    """
    n = whole("window", window)
    state = [0.0, n, 0.0, *[0.0] * (2 * extreme_size(n))]
    return Feature("williams_r", {"window": n}, _update, state, warmup=n, bars=bars)
