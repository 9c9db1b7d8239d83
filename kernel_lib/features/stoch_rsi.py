"""Stochastic of the relative strength index."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.rsi import rsi_push, rsi_state
from kernel_lib.features.window import extreme_push, extreme_size, ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["stoch_rsi"]

_WINDOW, _SMOOTH, _SIGNAL, _COUNT, _RSI = range(2, 7)
_HIGH = _RSI + 5


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    strength = rsi_push(s, _RSI, bar.close)
    if math.isnan(strength):
        return
    n = int(s[_WINDOW])
    smooth = int(s[_SMOOTH])
    low_at = _HIGH + 2 * n + 4
    k_at = low_at + 2 * n + 4
    d_at = k_at + smooth + 4
    high = extreme_push(s, _HIGH, n, strength, 1.0)
    low = extreme_push(s, low_at, n, strength, -1.0)
    if s[_COUNT] < n - 1:
        s[_COUNT] += 1.0
        return
    raw = 100.0 * (strength - low) / (high - low) if high > low else 50.0
    if ring_push(s, k_at, smooth, raw) and ring_push(s, d_at, int(s[_SIGNAL]), s[k_at + 2]):
        s[0] = s[k_at + 2]
        s[1] = s[d_at + 2]


def stoch_rsi(
    window: int = 14, range_window: int = 14, smooth: int = 3, signal: int = 3, *, bars: str | None = None
) -> Feature:
    """Say where the RSI stands within its own recent range, from 0 to 100.

    ``100 * (R - min(R)) / (max(R) - min(R))`` over ``range_window`` of ``R = rsi(window)``, smoothed by a simple mean
    over ``smooth``; the signal is the simple mean of that over ``signal`` (Chande and Kroll 1994). With ``smooth=1`` it
    is TA-Lib's STOCHRSI. A flat range counts as 50; TA-Lib gives 0 there. Outputs ``value`` and ``signal``.

    Parameters
    ----------
    window, range_window, smooth, signal : int
        At least 1 each.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> stoch_rsi(1, 2, 1, 1)([1.0, 2.0, 1.0])["value"].tolist()
    [nan, nan, 0.0]
    """
    first, n = whole("window", window), whole("range_window", range_window)
    smooth, signal = whole("smooth", smooth), whole("signal", signal)
    places = 2 * extreme_size(n) + ring_size(smooth) + ring_size(signal)
    return Feature(
        "stoch_rsi",
        {"window": first, "range_window": n, "smooth": smooth, "signal": signal},
        _update,
        [0.0, 0.0, n, smooth, signal, 0.0, *rsi_state(first), *[0.0] * places],
        warmup=first + n + smooth + signal - 2,
        bars=bars,
        outputs=("value", "signal"),
    )
