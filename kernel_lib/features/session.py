"""Trading sessions."""

import math
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, inlined, length_s
from kernel_lib.market.bar import Bar

__all__ = ["session"]

#: City, zone, and its business hours by the clock on its wall, Monday to Friday.
_CITIES = (
    ("sydney", "Australia/Sydney", 7, 16),
    ("tokyo", "Asia/Tokyo", 9, 18),
    ("london", "Europe/London", 8, 17),
    ("new_york", "America/New_York", 8, 17),
)
_FIRST_YEAR, _LAST_YEAR = 2000, 2050
_LENGTH_S, _FIRST_CITY = 6, 7
_DAY_S = 86400.0


@inlined
def _is_open(s: npt.NDArray[np.float64], base: int, now_s: float) -> float:
    """A city's places: entry in force, entries, opening and closing second, then times of change, then offsets."""
    n = int(s[base + 1])
    times = base + 4
    at = int(s[base])
    while at + 1 < n and s[times + at + 1] <= now_s:
        at += 1
    while at > 0 and s[times + at] > now_s:
        at -= 1
    s[base] = at
    local = now_s + s[times + n + at]
    day = math.floor(local / 86400.0)
    second = local - day * 86400.0
    # 1 January 1970 was a Thursday.
    working = (day + 3.0) % 7.0 < 5.0
    return 1.0 if working and s[base + 2] <= second < s[base + 3] else 0.0


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    now_s = float(bar.time_ns // 1000) * 1e-6 + s[_LENGTH_S]
    base = _FIRST_CITY
    total = 0.0
    for city in range(4):
        s[1 + city] = _is_open(s, base, now_s)
        total += s[1 + city]
        base += 4 + 2 * int(s[base + 1])
    s[0] = total
    s[5] = (now_s - math.floor(now_s / 86400.0) * 86400.0) / 3600.0


def session(*, bars: str | None = None) -> Feature:
    """Say which of the market's centres are at work, and the hour of the day in UTC.

    ``sydney + tokyo + london + new_york``, each 1 from Monday to Friday in its business hours by its own clock (7 to
    16, 9 to 18, 8 to 17, 8 to 17: the usual foreign-exchange sessions), summer time of 2000 to 2050 included; public
    holidays are not known to it. Outputs ``value`` (how many), one for each centre, and ``hour`` (0 to 24). On bars
    it is the state at the bar's end, when a decision sees it.

    Parameters
    ----------
    bars : str or None
        Bar length; None updates it on every tick.

    >>> from kernel_lib.market.tick import make_ticks
    >>> shown = session()(make_ticks([1_549_285_200 * 10**9], [1.1], [1.1]))  # Monday 4 February 2019, 13:00 UTC
    >>> {name: float(column[0]) for name, column in shown.items()}
    {'value': 2.0, 'sydney': 0.0, 'tokyo': 0.0, 'london': 1.0, 'new_york': 1.0, 'hour': 13.0}
    """
    names = tuple(name for name, *_ in _CITIES)
    return Feature(
        "session",
        {},
        _update,
        [*[0.0] * _LENGTH_S, length_s(bars), *_cities()],
        warmup=1,
        bars=bars,
        outputs=("value", *names, "hour"),
    )


@lru_cache(maxsize=1)
def _cities() -> tuple[float, ...]:
    """Every city's working state, one after the other."""
    state: list[float] = []
    for _, zone, opens, closes in _CITIES:
        changes = _offset_changes(ZoneInfo(zone))
        state += [0.0, len(changes), opens * 3600.0, closes * 3600.0]
        state += [since for since, _ in changes]
        state += [offset for _, offset in changes]
    return tuple(state)


def _offset_changes(zone: ZoneInfo) -> list[tuple[float, float]]:
    """Since when which offset from UTC holds, both in seconds; found month by month and then by halving."""
    start = int(datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(_LAST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    step = 28 * int(_DAY_S)
    found = [(float(start), _offset(zone, start))]
    for low in range(start, end, step):
        high = low + step
        if _offset(zone, high) == _offset(zone, low):
            continue
        before, after = low, high
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (middle, after) if _offset(zone, middle) == found[-1][1] else (before, middle)
        found.append((float(after), _offset(zone, after)))
    return found


def _offset(zone: ZoneInfo, second: int) -> float:
    shift = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return 0.0 if shift is None else shift.total_seconds()
