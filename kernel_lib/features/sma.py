"""Simple moving average."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["sma"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    if ring_push(s, 2, int(s[1]), bar.close):
        s[0] = s[4]


def sma(window: int, *, bars: str | None = None) -> Feature:
    """Average the last ``window`` prices, each with equal weight.

    ``sum(x) / n``, as TA-Lib SMA.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> sma(2)([1.0, 2.0, 4.0]).tolist()
    [nan, 1.5, 3.0]
    """
    n = whole("window", window)
    return Feature("sma", {"window": n}, _update, [0.0, n, *[0.0] * ring_size(n)], warmup=n, bars=bars)
