"""Z-score of the spread to another instrument."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, channel, compiled, positive, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["spread_zscore"]

# Logarithms of prices are near one, so a deviation below this is rounding, not movement.
_FLAT = 1e-12


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    s[0] = math.nan
    if not (bar.other > 0.0 and bar.close > 0.0):
        return
    n = int(s[1])
    apart = math.log(bar.close) - s[2] * math.log(bar.other)
    if ring_push(s, 3, n, apart):
        deviation = math.sqrt(max(s[6], 0.0) / n)
        s[0] = (apart - s[5]) / deviation if deviation > _FLAT else 0.0


def spread_zscore(other: str, window: int = 100, hedge: float = 1.0, *, bars: str | None = None) -> Feature:
    """Say how unusually far this instrument stands from another, in standard deviations of their spread.

    ``(S - mean(S)) / stdev(S)`` over the last ``window`` with ``S = log(x) - hedge * log(y)``; the deviation is the
    population's (pairs trading: Gatev, Goetzmann and Rouwenhorst 2006). A flat spread gives 0. While the other has no
    price it is NaN and the update is left out.

    Parameters
    ----------
    other : str
        The other instrument, ``"GBPUSD"``.
    window : int
        At least 2.
    hedge : float
        Units of the other's logarithm held against one of this; such as the slope of a regression.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> spread_zscore("GBPUSD", 2)([1.0, 2.0], other=[1.0, 1.0]).round(6).tolist()
    [nan, 1.0]
    """
    n = whole("window", window, least=2)
    other, hedge = channel("other", other), positive("hedge", hedge)
    return Feature(
        "spread_zscore",
        {"other": other, "window": n, "hedge": hedge},
        _update,
        [0.0, n, hedge, *[0.0] * ring_size(n)],
        warmup=n,
        bars=bars,
        other=other,
    )
