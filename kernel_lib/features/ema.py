"""Exponential moving average."""

import numpy as np
import numpy.typing as npt

from kernel_lib.compiler_hints import rarely
from kernel_lib.features.feature import Feature, compiled, inlined, whole
from kernel_lib.market.bar import Bar

__all__ = ["ema", "ema_push", "ema_state"]

_SHOWN = 0
_AT = 1


def ema_state(span: int) -> list[float]:
    """Working state of one average: its value, weight, span, count and running sum."""
    return [np.nan, 2.0 / (span + 1.0), float(span), 0.0, 0.0]


@inlined
def ema_push(s: npt.NDArray[np.float64], base: int, x: float) -> float:
    """Add ``x`` and give the average, NaN while fewer than ``span`` numbers came."""
    if not rarely(s[base + 3] < s[base + 2]):
        s[base] += s[base + 1] * (x - s[base])
        return s[base]
    s[base + 3] += 1.0
    s[base + 4] += x
    if s[base + 3] == s[base + 2]:
        s[base] = s[base + 4] / s[base + 2]
    return s[base]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    s[_SHOWN] = ema_push(s, _AT, bar.close)


def ema(span: int, *, bars: str | None = None) -> Feature:
    """Follow the price with weights that halve steadily into the past.

    ``E = E + 2 / (span + 1) * (x - E)``, seeded with the simple mean of the first ``span`` prices, as TA-Lib and
    Wilder's sheets do.

    Parameters
    ----------
    span : int
        At least 1; the weight of the newest price is ``2 / (span + 1)``.
    bars : str or None
        ``"1m"`` and so on; None runs it on ticks (mid price).

    >>> ema(2)([1.0, 2.0, 3.0]).tolist()
    [nan, 1.5, 2.5]
    """
    span = whole("span", span)
    return Feature("ema", {"span": span}, _update, [0.0, *ema_state(span)], warmup=span, bars=bars)
