"""One session with one agent: hello, welcome, then blocks and reports in, acknowledgements and intents out."""

import asyncio
import contextlib
import time
from collections import deque

import redis.asyncio as redis
import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from kernel_lib.errors import BadData, Refused
from kernel_lib.keys import Claims
from kernel_lib.wire import AccountState, Ack, Hello, Refusal, Report, TickBlock, Welcome, decode, encode
from mt5_feed.bridge_intents import IntentCourier
from mt5_feed.bridge_metrics import BridgeMetrics
from mt5_feed.bridge_publication import Publication, PublicationConfig
from mt5_feed.ending import end

__all__ = ["AgentSession"]

_HELLO_S = 10.0
_SEND_S = 2.0
_QUEUE_FRAMES = 512
_QUEUE_BYTES = 8 << 20
_BATCH_BYTES = 2 << 20

REPLACED, TRY_AGAIN, POLICY, BAD_FRAME = 4001, 1013, 1008, 1007
log = structlog.get_logger("bridge.agents")


class AgentSession:
    """The bridge's end of one agent's connection.

    Frames are read as they come and published in batches: whatever arrived while the last transaction was on its
    way goes into the next one, so a lone tick waits for nothing and a flood costs few transactions.
    """

    def __init__(
        self,
        connection: ServerConnection,
        claims: Claims,
        client: redis.Redis,
        courier: IntentCourier,
        metrics: BridgeMetrics,
        config: PublicationConfig,
    ) -> None:
        self.agent = claims.subject
        self.tenant = claims.tenant
        self.ended = asyncio.Event()
        self._connection = connection
        self._courier = courier
        self._metrics = metrics
        self._publication = Publication(client, claims.tenant, claims.subject, courier, metrics, config)
        self._queue: deque[tuple[int, TickBlock | Report | AccountState]] = deque()
        self._queued_bytes = 0
        self._reading = True
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._log = log.bind(agent=self.agent, tenant=self.tenant)

    async def run(self) -> None:
        """Serve until the link ends; ends it itself on a refusal, on garbage and when the bus fails."""
        try:
            await self._serve()
        except ConnectionClosed:
            pass
        except Refused as error:
            await self._close(POLICY, error.code, str(error))
        except BadData as error:
            await self._close(BAD_FRAME, "bad_frame", str(error))
        except (redis.RedisError, OSError) as error:
            # The outcome of a transaction may be unknown: the next session reads the numbers back.
            await self._close(TRY_AGAIN, "bus_unavailable", f"the live bus failed ({type(error).__name__}); try again")
        finally:
            self.ended.set()
            self._log.info("agent_gone", tick_seq=self._publication.tick_seq, report_seq=self._publication.report_seq)

    async def replace(self) -> None:
        """End this session because a newer one of the same agent begins; returns when nothing more is published."""
        with contextlib.suppress(ConnectionClosed):
            await self._connection.close(REPLACED, "a newer connection of this agent took over")
        await self.ended.wait()

    async def _serve(self) -> None:
        hello = await self._hello()
        await self._publication.load(hello)
        welcome = Welcome(
            tick_seq=self._publication.tick_seq, report_seq=self._publication.report_seq, now_ns=time.time_ns()
        )
        await self._connection.send(encode(welcome))
        self._log.info("agent_here", tick_seq=welcome.tick_seq, report_seq=welcome.report_seq, server=hello.server)
        publisher = asyncio.create_task(self._publish_forever())
        reader = asyncio.create_task(self._read_forever())
        send = self._send_intent
        try:
            await self._courier.attach(self.agent, send)
            await asyncio.wait((reader, publisher), return_when=asyncio.FIRST_COMPLETED)
            if not publisher.done():
                # The link is gone or spoiled; what came whole before that is still good.
                self._arrived.set()
                await publisher
            publisher.result()
            if reader.done():
                reader.result()
        finally:
            self._courier.detach(self.agent, send)
            await end((reader, publisher))

    async def _hello(self) -> Hello:
        try:
            async with asyncio.timeout(_HELLO_S):
                frame = await self._connection.recv()
        except TimeoutError:
            raise Refused("no_hello", f"an agent must say hello within {_HELLO_S:.0f} s") from None
        message = decode(frame) if isinstance(frame, bytes) else None
        if not isinstance(message, Hello):
            raise BadData("an agent's first frame must be a binary Hello", source=self.agent)
        if message.agent != self.agent:
            raise Refused(
                "wrong_agent",
                f"the token is for agent {self.agent!r}, the hello came from {message.agent!r}; use its own token",
            )
        return message

    async def _read_forever(self) -> None:
        try:
            async for frame in self._connection:
                if not isinstance(frame, bytes):
                    raise BadData("an agent's frames must be binary, one was text", source=self.agent)
                message = decode(frame)
                if not isinstance(message, TickBlock | Report | AccountState):
                    raise BadData(f"an agent must not send {type(message).__name__}", source=self.agent)
                self._queue.append((len(frame), message))
                self._queued_bytes += len(frame)
                self._arrived.set()
                while len(self._queue) > _QUEUE_FRAMES or self._queued_bytes > _QUEUE_BYTES:
                    self._drained.clear()
                    await self._drained.wait()
        finally:
            self._reading = False
            self._arrived.set()

    async def _publish_forever(self) -> None:
        while self._reading or self._queue:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                started = time.perf_counter()
                batch = self._take()
                await self._publication.publish(batch, time.time_ns())
                self._metrics.publish_seconds.observe(time.perf_counter() - started)
                self._drained.set()
                ack = Ack(tick_seq=self._publication.tick_seq, report_seq=self._publication.report_seq)
                with contextlib.suppress(ConnectionClosed):
                    await self._connection.send(encode(ack))

    def _take(self) -> list[TickBlock | Report | AccountState]:
        batch: list[TickBlock | Report | AccountState] = []
        n_bytes = 0
        while self._queue and n_bytes < _BATCH_BYTES:
            length, message = self._queue.popleft()
            n_bytes += length
            batch.append(message)
        self._queued_bytes -= n_bytes
        return batch

    async def _send_intent(self, frame: bytes) -> None:
        try:
            # An agent that does not read must not hold up the tenant's other orders.
            async with asyncio.timeout(_SEND_S):
                await self._connection.send(frame)
        except ConnectionClosed as error:
            raise EOFError("the agent's link is closed") from error

    async def _close(self, status: int, code: str, message: str) -> None:
        self._metrics.refusals.labels(code).inc()
        self._log.warning("agent_refused", code=code, reason=message)
        with contextlib.suppress(ConnectionClosed, OSError):
            await self._connection.send(encode(Refusal(code=code, message=message[:200])))
            await self._connection.close(status, message[:100])
