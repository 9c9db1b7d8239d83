"""Garman and Klass's volatility."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, positive, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["garman_klass"]

_SHARE = 2.0 * math.log(2.0) - 1.0


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    reach = math.log(bar.high / bar.low) if bar.low > 0.0 and bar.high > bar.low else 0.0
    body = math.log(bar.close / bar.open) if bar.open > 0.0 and bar.close > 0.0 else 0.0
    if ring_push(s, 3, int(s[1]), 0.5 * reach * reach - _SHARE * body * body):
        s[0] = math.sqrt(max(s[5], 0.0) * s[2])


def garman_klass(window: int = 20, periods: float = 1.0, *, bars: str | None = None) -> Feature:
    """Measure volatility by open, high, low and close of the last ``window`` bars, as a share of the price.

    ``sqrt(periods * mean(0.5 * log(high / low) ** 2 - (2 * log(2) - 1) * log(close / open) ** 2))`` (Garman and Klass,
    Journal of Business, 1980): seven times less noise than closes, blind to gaps between bars. On single ticks it is 0.

    Parameters
    ----------
    window : int
        At least 1.
    periods : float
        Bars in the period that it is stated for; 1 gives it for one bar.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> garman_klass(1)([1.0, 2.0]).tolist()
    [0.0, 0.0]
    """
    n = whole("window", window)
    periods = positive("periods", periods)
    state = [0.0, n, periods, *[0.0] * ring_size(n)]
    return Feature("garman_klass", {"window": n, "periods": periods}, _update, state, warmup=n, bars=bars)
