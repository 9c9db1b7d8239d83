"""Rate of change."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import delay_push, delay_size
from kernel_lib.market.bar import Bar

__all__ = ["roc"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    old = delay_push(s, 2, int(s[1]), bar.close)
    if not math.isnan(old):
        s[0] = 100.0 * (bar.close - old) / old if old != 0.0 else 0.0


def roc(window: int = 10, *, bars: str | None = None) -> Feature:
    """Show the change over ``window`` updates in per cent.

    ``100 * (x / x[n] - 1)`` as TA-Lib ROC; 0 where the old price is 0.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> roc(1)([1.0, 2.0, 1.0]).tolist()
    [nan, 100.0, -50.0]
    """
    n = whole("window", window)
    return Feature("roc", {"window": n}, _update, [0.0, n, *[0.0] * delay_size(n)], warmup=n + 1, bars=bars)
