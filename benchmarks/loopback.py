"""Bus, bridge, engine and agent as processes on loopback, as ``tickhub up`` starts them, on a home of its own."""

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.approved import AGENT, TENANT, approve
from kernel_lib.cli.control import ask_engine
from kernel_lib.config import Home, Ports
from kernel_lib.errors import Transient
from kernel_lib.keys import create_keys, issue_token, read_private_key
from kernel_lib.market.tick import Ticks
from kernel_lib.passport import store_approved
from kernel_lib.sandbox import capabilities
from kernel_lib.stores import embedded
from kernel_lib.strategy import Strategy
from kernel_lib.supervise import Program, Supervisor

__all__ = ["Loopback", "loopback", "write_ticks"]

_POLL_S = 0.05


class Loopback:
    """A running platform without its hub."""

    def __init__(self, root: Path) -> None:
        bridge, control = _free_ports(2)
        self.home = Home(root / "home").create()
        self.ports = Ports(bridge=bridge, control=control)
        self.supervisor = Supervisor(self.home)
        self._programs: list[Program] = []
        create_keys(self.home)
        for name in [name for name in os.environ if name.startswith("TICKHUB_") and name != "TICKHUB_CACHE"]:
            del os.environ[name]
        os.environ.update(
            TICKHUB_HOME=str(self.home.root), TICKHUB_BRIDGE_PORT=str(bridge), TICKHUB_CONTROL_PORT=str(control)
        )
        embedded.prepare(self.home)

    def approve(self, strategies: Sequence[Strategy]) -> None:
        """Promote and approve strategies for trading on paper."""
        key = read_private_key(self.home)
        for each in strategies:
            passport, content, signature, _ = approve(each, "paper", key)
            store_approved(self.home, passport.encode(), content, signature)

    def start_bus(self) -> None:
        """Start the live bus."""
        redis = embedded.redis(self.home)
        ready = Program(
            name="redis", argv=redis.argv, env=redis.env, ready=lambda: embedded.is_ready(redis), priority=10
        )
        self._start(ready)

    def start_bridge(self) -> None:
        """Start the bridge."""
        self._start(
            Program(name="bridge", argv=_module("mt5_feed.bridge"),
                    ready=f"http://127.0.0.1:{self.ports.bridge}/health", priority=30)
        )  # fmt: skip

    def start_engine(self) -> None:
        """Start the engine."""
        trusted = () if capabilities().isolates else ("--trusted",)
        self._start(
            Program(name="engine", argv=(*_module("live_engine.supervise"), *trusted),
                    ready=f"http://127.0.0.1:{self.ports.control}/health", priority=50)
        )  # fmt: skip

    def start_agent(self, file: Path, speed: str) -> None:
        """Start an agent that plays a file of ticks."""
        token = issue_token(
            read_private_key(self.home), subject=AGENT, tenant=TENANT, audience="bridge", now_s=int(time.time()),
            lifetime_s=86_400,
        )  # fmt: skip
        path = self.home / "keys" / "agent.token"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            handle.write(token.reveal())
        argv = (
            *_module("mt5_feed.agent"), "--name", AGENT, "--bridge", f"ws://127.0.0.1:{self.ports.bridge}",
            "--symbol", "EURUSD", "--token-file", str(path), "--spool", str(self.home / "spool"),
            "--simulate", str(file.resolve()), "--speed", speed, "--netting",
        )  # fmt: skip
        self._start(Program(name="agent", argv=argv, priority=60))

    def desk(self) -> dict[str, Any]:
        """Give the desk's state, empty while there is none."""
        try:
            return dict(ask_engine(self.home, self.ports, "GET", f"/desks/{TENANT}", tenant=TENANT).get("state") or {})
        except Transient:
            return {}

    def wait(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until something holds.

        Raises
        ------
        Transient
            It does not in time; with the end of the engine's and the agent's logs.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if time.monotonic() > deadline:
                logs = "\n".join(self.supervisor.log_end(each.name) for each in self._programs)
                raise Transient(f"{what} within {timeout_s:.0f} s:\n{logs}")
            time.sleep(_POLL_S)

    def _start(self, program: Program) -> None:
        self._programs.append(program)
        self.supervisor.start(self._programs)
        self.supervisor.wait_ready([program], 60.0)


@contextlib.contextmanager
def loopback() -> Iterator[Loopback]:
    """Give a platform, and leave nothing behind."""
    root = Path(tempfile.mkdtemp(prefix="thb-", dir="/var/tmp" if Path("/var/tmp").is_dir() else None))
    root.chmod(0o711)
    running = Loopback(root)
    try:
        yield running
    finally:
        running.supervisor.stop()
        shutil.rmtree(root, ignore_errors=True)


def write_ticks(path: Path, ticks: Ticks) -> None:
    """Write ticks as a file that the importers read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "time": pa.array(np.ascontiguousarray(ticks["time_ns"])).cast(pa.timestamp("ns", tz="UTC")),
        "bid": pa.array(np.ascontiguousarray(ticks["bid"])),
        "ask": pa.array(np.ascontiguousarray(ticks["ask"])),
    }
    pq.write_table(pa.table(columns), path)


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)


def _free_ports(n_ports: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_ports)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
