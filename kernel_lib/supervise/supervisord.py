"""supervisord as the process supervisor: writes its configuration, starts it, asks it, stops it.

Chosen because it is old, small, runs without systemd and as any user, restarts what dies, and stops whole process
groups, so that no child outlives its program.
"""

import http.client
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kernel_lib.config import Home
from kernel_lib.errors import Misconfigured, Transient
from kernel_lib.supervise.program import Program, connect_unix, is_ready

__all__ = ["Supervisor"]

_UP = ("RUNNING", "STARTING", "BACKOFF", "STOPPING")
#: Of the caller's environment only these go on to the programs.
_INHERITED = (
    "PATH", "LANG", "LC_ALL", "TZ", "TICKHUB_DATA", "TICKHUB_CACHE", "TICKHUB_TRUST_ALL_USERS", "TICKHUB_ORIGINS",
    "TICKHUB_ACCOUNTS_URL", "TICKHUB_TICKS_URL", "TICKHUB_LIVE_URL", "TICKHUB_PORT", "TICKHUB_BRIDGE_PORT",
    "TICKHUB_CONTROL_PORT", "TICKHUB_BIND", "TICKHUB_AWAKE",
)  # fmt: skip


class Supervisor:
    """The supervisor of one home.

    Parameters
    ----------
    home : Home
    name : str
        Another name makes a second supervisor on the same home, with other programs.
    """

    def __init__(self, home: Home, name: str = "supervisor") -> None:
        self.home = home
        self.socket = home / "run" / f"{name}.sock"
        self.config = home / "run" / f"{name}.conf"
        self.pid_file = home / "run" / f"{name}.pid"
        self.name = name

    def start(self, programs: Iterable[Program]) -> None:
        """Start all programs; programs that already run with the same configuration go on untouched.

        Raises
        ------
        Misconfigured
            The supervisor did not start; its log says why.
        """
        self._write(programs)
        if self.alive():
            self._apply_changes()
            return
        self.socket.unlink(missing_ok=True)
        # Its own session: what stops the caller's terminal must not stop the platform.
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(self.config)],
            cwd="/", env=self._environment(), capture_output=True, text=True, start_new_session=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Misconfigured(f"the process supervisor did not start: {(done.stderr or done.stdout).strip()[-800:]}")
        self._wait_until(self.alive, 20.0, "the process supervisor must answer on its socket")

    def stop(self, timeout_s: float = 60.0) -> bool:
        """Stop all programs and the supervisor; True if there was one. Nothing is left running afterwards."""
        pid = self.pid()
        if pid is None:
            return False
        try:
            self._call("shutdown")
        except (OSError, xmlrpc.client.Error):
            os.kill(pid, signal.SIGTERM)
        self._wait_until(lambda: self.pid() is None, timeout_s, "the supervised programs must stop")
        self.socket.unlink(missing_ok=True)
        return True

    def alive(self) -> bool:
        """Say whether the supervisor answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error):
            return False

    def pid(self) -> int | None:
        """The supervisor's process number, None when it does not run."""
        try:
            pid = int(self.pid_file.read_text())
            os.kill(pid, 0)
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and b"supervisord" not in command.read_bytes():
                return None
        except (OSError, ValueError):
            return None
        return pid

    def states(self) -> list[dict[str, Any]]:
        """Give each program's ``name, statename, pid, description, exitstatus``; empty when nothing runs."""
        try:
            return list(self._call("getAllProcessInfo"))
        except (OSError, xmlrpc.client.Error):
            return []

    def wait_ready(
        self, programs: Iterable[Program], timeout_s: float, progress: Callable[[str, str], None] | None = None
    ) -> None:
        """Wait until every program's check answers.

        Parameters
        ----------
        progress : callable
            Called with a program's name and what is known of it, whenever that changes.

        Raises
        ------
        Transient
            A program keeps dying, or did not get ready in time; names it and the end of its log.
        """
        waiting = {each.name: each for each in programs}
        told: dict[str, str] = {}
        deadline = time.monotonic() + timeout_s
        while waiting:
            states = {each["name"]: each["statename"] for each in self.states()}
            for name, each in list(waiting.items()):
                state = states.get(name, "ABSENT")
                if state in ("FATAL", "EXITED"):
                    raise Transient(f"{name} must stay up, it is {state.lower()}:\n{self.log_end(name)}")
                ready = state == "RUNNING" and is_ready(each.ready)
                news = "ready" if ready else state.lower()
                if progress is not None and told.get(name) != news:
                    told[name] = news
                    progress(name, news)
                if ready:
                    del waiting[name]
            if waiting and time.monotonic() > deadline:
                name = next(iter(waiting))
                raise Transient(f"{', '.join(waiting)} must be ready within {timeout_s:.0f} s:\n{self.log_end(name)}")
            if waiting:
                time.sleep(0.1)

    def restart(self, name: str) -> None:
        """Stop and start one program."""
        self._call("stopProcess", name)
        self._call("startProcess", name)

    def log_path(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.home / "log" / f"{name}.log"

    def log_end(self, name: str, n_lines: int = 15) -> str:
        """The last lines of a program's log."""
        try:
            lines = self.log_path(name).read_text(errors="replace").splitlines()
        except OSError:
            return f"(no log at {self.log_path(name)})"
        return "\n".join(lines[-n_lines:])

    def _write(self, programs: Iterable[Program]) -> None:
        log = self.home / "log"
        lines = [
            "[unix_http_server]", f"file={self.socket}", "chmod=0700", "",
            "[supervisord]", f"logfile={log / self.name}.log", f"pidfile={self.pid_file}", "logfile_maxbytes=10MB",
            "logfile_backups=2", f"childlogdir={log}", "umask=022", "minfds=4096", "nocleanup=true",
            *(["user=root"] if os.geteuid() == 0 else []), "",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface", "",
        ]  # fmt: skip
        for each in programs:
            environment = ",".join(f"{key}={_value(key, text)}" for key, text in each.env.items())
            lines += [
                f"[program:{each.name}]", f"command={' '.join(_quoted(part) for part in each.argv)}",
                f"priority={each.priority}", "directory=/", "autorestart=true", "startsecs=1", "startretries=3",
                "stopasgroup=true", "killasgroup=true", "stopwaitsecs=20",
                f"stopsignal={each.stop_signal}", "redirect_stderr=true",
                f"stdout_logfile={log / each.name}.log", "stdout_logfile_maxbytes=20MB", "stdout_logfile_backups=2",
                *([f"user={each.user}"] if each.user else []),
                *([f"environment={environment}"] if environment else []), "",
            ]  # fmt: skip
        handle = os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write("\n".join(lines))

    def _apply_changes(self) -> None:
        added, changed, removed = self._call("reloadConfig")[0]
        for name in [*removed, *changed]:
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)
        for each in self.states():
            if each["statename"] not in _UP:
                self._call("startProcess", each["name"], False)

    def _call(self, method: str, *arguments: Any) -> Any:
        """One call over the private socket, on a connection of its own."""
        with xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(str(self.socket))) as server:
            return getattr(server.supervisor, method)(*arguments)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        kept.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        return {**kept, "TICKHUB_HOME": str(self.home.root), "HOME": str(self.home.root), "PYTHONUNBUFFERED": "1"}

    def _wait_until(self, true: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > deadline:
                raise Transient(f"{what} within {timeout_s:.0f} s:\n{self.log_end(self.name)}")
            time.sleep(0.05)


def _quoted(part: str) -> str:
    """Quote one word of a command for supervisord, whose values expand ``%``."""
    return shlex.quote(part.replace("%", "%%"))


def _value(key: str, text: str) -> str:
    """Quote an environment value; supervisord knows no escapes, so a double quote cannot be said."""
    if '"' in text or "\n" in text:
        raise Misconfigured(f"the value of {key} must not hold a double quote or a line break")
    return f'"{text.replace("%", "%%")}"'


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = connect_unix(self._path, 60)
        self._connection = host, connection  # so that close() closes it
        return connection
