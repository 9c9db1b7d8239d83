"""Moving average convergence and divergence."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.ema import ema_push, ema_state
from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.market.bar import Bar

__all__ = ["macd"]

_FAST, _SLOW, _SIGNAL = 3, 8, 13


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    fast = ema_push(s, _FAST, bar.close)
    slow = ema_push(s, _SLOW, bar.close)
    if math.isnan(slow) or math.isnan(fast):
        return
    signal = ema_push(s, _SIGNAL, fast - slow)
    if not math.isnan(signal):
        s[0] = fast - slow
        s[1] = signal
        s[2] = fast - slow - signal


def macd(fast: int = 12, slow: int = 26, signal: int = 9, *, bars: str | None = None) -> Feature:
    """Measure how far a fast average has pulled away from a slow one.

    ``value = ema(fast) - ema(slow)``, ``signal = ema(value, signal)``, ``histogram = value - signal`` (Appel). Both
    averages are seeded on their own first prices, as Stock.Indicators has it; TA-Lib MACD begins the fast one later,
    which is forgotten after some 200 updates. In a strategy ``x.NAME`` is the value, ``x.NAME_signal`` and
    ``x.NAME_histogram`` the others.

    Parameters
    ----------
    fast, slow, signal : int
        Spans; ``fast`` must be shorter than ``slow``.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> macd(1, 2, 1)([1.0, 2.0, 4.0])["value"].round(6).tolist()
    [nan, 0.5, 0.833333]
    """
    fast, slow, signal = whole("fast", fast), whole("slow", slow), whole("signal", signal)
    if fast >= slow:
        raise BadData(f"macd: fast must be shorter than slow, they were {fast} and {slow}")
    return Feature(
        "macd",
        {"fast": fast, "slow": slow, "signal": signal},
        _update,
        [0.0, 0.0, 0.0, *ema_state(fast), *ema_state(slow), *ema_state(signal)],
        warmup=slow + signal - 1,
        bars=bars,
        outputs=("value", "signal", "histogram"),
    )
