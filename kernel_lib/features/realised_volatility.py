"""Realised volatility."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, positive, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["realised_volatility"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    last = s[3]
    s[3] = bar.close
    if math.isnan(last):
        return
    change = math.log(bar.close / last) if bar.close > 0.0 and last > 0.0 else 0.0
    if ring_push(s, 4, n, change * change):
        s[0] = math.sqrt(max(s[6], 0.0) * s[2])


def realised_volatility(window: int = 20, periods: float = 1.0, *, bars: str | None = None) -> Feature:
    """Measure volatility by the last ``window`` logarithmic returns, as a share of the price.

    ``sqrt(periods * mean(log(x / x_last) ** 2))``: no mean is taken off, as it is far below the noise at these
    lengths (Andersen and Bollerslev 1998). ``periods=1`` gives it for one bar; the number of bars in a year gives it
    for a year.

    Parameters
    ----------
    window : int
        At least 1.
    periods : float
        Bars in the period that it is stated for.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> realised_volatility(1)([1.0, 2.0]).round(6).tolist()
    [nan, 0.693147]
    """
    n = whole("window", window)
    periods = positive("periods", periods)
    return Feature(
        "realised_volatility",
        {"window": n, "periods": periods},
        _update,
        [0.0, n, periods, np.nan, *[0.0] * ring_size(n)],
        warmup=n + 1,
        bars=bars,
    )
