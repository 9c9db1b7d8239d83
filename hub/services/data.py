"""The data service: ``python -m hub.services.data``. Records what the bridge publishes and answers queries as Arrow.

It is the only process that opens the embedded ticks store. Routes, below ``/services/data``::

    GET /ticks?symbol=EURUSD[&start=][&end=][&limit=]             Arrow stream: time_ns, bid, ask
    GET /bars?symbol=EURUSD[&length=1m][&start=][&end=][&limit=]  Arrow stream: BAR columns
    GET /symbols                                                  JSON: what is recorded, what the tier opens, and
                                                                  from where it is sealed
    POST /hold-out/HASH, GET /hold-out/HASH                       JSON: a strategy's verdict on the sealed part
    GET /health                                                   JSON, the one route without a token
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import structlog
from tornado import web

from hub.roster import read_token
from hub.services import history
from hub.services.doorman import Doorman, HubTokens
from hub.services.hold_out import HoldOutHandler, HoldOuts, JudgeConfig
from hub.services.recorder import Recorder
from hub.services.seal import Seal, SealConfig
from hub.services.web import NoSuchRoute, ServiceHandler, listen, serve_forever
from hub.sockets import hub_socket, service_socket, unix_url
from kernel_lib.config import Home, StoreUrls
from kernel_lib.errors import BadData, TickhubError
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.hold_out import HoldOutStore
from kernel_lib.stores.live import LiveStore, RedisLive
from kernel_lib.stores.ticks import ClickHouseTicks, TickStore

__all__ = ["data_app"]

_BATCH_ROWS = 65_536
_AT_ONCE = 4


class _Stored(ServiceHandler):
    def initialize(  # type: ignore[override]
        self, *, store: TickStore, seal: Seal, gate: asyncio.Semaphore, **shared: Any
    ) -> None:
        super().initialize(**shared)
        self._store = store
        self._seal = seal
        self._gate = gate

    async def reading(self, call: Callable[[], Any]) -> Any:
        async with self._gate:
            return await self.blocking(call)

    async def stream(self, table: pa.Table) -> None:
        await self._doorman.meter(self.caller, "rows_read", table.num_rows)
        self.set_header("Content-Type", "application/vnd.apache.arrow.stream")
        sink = _Chunks()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
                writer.write_batch(batch)
                self.write(sink.take())
                await self.flush()
        self.finish(sink.take())


class _Ticks(_Stored):
    async def get(self) -> None:
        query = _query(self.only_arguments("symbol", "start", "end", "limit"))
        caller = self.caller
        await self.stream(
            await self.reading(lambda: history.ticks(self._store, self._seal, caller.tenant, caller.tier, query))
        )


class _Bars(_Stored):
    async def get(self) -> None:
        given = self.only_arguments("symbol", "start", "end", "limit", "length")
        query, length, caller = _query(given), given.get("length", "1m"), self.caller
        await self.stream(
            await self.reading(lambda: history.bars(self._store, self._seal, caller.tenant, caller.tier, query, length))
        )


class _Symbols(_Stored):
    async def get(self) -> None:
        self.only_arguments()
        caller = self.caller
        listed = await self.reading(lambda: history.symbols(self._store, caller.tenant, caller.tier))
        marks = await self.reading(lambda: [self._seal.would_open_until(caller.tenant, span) for span, _ in listed])
        self.answer([
            {"symbol": span.symbol, "n_ticks": span.n_ticks, "first_ns": span.first_ns, "last_ns": span.last_ns,
             "open": is_open, "sealed_from_ns": mark if mark <= span.last_ns else None}
            for (span, is_open), mark in zip(listed, marks, strict=True)
        ])  # fmt: skip


class _Health(web.RequestHandler):
    def initialize(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def get(self) -> None:
        self.write({"recorded": self._recorder.n_recorded, "quarantined": self._recorder.n_quarantined})


class _Chunks:
    """A file that Arrow writes to and a response takes from."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed = True


def data_app(
    doorman: Doorman, live: LiveStore, store: TickStore, recorder: Recorder, seal: Seal, hold_outs: HoldOuts
) -> web.Application:
    """Build the service's web application."""
    shared = {"doorman": doorman, "live": live}
    stored = shared | {"store": store, "seal": seal, "gate": asyncio.Semaphore(_AT_ONCE)}
    prefix = "/services/data"
    return web.Application(
        [
            (f"{prefix}/ticks", _Ticks, stored),
            (f"{prefix}/bars", _Bars, stored),
            (f"{prefix}/symbols", _Symbols, stored),
            (f"{prefix}/hold-out/([0-9a-f]{{64}})", HoldOutHandler, shared | {"hold_outs": hold_outs}),
            (f"{prefix}/health", _Health, {"recorder": recorder}),
        ],
        default_handler_class=NoSuchRoute,
        default_handler_args=shared,
        log_function=lambda handler: None,
    )


def _query(given: dict[str, str]) -> history.Query:
    if not given.get("symbol"):
        raise BadData("the query must name a symbol, such as symbol=EURUSD")
    limit = given.get("limit")
    if limit is not None and not (limit.isascii() and limit.isdigit() and 0 < int(limit[:12]) <= history.ROWS_CEILING):
        raise BadData(f"limit must be a whole number from 1 to {history.ROWS_CEILING}, it was {limit[:40]!r}")
    start, end = given.get("start"), given.get("end")
    return history.Query(
        symbol=given["symbol"],
        start_ns=None if start is None else history.parse_time_ns(start),
        end_ns=None if end is None else history.parse_time_ns(end),
        limit=None if limit is None else int(limit),
    )


async def serve(home: Home, urls: StoreUrls, sealed: SealConfig, judged: JudgeConfig) -> None:
    """Open the stores, record, and answer until told to stop."""
    accounts = PostgresAccounts(urls.accounts)
    live, store = RedisLive(urls.live), ClickHouseTicks(urls.ticks)
    recorder = Recorder(live, store, lambda: [tenant.name for tenant in accounts.tenants()])
    tokens = HubTokens(f"{unix_url(hub_socket(home))}/hub/api", "data", read_token(home, "data").reveal())
    seal = Seal(HoldOutStore(accounts), sealed)
    hold_outs = HoldOuts(accounts, store, seal, home, judged)
    app = data_app(Doorman(tokens, accounts), live, store, recorder, seal, hold_outs)
    server = listen(app, service_socket(home, "data"), max_body_bytes=65_536)
    thread = threading.Thread(target=recorder.run, name="recorder")
    thread.start()
    try:
        await serve_forever(server)
    finally:
        await hold_outs.close()
        recorder.stop()
        await asyncio.to_thread(thread.join)
        store.close()
        live.close()
        accounts.close()


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))
    home = Home.from_environ()
    try:
        judged = JudgeConfig(trusted=os.environ.get("TICKHUB_TRUST_ALL_USERS") == "yes")
        asyncio.run(serve(home, StoreUrls.from_environ(home, os.environ), SealConfig.from_environ(os.environ), judged))
    except TickhubError as error:
        sys.exit(f"tickhub: {error}")


if __name__ == "__main__":
    main()
