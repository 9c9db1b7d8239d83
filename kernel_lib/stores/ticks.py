"""Ticks: recorded market data, on ClickHouse embedded in one process (chDB) or on a server.

:class:`TickStore` is the port, :class:`ClickHouseTicks` the adapter. A tick is known by tenant, agent and sequence
number: a block that is sent again replaces itself, so that recording may repeat but never doubles. The embedded
engine lets one process open a directory; that process is the ``data`` service.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

import msgspec
import numpy as np
import pyarrow as pa

from kernel_lib.errors import BadData, Misconfigured, Transient
from kernel_lib.market.tick import TICK, Ticks
from kernel_lib.wire import TickBlock

__all__ = ["ClickHouseTicks", "Span", "TickStore", "ticks_of"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tickhub.ticks (
    tenant LowCardinality(String),
    symbol LowCardinality(String),
    time_ns Int64 CODEC(Delta, ZSTD),
    bid Float64 CODEC(ZSTD),
    ask Float64 CODEC(ZSTD),
    agent LowCardinality(String),
    seq UInt64 CODEC(Delta, ZSTD)
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Nano(time_ns))
ORDER BY (tenant, symbol, time_ns, agent, seq)
"""
_WHERE = (
    "FROM tickhub.ticks FINAL WHERE tenant = {tenant:String} AND symbol = {symbol:String} "
    "AND time_ns >= {start:Int64} AND time_ns < {end:Int64}"
)
_LONGEST = 1 << 62
# Duplicates of a key share its month, so that months need not be merged with one another.
_SETTINGS = {"do_not_merge_across_partitions_select_final": 1}


class Span(msgspec.Struct, frozen=True):
    """What is recorded of one symbol: number of ticks, and the times of the first and last in UTC nanoseconds."""

    symbol: str
    n_ticks: int
    first_ns: int
    last_ns: int


class TickStore(Protocol):
    """What the recorder and the data service ask of the ticks store."""

    def insert(self, tenant: str, blocks: Sequence[TickBlock]) -> int: ...
    def spans(self, tenant: str) -> list[Span]: ...
    def count(self, tenant: str, symbol: str, *, start_ns: int = 0, end_ns: int = _LONGEST) -> int: ...
    def ticks(
        self, tenant: str, symbol: str, *, start_ns: int = 0, end_ns: int = _LONGEST, limit: int | None = None
    ) -> pa.Table: ...
    def bars(
        self, tenant: str, symbol: str, length_ns: int, *, start_ns: int = 0, end_ns: int = _LONGEST,
        limit: int | None = None,
    ) -> pa.Table: ...  # fmt: skip
    def close(self) -> None: ...


class ClickHouseTicks:
    """The ticks store on ClickHouse.

    Parameters
    ----------
    url : str
        ``chdb:///directory`` for the embedded engine, ``clickhouse://user:password@host:port`` for a server.

    Raises
    ------
    Misconfigured
        The URL cannot be read, the directory is open in another process, or the server refuses us.
    """

    def __init__(self, url: str) -> None:
        import clickhouse_connect

        if not url.startswith(("chdb:", "clickhouse:", "clickhouses:")):
            raise Misconfigured("TICKHUB_TICKS_URL must be chdb:///directory or clickhouse://host:port")
        try:
            self._client: Any = clickhouse_connect.get_client(dsn=url)
            self._client.command("CREATE DATABASE IF NOT EXISTS tickhub")
            self._client.command(_SCHEMA)
        except Exception as error:  # the embedded engine raises errors of several unrelated trees
            raise Misconfigured(
                f"the ticks store must open, it did not: {_first_line(error)}; an embedded store is opened by one "
                "process only, the data service"
            ) from error

    def close(self) -> None:
        """Close the engine or the connection."""
        self._client.close()

    def insert(self, tenant: str, blocks: Sequence[TickBlock]) -> int:
        """Keep blocks of ticks; give how many ticks they held. The same block again changes nothing."""
        arrays = [block.array() for block in blocks]
        lengths = [len(array) for array in arrays]
        if not sum(lengths):
            return 0
        ticks = np.concatenate(arrays)
        table = pa.table({
            "tenant": _repeated([tenant], [sum(lengths)]),
            "symbol": _repeated([block.symbol for block in blocks], lengths),
            "time_ns": np.ascontiguousarray(ticks["time_ns"]),
            "bid": np.ascontiguousarray(ticks["bid"]),
            "ask": np.ascontiguousarray(ticks["ask"]),
            "agent": _repeated([block.agent for block in blocks], lengths),
            "seq": np.concatenate([
                np.arange(block.seq_first, block.seq_first + n, dtype=np.uint64)
                for block, n in zip(blocks, lengths, strict=True)
            ]),
        })  # fmt: skip
        with _answers():
            self._client.insert_arrow("tickhub.ticks", table)
        return int(sum(lengths))

    def spans(self, tenant: str) -> list[Span]:
        """List a tenant's symbols with what is recorded of each, the earliest recorded first."""
        with _answers():
            rows = self._client.query(
                "SELECT symbol, count(), min(time_ns), max(time_ns) FROM tickhub.ticks FINAL "
                "WHERE tenant = {tenant:String} GROUP BY symbol ORDER BY min(time_ns), symbol",
                parameters={"tenant": tenant}, settings=_SETTINGS,
            ).result_rows  # fmt: skip
        return [Span(str(symbol), int(n), int(first), int(last)) for symbol, n, first, last in rows]

    def count(self, tenant: str, symbol: str, *, start_ns: int = 0, end_ns: int = _LONGEST) -> int:
        """Count the ticks with ``start_ns <= time_ns < end_ns``."""
        with _answers():
            rows = self._client.query(
                f"SELECT count() {_WHERE}", parameters=_parameters(tenant, symbol, start_ns, end_ns), settings=_SETTINGS
            ).result_rows
        return int(rows[0][0])

    def ticks(
        self, tenant: str, symbol: str, *, start_ns: int = 0, end_ns: int = _LONGEST, limit: int | None = None
    ) -> pa.Table:
        """Read ticks in time order; ``limit`` keeps the newest. Columns ``time_ns``, ``bid``, ``ask``."""
        newest = f"SELECT time_ns, bid, ask, agent, seq {_WHERE} ORDER BY time_ns DESC, agent DESC, seq DESC" + _limit(
            limit
        )
        # What is joined into the text are this module's constants and whole numbers; names travel as parameters.
        statement = f"SELECT time_ns, bid, ask FROM ({newest}) ORDER BY time_ns, agent, seq"  # noqa: S608
        return self._query(statement, tenant, symbol, start_ns, end_ns)

    def bars(
        self, tenant: str, symbol: str, length_ns: int, *, start_ns: int = 0, end_ns: int = _LONGEST,
        limit: int | None = None,
    ) -> pa.Table:  # fmt: skip
        """Read bars of any length, with the columns of :data:`~kernel_lib.market.bar.BAR`.

        Prices are of the bid; ``volume`` counts ticks; ``spread`` is the last one of the bar. A bar is labelled by
        its opening, a multiple of ``length_ns``; a length without a tick has no bar. ``limit`` keeps the newest.
        """
        if length_ns <= 0:
            raise BadData(f"a bar must be longer than 0 ns, it was {length_ns}")
        order, length = "(time_ns, agent, seq)", int(length_ns)
        newest = (
            f"SELECT intDiv(time_ns, {length}) * {length} AS opened, argMin(bid, {order}) AS first_bid, "
            f"max(bid) AS high_bid, min(bid) AS low_bid, argMax(bid, {order}) AS last_bid, "
            f"toFloat64(count()) AS n, argMax(ask - bid, {order}) AS last_spread {_WHERE} GROUP BY opened "
            "ORDER BY opened DESC" + _limit(limit)
        )
        statement = (
            "SELECT opened AS time_ns, first_bid AS open, high_bid AS high, low_bid AS low, last_bid AS close, "  # noqa: S608
            f"n AS volume, last_spread AS spread FROM ({newest}) ORDER BY opened"
        )
        return self._query(statement, tenant, symbol, start_ns, end_ns)

    def _query(self, statement: str, tenant: str, symbol: str, start_ns: int, end_ns: int) -> pa.Table:
        with _answers():
            return self._client.query_arrow(
                statement, parameters=_parameters(tenant, symbol, start_ns, end_ns), settings=_SETTINGS
            )


def ticks_of(table: pa.Table) -> Ticks:
    """Turn a table with ``time_ns``, ``bid`` and ``ask`` into an array of dtype TICK."""
    ticks = np.empty(table.num_rows, dtype=TICK)
    for name in ("time_ns", "bid", "ask"):
        ticks[name] = table[name].to_numpy()
    return ticks


def _parameters(tenant: str, symbol: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    return {"tenant": tenant, "symbol": symbol, "start": start_ns, "end": end_ns}


def _limit(limit: int | None) -> str:
    return "" if limit is None else f" LIMIT {int(limit)}"


def _repeated(names: list[str], lengths: list[int]) -> pa.DictionaryArray:
    distinct = sorted(set(names))
    codes = np.repeat(np.array([distinct.index(name) for name in names], dtype=np.int32), lengths)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(distinct))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@contextlib.contextmanager
def _answers() -> Iterator[None]:
    from clickhouse_connect.driver import exceptions

    try:
        yield
    except exceptions.Error as error:
        raise Transient(f"the ticks store must answer, it said: {_first_line(cast('Exception', error))}") from error
