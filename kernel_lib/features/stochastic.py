"""Stochastic oscillator."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import extreme_push, extreme_size, ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["stochastic"]

_WINDOW, _SMOOTH, _SIGNAL, _COUNT, _FIRST = 2, 3, 4, 5, 6


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[_WINDOW])
    smooth = int(s[_SMOOTH])
    signal = int(s[_SIGNAL])
    low_at = _FIRST + 2 * n + 4
    k_at = low_at + 2 * n + 4
    d_at = k_at + smooth + 4
    high = extreme_push(s, _FIRST, n, bar.high, 1.0)
    low = extreme_push(s, low_at, n, bar.low, -1.0)
    if s[_COUNT] < n - 1:
        s[_COUNT] += 1.0
        return
    raw = 100.0 * (bar.close - low) / (high - low) if high > low else 50.0
    if ring_push(s, k_at, smooth, raw) and ring_push(s, d_at, signal, s[k_at + 2]):
        s[0] = s[k_at + 2]
        s[1] = s[d_at + 2]


def stochastic(window: int = 14, smooth: int = 3, signal: int = 3, *, bars: str | None = None) -> Feature:
    """Say where the close stands within the range of the last ``window`` bars, from 0 to 100.

    Lane's slow stochastic: %K is the simple mean over ``smooth`` of ``100 * (C - L) / (H - L)``, %D the simple mean
    of %K over ``signal``. A flat range counts as 50. Outputs ``value`` (%K) and ``signal`` (%D); in a strategy
    ``x.NAME`` and ``x.NAME_signal``.

    Parameters
    ----------
    window, smooth, signal : int
        At least 1 each.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> stochastic(2, 1, 1)([1.0, 3.0, 2.0])["value"].tolist()
    [nan, 100.0, 0.0]
    """
    n, smooth, signal = whole("window", window), whole("smooth", smooth), whole("signal", signal)
    places = 2 * extreme_size(n) + ring_size(smooth) + ring_size(signal)
    return Feature(
        "stochastic",
        {"window": n, "smooth": smooth, "signal": signal},
        _update,
        [0.0, 0.0, n, smooth, signal, 0.0, *[0.0] * places],
        warmup=n + smooth + signal - 2,
        bars=bars,
        outputs=("value", "signal"),
    )
