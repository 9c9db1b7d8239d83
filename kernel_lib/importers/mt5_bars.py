"""MetaTrader 5 bar export (tabs, ``<DATE> <TIME> <OPEN> ... <TICKVOL> <VOL> <SPREAD>``) and csv bars with a header.

Both carry the bar's opening time by the server's clock, unless the text itself says UTC (``+00:00``).
"""

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.importers.columns import Table, read_table
from kernel_lib.importers.dukascopy_csv import utc_times
from kernel_lib.importers.mt5_ticks import wall_times
from kernel_lib.importers.opening import Source
from kernel_lib.importers.server_clock import server_clock
from kernel_lib.market.bar import BAR, Bars
from kernel_lib.market.instrument import instrument

__all__ = ["parse_bars"]

_VOLUMES = ("tickvol", "tick_volume", "volume")


def parse_bars(source: Source, symbol: str, server_zone: str) -> tuple[Bars, int]:
    """Read all rows, unchecked; give the bars and the line of the first."""
    tabs = source.head.split(b"\n", 1)[0].count(b"\t") > 0
    table = read_table(source, None, delimiter="\t" if tabs else ",")
    needed = ({"date"} if tabs else {"timestamp" if "timestamp" in table.columns else "time"}) | {
        "open", "high", "low", "close",
    }  # fmt: skip
    if missing := needed - set(table.columns):
        raise BadData(
            f"a bar file must have the columns {sorted(needed)}, {sorted(missing)} are missing",
            source=table.source,
            line=1,
        )
    bars = np.zeros(len(table), BAR)
    bars["time_ns"] = _times(table, tabs, server_zone)
    for name in ("open", "high", "low", "close"):
        bars[name] = table.floats(name)
    volume = next((each for each in _VOLUMES if each in table.columns), None)
    if volume:
        bars["volume"] = table.floats(volume)
    if "spread" in table.columns:
        bars["spread"] = table.floats("spread") * instrument(symbol).point
    return bars, table.first_line


def _times(table: Table, tabs: bool, server_zone: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    clock = server_clock(server_zone)
    if tabs:
        return clock.to_utc(wall_times(table))
    name = "timestamp" if "timestamp" in table.columns else "time"
    times = utc_times(table, name)
    says_utc = str(table.columns[name][0]).endswith(("+00:00", "Z", "UTC"))
    return times if says_utc else clock.to_utc(times)
