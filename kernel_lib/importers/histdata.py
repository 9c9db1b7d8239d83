"""HistData.com tick layout: ``20200101 170000065,bid,ask,volume``, no header, Eastern Standard Time all year."""

import re

from kernel_lib.importers.columns import read_table
from kernel_lib.importers.imported import ParsedTicks
from kernel_lib.importers.opening import Source
from kernel_lib.market.tick import make_ticks

__all__ = ["matches", "parse"]

_EST_TO_UTC_NS = 5 * 3600 * 10**9


def matches(source: Source) -> bool:
    """Recognise the first line."""
    return re.match(rb"\d{8} \d{9},[^,]+,[^,]+", source.head) is not None


def parse(source: Source, symbol: str, server_zone: str) -> ParsedTicks:
    """Read the file; five hours are added, in summer too."""
    import pyarrow.compute as pc

    n_columns = source.head.split(b"\n", 1)[0].count(b",") + 1
    table = read_table(source, ["time", "bid", "ask", *(f"more{n}" for n in range(n_columns - 3))])
    text = pc.replace_substring_regex(
        table.columns["time"],
        r"^(\d{4})(\d{2})(\d{2}) (\d{2})(\d{2})(\d{2})(\d{3})$",
        r"\1-\2-\3 \4:\5:\6.\7",
    )
    times = table.times(text, "the time") + _EST_TO_UTC_NS
    return ParsedTicks(make_ticks(times, table.floats("bid"), table.floats("ask")))
