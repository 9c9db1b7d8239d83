"""Rolling correlation with another instrument."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, channel, compiled, whole
from kernel_lib.features.window import pair_push, pair_size
from kernel_lib.market.bar import Bar

__all__ = ["correlation"]

_SHOWN, _WINDOW, _LAST, _OTHER, _PAIRS = range(5)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    s[_SHOWN] = math.nan
    if math.isnan(bar.other):
        return
    last = s[_LAST]
    other = s[_OTHER]
    s[_LAST] = bar.close
    s[_OTHER] = bar.other
    if math.isnan(last):
        return
    mine = bar.close / last - 1.0 if last != 0.0 else 0.0
    theirs = bar.other / other - 1.0 if other != 0.0 else 0.0
    if pair_push(s, _PAIRS, int(s[_WINDOW]), theirs, mine):
        scale = s[_PAIRS + 4] * s[_PAIRS + 5]
        s[_SHOWN] = max(-1.0, min(1.0, s[_PAIRS + 6] / math.sqrt(scale))) if scale > 0.0 else 0.0


def correlation(other: str, window: int = 50, *, bars: str | None = None) -> Feature:
    """Say how closely the returns follow those of another instrument, from -1 to 1.

    Pearson's ``cov(r, q) / (stdev(r) * stdev(q))`` over the last ``window`` pairs of returns ``x / x_last - 1``, r of
    this and q of the other instrument's latest price: TA-Lib CORREL of the returns (that of prices would see a
    relation between any two trends). Where one of them did not move it is 0. While the other has no price it is NaN and
    the update is left out.

    Parameters
    ----------
    other : str
        The other instrument, ``"GBPUSD"``.
    window : int
        At least 3.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> correlation("GBPUSD", 3)([1.0, 2.0, 1.0, 2.0], other=[3.0, 6.0, 3.0, 6.0]).round(6).tolist()
    [nan, nan, nan, 1.0]
    """
    n = whole("window", window, least=3)
    other = channel("other", other)
    return Feature(
        "correlation",
        {"other": other, "window": n},
        _update,
        [0.0, n, np.nan, np.nan, *[0.0] * pair_size(n)],
        warmup=n + 1,
        bars=bars,
        other=other,
    )
