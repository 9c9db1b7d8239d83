"""Between a broker's wall clock and UTC, for whole arrays, by the rule of the server's zone.

MetaTrader 5 gives every time as the server's wall clock written as if it were UTC. Most forex servers keep ``EET``
with European summer time; others keep "New York close", seven hours ahead of New York with American summer time,
written here as ``America/New_York+7h``.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Misconfigured

__all__ = ["ServerClock", "server_clock"]

_FIRST_YEAR, _LAST_YEAR = 1990, 2060
_NS = 1_000_000_000
Times = npt.NDArray[np.int64]


class ServerClock:
    """Converts one zone's wall clock; make it with :func:`server_clock`, which keeps it.

    In the hour that autumn repeats the first pass is meant (forex is closed in it); in the hour that spring leaves
    out the offset before the change is used.
    """

    def __init__(self, zone: str) -> None:
        found = re.fullmatch(r"(.+?)(?:\+(\d{1,2})h)?", zone)
        try:
            place = ZoneInfo(found[1] if found else zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise Misconfigured(
                f"a server zone must be an IANA name such as 'EET' or 'America/New_York+7h', it was {zone!r}"
            ) from error
        ahead_s = int(found[2] or 0) * 3600 if found else 0
        self.zone = zone
        changes, offsets = _changes(place)
        self._changes_utc = np.array(changes, np.int64) * _NS
        self._offsets = (np.array(offsets, np.int64) + ahead_s) * _NS
        self._changes_wall = self._changes_utc + np.maximum(self._offsets[:-1], self._offsets[1:])

    def to_utc(self, wall_ns: Times) -> Times:
        """Turn wall-clock nanoseconds since 1970 into UTC nanoseconds."""
        return wall_ns - self._offsets[np.searchsorted(self._changes_wall, wall_ns, side="right")]

    def to_wall(self, utc_ns: Times) -> Times:
        """Turn UTC nanoseconds into wall-clock nanoseconds since 1970."""
        return utc_ns + self._offsets[np.searchsorted(self._changes_utc, utc_ns, side="right")]

    def utc(self, wall_ns: int) -> int:
        """One time of :meth:`to_utc`."""
        return wall_ns - int(self._offsets[int(np.searchsorted(self._changes_wall, wall_ns, side="right"))])

    def wall(self, utc_ns: int) -> int:
        """One time of :meth:`to_wall`."""
        return utc_ns + int(self._offsets[int(np.searchsorted(self._changes_utc, utc_ns, side="right"))])


@lru_cache(maxsize=16)
def server_clock(zone: str) -> ServerClock:
    """Give the clock of a zone.

    Raises
    ------
    Misconfigured
        The zone is unknown.

    >>> server_clock("EET").utc(2 * 3600 * 10**9)
    0
    """
    return ServerClock(zone)


def _changes(place: ZoneInfo) -> tuple[list[int], list[int]]:
    """Find the instants (UTC seconds) at which the offset changes, and the offsets before and between them."""

    def offset(second: int) -> int:
        since = datetime.fromtimestamp(second, UTC).astimezone(place).utcoffset()
        return int(since.total_seconds()) if since else 0

    probes = [
        int(datetime(year, month, 1, tzinfo=UTC).timestamp())
        for year in range(_FIRST_YEAR, _LAST_YEAR)
        for month in range(1, 13)
    ]
    changes: list[int] = []
    offsets = [offset(probes[0])]
    for low, high in pairwise(probes):
        if offset(low) == offset(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if offset(middle) == offsets[-1]:
                low = middle  # noqa: PLW2901  (bisection)
            else:
                high = middle  # noqa: PLW2901
        changes.append(high)
        offsets.append(offset(high))
    return changes, offsets
