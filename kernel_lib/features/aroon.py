"""Aroon."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import extreme_age, extreme_push, extreme_size
from kernel_lib.market.bar import Bar

__all__ = ["aroon"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[3])
    low_at = 5 + 2 * (n + 1) + 4
    extreme_push(s, 5, n + 1, bar.high, 1.0)
    extreme_push(s, low_at, n + 1, bar.low, -1.0)
    if s[4] < n:
        s[4] += 1.0
        return
    up = 100.0 * (n - extreme_age(s, 5)) / n
    down = 100.0 * (n - extreme_age(s, low_at)) / n
    s[0] = up - down
    s[1] = up
    s[2] = down


def aroon(window: int = 25, *, bars: str | None = None) -> Feature:
    """Say how lately the extremes came: the oscillator from -100 (new lows only) to 100 (new highs only).

    ``up = 100 * (n - bars since the highest high) / n`` over the newest and the n bars before it, ``down`` likewise of
    the lowest low, ``value = up - down``; of equal extremes the newest counts (Chande 1995; TA-Lib AROON and AROONOSC).
    In a strategy ``x.NAME``, ``x.NAME_up``, ``x.NAME_down``.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> aroon(2)([1.0, 2.0, 3.0])["value"].tolist()
    [nan, nan, 100.0]
    """
    n = whole("window", window)
    return Feature(
        "aroon",
        {"window": n},
        _update,
        [0.0, 0.0, 0.0, n, 0.0, *[0.0] * (2 * extreme_size(n + 1))],
        warmup=n + 1,
        bars=bars,
        outputs=("value", "up", "down"),
    )
