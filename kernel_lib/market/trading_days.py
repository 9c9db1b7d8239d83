"""Which trading day a time belongs to: UTC days, Saturday and Sunday with the Monday after them.

A week of currencies opens on Sunday evening. Those two hours as a day of their own make six days a week, and returns of
six days a week that are brought to a year with 252 come out a tenth too small. With five, 252 also fits markets that
never close.
"""

import numpy as np
import numpy.typing as npt
from numba import njit, types

import kernel_lib.machine_code  # noqa: F401  (says where compiled code is kept)

__all__ = ["day_end_ns", "trading_days"]

_DAY_NS = 86_400 * 10**9
_i8 = types.int64


def trading_days(times_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give the number of each time's trading day, in days since 1970.

    >>> sunday, monday = 1_549_144_800 * 10**9, 1_549_238_400 * 10**9
    >>> trading_days(np.array([sunday, monday])).tolist()
    [17931, 17931]
    """
    days = times_ns // _DAY_NS
    weekday = (days + 3) % 7  # 1970 began on a Thursday; Monday is 0
    found: npt.NDArray[np.int64] = np.where(weekday >= 5, days + 7 - weekday, days)
    return found


@njit(_i8(_i8), cache=True, nogil=True)
def day_end_ns(time_ns: int) -> int:
    """Give where the trading day of a time ends, UTC nanoseconds."""
    day = time_ns // _DAY_NS
    weekday = (day + 3) % 7
    if weekday >= 5:
        day += 7 - weekday
    return (day + 1) * _DAY_NS
