"""Rolling z-score."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["zscore"]

# Below this share of the price a deviation is rounding, not movement.
_FLAT = 1e-12


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    if ring_push(s, 2, n, bar.close):
        deviation = math.sqrt(max(s[5], 0.0) / n)
        s[0] = (bar.close - s[4]) / deviation if deviation > _FLAT * abs(s[4]) else 0.0


def zscore(window: int = 100, *, bars: str | None = None) -> Feature:
    """Say how many standard deviations the price stands from its own recent mean.

    ``(x - mean(x)) / stdev(x)`` over the window. The deviation is the population's (divided by n); the newest price
    is inside the window; a flat window gives 0.

    Parameters
    ----------
    window : int
        At least 2.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> zscore(2)([1.0, 3.0]).tolist()
    [nan, 1.0]
    """
    n = whole("window", window, least=2)
    return Feature("zscore", {"window": n}, _update, [0.0, n, *[0.0] * ring_size(n)], warmup=n, bars=bars)
