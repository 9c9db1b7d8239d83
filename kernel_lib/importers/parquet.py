"""Parquet with columns ``time`` (UTC), ``bid`` and ``ask``; ours, and what pandas writes."""

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.importers.imported import ParsedTicks
from kernel_lib.importers.opening import Source
from kernel_lib.market.tick import make_ticks

__all__ = ["matches", "parse"]


def matches(source: Source) -> bool:
    """Recognise the magic bytes."""
    return source.head[:4] == b"PAR1"


def parse(source: Source, symbol: str, server_zone: str) -> ParsedTicks:
    """Read the file; ``time_ns`` (integers) may stand for ``time``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = source.path.name
    try:
        file = pq.ParquetFile(source.path)
        columns = set(file.schema_arrow.names)
        time = "time" if "time" in columns else "time_ns"
        if missing := {time, "bid", "ask"} - columns:
            raise BadData(
                f"the columns must include time, bid and ask; {sorted(missing)} are missing of {sorted(columns)[:20]}",
                source=name,
            )
        expanded = file.metadata.num_rows * 24
        if expanded > source.limits.max_bytes:
            raise BadData(f"the file must expand to at most {source.limits.max_bytes} bytes", source=name)
        table = file.read([time, "bid", "ask"])
        stamps = table.column(time)
        if pa.types.is_timestamp(stamps.type):
            stamps = stamps.cast(pa.timestamp("ns", tz=stamps.type.tz)).cast(pa.int64())
        elif not pa.types.is_integer(stamps.type):
            raise BadData(f"time must be a timestamp or integer nanoseconds, it was {stamps.type}", source=name)
        if stamps.null_count:
            raise BadData("time must be given in every row", source=name)
        bid, ask = (table.column(side).cast(pa.float64()).to_numpy() for side in ("bid", "ask"))
        return ParsedTicks(make_ticks(stamps.to_numpy().astype(np.int64), bid, ask))
    except (pa.ArrowException, OSError) as error:
        raise BadData(f"the file must be a whole parquet file: {str(error)[:200]}", source=name) from error
