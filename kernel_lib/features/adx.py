"""Average directional index."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.atr import true_range
from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.market.bar import Bar

__all__ = ["adx"]

_ADX, _PLUS, _MINUS, _WINDOW, _COUNT, _HIGH, _LOW, _CLOSE, _RANGE, _UP, _DOWN, _SUM = range(12)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = s[_WINDOW]
    count = s[_COUNT]
    up = bar.high - s[_HIGH]
    down = s[_LOW] - bar.low
    reach = true_range(bar.high, bar.low, s[_CLOSE])
    s[_HIGH] = bar.high
    s[_LOW] = bar.low
    s[_CLOSE] = bar.close
    s[_COUNT] = min(count + 1.0, 2.0 * n)
    if count == 0.0:
        return
    plus = up if up > down and up > 0.0 else 0.0
    minus = down if down > up and down > 0.0 else 0.0
    if count <= n:
        s[_RANGE] += reach
        s[_UP] += plus
        s[_DOWN] += minus
        if count < n:
            return
    else:
        s[_RANGE] += reach - s[_RANGE] / n
        s[_UP] += plus - s[_UP] / n
        s[_DOWN] += minus - s[_DOWN] / n
    plus_di = 100.0 * s[_UP] / s[_RANGE] if s[_RANGE] > 0.0 else 0.0
    minus_di = 100.0 * s[_DOWN] / s[_RANGE] if s[_RANGE] > 0.0 else 0.0
    total = plus_di + minus_di
    dx = 100.0 * abs(plus_di - minus_di) / total if total > 0.0 else 0.0
    if count < 2.0 * n - 1.0:
        s[_SUM] += dx
        return
    if count == 2.0 * n - 1.0:
        s[_SUM] = (s[_SUM] + dx) / n
    else:
        s[_SUM] += (dx - s[_SUM]) / n
    s[_ADX] = s[_SUM]
    s[_PLUS] = plus_di
    s[_MINUS] = minus_di


def adx(window: int = 14, *, bars: str | None = None) -> Feature:
    """Measure how strongly the market trends, whichever way, from 0 to 100.

    Wilder's average of ``100 * |+DI - -DI| / (+DI + -DI)``, where ``DI`` are his sums of directional movement over
    that of the true range, each seeded with the first ``window`` changes (Wilder 1978; StockCharts,
    Stock.Indicators). TA-Lib ADX seeds with one change less, which is forgotten after some 20 windows. Outputs
    ``value``, ``plus``, ``minus``; in a strategy ``x.NAME``, ``x.NAME_plus``, ``x.NAME_minus``.

    Parameters
    ----------
    window : int
        At least 2; Wilder's is 14.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> adx(2)([1.0, 2.0, 3.0, 4.0])["value"].tolist()
    [nan, nan, nan, 100.0]
    """
    n = whole("window", window, least=2)
    return Feature(
        "adx",
        {"window": n},
        _update,
        [0.0, 0.0, 0.0, n, *[0.0] * 8],
        warmup=2 * n,
        bars=bars,
        outputs=("value", "plus", "minus"),
    )
