"""Supertrend."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.atr import wilder_range_push
from kernel_lib.features.feature import Feature, compiled, positive, whole
from kernel_lib.market.bar import Bar

__all__ = ["supertrend"]

_FACTOR, _UPPER, _LOWER, _SIDE, _RANGE = range(2, 7)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    last_close = s[_RANGE + 2]
    reach = wilder_range_push(s, _RANGE, bar.high, bar.low, bar.close)
    if math.isnan(reach):
        return
    middle = 0.5 * (bar.high + bar.low)
    upper = middle + s[_FACTOR] * reach
    lower = middle - s[_FACTOR] * reach
    if s[_SIDE] == 0.0:
        s[_SIDE] = 1.0 if bar.close >= middle else -1.0
        s[_UPPER] = upper
        s[_LOWER] = lower
    if upper < s[_UPPER] or last_close > s[_UPPER]:
        s[_UPPER] = upper
    if lower > s[_LOWER] or last_close < s[_LOWER]:
        s[_LOWER] = lower
    line = s[_UPPER] if s[_SIDE] < 0.0 else s[_LOWER]
    if bar.close <= line and s[_SIDE] > 0.0:
        s[_SIDE] = -1.0
    elif bar.close > line and s[_SIDE] < 0.0:
        s[_SIDE] = 1.0
    s[0] = s[_LOWER] if s[_SIDE] > 0.0 else s[_UPPER]
    s[1] = s[_SIDE]


def supertrend(window: int = 10, deviations: float = 3.0, *, bars: str | None = None) -> Feature:
    """Trail a stop some average ranges away from the price, on the side that the trend has.

    ``(high + low) / 2 -+ deviations * atr(window)``; the band only closes in while the close stays inside it, and a
    close beyond it turns the side (Seban; as Stock.Indicators computes it). Outputs ``value`` (a price) and ``side``
    (1 in a rise, -1 in a fall).

    Parameters
    ----------
    window : int
        Of the average true range, at least 1.
    deviations : float
        Distance in average ranges.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> supertrend(1, 1.0)([1.0, 2.0, 3.0])["side"].tolist()
    [nan, 1.0, 1.0]
    """
    n = whole("window", window)
    k = positive("deviations", deviations)
    return Feature(
        "supertrend",
        {"window": n, "deviations": k},
        _update,
        [0.0, 0.0, k, 0.0, 0.0, 0.0, n, 0.0, 0.0, 0.0],
        warmup=n + 1,
        bars=bars,
        outputs=("value", "side"),
    )
