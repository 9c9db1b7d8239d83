"""Slope of a line through the last prices."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import ring_size, weighted_push
from kernel_lib.market.bar import Bar

__all__ = ["linear_slope"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    # Taken from the first price, so that a far level costs no digits.
    if np.isnan(s[2]):
        s[2] = bar.close
    if weighted_push(s, 3, n, bar.close - s[2]):
        s[0] = (s[6] - s[5] * (n + 1) * 0.5) / (n * (n * n - 1.0) / 12.0)


def linear_slope(window: int = 14, *, bars: str | None = None) -> Feature:
    """Fit a straight line to the last ``window`` prices and show its slope, in quote currency a bar.

    ``sum((k - mean(k)) * x[k]) / sum((k - mean(k)) ** 2)``, least squares, as TA-Lib LINEARREG_SLOPE.

    Parameters
    ----------
    window : int
        At least 2.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> linear_slope(3)([1.0, 3.0, 5.0]).tolist()
    [nan, nan, 2.0]
    """
    n = whole("window", window, least=2)
    state = [0.0, n, np.nan, *[0.0] * ring_size(n)]
    return Feature("linear_slope", {"window": n}, _update, state, warmup=n, bars=bars)
