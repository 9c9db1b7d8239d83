"""The broker's clock: MT5 stamps everything with the server's wall clock, written as if it were UTC."""

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.importers.server_clock import server_clock

__all__ = ["check_offset", "server_ms_to_utc_ns", "utc_ns_to_server_ms"]

_MS = 1_000_000
_HALF_HOUR_NS = 1800 * 1_000_000_000


def server_ms_to_utc_ns(server_ms: npt.NDArray[np.int64], zone: str) -> npt.NDArray[np.int64]:
    """Turn ``time_msc`` values into UTC nanoseconds.

    >>> import numpy as np
    >>> server_ms_to_utc_ns(np.array([1_549_245_600_994]), "EET").tolist()
    [1549238400994000000]
    """
    return server_clock(zone).to_utc(server_ms.astype(np.int64) * _MS)


def utc_ns_to_server_ms(utc_ns: int, zone: str) -> int:
    """Turn one UTC instant into the server's milliseconds."""
    return server_clock(zone).wall(utc_ns) // _MS


def check_offset(tick_server_ms: int, now_utc_ns: int, zone: str) -> None:
    """Compare the zone rule with a fresh tick of a liquid symbol; half hours are what zones differ by.

    Raises
    ------
    BadData
        The tick is half an hour or more away from the clock by this rule: the zone is wrong, the clock is wrong,
        or the tick is stale. Nobody must trade on such times.
    """
    utc_ns = server_clock(zone).utc(tick_server_ms * _MS)
    halves = round((utc_ns - now_utc_ns) / _HALF_HOUR_NS)
    if halves:
        raise BadData(
            f"a fresh tick must be near this machine's clock in zone {zone}, it was {halves / 2:+.1f} h away; "
            "set server_zone to the broker's, or check the clock"
        )
