"""The latest value from outside."""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, channel, compiled, length_s
from kernel_lib.market.bar import Bar

__all__ = ["outside"]

_SHOWN, _AGE, _MAX_AGE, _HALF_LIFE, _LATEST, _SINCE_S, _LENGTH_S = range(7)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    s[_SHOWN] = math.nan
    s[_AGE] = math.nan
    if math.isnan(bar.other):
        s[_LATEST] = math.nan
        return
    # Microseconds since 1970 are exact in a float64 until the year 2255.
    now_s = float(bar.time_ns // 1000) * 1e-6 + s[_LENGTH_S]
    if bar.other != s[_LATEST]:
        s[_LATEST] = bar.other
        s[_SINCE_S] = now_s
    age = max(now_s - s[_SINCE_S], 0.0)
    if s[_MAX_AGE] > 0.0 and age > s[_MAX_AGE]:
        return
    s[_AGE] = age
    s[_SHOWN] = bar.other * 0.5 ** (age / s[_HALF_LIFE]) if s[_HALF_LIFE] > 0.0 else bar.other


def outside(channel_name: str, max_age_s: float = 0.0, half_life_s: float = 0.0, *, bars: str | None = None) -> Feature:
    """Show the latest value that came from outside: another instrument, a model, a vote, news.

    ``y * 0.5 ** (age / half_life)``, or y itself without a half-life. The age counts from the update at which the
    value last changed, as the same value sent again cannot be told from silence. Outputs ``value`` and ``age``
    (seconds). Both are NaN while nothing is known, or once the value is older than ``max_age_s``; a decision is then
    not called.

    Parameters
    ----------
    channel_name : str
        Where it comes from, such as ``"news:EURUSD"``.
    max_age_s : float
        Seconds after which it is forgotten; 0 for never.
    half_life_s : float
        Seconds in which it fades to a half; 0 for never.
    bars : str or None
        Bar length; None updates it on every tick.

    >>> outside("news:EURUSD")([1.0, 1.1], other=[float("nan"), 0.5])["value"].tolist()
    [nan, 0.5]
    """
    name = channel("channel_name", channel_name)
    for what, seconds in (("max_age_s", max_age_s), ("half_life_s", half_life_s)):
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0.0 <= seconds < math.inf:
            raise BadData(f"{what} must be seconds from 0 (never) on, it was {seconds!r}")
    return Feature(
        "outside",
        {"channel_name": name, "max_age_s": float(max_age_s), "half_life_s": float(half_life_s)},
        _update,
        [0.0, 0.0, max_age_s, half_life_s, np.nan, 0.0, length_s(bars)],
        warmup=1,
        bars=bars,
        outputs=("value", "age"),
        other=name,
    )
