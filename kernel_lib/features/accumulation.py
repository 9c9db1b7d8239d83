"""Accumulation and distribution line."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled
from kernel_lib.market.bar import Bar

__all__ = ["accumulation"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    if bar.high > bar.low:
        s[1] += ((bar.close - bar.low) - (bar.high - bar.close)) / (bar.high - bar.low) * bar.volume
    s[0] = s[1]


def accumulation(*, bars: str | None = None) -> Feature:
    """Add the volume of each bar by where it closed: all at the high, none in the middle, minus at the low.

    ``A + ((C - L) - (H - C)) / (H - L) * volume``; a flat bar adds nothing (Chaikin; StockCharts, TA-Lib AD). In
    foreign exchange ``volume`` counts quotes.

    Parameters
    ----------
    bars : str or None
        Bar length; on ticks it stays 0.

    >>> accumulation()([1.0, 2.0]).tolist()
    [0.0, 0.0]
    """
    return Feature("accumulation", {}, _update, [0.0, 0.0], warmup=1, bars=bars)
