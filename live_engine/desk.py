"""One tenant's desk as a process: ``python -m live_engine.desk --tenant NAME``.

Reads the tenant's ticks and reports from the live bus, runs the desk, publishes its state. Commands come as one JSON
object a line on standard input and are answered on standard output; the end of standard input ends the
desk. Logs go to standard error as JSON. The hot loop is one thread and waits for nothing but the bus.
"""

import contextlib
import faulthandler
import gc
import hashlib
import json
import os
import queue
import signal
import sys
import threading
import time
from typing import IO, Any

import click
import msgspec

from kernel_lib.config import Home, StoreUrls
from kernel_lib.errors import BadData, Misconfigured, Refused, TickhubError, Transient
from kernel_lib.keys import read_public_key
from kernel_lib.passport import Approved, load_approved, verify
from kernel_lib.stores.live import START, RedisLive
from kernel_lib.tiers import TIERS
from kernel_lib.trading.record import Control
from kernel_lib.wire import AccountState, OrderIntent, Report, Streams, decode, encode
from live_engine.agreement import Agreement
from live_engine.awake import Awake
from live_engine.lock import hold_lock
from live_engine.logs import set_up_logs
from live_engine.outbox import Outbox
from live_engine.strategy_process import HostConfig, StrategyHost
from live_engine.tenant_user import tenant_uid
from live_engine.trading import Desk, DeskConfig

__all__ = ["DeskProcess", "main", "verified_bundles"]

_READ_COUNT = 64
_BLOCK_MS = 50
_STATE_INTERVAL_S = 0.1
_IDLE_STATE_INTERVAL_S = 1.0
_VERIFY_INTERVAL_S = 20.0
_STATES_KEPT = 1000
_INTENTS_KEPT = 100_000
_DOUBT_MS = 24 * 3600 * 1000
_CONTROLS = {"pause": Control.PAUSE, "resume": Control.RESUME, "kill": Control.KILL}


class DeskProcess:
    """The shell around :class:`~live_engine.trading.Desk`: bus, commands, state."""

    def __init__(
        self, home: Home, tenant: str, live: RedisLive, *, trusted: bool, config: DeskConfig, awake: Awake | None
    ) -> None:
        self.home = home
        self.tenant = tenant
        self.streams = Streams(tenant)
        self._live = live
        self._awake = awake
        self._key = read_public_key(home)
        self._commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        directory = home / "engine" / "desks" / tenant
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = hold_lock(directory / "lock", f"a desk of tenant {tenant!r}")
        host = StrategyHost(
            f"desk-{tenant}-{_fingerprint(home)}", HostConfig(uid=tenant_uid(home, tenant), trusted=trusted)
        )
        self._outbox = Outbox(self._append, self._was_sent, self._reject)
        self.desk = Desk(
            directory, tenant, host, send=self._outbox.send, was_sent=self._was_sent, config=config,
        )  # fmt: skip
        self._agreement = Agreement(self.desk)
        # A new desk takes what was said before it came: the latest of each channel holds.
        self.desk.start_at(live.last_id(self.streams.ticks), live.last_id(self.streams.reports), START)
        self.desk.reload(*verified_bundles(home, tenant, self._key))
        self._look_at_tier()
        self._published_at = 0.0
        self._verified_at = time.monotonic()
        self._published_seq = -1

    def run(self, commands: IO[str], answers: IO[str]) -> None:
        """Work until the command line ends or asks to stop."""
        threading.Thread(target=self._read_commands, args=(commands,), name="commands", daemon=True).start()
        _say(answers, {"ready": True})
        pause_s, troubles = 0.0, set[str]()
        gc.collect()
        gc.freeze()  # what lives for ever is not looked through again; a long collection would be a late order
        gc.set_threshold(50_000, 50, 1_000)
        try:
            while self._obey(answers):
                ticked = False
                try:
                    ticked = self._step()
                    self._look_at_approvals()
                    pause_s = 0.0
                    if troubles:
                        self.desk.no_longer(troubles)
                        troubles.clear()
                except Transient as error:  # the bus restarts; ticks wait in it, and in the agent's spool
                    self.desk.warn(str(error))
                    troubles.add(str(error))
                    pause_s = min(2.0, pause_s * 2 + 0.05)
                    time.sleep(pause_s)
                if self._awake is not None:
                    self._awake.look(ticked=ticked and self.desk.trades_at_broker)
        finally:
            self.desk.close()
            with contextlib.suppress(Transient):
                self._publish(force=True)

    def stop(self) -> None:
        """End at the next opportunity."""
        self._commands.put(None)

    def _step(self) -> bool:
        """Take what the bus has; say whether there were ticks."""
        desk = self.desk
        self._outbox.flush()
        after = {
            self.streams.ticks: desk.tick_id, self.streams.reports: desk.report_id,
            self.streams.outside: desk.outside_id or START,
        }  # fmt: skip
        found = self._live.read(after, count=_READ_COUNT, block_ms=_BLOCK_MS)
        for entry_id, raw in found.get(self.streams.outside, ()):
            desk.on_outside(entry_id, raw)
        for entry_id, raw in found.get(self.streams.reports, ()):
            desk.on_report(entry_id, raw)
            self._look_at_account(raw)
        for entry_id, raw in found.get(self.streams.ticks, ()):
            desk.on_block(entry_id, raw)
            if not self._commands.empty():  # a kill does not wait for a backlog
                break
        self._publish()
        return self.streams.ticks in found

    def _look_at_account(self, raw: bytes) -> None:
        with contextlib.suppress(BadData):  # the desk has said so
            message = decode(raw)
            if isinstance(message, AccountState):
                self._agreement.on_account(message)

    def _look_at_approvals(self) -> None:
        # An approval that expires or is withdrawn takes its strategy off, whether or not anybody says reload.
        if time.monotonic() - self._verified_at > _VERIFY_INTERVAL_S:
            self._verified_at = time.monotonic()
            self.desk.reload(*verified_bundles(self.home, self.tenant, self._key))
            self._look_at_tier()
            self._agreement.look_for_silence()
            self._agreement.look_for_orders()

    def _look_at_tier(self) -> None:
        # A platform that told nothing, as a desk on its own, sets no limit.
        held = TIERS.get(self._live.tier_of(self.tenant))
        self.desk.daily_trades = held.daily_trades if held is not None else None

    def _publish(self, *, force: bool = False) -> None:
        now = time.monotonic()
        changed = self.desk.journal.last_seq != self._published_seq
        if not force and now - self._published_at < (_STATE_INTERVAL_S if changed else _IDLE_STATE_INTERVAL_S):
            return
        self._published_at, self._published_seq = now, self.desk.journal.last_seq
        text = msgspec.json.encode(self.desk.state())
        self._live.append(self.streams.desk, text, most=_STATES_KEPT)
        self._live.set_latest(self.tenant, "@desk", text)

    def _obey(self, answers: IO[str]) -> bool:
        while not self._commands.empty():
            command = self._commands.get()
            if command is None or command.get("do") == "stop":
                return False
            _say(answers, {"id": command.get("id")} | self._answer(command))
            with contextlib.suppress(Transient):
                self._publish(force=True)
        return True

    def _answer(self, command: dict[str, Any]) -> dict[str, Any]:
        action = str(command.get("do"))
        try:
            if action == "reload":
                self.desk.reload(*verified_bundles(self.home, self.tenant, self._key))
            elif action in _CONTROLS:
                reached = self.desk.control(
                    _CONTROLS[action], by=str(command.get("by", "")), reason=str(command.get("reason", "")),
                    strategy=str(command.get("strategy") or ""),
                )  # fmt: skip
                if command.get("strategy") and not reached:
                    raise Refused(
                        "no_such_strategy", f"the desk must have strategy {command['strategy']!r}, it has not"
                    )
            elif action != "state":
                raise Refused("no_such_command", f"a desk knows state, reload, pause, resume, kill; it was {action!r}")
        except (Refused, BadData, Misconfigured) as error:
            if action == "reload":  # nobody waits for its answer
                self.desk.warn(f"the approvals could not be read again: {error}")
            return {"ok": False, "code": getattr(error, "code", "refused"), "message": str(error)}
        return {"ok": True, "state": msgspec.to_builtins(self.desk.state())}

    def _read_commands(self, commands: IO[str]) -> None:
        for line in commands:
            try:
                command = json.loads(line)
            except ValueError:
                continue
            self._commands.put(command if isinstance(command, dict) else {})
        self._commands.put(None)

    def _append(self, intent: OrderIntent) -> None:
        self._live.append(self.streams.intents, encode(intent), most=_INTENTS_KEPT)

    def _reject(self, report: Report) -> None:
        self.desk.warn(f"order {report.key}: {report.reason}")
        self.desk.on_report(self.desk.report_id or START, encode(report))

    def _was_sent(self, key: str) -> bool:
        # An order in doubt is one of the last before a crash; a stream's ids are the server's time in milliseconds.
        at = f"{time.time_ns() // 1_000_000 - _DOUBT_MS}-0"
        while found := self._live.read({self.streams.intents: at}, count=_READ_COUNT).get(self.streams.intents):
            at = found[-1][0]
            for _, raw in found:
                message = decode(raw)
                if isinstance(message, OrderIntent) and message.key == key:
                    return True
        return False


def verified_bundles(
    home: Home, tenant: str, key: Any
) -> tuple[dict[str, tuple[bytes, bytes, Approved]], dict[str, str]]:
    """Read and verify a tenant's approved bundles; give the good ones, and why each other one is refused."""
    good: dict[str, tuple[bytes, bytes, Approved]] = {}
    refused: dict[str, str] = {}
    for stored in load_approved(home, tenant):
        try:
            approved = verify(
                stored.bundle, stored.approval, stored.signature, key, tenant=tenant, now_ns=time.time_ns()
            )
            if approved.approval.hash != stored.hash:
                raise Refused("hash_mismatch", "the file's name must be its bundle's hash, it is another")
            good[stored.hash] = (stored.bundle, stored.approval, approved)
        except Refused as error:
            refused[stored.hash] = f"{error.code}: {error}"
    return good, refused


def _fingerprint(home: Home) -> str:
    return hashlib.sha256(str(home.root).encode()).hexdigest()[:8]


def _say(answers: IO[str], message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        answers.write(json.dumps(message) + "\n")
        answers.flush()


@click.command()
@click.option("--tenant", required=True, help="Whose desk.")
@click.option("--trusted", is_flag=True, help="Run strategies unisolated where this machine cannot isolate.")
@click.option("--snapshot-ticks", default=20_000, show_default=True, help="Ticks between snapshots.")
@click.option("--let-sleep", is_flag=True, help="Idle processors may sleep, though an order is late then.")
def main(tenant: str, trusted: bool, snapshot_ticks: int, let_sleep: bool) -> None:
    """Run one tenant's desk; started by live_engine.supervise."""
    set_up_logs(program="desk", tenant=tenant)
    faulthandler.enable()  # a fault in compiled code says where it was, in the engine's log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides
    home = Home.from_environ()
    try:
        live = RedisLive(StoreUrls.from_environ(home, os.environ).live)
        process = DeskProcess(
            home, tenant, live, trusted=trusted, config=DeskConfig(snapshot_ticks=snapshot_ticks),
            awake=None if let_sleep else Awake(),
        )  # fmt: skip
        signal.signal(signal.SIGTERM, lambda *_: process.stop())
        process.run(sys.stdin, sys.stdout)
    except TickhubError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
