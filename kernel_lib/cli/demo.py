"""``tickhub demo``: the whole path from tick to fill, headless, with a crash in the middle, and a report on it.

A home of its own, ports of its own: it disturbs no platform that runs. The strategy is put on the desk twice: on
paper, whose every decision, order and fill must equal the backtest's, and on the simulated account behind agent and
terminal, where fills come when they come.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from kernel_lib.cli.choose import POSITIVE, SPEED, choose_strategy, echo_json
from kernel_lib.cli.control import ask_engine
from kernel_lib.config import Home, Ports
from kernel_lib.errors import BadData, Broken, Transient
from kernel_lib.keys import create_keys, issue_token, read_private_key
from kernel_lib.supervise import Program, Supervisor

__all__ = ["demo"]

_TENANT = "demo"
_AGENT = "demo-terminal"
_GENERATED_DAYS = 1
_ACCOUNT_FIELDS = ("orders", "fills", "denied", "rejected", "balance", "equity", "lots")


@click.command()
@click.option(
    "--ticks", "file", type=click.Path(path_type=Path), help="File of recorded ticks; else a seeded generator."
)
@click.option(
    "--strategy", "named", default="ma_cross", show_default=True, help="A reference strategy, or path.py:name."
)
@click.option("--speed", default="max", show_default=True, type=SPEED, help="Market seconds a second, or 'max'.")
@click.option("--timeout", default=600.0, show_default=True, type=POSITIVE, help="Seconds to wait for the last tick.")
@click.option("--keep", is_flag=True, help="Keep the demo's home and say where it is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def demo(file: Path | None, named: str, speed: str, timeout: float, keep: bool, as_json: bool) -> None:
    """Stream ticks through agent, bridge, bus and engine, trade, crash, recover, and compare with the backtest."""
    began = time.monotonic()
    say: Callable[[str], None] = (lambda text: click.echo(text, err=True)) if as_json else click.echo
    root = Path(tempfile.mkdtemp(prefix="tickhub-demo-"))
    root.chmod(0o711)
    try:
        run = _Demo(Home(root / "home"), choose_strategy(named), file, speed, say)
        try:
            report = run.run(timeout)
        finally:
            run.stop()
    finally:
        if keep:
            say(f"kept: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)
    report["seconds"] = round(time.monotonic() - began, 1)
    if as_json:
        echo_json(report)
    else:
        _print(report)
    if report["parity"] != "identical" or report["lost"] or report["doubled"]:
        sys.exit(1)


class _Demo:
    """One run: what is started, and what is asked."""

    def __init__(self, home: Home, strategy: Any, file: Path | None, speed: str, say: Callable[[str], None]) -> None:
        self.home = home
        self.strategy = strategy
        self.speed = speed
        self.say = say
        hub, bridge, control = _free_ports(3)
        self.ports = Ports(hub=hub, bridge=bridge, control=control)
        self.restarts = 0
        self.file = file
        self.supervisor = Supervisor(home)
        self._before_crash: dict[str, dict[str, float]] = {}

    def run(self, timeout_s: float) -> dict[str, Any]:
        from kernel_lib.stores import embedded

        self.home.create()
        create_keys(self.home)
        ticks, symbol, refused = self._read()
        self.say(f"{len(ticks):,} ticks of {symbol}, {refused:,} refused; backtesting {self.strategy.name}")
        backtest = self._backtest(ticks, symbol)
        self.say(repr(backtest))
        self._promote(symbol)
        os.environ.update(
            TICKHUB_HOME=str(self.home.root), TICKHUB_BRIDGE_PORT=str(self.ports.bridge),
            TICKHUB_CONTROL_PORT=str(self.ports.control), TICKHUB_LIVE_URL="",
        )  # fmt: skip
        embedded.prepare(self.home)
        redis = embedded.redis(self.home)
        platform = [
            Program(name="redis", argv=redis.argv, env=redis.env, ready=lambda: embedded.is_ready(redis), priority=10),
            Program(name="bridge", argv=_module("mt5_feed.bridge"), ready=f"http://127.0.0.1:{self.ports.bridge}/health",
                    priority=30),
            Program(name="engine", argv=_module("live_engine.supervise"),
                    ready=f"http://127.0.0.1:{self.ports.control}/health", priority=50),
        ]  # fmt: skip
        self.say("starting bus, bridge and engine")
        self.supervisor.start(platform)
        self.supervisor.wait_ready(platform, 60.0)
        self._wait(lambda: self._running_strategies() == 2, 60.0, "both strategies must be on the desk")
        self.say("streaming ticks through agent, bridge, bus and engine")
        self.supervisor.start([*platform, self._agent(symbol)])
        self._watch(len(ticks), timeout_s)
        return self._report(backtest, symbol, ticks, refused)

    def stop(self) -> None:
        """Stop everything; nothing is left running."""
        self.supervisor.stop()

    def _read(self) -> tuple[npt.NDArray[np.void], str, int]:
        """Read the ticks as the feed will: importer, then the bridge's validation."""
        from kernel_lib.importers import read_ticks
        from kernel_lib.market.validation import Validator

        if self.file is None:
            self.file = self.home.root / "generated_EURUSD.parquet"
            command = [
                *_module("mt5_feed.simulator"),
                "--days",
                str(_GENERATED_DAYS),
                "--seed",
                "1",
                "--out",
                self.file,
            ]
            subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr)
        if not self.file.exists():
            raise BadData(f"there is no file {str(self.file)!r}")
        imported = read_ticks(self.file)
        # A terminal tells times in whole milliseconds; some recordings are finer.
        imported.ticks["time_ns"] -= imported.ticks["time_ns"] % 1_000_000
        verdict = Validator().check(imported.ticks, None)
        if len(verdict.accepted) == 0:
            raise BadData("no tick of the file passed validation", source=str(self.file))
        refused = sum(imported.refused.values()) + len(imported.ticks) - len(verdict.accepted)
        return verdict.accepted, imported.symbol, refused

    def _backtest(self, ticks: npt.NDArray[np.void], symbol: str) -> Any:
        from kernel_lib.backtest import replay

        account, limits, costs = _settings()
        return replay(
            self.strategy, ticks, instrument=symbol, account=account, limits=limits, costs=costs, progress=False
        )

    def _promote(self, symbol: str) -> None:
        """Two people: the author builds the passports, the approver signs; once for paper, once for the account."""
        from kernel_lib.market.instrument import instrument
        from kernel_lib.passport import Approval, build_passport, sign_approval, store_approved

        account, limits, costs = _settings()
        key = read_private_key(self.home)
        for mode in ("paper", "mt5"):
            passport = build_passport(
                self.strategy, instrument=instrument(symbol), author="quant", tenant=_TENANT, created_ns=time.time_ns(),
                account=account, limits=limits, costs=costs, evidence={"demo": mode},
            )  # fmt: skip
            approval = Approval(
                hash=passport.hash, tenant=_TENANT, author="quant", approver="admin", mode=mode,
                agent=_AGENT if mode == "mt5" else "", limits=limits, at_ns=time.time_ns(),
            )  # fmt: skip
            store_approved(self.home, passport.encode(), *sign_approval(approval, key))
        self.say("promoted by quant, approved by admin, signed")

    def _agent(self, symbol: str) -> Program:
        token = issue_token(
            read_private_key(self.home), subject=_AGENT, tenant=_TENANT, audience="bridge", now_s=int(time.time()),
            lifetime_s=86_400,
        )  # fmt: skip
        path = self.home / "keys" / "agent.token"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(token.reveal())
        account, _, costs = _settings()
        argv = (
            *_module("mt5_feed.agent"), "--name", _AGENT, "--bridge", f"ws://127.0.0.1:{self.ports.bridge}",
            "--symbol", symbol, "--token-file", str(path), "--spool", str(self.home / "spool"),
            "--simulate", str(Path(self.file or "").resolve()), "--speed", self.speed, "--netting",
            "--balance", str(account.deposit), "--commission-per-lot", str(costs.commission_per_lot),
        )  # fmt: skip
        return Program(name="agent", argv=argv, priority=60)

    def _watch(self, n_ticks: int, timeout_s: float) -> None:
        """Follow the desk to the last tick; kill the engine at the half."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        deadline = time.monotonic() + timeout_s
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("ticks at the desk", total=n_ticks)
            done = 0
            while done < n_ticks:
                done = max(done, self._counts().get("ticks", 0))
                progress.update(task, completed=done)
                if self.restarts == 0 and done >= n_ticks // 2:
                    self._kill_engine()
                if time.monotonic() > deadline:
                    ends = f"{self.supervisor.log_end('engine')}\n{self.supervisor.log_end('agent')}"
                    raise Transient(f"all {n_ticks:,} ticks must arrive in {timeout_s:.0f} s, {done:,} did\n{ends}")
                time.sleep(0.1)
        settled = time.monotonic() + 10.0
        while self._counts().get("orders_in_flight", 0) and time.monotonic() < settled:
            time.sleep(0.1)

    def _kill_engine(self) -> None:
        """``kill -9`` the engine's supervisor and every desk at once; the process supervisor starts it again."""
        pid = next(each["pid"] for each in self.supervisor.states() if each["name"] == "engine")
        self.say(f"kill -9 {pid} (the engine), in the middle of the stream")
        self._before_crash = self._state().get("latency_us", {})
        os.killpg(pid, signal.SIGKILL)
        self.restarts += 1
        self._wait(lambda: self._engine_pid() not in (None, pid), 30.0, "the engine must be started again")

    def _engine_pid(self) -> int | None:
        return next((each["pid"] or None for each in self.supervisor.states() if each["name"] == "engine"), None)

    def _desk(self) -> dict[str, Any]:
        try:
            return ask_engine(self.home, self.ports, "GET", f"/desks/{_TENANT}", tenant=_TENANT)
        except Transient:
            return {}

    def _state(self) -> dict[str, Any]:
        desk = self._desk()
        state = desk.get("state", desk)
        return dict(state) if isinstance(state, dict) else {}

    def _counts(self) -> dict[str, int]:
        state = self._state()
        return {**state.get("counts", {}), "orders_in_flight": len(state.get("orders", []))}

    def _running_strategies(self) -> int:
        return len(self._state().get("strategies", []))

    def _report(self, backtest: Any, symbol: str, ticks: npt.NDArray[np.void], refused: int) -> dict[str, Any]:
        self._wait(lambda: bool(self._state()), 30.0, "the engine must answer")
        state = self._state()
        out = self.home.root / "trail.npz"
        done = subprocess.run(
            [*_module("live_engine.replay"), "--tenant", _TENANT, "--out", str(out), "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Broken(f"the journal must give again what it gave: {done.stderr.strip()}")
        trail = json.loads(done.stdout)
        arrays = np.load(out)
        paper = next(each for each in trail["strategies"] if each["mode"] == "paper")
        account = next(each for each in state["strategies"] if each["mode"] == "mt5")
        on_paper = next(each for each in state["strategies"] if each["mode"] == "paper")
        lost, doubled = _count_gaps(ticks, arrays[f"ticks_{symbol}"])
        rows = arrays[f"rows_{paper['hash']}"]
        counts = state.get("counts", {})
        return {
            "strategy": self.strategy.name,
            "symbol": symbol,
            "ticks_in": len(arrays[f"ticks_{symbol}"]),
            "quarantined": refused,
            "decisions": on_paper["decisions"],
            "orders": on_paper["orders"],
            "fills": on_paper["fills"],
            "net_profit": round(on_paper["balance"] - _settings()[0].deposit, 2),
            "parity": _first_difference(backtest.events, rows),
            "restarts": self.restarts,
            "lost": lost + counts.get("lost", 0),
            "doubled": doubled + counts.get("doubled", 0),
            "latency_us": self._latencies(state.get("latency_us", {})),
            "account": {
                name: account[name] for name in ("orders", "fills", "denied", "rejected", "balance", "equity", "lots")
            },
            "journal": {"records": trail["records"], "replays_identically": trail["identical"]},
        }

    def _latencies(self, after_crash: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
        """Give each stage's percentiles of the engine's longer life, before or after the crash; None: not measured."""
        shown = {}
        for stage, after in after_crash.items():
            before = self._before_crash.get(stage, {"n": 0})
            longer = after if after["n"] >= before["n"] else before
            shown[stage] = {name: longer[name] if longer["n"] else None for name in ("p50", "p99", "max")}
        return shown

    def _wait(self, true: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > deadline:
                raise Transient(f"{what} within {timeout_s:.0f} s:\n{self.supervisor.log_end('engine')}")
            time.sleep(0.1)


def _settings() -> tuple[Any, Any, Any]:
    """Account, limits and costs of the demo, alike in the backtest and on the desk."""
    from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

    # Played faster than life, ticks queue before the desk; that is no staleness of the market.
    return AccountConfig(), RiskLimits(max_quote_age_ms=3_600_000), Costs()


def _first_difference(expected: npt.NDArray[np.void], found: npt.NDArray[np.void]) -> str:
    """Say ``identical``, or which row differs first and how."""
    if expected.tobytes() == found.tobytes():
        return "identical"
    for number in range(max(len(expected), len(found))):
        if number >= len(expected) or number >= len(found):
            longer = "the backtest" if len(expected) > len(found) else "the desk"
            return f"row {number}: only {longer} has it: {(expected if len(expected) > len(found) else found)[number]}"
        if expected[number].tobytes() != found[number].tobytes():
            names = [name for name in expected.dtype.names or () if expected[number][name] != found[number][name]]
            told = ", ".join(
                f"{name} {expected[number][name]} in the backtest, {found[number][name]} live" for name in names
            )
            return f"row {number}: {told}"
    return "the records differ in bytes that show no difference"


def _count_gaps(sent: npt.NDArray[np.void], found: npt.NDArray[np.void]) -> tuple[int, int]:
    """Count ticks that were sent and not journaled, and journaled more often than sent."""
    if sent.tobytes() == found.tobytes():
        return 0, 0
    from collections import Counter

    before = Counter(each.tobytes() for each in sent)
    after = Counter(each.tobytes() for each in found)
    return sum((before - after).values()), sum((after - before).values())


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)


def _free_ports(n_ports: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_ports)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, padding=(0, 2), show_header=False)
    for name in ("ticks_in", "quarantined", "lost", "doubled", "decisions", "orders", "fills"):
        table.add_row(name.replace("_", " "), f"{report[name]:,}")
    table.add_row("net profit", f"{report['net_profit']:,.2f} USD on paper")
    account = report["account"]
    table.add_row("account", f"{account['orders']:,} orders, {account['fills']:,} fills, {account['balance']:,.2f} USD "
                  f"({account['denied']:,} denied, {account['rejected']:,} rejected)")  # fmt: skip
    table.add_row("parity", f"[{'green' if report['parity'] == 'identical' else 'red'}]{report['parity']}")
    table.add_row("restarts", f"{report['restarts']} by kill -9")
    table.add_row("seconds", f"{report['seconds']}")
    console.print(table)
    stages = Table(box=None, padding=(0, 2))
    for title in ("latency, us", "p50", "p99", "max"):
        stages.add_column(title, justify="left" if title.startswith("lat") else "right")
    for stage, each in report["latency_us"].items():
        shown = [f"{each[name]:,.0f}" if each[name] is not None else "" for name in ("p50", "p99", "max")]
        stages.add_row(stage.replace("_", " "), *shown)
    console.print(stages)
