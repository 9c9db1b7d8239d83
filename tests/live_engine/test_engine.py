"""The engine as it runs: processes, bus, control port; killed, started again, refused."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tornado.httpclient import AsyncHTTPClient

from kernel_lib.backtest.replay import replay
from kernel_lib.config import Home
from kernel_lib.errors import Transient
from kernel_lib.importers import read_ticks
from kernel_lib.keys import create_keys, issue_token, read_private_key
from kernel_lib.market.tick import make_ticks
from kernel_lib.passport import store_approved, withdraw_approved
from kernel_lib.sandbox import capabilities
from kernel_lib.stores.embedded import embedded
from kernel_lib.stores.live import RedisLive
from kernel_lib.strategies import ma_cross
from kernel_lib.wire import Streams
from live_engine.awake import DEVICE
from live_engine.supervise import Engine, application
from tests.live_engine.desk_kit import approved_bundle, blocks_of, journaled_rows
from tests.mt5_feed.running import private_redis

pytestmark = pytest.mark.flow
_serial = itertools.count()


class RunningEngine:
    """One engine process on a home of its own."""

    def __init__(self, home: Home, url: str) -> None:
        self.home = home
        self.url = url
        self.key = read_private_key(home)
        self.start()

    def start(self) -> None:
        env = os.environ | {"TICKHUB_HOME": str(self.home.root), "TICKHUB_LIVE_URL": self.url}
        trusted = [] if capabilities().isolates else ["--trusted"]
        self.log = open(self.home / "log" / f"engine-{next(_serial)}.log", "wb")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "live_engine.supervise", "--port", "0", "--snapshot-ticks", "3000", *trusted],
            env=env, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, Path(self.log.name).read_text()
        self.port = json.loads(line)["port"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, token: str | None = None) -> Any:
        content = json.dumps(body).encode() if body is not None else b"" if method == "POST" else None
        return self.send(method, path, content, self.token() if token is None else token)

    def send(self, method: str, path: str, content: bytes | None, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def refusal(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str | None = None
    ) -> tuple[int, str]:
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.call(method, path, body, token)
        with caught.value:
            return caught.value.code, json.loads(caught.value.read())["code"]

    def token(self, tenant: str = "*", audience: str = "control", lifetime_s: int = 600, **fields: Any) -> str:
        key = fields.get("key", self.key)
        now_s = int(time.time()) + fields.get("shift_s", 0)
        return issue_token(
            key, subject="ada", tenant=tenant, audience=audience, now_s=now_s, lifetime_s=lifetime_s
        ).reveal()

    def kill(self) -> None:
        self.process.kill()
        self.finish()

    def stop(self) -> None:
        self.process.terminate()
        self.finish()

    def finish(self) -> None:
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()


@pytest.fixture(scope="module")
def bus() -> Iterator[str]:
    with embedded(with_postgres=False) as (_, urls):
        yield urls.live


@pytest.fixture
def engine(bus: str, tmp_path: Path) -> Iterator[RunningEngine]:
    home = Home(tmp_path / "home").create()
    create_keys(home)
    running = RunningEngine(home, bus)
    yield running
    if running.process.poll() is None:
        running.stop()


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "the condition must come true in time"
        time.sleep(0.05)
    return found


def desk_pid(engine: RunningEngine, tenant: str) -> int | None:
    pid = engine.call("GET", "/status")["desks"].get(tenant, {}).get("pid")
    return int(pid) if pid else None


def approve(engine: RunningEngine, tenant: str, mode: str = "paper") -> str:
    passport, approval, signature, _ = approved_bundle(ma_cross, key=engine.key, tenant=tenant, mode=mode)
    store_approved(engine.home, passport.encode(), approval, signature)
    return passport.hash


def test_ticks_flow_through_a_killed_and_restarted_engine_as_through_the_backtest(
    engine: RunningEngine, bus: str, data_dir: Path
) -> None:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:12_000]
    tenant = f"flow{os.getpid()}"
    approve(engine, tenant)
    wait_for(lambda: engine.call("GET", "/health", token="")["desks"].get(tenant) == "running")
    live, streams = RedisLive(bus), Streams(tenant)
    blocks = blocks_of(ticks, itertools.repeat(40))

    def processed() -> int:
        text = live.latest(tenant).get("@desk")
        return int(json.loads(text)["counts"]["ticks"]) if text else 0

    dice = random.Random(5)
    for number, (_, raw) in enumerate(blocks):
        live.append(streams.ticks, raw)
        if number % 60 == 30:
            seen = processed() if number > 30 else 0
            point = seen + dice.randint(1, 1500)  # somewhere in the backlog, or at its end
            wait_for(lambda: processed() >= min(point, 40 * (number + 1)))  # noqa: B023
            if number == 150:
                engine.kill()
                engine.start()
            else:
                os.kill(wait_for(lambda: desk_pid(engine, tenant)), signal.SIGKILL)
    wait_for(lambda: processed() == len(ticks), 120)
    state = engine.call("GET", f"/desks/{tenant}")["state"]
    assert (state["counts"]["lost"], state["counts"]["doubled"]) == (0, 0)
    engine.stop()
    expected = replay(ma_cross, ticks)
    rows = journaled_rows(engine.home / "engine" / "desks" / tenant)
    assert rows.tobytes() == expected.events.tobytes()
    assert state["strategies"][0]["orders"] == expected.book.numbers["n_orders"]
    assert state["latency_us"]["decision"]["p50"] > 0
    live.close()


def test_pause_and_kill_survive_restarts_and_withdrawal_takes_a_strategy_off(engine: RunningEngine) -> None:
    tenant = f"ctl{os.getpid()}"
    passport_hash = approve(engine, tenant)
    wait_for(lambda: tenant in engine.call("GET", "/health", token="")["desks"])
    answer = engine.call("POST", f"/desks/{tenant}/pause", {"reason": "lunch", "by": "tom", "strategy": "ma_cross"})
    assert answer["state"]["strategies"][0]["state"] == "paused"
    engine.kill()
    engine.start()
    wait_for(lambda: tenant in engine.call("GET", "/health", token="")["desks"])
    (strategy,) = engine.call("GET", f"/desks/{tenant}")["state"]["strategies"]
    assert (strategy["state"], strategy["reason"]) == ("paused", "pause by tom: lunch")
    assert engine.refusal("POST", f"/desks/{tenant}/kill", {"strategy": "nobody"}) == (404, "no_such_strategy")
    engine.call("POST", f"/desks/{tenant}/kill", {"reason": "drill"})
    engine.stop()
    engine.start()
    wait_for(lambda: tenant in engine.call("GET", "/health", token="")["desks"])
    state = engine.call("GET", f"/desks/{tenant}")["state"]
    assert (state["state"], state["strategies"][0]["state"]) == ("killed", "killed")
    assert engine.call("POST", f"/desks/{tenant}/resume", {})["state"]["strategies"][0]["state"] == "active"
    withdraw_approved(engine.home, tenant, passport_hash)
    assert engine.call("POST", f"/desks/{tenant}/reload") == {"ok": True}
    assert engine.call("GET", f"/desks/{tenant}")["state"]["strategies"][0]["state"] == "withdrawn"


def holds(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.readlink(each) == str(path):
                return True
    return False


def kept_awake(engine: RunningEngine, live: RedisLive, mode: str, most_ticks: int) -> int:
    """Send ticks thick to a desk of its own; give its process when it asks for awake processors, 0 if it never does."""
    tenant = f"{mode}awake{os.getpid()}"
    approve(engine, tenant, mode)
    pid = wait_for(lambda: desk_pid(engine, tenant))
    times = np.arange(most_ticks) * 10**9 + 1_700_000_000_000_000_000
    ticks = make_ticks(times, np.full(most_ticks, 1.1), np.full(most_ticks, 1.1001))
    for _, raw in blocks_of(ticks, itertools.repeat(1)):
        live.append(Streams(tenant).ticks, raw)
        time.sleep(0.001)
        if holds(pid, DEVICE):
            return pid
    wait_for(lambda: engine.call("GET", f"/desks/{tenant}")["state"]["counts"]["ticks"] == most_ticks)
    return 0


@pytest.mark.skipif(not os.access(DEVICE, os.W_OK), reason=f"{DEVICE} is not for this user, or not there")
def test_processors_are_kept_awake_for_orders_at_a_broker_alone_and_not_while_the_bus_is_away(home: Home) -> None:
    create_keys(home)
    with private_redis() as server:
        server.client.config_set("appendfsync", "no")  # a slow disk would let no tick come thick
        engine, live = RunningEngine(home, server.url), RedisLive(server.url)
        try:
            assert not kept_awake(engine, live, "paper", 2_000)
            pid = kept_awake(engine, live, "mt5", 20_000)
            assert pid
            server.kill()
            wait_for(lambda: not holds(pid, DEVICE))
            assert Path(f"/proc/{pid}").exists()
        finally:
            live.close()
            engine.stop()


def test_a_desk_whose_bus_was_away_does_not_speak_of_it_for_ever(home: Home) -> None:
    create_keys(home)
    with private_redis() as server:
        engine = RunningEngine(home, server.url)
        tenant = f"bus{os.getpid()}"

        def warned() -> list[str]:
            return list(engine.call("GET", f"/desks/{tenant}")["state"]["warnings"])

        try:
            approve(engine, tenant)
            wait_for(lambda: desk_pid(engine, tenant))
            server.kill()
            said = wait_for(warned)
            assert all(each.startswith("the live store must answer, it did not") for each in said)
            server.start()
            wait_for(lambda: not warned())
        finally:
            engine.stop()


class _Busy:
    """A desk that takes in a strategy, and answers in a minute."""

    condition, starts, pid, last_error = "starting", 1, None, ""

    async def ask(self, command: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.sleep(60)
        raise Transient("not yet")


class _Slow:
    """A desk during whose answer another tenant's desk comes."""

    condition, starts, pid, last_error = "running", 1, 7, ""

    def __init__(self, desks: dict[str, Any]) -> None:
        self._desks = desks

    async def ask(self, command: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        self._desks.setdefault("b", self)
        return {"state": command}


async def status_of(home: Home, desks: Callable[[Engine], dict[str, Any]]) -> dict[str, Any]:
    """Ask the control port of an engine with the given desks how things stand."""
    create_keys(home)
    engine = Engine(home, desk_argv=[])
    engine.desks.update(desks(engine))
    server = application(engine).listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    token = issue_token(
        read_private_key(home), subject="ada", tenant="*", audience="control", now_s=int(time.time()), lifetime_s=60
    )
    try:
        answer = await AsyncHTTPClient().fetch(
            f"http://127.0.0.1:{port}/status", headers={"Authorization": f"Bearer {token.reveal()}"}
        )
    finally:
        server.stop()
        await server.close_all_connections()
        engine.desks.clear()
        await engine.stop()
    found: dict[str, Any] = json.loads(answer.body)["desks"]
    return found


async def test_a_desk_may_come_while_the_status_is_asked_for(home: Home) -> None:
    assert list(await status_of(home, lambda engine: {"a": _Slow(engine.desks)})) == ["a"]


async def test_the_status_does_not_wait_for_desks_that_are_busy(home: Home) -> None:
    began = time.monotonic()
    found = await status_of(home, lambda engine: {"a": _Busy(), "b": _Slow(engine.desks), "c": _Busy()})
    assert time.monotonic() - began < 8.0, "the command line asks for ten seconds"
    assert [(name, each["condition"], "state" in each) for name, each in sorted(found.items())] == [
        ("a", "starting", False), ("b", "running", True), ("c", "starting", False),
    ]  # fmt: skip


def test_tampered_bundles_are_named_and_not_run(engine: RunningEngine) -> None:
    tenant = f"bad{os.getpid()}"
    passport, approval, signature, _ = approved_bundle(ma_cross, key=Ed25519PrivateKey.generate(), tenant=tenant)
    store_approved(engine.home, passport.encode(), approval, signature)
    wait_for(lambda: tenant in engine.call("GET", "/health", token="")["desks"])
    state = engine.call("GET", f"/desks/{tenant}")["state"]
    assert state["strategies"] == []
    assert state["refused"][passport.hash].startswith("bad_signature")


def test_control_needs_a_good_token_of_the_right_tenant(engine: RunningEngine) -> None:
    approve(engine, "acme")
    wait_for(lambda: "acme" in engine.call("GET", "/health", token="")["desks"])
    path = "/desks/acme/pause"
    other = Ed25519PrivateKey.generate()
    assert engine.refusal("POST", path, {}, token="") == (401, "token_missing")
    assert engine.refusal("POST", path, {}, token="nonsense") == (401, "token_invalid")
    assert engine.refusal("POST", path, {}, token=engine.token(key=other)) == (403, "token_foreign")
    assert engine.refusal("POST", path, {}, token=engine.token(audience="bridge")) == (403, "token_foreign")
    assert engine.refusal("POST", path, {}, token=engine.token(tenant="rival")) == (403, "token_foreign")
    assert engine.refusal("POST", path, {}, token=engine.token(shift_s=-900, lifetime_s=60)) == (401, "token_expired")
    assert engine.refusal("GET", "/status", token=engine.token(tenant="acme")) == (403, "token_foreign")
    assert engine.refusal("GET", "/desks/nobody") == (404, "no_such_desk")
    assert engine.refusal("GET", "/desks/..%2Fx") == (404, "no_such_desk")
    for garbage in (b"[" * 60_000, b"{", b"[]", b"\xff"):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            engine.send("POST", path, garbage, engine.token(tenant="acme"))
    answer = engine.call("POST", path, {"reason": "x", "by": "the risk officer"}, token=engine.token(tenant="acme"))
    (told,) = answer["state"]["strategies"]
    assert told["reason"] == "pause by ada: x", "a tenant's token speaks for its own subject"


def test_two_engines_do_not_run_on_one_home(engine: RunningEngine) -> None:
    env = os.environ | {"TICKHUB_HOME": str(engine.home.root), "TICKHUB_LIVE_URL": engine.url}
    done = subprocess.run(
        [sys.executable, "-m", "live_engine.supervise", "--port", "0"], env=env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "an engine runs already on this home" in done.stderr


def test_a_taken_port_is_a_clear_error(engine: RunningEngine, tmp_path: Path) -> None:
    home = Home(tmp_path / "second").create()
    create_keys(home)
    env = os.environ | {"TICKHUB_HOME": str(home.root), "TICKHUB_LIVE_URL": engine.url}
    done = subprocess.run(
        [sys.executable, "-m", "live_engine.supervise", "--port", str(engine.port)], env=env, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"{engine.port} is not" in done.stderr
