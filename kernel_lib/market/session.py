"""The broker's trading day: it turns at the server's midnight, which moves with summer time."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Misconfigured

__all__ = ["server_midnights"]

_FIRST_YEAR, _LAST_YEAR = 2000, 2050


@lru_cache(maxsize=8)
def server_midnights(zone: str = "EET") -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give every midnight of a server's zone from 2000 to 2050, and how many swap nights end at each.

    Parameters
    ----------
    zone : str
        IANA name; most MetaTrader 5 forex servers keep ``"EET"``.

    Returns
    -------
    midnights_ns : ndarray of int64, shape (n_days,)
        UTC nanoseconds, ascending.
    nights : ndarray of int64, shape (n_days,)
        Swap nights charged at that midnight: one after Monday to Friday, three after Wednesday (value date moves
        over the weekend), none after Saturday and Sunday.

    Raises
    ------
    Misconfigured
        The zone is unknown.
    """
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Misconfigured(f"a server zone must be an IANA name such as 'EET', it was {zone!r}") from error
    n_days = (date(_LAST_YEAR, 1, 1) - date(_FIRST_YEAR, 1, 1)).days
    midnights = np.empty(n_days, np.int64)
    nights = np.empty(n_days, np.int64)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first = datetime(_FIRST_YEAR, 1, 1)  # noqa: DTZ001  (a wall clock; its zone is attached below)
    for index in range(n_days):
        wall = first + timedelta(days=index)
        since = wall.replace(tzinfo=place).astimezone(UTC) - epoch
        midnights[index] = (since.days * 86400 + since.seconds) * 10**9
        ended = (wall.weekday() - 1) % 7  # the weekday that ends at this midnight, Monday is 0
        nights[index] = 3 if ended == 2 else 1 if ended < 5 else 0
    midnights.setflags(write=False)
    nights.setflags(write=False)
    return midnights, nights
