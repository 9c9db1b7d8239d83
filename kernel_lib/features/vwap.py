"""Volume-weighted average price of the day."""

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, compiled
from kernel_lib.market.bar import Bar

__all__ = ["vwap"]

_SHOWN, _TURN_S, _DAY, _MONEY, _VOLUME = range(5)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    day = float((bar.time_ns // 1_000_000_000 - int(s[_TURN_S])) // 86400)
    if day != s[_DAY]:
        s[_DAY] = day
        s[_MONEY] = 0.0
        s[_VOLUME] = 0.0
    s[_MONEY] += (bar.high + bar.low + bar.close) / 3.0 * bar.volume
    s[_VOLUME] += bar.volume
    s[_SHOWN] = s[_MONEY] / s[_VOLUME] if s[_VOLUME] > 0.0 else bar.close


def vwap(turn_hour: float = 0.0, *, bars: str | None = None) -> Feature:
    """Average all typical prices since the day began, weighted by their volume.

    ``sum(T * volume) / sum(volume)`` with ``T = (high + low + close) / 3``, from the first bar of the day on
    (StockCharts). In foreign exchange ``volume`` counts quotes. Without any volume it is the close.

    Parameters
    ----------
    turn_hour : float
        The UTC hour at which the day begins, from 0 to below 24.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> vwap()([1.0, 3.0]).tolist()
    [1.0, 2.0]
    """
    if isinstance(turn_hour, bool) or not isinstance(turn_hour, int | float) or not 0.0 <= turn_hour < 24.0:
        raise BadData(f"turn_hour must be an hour from 0 to below 24, it was {turn_hour!r}")
    state = [0.0, round(turn_hour * 3600.0), np.nan, 0.0, 0.0]
    return Feature("vwap", {"turn_hour": float(turn_hour)}, _update, state, warmup=1, bars=bars)
