"""Autocorrelation of returns."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import delay_push, delay_size, pair_push, pair_size
from kernel_lib.market.bar import Bar

__all__ = ["return_autocorrelation"]

_SHOWN, _WINDOW, _LAG, _LAST, _DELAY = range(5)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    last = s[_LAST]
    s[_LAST] = bar.close
    if math.isnan(last):
        return
    lag = int(s[_LAG])
    change = bar.close / last - 1.0 if last != 0.0 else 0.0
    before = delay_push(s, _DELAY, lag, change)
    pairs = _DELAY + 2 + lag
    if math.isnan(before) or not pair_push(s, pairs, int(s[_WINDOW]), before, change):
        return
    scale = s[pairs + 4] * s[pairs + 5]
    s[_SHOWN] = max(-1.0, min(1.0, s[pairs + 6] / math.sqrt(scale))) if scale > 0.0 else 0.0


def return_autocorrelation(window: int = 100, lag: int = 1, *, bars: str | None = None) -> Feature:
    """Say whether moves go on (above 0) or turn back (below 0): from -1 to 1.

    Pearson's correlation ``cov(r, r[lag]) / (stdev(r) * stdev(r[lag]))`` over the last ``window`` pairs of returns
    ``r = x / x_last - 1``. On quotes it is negative where the price bounces between bid and ask (Roll 1984). Where
    nothing moved it is 0.

    Parameters
    ----------
    window : int
        Pairs, at least 3.
    lag : int
        Updates between the two returns of a pair, at least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> return_autocorrelation(3)([1.0, 2.0, 1.0, 2.0, 1.0]).round(6).tolist()
    [nan, nan, nan, nan, -1.0]
    """
    n, lag = whole("window", window, least=3), whole("lag", lag)
    return Feature(
        "return_autocorrelation",
        {"window": n, "lag": lag},
        _update,
        [0.0, n, lag, np.nan, *[0.0] * (delay_size(lag) + pair_size(n))],
        warmup=n + lag + 1,
        bars=bars,
    )
