"""The bridge: links to terminals. Ticks in, orders out, live streams to pages. ``python -m mt5_feed.bridge``.

It holds no state of its own: what counts is on the live bus, so it may be killed and started at any moment.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import msgspec
import redis.asyncio as redis
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from websockets.asyncio.server import Server, ServerConnection, serve, unix_serve

from kernel_lib.config import Home, Ports, StoreUrls
from kernel_lib.errors import Broken, Misconfigured, TickhubError
from kernel_lib.keys import Claims, read_public_key
from kernel_lib.wire import MAX_FRAME_BYTES, Streams
from mt5_feed.bridge_admission import Admission
from mt5_feed.bridge_agents import AgentSession
from mt5_feed.bridge_intents import IntentCourier
from mt5_feed.bridge_metrics import BridgeMetrics
from mt5_feed.bridge_pages import PageStreams
from mt5_feed.bridge_publication import PublicationConfig
from mt5_feed.ending import end

__all__ = ["Bridge", "BridgeConfig", "main"]

_TENANT_SCAN_S = 2.0
log = structlog.get_logger("bridge")


class BridgeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the bridge listens and what it keeps.

    Parameters
    ----------
    bind, port : str, int
        TCP address; port 0 takes a free one.
    socket : Path
        The unix socket for services and notebooks on this machine.
    live_url : str
        The live bus, ``redis://`` or ``unix://``.
    origins : tuple of str
        Further origins of pages.
    """

    socket: Path
    live_url: str
    bind: str = "127.0.0.1"
    port: int = 8001
    origins: tuple[str, ...] = ()
    publication: PublicationConfig = PublicationConfig()


class Bridge:
    """The running bridge; ``start``, then ``close``."""

    def __init__(self, config: BridgeConfig, key: Ed25519PublicKey) -> None:
        self.config = config
        self.metrics = BridgeMetrics()
        self.port = config.port
        # No silent retries: a transaction whose answer was lost must not be sent a second time. No time limit on an
        # answer either: one given up here could still be executed after its numbers were read back.
        self._redis = redis.Redis.from_url(
            config.live_url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=5, socket_timeout=None
        )
        self._admission = Admission(key, config.origins, self.metrics, self.health)
        self._pages = PageStreams(self._redis, self.metrics)
        self._sessions: dict[tuple[str, str], AgentSession] = {}
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}
        self._couriers: dict[str, IntentCourier] = {}
        self.failed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[Server] = []

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        Misconfigured
            The port is taken or the socket cannot be made.
        """
        options = {"max_size": MAX_FRAME_BYTES, "compression": None, "close_timeout": 1, "max_queue": (64, 16)}
        try:
            tcp = await serve(
                self._serve, self.config.bind, self.config.port, process_request=self._admission.on_tcp, **options  # type: ignore[arg-type]
            )  # fmt: skip
        except OSError as error:
            raise Misconfigured(
                f"port {self.config.port} on {self.config.bind} must be free: {error.strerror or error}; "
                "stop what holds it, or set TICKHUB_BRIDGE_PORT"
            ) from error
        self._servers.append(tcp)
        self.port = tcp.sockets[0].getsockname()[1]
        try:
            self.config.socket.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.config.socket.unlink(missing_ok=True)
            self._servers.append(
                await unix_serve(
                    self._serve, str(self.config.socket), process_request=self._admission.on_unix, **options
                )
            )
            self.config.socket.chmod(0o666)
        except OSError as error:
            raise Misconfigured(f"the socket {self.config.socket} must be creatable: {error}") from error
        self._spawn(self._find_tenants_forever())
        log.info("bridge_listens", port=self.port, socket=str(self.config.socket))

    async def close(self) -> None:
        """End every session after what it has received is published."""
        for server in self._servers:
            server.close()
        for server in self._servers:
            await server.wait_closed()
        await end(self._tasks)
        await self._pages.close()
        await self._redis.aclose()
        self.config.socket.unlink(missing_ok=True)

    async def health(self) -> dict[str, object]:
        try:
            async with asyncio.timeout(1.0):
                await self._redis.ping()
            bus = True
        except (redis.RedisError, OSError, TimeoutError):
            bus = False
        return {"status": "ok" if bus else "degraded", "bus": bus, "agents": len(self._sessions)}

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        path = urlsplit(connection.request.path).path
        if path == "/ws/agent":
            await self._serve_agent(connection, connection.claims)  # type: ignore[attr-defined]
        else:
            user = unquote(path.rsplit("/", 1)[1]) if path.startswith("/ws/client/") else None
            await self._pages.serve(connection, user)

    async def _serve_agent(self, connection: ServerConnection, claims: Claims) -> None:
        try:
            Streams(claims.tenant)
        except TickhubError as error:
            await connection.close(1008, str(error)[:100])
            return
        name = (claims.tenant, claims.subject)
        session = AgentSession(
            connection, claims, self._redis, self._courier(claims.tenant), self.metrics, self.config.publication
        )
        async with self._turns.setdefault(name, asyncio.Lock()):
            older = self._sessions.get(name)
            self._sessions[name] = session
            if older is not None:
                await older.replace()
        self.metrics.agents.inc()
        try:
            if self._sessions.get(name) is session:
                await session.run()
            else:
                session.ended.set()
        finally:
            session.ended.set()
            self.metrics.agents.dec()
            if self._sessions.get(name) is session:
                del self._sessions[name]

    def _courier(self, tenant: str) -> IntentCourier:
        courier = self._couriers.get(tenant)
        if courier is None:
            courier = self._couriers[tenant] = IntentCourier(self._redis, tenant, self.metrics)
            self._spawn(courier.run())
        return courier

    async def _find_tenants_forever(self) -> None:
        """An intent must be answered even when its agent has never come: look for the tenants that have any."""
        while True:
            try:
                async for name in self._redis.scan_iter(match="th:*:intents", count=1000):
                    tenant = name.decode().split(":")[1]
                    with contextlib.suppress(TickhubError):
                        Streams(tenant)
                        self._courier(tenant)
            except (redis.RedisError, OSError) as error:
                log.warning("bus_unavailable", error=type(error).__name__)
            await asyncio.sleep(_TENANT_SCAN_S)

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: "asyncio.Task[None]") -> None:
        # A tenant without its courier has no orders: better a new bridge than one that is only half there.
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("bridge_failed", error=repr(error)[:300])
            self.failed.set()


async def _run(config: BridgeConfig, key: Ed25519PublicKey) -> None:
    bridge = Bridge(config, key)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        await bridge.start()
        ends = {asyncio.create_task(stop.wait()), asyncio.create_task(bridge.failed.wait())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await end(ends)
        if bridge.failed.is_set():
            raise Broken("the bridge must serve every tenant, one part of it failed; start it again")
    finally:
        await bridge.close()


@click.command()
def main() -> None:
    """Serve agents and live streams.

    Configured by TICKHUB_HOME, TICKHUB_BIND, TICKHUB_BRIDGE_PORT, TICKHUB_LIVE_URL and TICKHUB_ORIGINS.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            structlog.processors.JSONRenderer(),
        ],
    )  # fmt: skip
    try:
        home = Home.from_environ()
        ports = Ports.from_environ(os.environ)
        config = BridgeConfig(
            socket=home / "run/services/stream.sock",
            live_url=StoreUrls.from_environ(home, os.environ).live,
            bind=ports.bind,
            port=ports.bridge,
            origins=tuple(each.strip() for each in os.environ.get("TICKHUB_ORIGINS", "").split(",") if each.strip()),
        )
        with contextlib.suppress(ImportError):
            import uvloop

            asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.run(_run(config, read_public_key(home)))
    except TickhubError as error:
        log.error("bridge_stopped", reason=str(error))
        sys.exit(78)


if __name__ == "__main__":
    main()
