"""Triple exponential moving average."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.ema import ema_push, ema_state
from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.market.bar import Bar

__all__ = ["tema"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    once = ema_push(s, 1, bar.close)
    if math.isnan(once):
        return
    twice = ema_push(s, 6, once)
    if math.isnan(twice):
        return
    s[0] = 3.0 * once - 3.0 * twice + ema_push(s, 11, twice)


def tema(span: int, *, bars: str | None = None) -> Feature:
    """Follow the price with almost no lag, at the cost of overshooting.

    ``3 * E1 - 3 * E2 + E3`` with ``E1 = ema(x)``, ``E2 = ema(E1)``, ``E3 = ema(E2)``, each seeded with the simple mean
    of its own first ``span`` inputs (Mulloy, Stocks & Commodities, 1994; TA-Lib TEMA).

    Parameters
    ----------
    span : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> tema(2)([1.0, 2.0, 3.0, 4.0]).tolist()
    [nan, nan, nan, 4.0]
    """
    span = whole("span", span)
    return Feature(
        "tema", {"span": span}, _update, [0.0, *ema_state(span) * 3], warmup=3 * span - 2, bars=bars
    )  # fmt: skip
