"""Donchian channel."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import extreme_push, extreme_size
from kernel_lib.market.bar import Bar

__all__ = ["donchian"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[3])
    high = extreme_push(s, 5, n, bar.high, 1.0)
    low = extreme_push(s, 5 + 2 * n + 4, n, bar.low, -1.0)
    if s[4] < n - 1:
        s[4] += 1.0
        return
    s[0] = (high + low) * 0.5
    s[1] = high
    s[2] = low


def donchian(window: int = 20, *, bars: str | None = None) -> Feature:
    """Hold the highest high and the lowest low of the last ``window`` bars.

    ``max(high)``, ``min(low)`` and ``(upper + lower) / 2`` (Donchian). Outputs ``middle``, ``upper``, ``lower``; in a
    strategy ``x.NAME``, ``x.NAME_upper``, ``x.NAME_lower``. The newest bar is inside the window.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> donchian(2)([1.0, 3.0, 2.0])["middle"].tolist()
    [nan, 2.0, 2.5]
    """
    n = whole("window", window)
    return Feature(
        "donchian",
        {"window": n},
        _update,
        [0.0, 0.0, 0.0, n, 0.0, *[0.0] * (2 * extreme_size(n))],
        warmup=n,
        bars=bars,
        outputs=("middle", "upper", "lower"),
    )
