"""Rolling standard deviation."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["stdev"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    if ring_push(s, 2, n, bar.close):
        s[0] = math.sqrt(max(s[5], 0.0) / n)


def stdev(window: int = 20, *, bars: str | None = None) -> Feature:
    """Say how widely the last ``window`` prices scatter around their mean, in quote currency.

    ``sqrt(sum((x - mean(x)) ** 2) / n)``, the population's deviation as TA-Lib STDDEV; multiply by
    ``sqrt(n / (n - 1))`` for the sample's.

    Parameters
    ----------
    window : int
        At least 2.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> stdev(2)([1.0, 3.0]).tolist()
    [nan, 1.0]
    """
    n = whole("window", window, least=2)
    return Feature("stdev", {"window": n}, _update, [0.0, n, *[0.0] * ring_size(n)], warmup=n, bars=bars)
