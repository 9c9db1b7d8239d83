"""QuantConnect LEAN quote ticks: a zip with ``YYYYMMDD_symbol_tick_quote.csv``, milliseconds since midnight UTC."""

import re
from datetime import UTC, datetime

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.importers.columns import read_table
from kernel_lib.importers.imported import ParsedTicks
from kernel_lib.importers.opening import Source
from kernel_lib.market.tick import make_ticks

__all__ = ["matches", "parse"]


def matches(source: Source) -> bool:
    """Recognise a zip archive."""
    return source.head[:4] == b"PK\x03\x04"


def parse(source: Source, symbol: str, server_zone: str) -> ParsedTicks:
    """Read the archive's one file; the day comes from its name."""
    member, content = source.only_member()
    found = re.match(r"(\d{8})_[a-z0-9]+_tick_quote\.csv$", member)
    if not found:
        raise BadData(
            f"a LEAN archive must hold YYYYMMDD_symbol_tick_quote.csv, it held {member[:80]!r}", source=source.name
        )
    try:
        day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadData(f"the name must begin with a day, it was {found[1]}", source=source.name) from error
    table = read_table(source, ["ms", "bid", "ask"], content=content)
    milliseconds = table.floats("ms")
    wrong = ~((milliseconds >= 0) & (milliseconds < 86_400_000))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise BadData(
            f"milliseconds since midnight must be from 0 to 86400000, they were {milliseconds[at]}",
            source=table.source,
            line=table.first_line + at,
        )
    # LEAN writes fractions of a millisecond with at most four digits: to the nearest 100 ns.
    since_midnight = np.rint(milliseconds * 10_000).astype(np.int64) * 100
    times = int(day.timestamp()) * 10**9 + since_midnight
    return ParsedTicks(make_ticks(times, table.floats("bid"), table.floats("ask")))
