"""Bars: what a feature sees on each update, and the names of bar lengths."""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData

__all__ = ["BAR", "Bar", "Bars", "bar_length_ns", "bar_length_text"]


class Bar(NamedTuple):
    """One update of a feature: a closed bar, or a single tick seen as a bar of its own.

    On bars, prices are of the bid, as MetaTrader 5 draws its charts, ``volume`` counts ticks and ``spread`` is
    the last one of the bar, in quote currency. On ticks all four prices are the mid, ``volume`` is 1.
    ``time_ns`` is the bar's opening, or the tick's own time. ``other`` is what a feature reads from outside, such as
    another instrument's price: the latest value that was known at this update, NaN where there is none.
    """

    time_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    spread: float
    other: float


#: A recorded bar; :class:`Bar` without ``other``.
BAR = np.dtype(
    [("time_ns", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"), ("volume", "<f8"),
     ("spread", "<f8")]
)  # fmt: skip
Bars = npt.NDArray[np.void]

_UNIT_NS = {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


def bar_length_ns(length: str) -> int:
    """Turn ``"1m"``, ``"15s"``, ``"4h"`` or ``"1d"`` into nanoseconds.

    Raises
    ------
    BadData
        The text is not a whole number followed by s, m, h or d, or longer than 7 days.

    >>> bar_length_ns("5m")
    300000000000
    """
    given: object = length
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", given) if isinstance(given, str) else None
    if not found:
        raise BadData(f"a bar length must be a number and one of s, m, h, d such as '5m', it was {length!r}")
    length_ns = int(found[1]) * _UNIT_NS[found[2]]
    if length_ns > 7 * _UNIT_NS["d"]:
        raise BadData(f"a bar must be at most 7d long, it was {length!r}")
    return length_ns


def bar_length_text(length_ns: int) -> str:
    """Turn nanoseconds back into the shortest text.

    >>> bar_length_text(300_000_000_000)
    '5m'
    """
    for unit in "dhms":
        if length_ns % _UNIT_NS[unit] == 0:
            return f"{length_ns // _UNIT_NS[unit]}{unit}"
    raise BadData(f"a bar length must be whole seconds, it was {length_ns} ns")
