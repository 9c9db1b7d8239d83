"""Tick imbalance."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import delay_push, delay_size
from kernel_lib.market.bar import Bar

__all__ = ["tick_imbalance"]

_SHOWN, _WINDOW, _LAST, _SIGN, _SUM, _DELAY = range(6)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[_WINDOW])
    last = s[_LAST]
    s[_LAST] = bar.close
    if math.isnan(last):
        return
    if bar.close > last:
        s[_SIGN] = 1.0
    elif bar.close < last:
        s[_SIGN] = -1.0
    old = delay_push(s, _DELAY, n, s[_SIGN])
    s[_SUM] += s[_SIGN]
    if not math.isnan(old):
        s[_SUM] -= old
    if s[_DELAY] >= n:
        s[_SHOWN] = s[_SUM] / n


def tick_imbalance(window: int = 100, *, bars: str | None = None) -> Feature:
    """Weigh up-ticks against down-ticks of the last ``window`` moves, from -1 (all down) to 1 (all up).

    ``mean(b)`` of the tick rule: b is the sign of the change, and that of the move before where nothing changed
    (Lopez de Prado, Advances in Financial Machine Learning, 2018, chapter 2). Before the first move b is 0.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> tick_imbalance(2)([1.0, 2.0, 2.0, 1.0]).tolist()
    [nan, nan, 1.0, 0.0]
    """
    n = whole("window", window)
    state = [0.0, n, np.nan, 0.0, 0.0, *[0.0] * delay_size(n)]
    return Feature("tick_imbalance", {"window": n}, _update, state, warmup=n + 1, bars=bars)
