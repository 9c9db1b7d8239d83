"""Limits that hold for all processes of a sandbox together: one control group each, version 2 or 1."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Literal

import msgspec

from kernel_lib.errors import Broken, Misconfigured
from kernel_lib.sandbox.spec import SandboxSpec

__all__ = ["ControlGroup", "Usage", "base_directories", "version"]

_PERIOD_US = 100_000
_CONTROLLERS = ("memory", "pids", "cpu")
_PREFIX = "tickhub-"


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a sandbox uses now; -1 where the machine does not count it."""

    memory_bytes: int = -1
    memory_peak_bytes: int = -1
    cpu_ns: int = -1
    processes: int = -1


class ControlGroup:
    """The directories of one sandbox below the control-group file systems, by controller.

    Parameters
    ----------
    name : str
        The sandbox's name.
    directories : dict
        Controller to directory; for version 2 one entry, ``"unified"``.
    """

    def __init__(self, name: str, directories: dict[str, Path]) -> None:
        self.name = name
        self.directories = directories

    @classmethod
    def at(cls, name: str) -> "ControlGroup":
        """Name the group's directories without making them."""
        return cls(name, {each: base / f"{_PREFIX}{name}" for each, base in base_directories().items()})

    @classmethod
    def create(cls, spec: SandboxSpec) -> "ControlGroup":
        """Make the group and set its limits; a dead namesake is cleared first.

        Raises
        ------
        Misconfigured
            A sandbox of this name runs, or the kernel refuses a limit.
        """
        group = cls.at(spec.name)
        if group.pids():
            raise Misconfigured(f"one sandbox of a name runs at a time, {spec.name!r} runs already; stop it first")
        group.remove()
        try:
            for directory in group.directories.values():
                directory.mkdir()
            group._limit(spec)
        except OSError as error:
            group.remove()
            raise Misconfigured(f"sandbox {spec.name}: the kernel refused the limits: {error}") from error
        return group

    def join_files(self) -> list[str]:
        """The files into which a process writes its id to join."""
        return [str(directory / "cgroup.procs") for directory in self.directories.values()]

    def pids(self) -> list[int]:
        """Host process ids inside, in every controller."""
        found: set[int] = set()
        for directory in self.directories.values():
            with contextlib.suppress(OSError):
                found.update(int(line) for line in (directory / "cgroup.procs").read_text().split())
        return sorted(found)

    def kill(self, deadline_s: float = 10.0) -> None:
        """Kill every process inside and wait until none is left."""
        until = time.monotonic() + deadline_s
        while pids := self.pids():
            unified = self.directories.get("unified")
            if unified is not None and (unified / "cgroup.kill").exists():
                (unified / "cgroup.kill").write_text("1")
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > until:
                raise Broken(f"sandbox {self.name}: processes {pids} must die on SIGKILL and did not")
            time.sleep(0.005)

    def remove(self) -> None:
        """Remove the directories; processes must be gone."""
        for directory in self.directories.values():
            until = time.monotonic() + 5
            while directory.exists():
                try:
                    directory.rmdir()
                except OSError:
                    if time.monotonic() > until or self.pids():
                        raise
                    time.sleep(0.01)

    def usage(self) -> Usage:
        """Read the counters."""
        if unified := self.directories.get("unified"):
            cpu_us = _number(unified / "cpu.stat", key="usage_usec")
            return Usage(
                memory_bytes=_number(unified / "memory.current"),
                memory_peak_bytes=_number(unified / "memory.peak"),
                cpu_ns=cpu_us * 1000 if cpu_us >= 0 else -1,
                processes=_number(unified / "pids.current"),
            )
        where = {name: self.directories.get(name, Path("/nonexistent")) for name in (*_CONTROLLERS, "cpuacct")}
        return Usage(
            memory_bytes=_number(where["memory"] / "memory.usage_in_bytes"),
            memory_peak_bytes=_number(where["memory"] / "memory.max_usage_in_bytes"),
            cpu_ns=_number(where["cpuacct"] / "cpuacct.usage"),
            processes=_number(where["pids"] / "pids.current"),
        )

    def _limit(self, spec: SandboxSpec) -> None:
        quota_us = max(1000, int(spec.cpu * _PERIOD_US))
        if unified := self.directories.get("unified"):
            (unified / "memory.max").write_text(str(spec.memory_bytes))
            with contextlib.suppress(OSError):  # absent without swap
                (unified / "memory.swap.max").write_text("0")
            (unified / "pids.max").write_text(str(spec.processes))
            (unified / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
            return
        (self.directories["memory"] / "memory.limit_in_bytes").write_text(str(spec.memory_bytes))
        with contextlib.suppress(OSError):  # absent without swap accounting
            (self.directories["memory"] / "memory.memsw.limit_in_bytes").write_text(str(spec.memory_bytes))
        (self.directories["pids"] / "pids.max").write_text(str(spec.processes))
        (self.directories["cpu"] / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (self.directories["cpu"] / "cpu.cfs_quota_us").write_text(str(quota_us))


def version() -> Literal["v2", "v1", "none"]:
    """Which kind of control group this process can make."""
    bases = base_directories()
    if not bases:
        return "none"
    return "v2" if "unified" in bases else "v1"


def base_directories() -> dict[str, Path]:
    """Where groups are made, by controller; empty when this process may not.

    Version 2: the group named by ``TICKHUB_CGROUP`` (one delegated to this user), else for root the top of
    the tree. Version 1: below this process's own groups, so that limits set on Tickhub as a whole still hold.
    """
    unified = _unified_base()
    if unified is not None:
        return {"unified": unified}
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))
    found: dict[str, Path] = {}
    for root, mount_point, kind, options in _mounts():
        if kind != "cgroup":
            continue
        for controller in (*_CONTROLLERS, "cpuacct"):
            if controller in options and controller in own:
                below = own[controller].removeprefix(root if root != "/" else "").lstrip("/")
                base = mount_point / below
                if os.access(base, os.W_OK):
                    found[controller] = base
    return found if set(_CONTROLLERS) <= set(found) else {}


def _unified_base() -> Path | None:
    named = os.environ.get("TICKHUB_CGROUP")
    for _, mount_point, kind, _ in _mounts():
        if kind != "cgroup2":
            continue
        base = Path(named) if named else mount_point
        with contextlib.suppress(OSError):
            enabled = set((base / "cgroup.subtree_control").read_text().split())
            missing = set(_CONTROLLERS) - enabled
            if missing <= set((base / "cgroup.controllers").read_text().split()) and os.access(base, os.W_OK):
                if missing:
                    (base / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in sorted(missing)))
                return base
    return None


def _mounts() -> list[tuple[str, Path, str, list[str]]]:
    rows = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        kind, _, options = right.split(" ", 2)
        _, _, _, root, mount_point = left.split(" ")[:5]
        rows.append((root, Path(mount_point), kind, options.split(",")))
    return rows


def _number(path: Path, key: str = "") -> int:
    try:
        text = path.read_text()
        if key:
            text = next(line.split()[1] for line in text.splitlines() if line.startswith(key))
        return int(text)
    except (OSError, ValueError, StopIteration):
        return -1
