"""On-balance volume."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled
from kernel_lib.market.bar import Bar

__all__ = ["obv"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    last = s[2]
    s[2] = bar.close
    if not math.isnan(last):
        if bar.close > last:
            s[1] += bar.volume
        elif bar.close < last:
            s[1] -= bar.volume
    s[0] = s[1]


def obv(*, bars: str | None = None) -> Feature:
    """Add the volume of rising bars and take off that of falling ones.

    ``V + sign(x - x_last) * volume``, from 0 on the first bar as StockCharts, Tulip and Stock.Indicators have it
    (TA-Lib OBV starts from the first bar's volume, which only shifts the line). In foreign exchange ``volume`` counts
    quotes.

    Parameters
    ----------
    bars : str or None
        Bar length; None runs it on ticks, where each counts 1.

    >>> obv()([1.0, 2.0, 1.0]).tolist()
    [0.0, 1.0, 0.0]
    """
    return Feature("obv", {}, _update, [0.0, 0.0, np.nan], warmup=1, bars=bars)
