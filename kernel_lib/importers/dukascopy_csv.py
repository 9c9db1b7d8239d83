"""Dukascopy csv, and any csv with a header that names time, bid and ask; times are UTC.

Known headers: ``time,bid,ask,...``, JForex' ``Gmt time,Ask,Bid,...`` (day first), dukascopy-node's
``timestamp,askPrice,bidPrice,...`` (milliseconds since 1970).
"""

import re

import numpy as np
import numpy.typing as npt

from kernel_lib.importers.columns import Table, read_table
from kernel_lib.importers.imported import ParsedTicks
from kernel_lib.importers.opening import Source
from kernel_lib.market.tick import make_ticks

__all__ = ["matches", "parse", "utc_times"]

_TIME = ("time", "gmt time", "timestamp")
_BID = ("bid", "bidprice")
_ASK = ("ask", "askprice")


def matches(source: Source) -> bool:
    """Recognise the header line."""
    names = _header(source)
    return bool(names.intersection(_TIME) and names.intersection(_BID) and names.intersection(_ASK))


def parse(source: Source, symbol: str, server_zone: str) -> ParsedTicks:
    """Read the file."""
    table = read_table(source, None)
    bid = next(each for each in _BID if each in table.columns)
    ask = next(each for each in _ASK if each in table.columns)
    times = utc_times(table, next(each for each in _TIME if each in table.columns))
    return ParsedTicks(make_ticks(times, table.floats(bid), table.floats(ask)), table.first_line)


def utc_times(table: Table, name: str) -> npt.NDArray[np.int64]:
    """Turn a column of UTC times, in one of the three spellings, into nanoseconds."""
    import pyarrow.compute as pc

    text = table.columns[name]
    first = str(text[0])
    if first.isdigit():
        return table.whole(name) * 1_000_000
    if re.match(r"\d{2}\.\d{2}\.\d{4} ", first):
        text = pc.replace_substring_regex(text, r"^(\d{2})\.(\d{2})\.(\d{4}) ", r"\3-\2-\1 ")
    text = pc.replace_substring_regex(text, r"(\+00:00|Z| UTC| GMT)$", "")
    return table.times(text, "the time")


def _header(source: Source) -> set[str]:
    first = source.head.split(b"\n", 1)[0].decode("ascii", "replace").removeprefix("\ufeff")
    return {each.strip().lower() for each in first.split(",")}
