"""Bollinger bands."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, positive, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["bollinger", "bollinger_width"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[3])
    if ring_push(s, 5, n, bar.close):
        mean = s[7]
        width = s[4] * math.sqrt(max(s[8], 0.0) / n)
        s[0] = mean
        s[1] = mean + width
        s[2] = mean - width


@compiled
def _update_width(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[2])
    if ring_push(s, 4, n, bar.close):
        mean = s[6]
        half = s[3] * math.sqrt(max(s[7], 0.0) / n)
        s[0] = 2.0 * half / mean if mean != 0.0 else 0.0
        s[1] = (bar.close - mean + half) / (2.0 * half) if half > 0.0 else 0.5


def bollinger(window: int = 20, deviations: float = 2.0, *, bars: str | None = None) -> Feature:
    """Draw a band of ``deviations`` standard deviations around the moving average.

    ``mean(x) -+ deviations * stdev(x)``; the deviation is the population's (divided by n), as Bollinger and TA-Lib
    BBANDS have it. Outputs ``middle``, ``upper``, ``lower``; in a strategy ``x.NAME`` is the middle, ``x.NAME_upper``
    and ``x.NAME_lower`` the others.

    Parameters
    ----------
    window : int
        At least 2.
    deviations : float
        Half width in standard deviations.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> bollinger(2, 1.0)([1.0, 3.0])["upper"].tolist()
    [nan, 3.0]
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


def bollinger_width(window: int = 20, deviations: float = 2.0, *, bars: str | None = None) -> Feature:
    """Say how wide the Bollinger bands are beside the price, and where the price stands in them.

    ``value = (upper - lower) / middle``, ``percent_b = (x - lower) / (upper - lower)``: 0 on the lower band, 1 on the
    upper (Bollinger 2001). A flat window has width 0 and stands at a half. In a strategy ``x.NAME`` and
    ``x.NAME_percent_b``.

    Parameters
    ----------
    window : int
        At least 2.
    deviations : float
        Half width in standard deviations.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> bollinger_width(2, 1.0)([1.0, 3.0])["value"].tolist()
    [nan, 1.0]
    """
    n = whole("window", window, least=2)
    k = positive("deviations", deviations)
    return Feature(
        "bollinger_width",
        {"window": n, "deviations": k},
        _update_width,
        [0.0, 0.0, n, k, *[0.0] * ring_size(n)],
        warmup=n,
        bars=bars,
        outputs=("value", "percent_b"),
    )
