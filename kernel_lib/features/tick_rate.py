"""Tick rate."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.market.bar import Bar

__all__ = ["tick_rate"]

_SHOWN, _WINDOW, _COUNT, _AT, _FIRST = range(5)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    # Microseconds since 1970 are exact in a float64 until the year 2255.
    now_us = float(bar.time_ns // 1000)
    n = int(s[_WINDOW])
    at = int(s[_AT])
    oldest_us = s[_FIRST + at]
    s[_FIRST + at] = now_us
    s[_AT] = at + 1 if at + 1 < n else 0
    if s[_COUNT] < n:
        s[_COUNT] += 1.0
        return
    elapsed_s = max((now_us - oldest_us) * 1e-6, 1e-3)
    s[_SHOWN] = n / elapsed_s


def tick_rate(window: int = 100, *, bars: str | None = None) -> Feature:
    """Count updates a second over the last ``window`` of them, by the events' own time.

    ``n / (t - t[n])``. A burst within one millisecond counts as lasting one millisecond.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None counts ticks.

    >>> from kernel_lib.market.tick import make_ticks
    >>> tick_rate(1)(make_ticks([0, 500_000_000], [1.0, 1.0], [1.1, 1.1])).tolist()
    [nan, 2.0]
    """
    n = whole("window", window)
    return Feature("tick_rate", {"window": n}, _update, [0.0, n, 0.0, 0.0, *[0.0] * n], warmup=n + 1, bars=bars)
