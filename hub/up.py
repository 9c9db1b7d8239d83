"""``tickhub up``: prepare, start everything under the supervisor, wait until healthy, say where it is.

The second run finds what is there and is quick. The trading side (bridge, engine, agent) is named here by module,
never imported: it meets the hub only in messages and stores.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hub.programs import prepare, prepare_accounts, programs
from kernel_lib.cli.choose import POSITIVE, SPEED
from kernel_lib.config import Home, Ports, Secret, StoreUrls
from kernel_lib.errors import Misconfigured, TickhubError
from kernel_lib.keys import issue_token, read_private_key
from kernel_lib.machine_code import prepared_dir
from kernel_lib.supervise import Program, Supervisor

__all__ = ["main", "trading_programs"]

_AGENT = "demo-terminal"
_AGENT_DAYS = 90
_GENERATED_DAYS = "20"
_TENANT = "demo"
_RECORDING = "ticks/EURUSD_dukascopy_20190204_utc.csv.gz"


def trading_programs(home: Home, ports: Ports, *, simulate: str, speed: str) -> list[Program]:
    """List the programs that trade: bridge, engine, the nightly comparison, an agent with a simulated terminal.

    Parameters
    ----------
    simulate : str
        File of recorded ticks, or ``"generator"``; empty for no agent.
    speed : str
        Market seconds a second, or ``"max"``.
    """
    token = agent_token_file(home)
    bridge = f"http://{ports.bind}:{ports.bridge}/health"
    control = f"http://127.0.0.1:{ports.control}/health"
    found = [
        Program(name="bridge", argv=_module("mt5_feed.bridge"), ready=bridge, priority=30),
        Program(name="engine", argv=_module("live_engine.supervise"), ready=control, priority=50),
        Program(name="nightly", argv=_module("live_engine.nightly"), priority=70),
    ]
    if simulate:
        link = f"ws://{ports.bind}:{ports.bridge}"
        argv = (
            *_module("mt5_feed.agent"), "--name", _AGENT, "--bridge", link, "--symbol", "EURUSD",
            "--token-file", str(token), "--spool", str(home / "spool"), "--simulate", simulate, "--speed", speed,
            "--netting", "--server-zone", "EET", "--days", _GENERATED_DAYS,
        )  # fmt: skip
        found.append(Program(name="agent", argv=argv, priority=60))
    return found


def agent_token_file(home: Home) -> Path:
    """Where the demo agent's token lies, readable by us only."""
    return home / "keys" / f"agent-{_AGENT}.token"


def renew_agent_token(home: Home, now_s: int) -> None:
    """Write a fresh token for the demo's agent, unless the one there lasts another month."""
    path = agent_token_file(home)
    if path.exists() and now_s - path.stat().st_mtime < (_AGENT_DAYS - 30) * 86_400:
        return
    token = issue_token(
        read_private_key(home), subject=_AGENT, tenant=_TENANT, audience="bridge", now_s=now_s,
        lifetime_s=_AGENT_DAYS * 86_400,
    )  # fmt: skip
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(token.reveal())


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--simulate", default="", help="Ticks for the simulated terminal: a file or 'generator'. Default: recorded."
)
@click.option(
    "--speed",
    default="10",
    show_default=True,
    type=SPEED,
    help="Market seconds a second of the simulated terminal, or 'max'.",
)
@click.option(
    "--timeout", default=180.0, show_default=True, type=POSITIVE, help="Seconds to wait for all to be healthy."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object: addresses and, once, the demo's passwords.")
def main(simulate: str, speed: str, timeout: float, as_json: bool) -> None:
    """Start everything on this machine and wait until it is healthy."""
    began = time.monotonic()
    console = Console(stderr=as_json)
    logins: dict[str, Secret] = {}
    try:
        addresses = bring_up(console, logins, simulate=simulate, speed=speed, timeout_s=timeout)
    except (TickhubError, KeyboardInterrupt) as error:
        _tell_failure(console, error)
        if logins and as_json:
            click.echo(json.dumps({"error": str(error) or "interrupted", "logins": _revealed(logins)}))
        elif logins:
            _show(console, logins)
        sys.exit(1)
    seconds = time.monotonic() - began
    if as_json:
        shown = {"addresses": addresses, "logins": _revealed(logins), "seconds": round(seconds, 1)}
        click.echo(json.dumps(shown))
        return
    console.print(f"\nTickhub is up after {seconds:.0f} s:")
    for name, address in addresses.items():
        console.print(f"  {name:<14}{address}")
    if logins:
        _show(console, logins)
    else:
        console.print("\nThe demo's passwords were shown at the first start. New ones:")
        console.print(f"  {sys.executable} -m hub.demo --reset-passwords", highlight=False, soft_wrap=True)


def _tell_failure(console: Console, error: BaseException) -> None:
    if isinstance(error, TickhubError):
        console.print(f"[red]{type(error).__name__}[/red]: ", end="")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    else:
        console.print("Interrupted.")
    if Supervisor(Home.from_environ()).alive():
        console.print("What was started goes on: 'tickhub status' says what, 'tickhub down' stops it.")


def _show(console: Console, logins: dict[str, Secret]) -> None:
    console.print("\nDemo logins, shown this once (stored only hashed):")
    for name, secret in logins.items():
        console.print(f"  {name:<14}{secret.reveal()}", markup=False, highlight=False)


def _revealed(logins: dict[str, Secret]) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in logins.items()}


def bring_up(
    console: Console, logins: dict[str, Secret], *, simulate: str, speed: str, timeout_s: float
) -> dict[str, str]:
    """Do it; give the addresses.

    The passwords made on the way go into ``logins`` at once: whatever fails after that, they are stored hashed, and
    only here can they be shown.
    """
    home = Home.from_environ()
    ports = Ports.from_environ(os.environ)
    urls = StoreUrls.from_environ(home, os.environ)
    supervisor = Supervisor(home)
    if simulate not in {"", "generator"}:
        if not Path(simulate).is_file():
            raise Misconfigured(f"--simulate must name a file, or be 'generator'; there is no file {simulate!r}")
        simulate = str(Path(simulate).resolve())  # the agent runs elsewhere
    if not supervisor.alive():
        for port, variable in (
            (ports.hub, "TICKHUB_PORT"), (ports.bridge, "TICKHUB_BRIDGE_PORT"), (ports.control, "TICKHUB_CONTROL_PORT"),
        ):  # fmt: skip
            _check_free(ports.bind, port, variable)
        home.create()
        _compile_if_stale(console)
        prepare(home, ports, urls)
    renew_agent_token(home, int(time.time()))
    hub_side = programs(home, ports, urls)
    everything = [*hub_side, *trading_programs(home, ports, simulate=simulate or _recording(), speed=speed)]
    with _Progress(console, [each.name for each in everything]) as progress:
        stores = [each for each in hub_side if each.name in ("postgres", "redis")]
        if not supervisor.alive():
            supervisor.start(stores)
        supervisor.wait_ready(stores, timeout_s, progress.tell)
        logins.update(prepare_accounts(urls))
        supervisor.start(everything)
        supervisor.wait_ready(everything, timeout_s, progress.tell)
    base = f"http://{ports.bind}:{ports.hub}"
    addresses = {
        "notebooks": f"{base}/",
        "trader's page": f"{base}/services/desk/",
        "admin": f"{base}/hub/admin",
        "bridge": f"ws://{ports.bind}:{ports.bridge}/ws/agent",
        "state": str(home.root),
    }
    return addresses


class _Progress:
    """A table of programs that fills up while they get ready."""

    def __init__(self, console: Console, names: list[str]) -> None:
        self._states = dict.fromkeys(names, "waiting")
        self._live = Live(self._table(), console=console, refresh_per_second=8, transient=not console.is_terminal)
        self._console = console

    def __enter__(self) -> "_Progress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def tell(self, name: str, state: str) -> None:
        if self._states.get(name) == state:
            return
        self._states[name] = state
        if self._console.is_terminal:
            self._live.update(self._table())
        elif state == "ready":
            self._console.print(f"  {name} is ready")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        colours = {"ready": "green", "waiting": "dim"}
        for name, state in self._states.items():
            table.add_row(f"  {name}", f"[{colours.get(state, 'yellow')}]{state}")
        return table


def _compile_if_stale(console: Console) -> None:
    """Prepare machine code for these sources, so that no kernel and no strategy compiles them again."""
    if prepared_dir().is_dir() or not os.access(sys.prefix, os.W_OK):
        return
    console.print("  compiling what ships, once for these sources; about a minute")
    subprocess.run([*_module("live_engine.warm")], check=False, stdout=subprocess.DEVNULL)


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)


def _recording() -> str:
    data = Path(os.environ.get("TICKHUB_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    return str(data / _RECORDING) if (data / _RECORDING).is_file() else "generator"


def _check_free(host: str, port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Misconfigured(
                f"port {port} must be free, it is not ({error}); choose another with {variable}"
            ) from error


if __name__ == "__main__":
    main(prog_name="tickhub up")
