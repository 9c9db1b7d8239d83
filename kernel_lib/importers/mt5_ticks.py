"""MetaTrader 5 tick export: tabs, ``<DATE> <TIME> <BID> <ASK> <LAST> <VOLUME> <FLAGS>``, server clock.

A blank bid or ask means that this side did not change; rows before both sides are known are refused as ``one_sided``.
"""

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.importers.columns import Table, read_table
from kernel_lib.importers.imported import ParsedTicks
from kernel_lib.importers.opening import Source
from kernel_lib.importers.server_clock import server_clock
from kernel_lib.market.tick import make_ticks

__all__ = ["matches", "parse", "wall_times"]


def matches(source: Source) -> bool:
    """Recognise the header line."""
    first = source.head.split(b"\n", 1)[0].upper()
    return b"<DATE>" in first and b"<BID>" in first


def parse(source: Source, symbol: str, server_zone: str) -> ParsedTicks:
    """Read the export; times become UTC by the zone of the server."""
    table = read_table(source, None, delimiter="\t")
    for name in ("date", "time", "bid", "ask"):
        if name not in table.columns:
            raise BadData(
                f"a tick export must have a column <{name.upper()}>, it had {sorted(table.columns)}",
                source=table.source,
                line=1,
            )
    times = wall_times(table)
    bid = _fill(table.floats("bid", blank_is_nan=True), table, "bid")
    ask = _fill(table.floats("ask", blank_is_nan=True), table, "ask")
    first = int(np.argmax(~(np.isnan(bid) | np.isnan(ask))))
    if np.isnan(bid[first]) or np.isnan(ask[first]):
        raise BadData("a tick export must give both bid and ask somewhere", source=table.source, line=table.first_line)
    utc = server_clock(server_zone).to_utc(times)
    return ParsedTicks(make_ticks(utc[first:], bid[first:], ask[first:]), table.first_line + first, first)


def wall_times(table: Table) -> npt.NDArray[np.int64]:
    """Join ``<DATE>`` and ``<TIME>`` into the server's wall clock, nanoseconds."""
    import pyarrow.compute as pc

    dates = pc.replace_substring(table.columns["date"], ".", "-")
    clock = table.columns.get("time", "00:00:00")
    return table.times(pc.binary_join_element_wise(dates, pc.utf8_trim_whitespace(clock), " "), "<DATE> <TIME>")


def _fill(side: npt.NDArray[np.float64], table: Table, name: str) -> npt.NDArray[np.float64]:
    """Carry the last given price over blanks; a price that is written as NaN stays one."""
    import pyarrow.compute as pc

    blank = pc.equal(table.columns[name], "").to_numpy(zero_copy_only=False)
    if not blank.any():
        return side
    at = np.where(blank, 0, np.arange(side.shape[0]))
    np.maximum.accumulate(at, out=at)
    return side[at]
