"""When the market is open: the trading weeks of foreign exchange, by the clock of New York."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

__all__ = ["Sessions", "always_open", "forex_weeks"]

#: Openings and closings, UTC nanoseconds, ascending, of equal length: open from ``opens[i]`` until ``closes[i]``.
Sessions = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

_FIRST_YEAR, _LAST_YEAR = 2000, 2050
_HOUR = 17
_FAR = 2**62


@lru_cache(maxsize=1)
def forex_weeks() -> Sessions:
    """Give the trading weeks from 2000 to 2050: Sunday 17:00 to Friday 17:00 in New York.

    Brokers open and close some minutes apart, which the rule grants as grace. Holidays are not in it: on them the
    market is thin, not closed.

    >>> opens, closes = forex_weeks()
    >>> np.datetime64(int(opens[1000]), "ns").astype("datetime64[m]").item().isoformat()
    '2019-03-03T22:00:00'
    """
    zone, epoch = ZoneInfo("America/New_York"), datetime(1970, 1, 1, tzinfo=UTC)
    day = date(_FIRST_YEAR, 1, 2)  # a Sunday
    opens: list[int] = []
    closes: list[int] = []
    while day.year < _LAST_YEAR:
        for when, ends in ((day, opens), (day + timedelta(days=5), closes)):
            since = datetime(when.year, when.month, when.day, _HOUR, tzinfo=zone).astimezone(UTC) - epoch
            ends.append((since.days * 86_400 + since.seconds) * 10**9)
        day += timedelta(days=7)
    return _frozen(np.array(opens, np.int64)), _frozen(np.array(closes, np.int64))


@lru_cache(maxsize=1)
def always_open() -> Sessions:
    """Give the calendar of a market that never closes."""
    return _frozen(np.array([-_FAR], np.int64)), _frozen(np.array([_FAR], np.int64))


def _frozen(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    times.setflags(write=False)
    return times
