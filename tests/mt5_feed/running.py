"""What the feed's tests run: a private Redis, a bridge, an agent, all on sockets of their own."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import redis

from kernel_lib.config import Home, Secret
from kernel_lib.keys import create_keys, issue_token, read_private_key, read_public_key
from kernel_lib.market.tick import TICK, Ticks
from kernel_lib.wire import Quarantined, Report, Streams, TickBlock, decode
from mt5_feed.agent import Agent
from mt5_feed.agent_config import AgentConfig
from mt5_feed.bridge import Bridge, BridgeConfig
from mt5_feed.simulator import SimulatedTerminal, SimulatorConfig

TENANT = "acme"
DEADLINE_S = 60.0


class PrivateRedis:
    """A Redis server of the test's own on a unix socket, which may be killed and started again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="th-"))
        self.socket = self.folder / "r.sock"
        self.url = f"unix://{self.socket}"
        bundled = Path(sys.prefix) / "bin" / "redis-server"
        self.binary = str(bundled) if bundled.exists() else shutil.which("redis-server") or "redis-server"
        self.start()

    def start(self) -> None:
        # appendfsync always: a killed server forgets nothing it has answered for.
        self.process = subprocess.Popen(
            [
                self.binary, "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder), "--save", "",
                "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning",
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.client = redis.Redis.from_url(self.url)
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                self.client.ping()
                return
            except redis.RedisError:
                assert time.monotonic() < end, "Redis did not start"

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def private_redis() -> Iterator[PrivateRedis]:
    server = PrivateRedis()
    try:
        yield server
    finally:
        server.close()


class Site:
    """One platform in miniature: home, keys, Redis; bridges and agents are started on it."""

    def __init__(self, home: Home, server: PrivateRedis) -> None:
        self.home = home
        self.redis = server
        create_keys(home)
        self.streams = Streams(TENANT)
        self.port = 0

    def token(
        self, subject: str = "demo", *, audience: str = "bridge", now_s: int | None = None, lifetime_s: int = 3600
    ) -> Secret:
        at_s = int(time.time()) if now_s is None else now_s
        key = read_private_key(self.home)
        return issue_token(key, subject=subject, tenant=TENANT, audience=audience, now_s=at_s, lifetime_s=lifetime_s)

    @contextlib.asynccontextmanager
    async def bridge(self) -> AsyncIterator[Bridge]:
        config = BridgeConfig(socket=self.redis.folder / "b.sock", live_url=self.redis.url, port=self.port)
        bridge = Bridge(config, read_public_key(self.home))
        await bridge.start()
        self.port = bridge.port
        try:
            yield bridge
        finally:
            await bridge.close()

    def agent(
        self, terminal: SimulatedTerminal, *, url: str | None = None, name: str = "demo", **settings: Any
    ) -> Agent:
        config = AgentConfig(
            name=name, bridge=url or f"ws://127.0.0.1:{self.port}", symbols=tuple(terminal.contracts),
            simulate="test", **settings,
        )  # fmt: skip
        return Agent(config, self.token(name), self.home / f"spool/{name}", terminal)

    @contextlib.asynccontextmanager
    async def running(self, agent: Agent) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(agent.run())
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            agent.close()

    def blocks(self) -> list[TickBlock]:
        found = [decode(fields[b"m"]) for _, fields in self.redis.client.xrange(self.streams.ticks)]  # type: ignore[union-attr]
        return [each for each in found if isinstance(each, TickBlock)]

    def ticks(self) -> Ticks:
        return np.frombuffer(b"".join(each.ticks for each in self.blocks()), dtype=TICK)

    def reports(self) -> list[Report]:
        found = [decode(fields[b"m"]) for _, fields in self.redis.client.xrange(self.streams.reports)]  # type: ignore[union-attr]
        return [each for each in found if isinstance(each, Report)]

    def quarantined(self) -> list[Quarantined]:
        found = [decode(fields[b"m"]) for _, fields in self.redis.client.xrange(self.streams.quarantine)]  # type: ignore[union-attr]
        return [each for each in found if isinstance(each, Quarantined)]

    def tick_seq(self, agent: str = "demo") -> int:
        return int(self.redis.client.hget(self.streams.agent_seq(agent), "tick") or 0)  # type: ignore[arg-type]

    def ticket(self, *, user: str = "ann", tier: str = "enterprise", name: str = "ticket-0001") -> str:
        holder = msgspec.json.encode({"tenant": TENANT, "user": user, "tier": tier})
        self.redis.client.set(Streams.ticket(name), holder, ex=30)
        return name


def bursts(n_ticks: int, seed: int = 1) -> Ticks:
    """Ticks of which many share a millisecond, none repeating the quote before it."""
    random = np.random.default_rng(seed)
    ticks = np.zeros(n_ticks, dtype=TICK)
    ticks["time_ns"] = 1_704_700_800_000_000_000 + np.cumsum(random.integers(0, 3, n_ticks)) * 1_000_000
    points = 109_500 + np.cumsum(random.choice((-1, 1), n_ticks) * random.integers(1, 4, n_ticks))
    ticks["bid"] = np.round(points * 1e-5, 5)
    ticks["ask"] = np.round((points + 10) * 1e-5, 5)
    return ticks


def terminal(ticks: Ticks, symbol: str = "EURUSD", **settings: Any) -> SimulatedTerminal:
    made = SimulatedTerminal({symbol: ticks}, SimulatorConfig(**settings))
    made.initialize()
    return made


async def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> None:
    """Poll with a deadline."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        await asyncio.sleep(0.01)


async def until_async(condition: Callable[[], Awaitable[Any]], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < end, f"not in time: {what}"
        await asyncio.sleep(0.01)


def environment(site: Site, **more: str) -> dict[str, str]:
    """For programs started as processes."""
    return dict(os.environ) | {"TICKHUB_HOME": str(site.home.root), "TICKHUB_LIVE_URL": site.redis.url} | more
