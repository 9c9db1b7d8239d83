"""The tick layouts to read; a new one is one file and one line here. Order matters: the first match is taken."""

from typing import Protocol

from kernel_lib.importers import dukascopy_bi5, dukascopy_csv, histdata, lean_zip, mt5_ticks, parquet, truefx
from kernel_lib.importers.imported import ParsedTicks
from kernel_lib.importers.opening import Source

__all__ = ["TICK_LAYOUTS", "TickLayout"]


class TickLayout(Protocol):
    """What a layout's file must define."""

    def matches(self, source: Source) -> bool:
        """Say whether the file has this layout, from its name and first bytes."""

    def parse(self, source: Source, symbol: str, server_zone: str) -> ParsedTicks:
        """Read it; raise BadData naming file and line where it is not what it should be."""


TICK_LAYOUTS: dict[str, TickLayout] = {
    "parquet": parquet,
    "lean": lean_zip,
    "bi5": dukascopy_bi5,
    "mt5": mt5_ticks,
    "histdata": histdata,
    "truefx": truefx,
    "dukascopy": dukascopy_csv,
}
