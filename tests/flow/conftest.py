"""A whole platform of its own, as ``tickhub up`` starts it: own home, free ports, a market faster than life."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kernel_lib.cli.login import _log_in
from kernel_lib.client import Client
from kernel_lib.config import Home, Secret

START_S = 180.0
ENOUGH_TICKS = 12_000


class Running(msgspec.Struct):
    """A running platform: where it is, who may log in, and what a program needs to reach it."""

    home: Home
    url: str
    stream_url: str
    logins: dict[str, str]
    env: dict[str, str]

    def token(self, user: str) -> Secret:
        return _log_in(self.url, user, Secret(self.logins[user]))

    @contextlib.contextmanager
    def client(self, user: str) -> Iterator[Client]:
        client = Client(self.token(user), url=self.url, stream_url=self.stream_url)
        try:
            yield client
        finally:
            client.close()

    def tickhub(self, *arguments: str, user: str = "", check: bool = True) -> str:
        """Run the command line against this platform; gives what it printed."""
        env = {**self.env, **({"TICKHUB_PASSWORD": self.logins[user]} if user else {})}
        login = ("--user", user) if user else ()
        done = subprocess.run(
            [sys.executable, "-m", "kernel_lib.cli", *arguments, *login],
            env=env, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done.stdout


def free_ports(n_ports: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_ports)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def runs(pid: int) -> bool:
    """Whether a process is there and more than its remains."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


@contextlib.contextmanager
def running_platform(*market: str, n_ticks: int) -> Iterator[Running]:
    """Start a platform with arguments of ``tickhub up``, wait until ``n_ticks`` are recorded; stop it at the end."""
    root = Path(tempfile.mkdtemp(prefix="thf-"))
    root.chmod(0o711)
    hub, bridge, control = free_ports(3)
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith("TICKHUB_") or name == "TICKHUB_DATA"
    }
    env = {
        **kept, "TICKHUB_HOME": str(root / "h"), "TICKHUB_PORT": str(hub), "TICKHUB_BRIDGE_PORT": str(bridge),
        "TICKHUB_CONTROL_PORT": str(control),
    }  # fmt: skip
    command = [sys.executable, "-m", "kernel_lib.cli"]
    try:
        done = subprocess.run(
            [*command, "up", "--json", *market],
            env=env, capture_output=True, text=True, timeout=START_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        logins = json.loads(done.stdout)["logins"]
        running = Running(Home(root / "h"), f"http://127.0.0.1:{hub}", f"ws://127.0.0.1:{bridge}", logins, env)
        with running.client("quant") as client:
            deadline = time.monotonic() + 90
            while not (len(found := client.symbols()) and found["n_ticks"].sum() >= n_ticks):
                assert time.monotonic() < deadline, f"too few ticks are recorded: {found}"
                time.sleep(0.2)
        yield running
    finally:
        servers = [json.loads(each.read_bytes())["pid"] for each in (root / "h" / "run" / "servers").glob("*.json")]
        subprocess.run([*command, "down"], env=env, capture_output=True, check=False, timeout=120)
        left = [pid for pid in servers if runs(pid)]
        shutil.rmtree(root, ignore_errors=True)
        assert not left, f"notebook servers must be gone when the platform is, {left} are there"


@pytest.fixture(scope="session")
def platform() -> Iterator[Running]:
    with running_platform("--simulate", "generator", "--speed", "600", n_ticks=ENOUGH_TICKS) as running:
        yield running
