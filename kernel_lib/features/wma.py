"""Weighted moving average."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import ring_size, weighted_push
from kernel_lib.market.bar import Bar

__all__ = ["wma"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    if weighted_push(s, 2, n, bar.close):
        s[0] = s[5] / (n * (n + 1) * 0.5)


def wma(window: int, *, bars: str | None = None) -> Feature:
    """Average the last ``window`` prices with weights that fall in a straight line into the past.

    ``sum((k + 1) * x[k]) / (n * (n + 1) / 2)`` over k = 0 (oldest) to n - 1 (newest), as TA-Lib WMA.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> wma(2)([1.0, 4.0, 7.0]).tolist()
    [nan, 3.0, 6.0]
    """
    n = whole("window", window)
    return Feature("wma", {"window": n}, _update, [0.0, n, *[0.0] * ring_size(n)], warmup=n, bars=bars)
