"""Double exponential moving average."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.ema import ema_push, ema_state
from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.market.bar import Bar

__all__ = ["dema"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    once = ema_push(s, 1, bar.close)
    if math.isnan(once):
        return
    twice = ema_push(s, 6, once)
    s[0] = 2.0 * once - twice


def dema(span: int, *, bars: str | None = None) -> Feature:
    """Follow the price with less lag than an exponential average.

    ``2 * E - ema(E)`` with ``E = ema(x, span)``, each average seeded with the simple mean of its own first ``span``
    inputs (Mulloy, Stocks & Commodities, 1994; TA-Lib DEMA).

    Parameters
    ----------
    span : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> dema(2)([1.0, 2.0, 3.0, 4.0]).tolist()
    [nan, nan, 3.0, 4.0]
    """
    span = whole("span", span)
    return Feature(
        "dema", {"span": span}, _update, [0.0, *ema_state(span) * 2], warmup=2 * span - 1, bars=bars
    )  # fmt: skip
