"""Parkinson's volatility."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, positive, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["parkinson"]

_SHARE = 1.0 / (4.0 * math.log(2.0))


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    reach = math.log(bar.high / bar.low) if bar.low > 0.0 and bar.high > bar.low else 0.0
    if ring_push(s, 3, int(s[1]), reach * reach):
        s[0] = math.sqrt(max(s[5], 0.0) * _SHARE * s[2])


def parkinson(window: int = 20, periods: float = 1.0, *, bars: str | None = None) -> Feature:
    """Measure volatility by the ranges of the last ``window`` bars, as a share of the price.

    ``sqrt(periods * mean(log(high / low) ** 2) / (4 * log(2)))`` (Parkinson, Journal of Business, 1980): five times
    less noise than closes, blind to gaps between bars. On single ticks there is no range and it is 0.

    Parameters
    ----------
    window : int
        At least 1.
    periods : float
        Bars in the period that it is stated for; 1 gives it for one bar.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> parkinson(1)([1.0, 2.0]).tolist()
    [0.0, 0.0]
    """
    n = whole("window", window)
    periods = positive("periods", periods)
    state = [0.0, n, periods, *[0.0] * ring_size(n)]
    return Feature("parkinson", {"window": n, "periods": periods}, _update, state, warmup=n, bars=bars)
