"""Candlestick patterns, by TA-Lib's rules."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, compiled, inlined
from kernel_lib.market.bar import Bar

__all__ = ["candlesticks"]

_PATTERNS = (
    "doji", "hammer", "hanging_man", "shooting_star", "engulfing", "harami", "piercing", "morning_star",
    "evening_star", "three_white_soldiers", "three_black_crows", "marubozu",
)  # fmt: skip
(_DOJI, _HAMMER, _HANGING, _SHOOTING, _ENGULFING, _HARAMI, _PIERCING, _MORNING, _EVENING, _SOLDIERS, _CROWS,
 _MARUBOZU, _PENETRATION, _COUNT, _FIRST) = range(15)  # fmt: skip

#: Candles that are remembered, the newest first: ten for an average that ends three before the newest.
_KEPT = 13


@inlined
def _body(s: npt.NDArray[np.float64], back: int) -> float:
    at = _FIRST + 4 * back
    return abs(s[at + 3] - s[at])


@inlined
def _rising(s: npt.NDArray[np.float64], back: int) -> bool:
    at = _FIRST + 4 * back
    return s[at + 3] >= s[at]


@inlined
def _top(s: npt.NDArray[np.float64], back: int) -> float:
    at = _FIRST + 4 * back
    return max(s[at], s[at + 3])


@inlined
def _bottom(s: npt.NDArray[np.float64], back: int) -> float:
    at = _FIRST + 4 * back
    return min(s[at], s[at + 3])


@inlined
def _mean_body(s: npt.NDArray[np.float64], back: int) -> float:
    """Mean body of the ten candles before the one ``back`` ago."""
    total = 0.0
    for k in range(back + 1, back + 11):
        total += _body(s, k)
    return total / 10.0


@inlined
def _mean_range(s: npt.NDArray[np.float64], back: int, n: int) -> float:
    """Mean of high less low of the ``n`` candles before the one ``back`` ago."""
    total = 0.0
    for k in range(back + 1, back + 1 + n):
        at = _FIRST + 4 * k
        total += s[at + 1] - s[at + 2]
    return total / n


@inlined
def _upper(s: npt.NDArray[np.float64], back: int) -> float:
    return s[_FIRST + 4 * back + 1] - _top(s, back)


@inlined
def _lower(s: npt.NDArray[np.float64], back: int) -> float:
    return _bottom(s, back) - s[_FIRST + 4 * back + 2]


@inlined
def _one_candle(s: npt.NDArray[np.float64]) -> None:
    """Patterns of the newest candle beside the one before it."""
    body = _body(s, 0)
    upper = _upper(s, 0)
    lower = _lower(s, 0)
    mean_body = _mean_body(s, 0)
    tiny = 0.1 * _mean_range(s, 0, 10)
    near = 0.2 * _mean_range(s, 1, 5)
    s[_DOJI] = 1.0 if body <= tiny else 0.0
    small = body < mean_body
    hanging = small and lower > body and upper < tiny
    s[_HAMMER] = 1.0 if hanging and _bottom(s, 0) <= s[_FIRST + 6] + near else 0.0
    s[_HANGING] = -1.0 if hanging and _bottom(s, 0) >= s[_FIRST + 5] - near else 0.0
    star = small and upper > body and lower < tiny and _bottom(s, 0) > _top(s, 1)
    s[_SHOOTING] = -1.0 if star else 0.0
    full = body > mean_body and upper < tiny and lower < tiny
    s[_MARUBOZU] = (1.0 if _rising(s, 0) else -1.0) if full else 0.0


@inlined
def _two_candles(s: npt.NDArray[np.float64]) -> None:
    first = _FIRST
    last = _FIRST + 4
    around = (_top(s, 0) >= _top(s, 1) and _bottom(s, 0) < _bottom(s, 1)) or (
        _top(s, 0) > _top(s, 1) and _bottom(s, 0) <= _bottom(s, 1)
    )
    turned = _rising(s, 0) != _rising(s, 1)
    s[_ENGULFING] = (1.0 if _rising(s, 0) else -1.0) if around and turned else 0.0
    within = _top(s, 0) <= _top(s, 1) and _bottom(s, 0) >= _bottom(s, 1)
    long_before = _body(s, 1) > _mean_body(s, 1)
    harami = within and long_before and _body(s, 0) <= _mean_body(s, 0)
    s[_HARAMI] = (-1.0 if _rising(s, 1) else 1.0) if harami else 0.0
    pierced = (
        long_before
        and not _rising(s, 1)
        and _rising(s, 0)
        and _body(s, 0) > _mean_body(s, 0)
        and s[first] < s[last + 2]
        and s[last] > s[first + 3] > s[last + 3] + 0.5 * _body(s, 1)
    )
    s[_PIERCING] = 1.0 if pierced else 0.0


@inlined
def _stars(s: npt.NDArray[np.float64]) -> None:
    close = s[_FIRST + 3]
    oldest = s[_FIRST + 8 + 3]
    reach = s[_PENETRATION] * _body(s, 2)
    shape = _body(s, 2) > _mean_body(s, 2) and _body(s, 1) <= _mean_body(s, 1) and _body(s, 0) > _mean_body(s, 0)
    morning = shape and not _rising(s, 2) and _rising(s, 0) and _top(s, 1) < _bottom(s, 2) and close > oldest + reach
    evening = shape and _rising(s, 2) and not _rising(s, 0) and _bottom(s, 1) > _top(s, 2) and close < oldest - reach
    s[_MORNING] = 1.0 if morning else 0.0
    s[_EVENING] = -1.0 if evening else 0.0


@inlined
def _threes(s: npt.NDArray[np.float64]) -> None:
    up = _rising(s, 0) and _rising(s, 1) and _rising(s, 2) and _body(s, 0) > _mean_body(s, 0)
    down = not _rising(s, 0) and not _rising(s, 1) and not _rising(s, 2) and _rising(s, 3)
    down = down and s[_FIRST + 13] > s[_FIRST + 11]
    for back in range(3):
        tiny = 0.1 * _mean_range(s, back, 10)
        up = up and _upper(s, back) < tiny
        down = down and _lower(s, back) < tiny
    for back in range(2):
        now = _FIRST + 4 * back
        before = now + 4
        mean = _mean_range(s, back + 1, 5)
        up = up and s[now + 3] > s[before + 3] and s[before] < s[now] <= s[before + 3] + 0.2 * mean
        up = up and _body(s, back) > _body(s, back + 1) - 0.6 * mean
        down = down and s[now + 3] < s[before + 3] and s[before + 3] < s[now] < s[before]
    s[_SOLDIERS] = 1.0 if up else 0.0
    s[_CROWS] = -1.0 if down else 0.0


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    for k in range(_FIRST + 4 * _KEPT - 1, _FIRST + 3, -1):
        s[k] = s[k - 4]
    s[_FIRST] = bar.open
    s[_FIRST + 1] = bar.high
    s[_FIRST + 2] = bar.low
    s[_FIRST + 3] = bar.close
    if s[_COUNT] < _KEPT - 1:
        s[_COUNT] += 1.0
        return
    _one_candle(s)
    _two_candles(s)
    _stars(s)
    _threes(s)


def candlesticks(penetration: float = 0.3, *, bars: str | None = None) -> Feature:
    """Name twelve candlestick patterns as they complete: 1 bullish, -1 bearish, 0 absent.

    The rules, and what counts as long, short or tiny against the ten candles before, are TA-Lib's (``|body| <= 0.1 *
    mean(high - low)`` for a doji, and so on; Nison 1991): the sign is that of its CDLDOJI, CDLHAMMER, CDLHANGINGMAN,
    CDLSHOOTINGSTAR, CDLENGULFING, CDLHARAMI, CDLPIERCING, CDLMORNINGSTAR, CDLEVENINGSTAR, CDL3WHITESOLDIERS,
    CDL3BLACKCROWS, CDLMARUBOZU. Outputs ``doji``, ``hammer``, ``hanging_man``, ``shooting_star``, ``engulfing``,
    ``harami``, ``piercing``, ``morning_star``, ``evening_star``, ``three_white_soldiers``, ``three_black_crows`` and
    ``marubozu``; in a strategy ``x.NAME`` is the doji and ``x.NAME_hammer`` and so on the others.

    Parameters
    ----------
    penetration : float
        Share of the first body that the third candle of a star must take back, from 0 to below 1.
    bars : str or None
        Bar length; on ticks a candle has no body and every pattern but the doji is 0.

    >>> sorted(candlesticks()([1.0] * 13))[:3]
    ['doji', 'engulfing', 'evening_star']
    """
    if isinstance(penetration, bool) or not isinstance(penetration, int | float) or not 0.0 <= penetration < 1.0:
        raise BadData(f"penetration must be a share from 0 to below 1, it was {penetration!r}")
    return Feature(
        "candlesticks",
        {"penetration": float(penetration)},
        _update,
        [*[0.0] * len(_PATTERNS), penetration, 0.0, *[math.nan] * (4 * _KEPT)],
        warmup=_KEPT,
        bars=bars,
        outputs=_PATTERNS,
    )
