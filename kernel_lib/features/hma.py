"""Hull moving average."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import ring_size, weighted_push
from kernel_lib.market.bar import Bar

__all__ = ["hma"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    half = int(s[2])
    root = int(s[3])
    half_at = 4 + n + 4
    root_at = half_at + half + 4
    ready = weighted_push(s, 4, n, bar.close)
    weighted_push(s, half_at, half, bar.close)
    if not ready:
        return
    lead = 2.0 * s[half_at + 3] / (half * (half + 1) * 0.5) - s[7] / (n * (n + 1) * 0.5)
    if weighted_push(s, root_at, root, lead):
        s[0] = s[root_at + 3] / (root * (root + 1) * 0.5)


def hma(window: int = 20, *, bars: str | None = None) -> Feature:
    """Follow the price smoothly with little lag.

    ``wma(2 * wma(x, n / 2) - wma(x, n), sqrt(n))`` with both lengths rounded down (Hull, 2005; Stock.Indicators and
    Tulip round alike).

    Parameters
    ----------
    window : int
        At least 2.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> hma(4)([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).round(6).tolist()
    [nan, nan, nan, nan, 5.0, 6.0]
    """
    n = whole("window", window, least=2)
    half, root = n // 2, math.isqrt(n)
    places = ring_size(n) + ring_size(half) + ring_size(root)
    return Feature(
        "hma", {"window": n}, _update, [0.0, n, half, root, *[0.0] * places], warmup=n + root - 1, bars=bars
    )  # fmt: skip
