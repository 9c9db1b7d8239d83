"""TrueFX ticks: ``EUR/USD,20130101 22:00:00.295,bid,ask`` without a header, UTC."""

import re

from kernel_lib.errors import BadData
from kernel_lib.importers.columns import read_table
from kernel_lib.importers.imported import ParsedTicks
from kernel_lib.importers.opening import Source
from kernel_lib.market.tick import make_ticks

__all__ = ["matches", "parse"]


def matches(source: Source) -> bool:
    """Recognise the first line."""
    return re.match(rb"[A-Z]{3}/[A-Z]{3},\d{8} \d{2}:", source.head) is not None


def parse(source: Source, symbol: str, server_zone: str) -> ParsedTicks:
    """Read the file; every row must be of the same pair."""
    import pyarrow.compute as pc

    table = read_table(source, ["pair", "time", "bid", "ask"])
    other = pc.not_equal(table.columns["pair"], table.columns["pair"][0])
    if pc.any(other).as_py():
        at = pc.index(other, True).as_py()
        raise BadData(
            f"the file must hold one pair, {table.columns['pair'][0]}, it held {table.columns['pair'][at]}",
            source=table.source,
            line=table.first_line + at,
        )
    text = pc.replace_substring_regex(table.columns["time"], r"^(\d{4})(\d{2})(\d{2}) ", r"\1-\2-\3 ")
    return ParsedTicks(make_ticks(table.times(text, "the time"), table.floats("bid"), table.floats("ask")))
