"""Dukascopy bi5: one hour, LZMA, records of 20 bytes (big-endian ms, ask, bid in points; two volumes), UTC.

The hour stands in the name (``EURUSD_20190204_13h_ticks.bi5``) or in the path as Dukascopy serves it, where the
month counts from zero (``EURUSD/2019/01/04/13h_ticks.bi5``). A directory is read as all its hours in order.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.importers.imported import ParsedTicks
from kernel_lib.importers.opening import Source, expand_lzma
from kernel_lib.market.instrument import instrument
from kernel_lib.market.tick import Ticks, make_ticks

__all__ = ["matches", "parse"]

_RECORD = np.dtype([("ms", ">u4"), ("ask", ">u4"), ("bid", ">u4"), ("ask_volume", ">f4"), ("bid_volume", ">f4")])
_HOUR_MS = 3_600_000
_MAX_HOUR_BYTES = 64 << 20


def matches(source: Source) -> bool:
    """Recognise the ending, or a directory of such files."""
    if source.is_directory:
        return any(source.path.glob("*.bi5"))
    return source.name.lower().endswith(".bi5")


def parse(source: Source, symbol: str, server_zone: str) -> ParsedTicks:
    """Read an hour, or all hours of a directory; lines are record numbers within the whole."""
    paths = sorted(source.path.glob("*.bi5")) if source.is_directory else [source.path]
    hours = sorted((_hour(path), path) for path in paths)
    blocks = [_read(path, hour, symbol) for hour, path in hours]
    return ParsedTicks(np.concatenate(blocks))


def _read(path: Path, hour: datetime, symbol: str) -> Ticks:
    packed = path.read_bytes()
    if not packed:
        return make_ticks([], [], [])  # Dukascopy serves an empty file for an hour without ticks
    content = expand_lzma(packed, _MAX_HOUR_BYTES, path.name)
    if len(content) % _RECORD.itemsize:
        raise BadData(
            f"the expanded file must be a multiple of {_RECORD.itemsize} bytes, it was {len(content)}", source=path.name
        )
    records = np.frombuffer(content, _RECORD)
    late = records["ms"] >= _HOUR_MS
    if late.any():
        at = int(np.argmax(late))
        raise BadData(
            f"milliseconds must lie within the hour, they were {int(records['ms'][at])}", source=path.name, line=at + 1
        )
    scale = float(10 ** instrument(symbol).digits)
    times = int(hour.timestamp()) * 10**9 + records["ms"].astype(np.int64) * 1_000_000
    return make_ticks(times, records["bid"] / scale, records["ask"] / scale)


def _hour(path: Path) -> datetime:
    found = re.search(r"_(\d{4})(\d{2})(\d{2})_(\d{2})h", path.name)
    month_from = 0
    if not found:
        found = re.search(r"/(\d{4})/(\d{2})/(\d{2})/(\d{2})h_ticks\.bi5$", path.absolute().as_posix())
        month_from = 1
    if found:
        year, month, day, hour = (int(each) for each in found.groups())
        try:
            return datetime(year, month + month_from, day, hour, tzinfo=UTC)
        except ValueError:
            pass
    raise BadData("the name must say the hour, as in EURUSD_20190204_13h_ticks.bi5", source=path.name)
