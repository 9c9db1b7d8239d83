"""Bollinger bands."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, positive, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["bollinger"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[3])
    if ring_push(s, 5, n, bar.close):
        mean = s[7]
        width = s[4] * math.sqrt(max(s[8], 0.0) / n)
        s[0] = mean
        s[1] = mean + width
        s[2] = mean - width


def bollinger(window: int = 20, deviations: float = 2.0, *, bars: str | None = None) -> Feature:
    """Draw a band of ``deviations`` standard deviations around the moving average.

    The deviation is the population's (divided by n), as Bollinger and TA-Lib have it. Outputs ``middle``,
    ``upper``, ``lower``; in a strategy ``x.NAME`` is the middle, ``x.NAME_upper`` and ``x.NAME_lower`` the others.

    Parameters
    ----------
    window : int
        At least 2.
    deviations : float
        Half width in standard deviations.
    bars : str or None
        Bar length; None runs it on ticks (mid price).
    """
    n = whole("window", window, least=2)
    k = positive("deviations", deviations)
    return Feature(
        "bollinger",
        {"window": n, "deviations": k},
        _update,
        [0.0, 0.0, 0.0, n, k, *[0.0] * ring_size(n)],
        warmup=n,
        bars=bars,
        outputs=("middle", "upper", "lower"),
    )
