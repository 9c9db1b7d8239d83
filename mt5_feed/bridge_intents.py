"""Carries a tenant's order intents from the bus to its agents.

An intent stays open, in a hash on the bus, from the moment it is read until the agent's first report on it, so a
crash of either side forgets none. What may have reached an agent is offered again to that agent's next session (the
agent knows the keys it has seen); what never left and expires is answered with a rejected report, once.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
import redis.asyncio as redis
import structlog
from redis.asyncio.client import Pipeline

from kernel_lib.errors import BadData
from kernel_lib.wire import OrderIntent, Report, Streams, decode, encode
from mt5_feed.bridge_metrics import BridgeMetrics

__all__ = ["IntentCourier"]

_WAITING, _SENT = b"w", b"s"
_POSITION = b"position"
_EXPIRY_CHECK_S = 0.1
_BLOCK_MS = 5000
_RETRY_S = 0.5
_KEPT_KEYS = 1000

Send = Callable[[bytes], Awaitable[None]]
log = structlog.get_logger("bridge.intents")


class IntentCourier:
    """One per tenant; ``run`` is its life."""

    def __init__(self, client: redis.Redis, tenant: str, metrics: BridgeMetrics) -> None:
        self._client = client
        self._streams = Streams(tenant)
        self._metrics = metrics
        self._open: dict[bytes, OrderIntent] = {}
        self._waiting: dict[bytes, float] = {}
        self._by_key: dict[str, bytes] = {}
        self._settled: dict[str, None] = {}
        self._links: dict[str, Send] = {}
        self._position = b"0"
        self._loaded = asyncio.Event()
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Read intents until cancelled; a failing bus is tried again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._expire_forever())
            while True:
                try:
                    if not self._loaded.is_set():
                        await self._load()
                    await self._read_once()
                except (redis.RedisError, OSError) as error:
                    log.warning("bus_unavailable", error=type(error).__name__)
                    await asyncio.sleep(_RETRY_S)

    async def attach(self, agent: str, send: Send) -> None:
        """A session of this agent begins: offer it everything open."""
        await self._loaded.wait()
        async with self._turn:
            self._links[agent] = send
            for entry in sorted((each for each in self._open if self._open[each].agent == agent), key=_order):
                await self._deliver(entry)

    def detach(self, agent: str, send: Send) -> None:
        if self._links.get(agent) is send:
            del self._links[agent]

    def settle(self, pipeline: Pipeline, agent: str, key: str) -> bytes | None:
        entry = self._by_key.get(key)
        if entry is None or self._open[entry].agent != agent:
            return None
        pipeline.hdel(self._streams.intents_open, entry.decode())
        return entry

    def settled(self, entries: Iterable[bytes]) -> None:
        for entry in entries:
            self._forget(entry)
            self._metrics.intents.labels("reported").inc()

    def _forget(self, entry: bytes) -> None:
        intent = self._open.pop(entry, None)
        self._waiting.pop(entry, None)
        if intent is not None and self._by_key.get(intent.key) == entry:
            del self._by_key[intent.key]
            self._settled[intent.key] = None
            if len(self._settled) > _KEPT_KEYS:
                del self._settled[next(iter(self._settled))]

    async def _load(self) -> None:
        stored: Any = await self._client.hgetall(self._streams.intents_open)
        self._position = stored.pop(_POSITION, b"0")
        for entry, kept in stored.items():
            self._remember(entry, _decoded(kept[1:]), waiting=kept[:1] == _WAITING)
        self._loaded.set()

    async def _read_once(self) -> None:
        found: Any = await self._client.xread({self._streams.intents: self._position}, count=64, block=_BLOCK_MS)
        for _, entries in found or ():
            for entry, fields in entries:
                await self._take(entry, fields.get(b"m", b""))

    async def _take(self, entry: bytes, frame: bytes) -> None:
        intent = _decoded(frame)
        async with self._turn:
            stored: dict[bytes, bytes] = {_POSITION: entry}
            link = self._links.get(intent.agent) if intent is not None else None
            if intent is None:
                log.error("intent_unreadable", entry=entry.decode())
                self._metrics.intents.labels("unreadable").inc()
            elif self._by_key.get(intent.key, entry) != entry or intent.key in self._settled:
                # Put on the bus twice, because the answer to the first time was lost.
                log.warning("intent_repeated", key=intent.key)
                intent = None
            else:
                stored[entry] = (_SENT if link else _WAITING) + frame
            # Durable before it leaves: after a crash we know that the agent may have it.
            await self._client.hset(self._streams.intents_open, mapping=stored)  # type: ignore[arg-type]
            self._position = entry
            self._remember(entry, intent, waiting=link is None)
            if intent is not None and link is not None:
                await self._send(entry, link)

    def _remember(self, entry: bytes, intent: OrderIntent | None, *, waiting: bool) -> None:
        if intent is None:
            return
        self._open[entry] = intent
        self._by_key[intent.key] = entry
        if waiting:
            self._waiting[entry] = time.monotonic()

    async def _deliver(self, entry: bytes) -> None:
        intent = self._open[entry]
        link = self._links.get(intent.agent)
        if link is None:
            return
        if entry in self._waiting:
            kept = {entry: _SENT + encode(intent)}
            await self._client.hset(self._streams.intents_open, mapping=kept)  # type: ignore[arg-type]
            self._waiting.pop(entry, None)
            await self._send(entry, link)
        else:
            await self._send(entry, link, again=True)

    async def _send(self, entry: bytes, link: Send, *, again: bool = False) -> None:
        # A link that breaks here is ending its session; the intent stays open for the next one.
        with contextlib.suppress(OSError, EOFError):
            intent = self._open[entry]
            await link(encode(msgspec.structs.replace(intent, again=True) if again else intent))
            self._metrics.intents.labels("sent").inc()

    async def _expire_forever(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRY_CHECK_S)
            if not self._waiting:
                continue
            now_ns = time.time_ns()
            async with self._turn:
                due = [each for each in self._waiting if self._is_over(each, now_ns)]
                for entry in sorted(due, key=_order):
                    try:
                        await self._reject(entry, now_ns)
                    except (redis.RedisError, OSError) as error:
                        log.warning("bus_unavailable", error=type(error).__name__)
                        break

    def _is_over(self, entry: bytes, now_ns: int) -> bool:
        """By the clock, and by how long it lies here: a clock that is set back must not lengthen its life."""
        intent = self._open[entry]
        waited_s = time.monotonic() - self._waiting[entry]
        return intent.expires_ns > 0 and (
            intent.expires_ns <= now_ns or 0 < intent.sent_ns < intent.expires_ns <= intent.sent_ns + waited_s * 1e9
        )

    async def _reject(self, entry: bytes, now_ns: int) -> None:
        intent = self._open[entry]
        report = Report(
            agent=intent.agent, seq=1, kind="rejected", key=intent.key, time_ns=now_ns, symbol=intent.symbol,
            magic=intent.magic, side=intent.side, lots=intent.lots, origin="bridge",
            reason=f"the intent expired before agent {intent.agent} could be reached; it was never sent",
        )  # fmt: skip
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xadd(self._streams.reports, {"m": encode(report)})
            pipeline.hdel(self._streams.intents_open, entry.decode())
            await pipeline.execute()
        self._forget(entry)
        self._metrics.intents.labels("expired").inc()


def _decoded(frame: bytes) -> OrderIntent | None:
    try:
        message = decode(frame)
    except BadData:
        return None
    return message if isinstance(message, OrderIntent) else None


def _order(entry: bytes) -> tuple[int, int]:
    milliseconds, _, count = entry.partition(b"-")
    return int(milliseconds), int(count)
