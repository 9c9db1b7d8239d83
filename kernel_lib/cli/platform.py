"""``tickhub up``, ``down``, ``status``, ``logs`` and ``user``."""

import contextlib
import os
import sys
import time
from typing import Any

import click

from kernel_lib.cli.choose import echo_json
from kernel_lib.config import Home, Ports
from kernel_lib.errors import BadData, TickhubError

__all__ = ["down", "logs", "status", "up", "user"]

_ENDS = 5


_HANDED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command(context_settings=_HANDED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def up(arguments: tuple[str, ...]) -> None:
    """Start everything; see ``tickhub up --help``."""
    _become("hub.up", arguments)


@click.command(context_settings=_HANDED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def user(arguments: tuple[str, ...]) -> None:
    """Add, list and remove users; see ``tickhub user --help``."""
    _become("hub.people", arguments)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def down(as_json: bool) -> None:
    """Stop everything that 'up' started and leave no process behind; state stays."""
    from kernel_lib.sandbox import end_remembered
    from kernel_lib.supervise import Supervisor

    began, home = time.monotonic(), Home.from_environ()
    stopped = Supervisor(home).stop()
    # Notebook servers outlive their hub, so that it can be restarted below them; the spawner writes them down here.
    stopped = end_remembered(home / "run" / "servers") > 0 or stopped
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        echo_json({"stopped": stopped, "seconds": seconds})
    else:
        click.echo(f"Tickhub is down after {seconds} s." if stopped else "Nothing was running.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(as_json: bool) -> None:
    """Say which programs run, and what the engine's desks trade; exit status 1 unless all run."""
    from kernel_lib.cli.control import ask_engine
    from kernel_lib.supervise import Supervisor, ended_programs

    home = Home.from_environ()
    supervisor = Supervisor(home)
    ended = [each for each in ended_programs(supervisor.log_path(supervisor.name)) if each.how == "exited"]
    rows = []
    for each in supervisor.states():
        ends = [f"{end.at}: {end.why}" for end in ended if end.name == each["name"]]
        rows.append({
            "name": each["name"], "state": each["statename"].lower(), "pid": each["pid"] or None,
            "detail": each["description"], "restarts": len(ends), "last_end": ends[-1] if ends else "",
        })  # fmt: skip
    engine: dict[str, Any] | None = None
    trouble = ""
    try:
        engine = ask_engine(home, Ports.from_environ(os.environ), "GET", "/status")
    except TickhubError as error:
        trouble = str(error)
    if as_json:
        echo_json({"home": str(home.root), "programs": rows, "engine": engine, "trouble": trouble})
    else:
        _show(home, rows, engine, trouble)
    if not rows or any(row["state"] != "running" for row in rows):
        sys.exit(1)


@click.command()
@click.argument("program", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until interrupted.")
@click.option(
    "-n", "--lines", default=40, show_default=True, type=click.IntRange(1, 100_000), help="Last lines to show."
)
def logs(program: str | None, follow: bool, lines: int) -> None:
    """Show the end of PROGRAM's log, and when and why it ended; without a name, list the logs."""
    from kernel_lib.supervise import Supervisor, ended_programs

    home = Home.from_environ()
    known = sorted(path.stem for path in (home / "log").glob("*.log")) if (home / "log").is_dir() else []
    if program is None:
        click.echo("\n".join(known) or f"There are no logs in {home / 'log'}.")
        return
    if program not in known:
        raise BadData(f"there is no log of {program!r}; there are {', '.join(known) or 'none'}")
    path = home / "log" / f"{program}.log"
    with path.open(errors="replace") as file, contextlib.suppress(KeyboardInterrupt):
        for line in file.readlines()[-lines:]:
            click.echo(line, nl=False)
        supervisor = Supervisor(home)
        for each in [end for end in ended_programs(supervisor.log_path(supervisor.name)) if end.name == program][
            -_ENDS:
        ]:
            click.echo(f"supervisor: {each.at} {program} {each.how}: {each.why}", err=True)
        while follow:
            line = file.readline()
            if line:
                click.echo(line, nl=False)
            else:
                time.sleep(0.2)


def _become(module: str, arguments: tuple[str, ...]) -> None:
    os.execv(sys.executable, [sys.executable, "-W", "ignore", "-m", module, *arguments])  # noqa: S606


def _show(home: Home, rows: list[dict[str, Any]], engine: dict[str, Any] | None, trouble: str) -> None:
    from rich.console import Console

    from kernel_lib.cli.shown_status import show_desk, show_programs

    console = Console()
    if not rows:
        console.print(f"Nothing runs (home {home.root}); start it with 'tickhub up'.")
        return
    show_programs(console, rows, time.strftime("%Y-%m-%d"))
    for tenant, desk in sorted((engine or {}).get("desks", {}).items()):
        show_desk(console, tenant, desk)
    if engine is not None and not engine.get("desks"):
        console.print("\nNo desk trades: no strategy is approved yet.")
    if trouble:
        console.print(f"engine: {trouble}", markup=False)
