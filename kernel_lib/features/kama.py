"""Kaufman's adaptive moving average."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import delay_push, delay_size, ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["kama"]

_SHOWN, _WINDOW, _FAST, _SLOW, _LAST, _AVERAGE, _DELAY = range(7)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[_WINDOW])
    last = s[_LAST]
    s[_LAST] = bar.close
    first = delay_push(s, _DELAY, n, bar.close)
    ring = _DELAY + 2 + n
    if math.isnan(last) or not ring_push(s, ring, n, abs(bar.close - last)):
        return
    if math.isnan(s[_AVERAGE]):
        s[_AVERAGE] = last
    way = abs(bar.close - first)
    path = s[ring + 2] * n
    efficiency = 1.0 if path <= way or path <= 0.0 else way / path
    weight = (efficiency * (s[_FAST] - s[_SLOW]) + s[_SLOW]) ** 2
    s[_AVERAGE] += weight * (bar.close - s[_AVERAGE])
    s[_SHOWN] = s[_AVERAGE]


def kama(window: int = 10, fast: int = 2, slow: int = 30, *, bars: str | None = None) -> Feature:
    """Follow the price closely while it trends, and hardly while it wanders.

    ``K = K + w * (x - K)`` with ``w = (ER * (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1)) ** 2`` and the
    efficiency ratio ``ER = |x - x[n]| / sum(|changes|)`` of the last n changes, 1 where nothing moved. It starts from
    the price before the first shown one (Kaufman, Smarter Trading, 1995; TA-Lib KAMA).

    Parameters
    ----------
    window : int
        Changes in the efficiency ratio, at least 1.
    fast, slow : int
        Spans of the quickest and the slowest average; ``fast`` must be shorter.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> kama(1, fast=1, slow=3)([1.0, 2.0, 3.0]).tolist()
    [nan, 2.0, 3.0]
    """
    n, fast, slow = whole("window", window), whole("fast", fast), whole("slow", slow)
    if fast >= slow:
        raise BadData(f"kama: fast must be shorter than slow, they were {fast} and {slow}")
    weights = [2.0 / (fast + 1.0), 2.0 / (slow + 1.0)]
    return Feature(
        "kama",
        {"window": n, "fast": fast, "slow": slow},
        _update,
        [0.0, n, *weights, np.nan, np.nan, *[0.0] * (delay_size(n) + ring_size(n))],
        warmup=n + 1,
        bars=bars,
    )
