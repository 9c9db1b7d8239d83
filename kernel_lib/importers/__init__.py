"""Recorded market data from other programs' files: one file per layout, one line each in the catalogue.

``read_ticks(path)`` recognises the layout; importing this package costs nothing until a file is read.
"""

from kernel_lib.importers.imported import ImportedBars, ImportedTicks
from kernel_lib.importers.reading import read_bars, read_ticks

__all__ = ["ImportedBars", "ImportedTicks", "read_bars", "read_ticks"]
