"""Ultimate oscillator."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, compiled, inlined, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["ultimate_oscillator"]

_SHORT, _MIDDLE, _LONG, _LAST, _FIRST = range(1, 6)


@inlined
def _share(s: npt.NDArray[np.float64], base: int, n: int, pressure: float, reach: float) -> float:
    """Buying pressure as a share of the true range over ``n`` bars."""
    ready = ring_push(s, base, n, pressure)
    ring_push(s, base + n + 4, n, reach)
    whole_range = s[base + n + 6]
    if not ready:
        return math.nan
    return s[base + 2] / whole_range if whole_range > 0.0 else 0.5


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    last = s[_LAST]
    s[_LAST] = bar.close
    if math.isnan(last):
        return
    bottom = min(bar.low, last)
    pressure = bar.close - bottom
    reach = max(bar.high, last) - bottom
    short = int(s[_SHORT])
    middle = int(s[_MIDDLE])
    middle_at = _FIRST + 2 * (short + 4)
    long_at = middle_at + 2 * (middle + 4)
    fast = _share(s, _FIRST, short, pressure, reach)
    medium = _share(s, middle_at, middle, pressure, reach)
    slow = _share(s, long_at, int(s[_LONG]), pressure, reach)
    s[0] = 100.0 * (4.0 * fast + 2.0 * medium + slow) / 7.0


def ultimate_oscillator(short: int = 7, middle: int = 14, long: int = 28, *, bars: str | None = None) -> Feature:
    """Weigh buying pressure over three windows, from 0 to 100.

    ``100 * (4 * A(short) + 2 * A(middle) + A(long)) / 7`` with ``A = sum(close - bottom) / sum(top - bottom)``, where
    bottom and top are the low and high stretched to the last close (Williams 1985; TA-Lib ULTOSC). Where nothing moved
    A counts as a half.

    Parameters
    ----------
    short, middle, long : int
        Windows, each longer than the one before.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> ultimate_oscillator(1, 2, 3)([1.0, 2.0, 3.0, 4.0]).tolist()
    [nan, nan, nan, 100.0]
    """
    windows = whole("short", short), whole("middle", middle), whole("long", long)
    if not windows[0] < windows[1] < windows[2]:
        raise BadData(f"ultimate_oscillator: windows must grow from short to long, they were {windows}")
    places = 2 * sum(ring_size(n) for n in windows)
    return Feature(
        "ultimate_oscillator",
        dict(zip(("short", "middle", "long"), windows, strict=True)),
        _update,
        [0.0, *windows, np.nan, *[0.0] * places],
        warmup=windows[2] + 1,
        bars=bars,
    )
