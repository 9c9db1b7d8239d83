"""Rate of change of a triple-smoothed average."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.ema import ema_push, ema_state
from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.market.bar import Bar

__all__ = ["trix"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    once = ema_push(s, 2, bar.close)
    if math.isnan(once):
        return
    twice = ema_push(s, 7, once)
    if math.isnan(twice):
        return
    thrice = ema_push(s, 12, twice)
    last = s[1]
    s[1] = thrice
    if not math.isnan(last):
        s[0] = 100.0 * (thrice - last) / last if last != 0.0 else 0.0


def trix(span: int = 15, *, bars: str | None = None) -> Feature:
    """Show the per cent change of a price that was smoothed three times.

    ``100 * (E3 / E3_last - 1)`` with ``E3 = ema(ema(ema(x)))``, each average seeded with the simple mean of its own
    first ``span`` inputs (Hutson, Technical Analysis of Stocks & Commodities, 1983; TA-Lib TRIX).

    Parameters
    ----------
    span : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> trix(1)([1.0, 2.0, 3.0]).tolist()
    [nan, 100.0, 50.0]
    """
    span = whole("span", span)
    return Feature(
        "trix", {"span": span}, _update, [0.0, np.nan, *ema_state(span) * 3], warmup=3 * span - 1, bars=bars
    )  # fmt: skip
