"""Keltner channel."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.atr import wilder_range_push
from kernel_lib.features.ema import ema_push, ema_state
from kernel_lib.features.feature import Feature, compiled, positive, whole
from kernel_lib.market.bar import Bar

__all__ = ["keltner"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    middle = ema_push(s, 4, bar.close)
    reach = wilder_range_push(s, 9, bar.high, bar.low, bar.close)
    if math.isnan(middle) or math.isnan(reach):
        return
    s[0] = middle
    s[1] = middle + s[3] * reach
    s[2] = middle - s[3] * reach


def keltner(span: int = 20, deviations: float = 2.0, window: int = 10, *, bars: str | None = None) -> Feature:
    """Draw a band of ``deviations`` average true ranges around an exponential average.

    ``ema(close, span) -+ deviations * atr(window)`` with Wilder's average range (Raschke's form of Keltner's channel,
    as StockCharts and Stock.Indicators have it). Outputs ``middle``, ``upper``, ``lower``.

    Parameters
    ----------
    span : int
        Of the average, at least 1.
    deviations : float
        Half width in average true ranges.
    window : int
        Of the average true range, at least 1.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> keltner(1, 1.0, 1)([1.0, 3.0])["upper"].tolist()
    [nan, 5.0]
    """
    span, n = whole("span", span), whole("window", window)
    k = positive("deviations", deviations)
    return Feature(
        "keltner",
        {"span": span, "deviations": k, "window": n},
        _update,
        [0.0, 0.0, 0.0, k, *ema_state(span), n, 0.0, 0.0, 0.0],
        warmup=max(span, n + 1),
        bars=bars,
        outputs=("middle", "upper", "lower"),
    )
