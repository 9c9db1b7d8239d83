"""Start a sandbox, watch it, end it wholly."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from kernel_lib.errors import Misconfigured
from kernel_lib.sandbox.bubblewrap import Plan, isolated_plan, trusted_plan
from kernel_lib.sandbox.capabilities import capabilities
from kernel_lib.sandbox.cgroup import ControlGroup, Usage
from kernel_lib.sandbox.spec import SandboxSpec

__all__ = ["SandboxProcess", "adopt", "clear", "start"]

Stream = int | IO[Any] | None
_LAUNCHER = str(Path(__file__).with_name("launcher.py"))


class SandboxProcess:
    """A running sandbox: ``pid`` is its outermost process on the host (bwrap; the program itself when trusted)."""

    def __init__(
        self,
        name: str,
        pid: int,
        group: ControlGroup | None,
        *,
        isolated: bool,
        child: "subprocess.Popen[bytes] | None",
    ) -> None:
        self.name = name
        self.pid = pid
        self.isolated = isolated
        self._group = group
        self._child = child
        self._started = _start_time(pid)
        self._status: int | None = None

    def poll(self) -> int | None:
        """Give None while it runs, else the exit status (negative: a signal; 0 when only its end is known)."""
        if self._child is not None:
            return self._child.poll()
        if self._status is None and (not self._started or _start_time(self.pid) != self._started):
            self._status = 0
        return self._status

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; None when it still runs after ``timeout`` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        pause = 0.001
        while (status := self.poll()) is None:
            if until is not None and time.monotonic() >= until:
                return None
            time.sleep(pause)
            pause = min(0.05, pause * 2)
        return status

    def terminate(self) -> None:
        """Ask the program inside to end (SIGTERM to it, because bwrap does not pass signals on)."""
        if self.poll() is None:
            for pid in self._programs():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill every process inside."""
        if self.poll() is None:
            # Killing the namespace's first process ends all others in it; its own parent ends by itself.
            for pid in [*_children(self.pid), self.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not self.isolated:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
        if self._group is not None:
            self._group.kill()
        if self._child is not None:
            self._child.wait(timeout=10)

    def remove(self) -> None:
        """Kill what is left and remove the control group; call it when done with the sandbox."""
        self.kill()
        if self._group is not None:
            self._group.remove()

    def usage(self) -> Usage:
        """What all processes inside use together."""
        return self._group.usage() if self._group is not None else Usage()

    def pids(self) -> list[int]:
        """Host process ids inside, bwrap's own included."""
        if self._group is not None:
            return self._group.pids()
        return [self.pid, *_children(self.pid)] if self.poll() is None else []

    def state(self) -> dict[str, Any]:
        """What :func:`adopt` needs after a restart of the program that started this."""
        return {"name": self.name, "pid": self.pid, "started": self._started, "isolated": self.isolated}

    def _programs(self) -> list[int]:
        # outer bwrap -> inner bwrap (process 1 of the namespace) -> the program, and orphans it left behind
        if not self.isolated:
            return [self.pid]
        inner = _children(self.pid)
        programs = [pid for each in inner for pid in _children(each)]
        oldest = sorted(programs, key=lambda pid: int(_start_time(pid) or "0"))[:1]
        return oldest or inner or [self.pid]


def start(spec: SandboxSpec, *, stdout: Stream = None, stderr: Stream = None, trusted: bool = False) -> SandboxProcess:
    """Start a program in a sandbox.

    Parameters
    ----------
    spec : SandboxSpec
        What to run and what it may see and use.
    stdout, stderr : file, int or None
        As in :class:`subprocess.Popen`; standard input is empty.
    trusted : bool
        On a machine that cannot isolate, start a plain process with limits per process instead of refusing.

    Raises
    ------
    Misconfigured
        The machine cannot isolate and the code is not trusted, a source to mount is absent, or a passed socket
        is not AF_UNIX.
    """
    if not spec.network:
        _refuse_network_sockets(spec)
    able = capabilities()
    isolated = able.isolates
    if not isolated and not trusted:
        raise Misconfigured(f"sandbox {spec.name} must be isolated and cannot be here: {'; '.join(able.reasons)}")
    group = ControlGroup.create(spec) if isolated and able.cgroup != "none" else None
    plan: Plan | None = None
    plan_fd = -1
    try:
        join = group.join_files() if group else []
        plan = isolated_plan(spec, root=able.root, join=join) if isolated else trusted_plan(spec)
        plan_fd = os.memfd_create("plan", os.MFD_CLOEXEC)
        os.write(plan_fd, plan.encode())
        os.lseek(plan_fd, 0, os.SEEK_SET)
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", _LAUNCHER, str(plan_fd)], env={}, cwd="/", stdin=subprocess.DEVNULL,
            stdout=stdout, stderr=stderr, pass_fds=(plan_fd, *plan.fds), start_new_session=True,
        )  # fmt: skip
    except BaseException:
        if group is not None:
            group.remove()
        raise
    finally:
        ours = [fd for fd in plan.fds if fd not in spec.pass_fds] if plan else []
        for fd in [*ours, *([plan_fd] if plan_fd >= 0 else [])]:
            os.close(fd)
    return SandboxProcess(spec.name, child.pid, group, isolated=isolated, child=child)


def clear(name: str) -> None:
    """Kill and remove whatever a dead program left of a sandbox of this name."""
    if capabilities().cgroup != "none":
        group = ControlGroup.at(name)
        group.kill()
        group.remove()


def adopt(state: dict[str, Any]) -> SandboxProcess:
    """Take over a sandbox that an earlier life of this program started, from its :meth:`SandboxProcess.state`.

    One that is dead by now answers ``poll()`` with 0; ``remove()`` still clears its control group.
    """
    isolated = bool(state["isolated"])
    group = ControlGroup.at(str(state["name"])) if isolated and capabilities().cgroup != "none" else None
    process = SandboxProcess(str(state["name"]), int(state["pid"]), group, isolated=isolated, child=None)
    if process._started != state["started"]:  # the process id went to another program
        process._started = ""
    return process


def _refuse_network_sockets(spec: SandboxSpec) -> None:
    # A TCP socket made outside can be reconnected from inside to anything outside (connect to AF_UNSPEC first).
    for fd in spec.pass_fds:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            with socket.socket(fileno=os.dup(fd)) as each:
                if each.family != socket.AF_UNIX:
                    raise Misconfigured(
                        f"sandbox {spec.name}: passed sockets must be AF_UNIX, one was {each.family.name}"
                    )


def _children(pid: int) -> list[int]:
    everyone = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [each for each in everyone if _stat(each)[1:2] == [str(pid)]]


def _start_time(pid: int) -> str:
    # Empty when there is no such process, or only its remains.
    fields = _stat(pid)
    return "" if not fields or fields[0] in "ZX" else fields[19]


def _stat(pid: int) -> list[str]:
    # From the state on; the name before it is in brackets and may hold spaces.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
