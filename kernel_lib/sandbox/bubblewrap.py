"""The bwrap command line of a sandbox, and the plan its launcher follows."""

import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

from kernel_lib.errors import Misconfigured
from kernel_lib.sandbox.seccomp import filter_program
from kernel_lib.sandbox.spec import Mount, SandboxSpec

__all__ = ["Plan", "isolated_plan", "python_mounts", "trusted_plan"]

_STAGE = "/tmp"  # noqa: S108  the launcher's private one
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_OPEN_FILES = 65536
_ETC = ("ssl/certs", "ssl/openssl.cnf", "fonts", "alternatives", "ld.so.cache", "localtime", "mime.types")


class Plan(msgspec.Struct, kw_only=True):
    """What the launcher does, in order; ``fds`` are the descriptors that must survive into bwrap."""

    argv: list[str]
    env: dict[str, str]
    join: list[str] = []
    stage: list[str] = []
    rlimits: dict[str, int] = {}
    uid: int | None = None
    gid: int | None = None
    cwd: str = "/"
    die_with_parent: bool = False
    parent: int = 0
    fds: list[int] = []

    def encode(self) -> bytes:
        return json.dumps(msgspec.to_builtins(self)).encode()


def python_mounts(*packages: str) -> tuple[Mount, ...]:
    """Read-only mounts for this interpreter, its environment and the named packages, at the same paths.

    Parameters
    ----------
    packages : str
        Importable packages whose source may lie outside the environment; default ``kernel_lib``.
    """
    roots = {os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix), sys.prefix, sys.base_prefix}
    roots.add(str(Path(os.path.realpath(sys.executable)).parent.parent))
    for package in packages or ("kernel_lib",):
        found = find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise Misconfigured(f"package {package!r} must be importable here to be shown inside a sandbox, it is not")
        roots.update(str(Path(place).absolute()) for place in found.submodule_search_locations)
    shortest = [each for each in sorted(roots) if not any(_below(each, other) for other in roots if other != each)]
    return tuple((each, each) for each in shortest if not _below(each, "/usr") and each != "/usr")


def isolated_plan(spec: SandboxSpec, *, root: bool, join: list[str]) -> Plan:
    """Plan a sandboxed start. The caller closes ``fds`` (all but the spec's own) once the launcher runs."""
    for source, destination in (*spec.readonly, *spec.writable):
        if not os.path.lexists(source):
            raise Misconfigured(f"sandbox {spec.name}: {source} must exist to be mounted on {destination}")
    bwrap = shutil.which("bwrap") or "bwrap"
    plan = Plan(argv=[bwrap], env=dict(spec.env), join=join, die_with_parent=spec.die_with_parent, parent=os.getpid())
    uid, gid = (spec.uid, spec.gid) if root else (os.geteuid(), os.getegid())
    if root:
        plan.uid, plan.gid = uid, gid
    plan.rlimits = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": _OPEN_FILES}
    if not join:
        plan.rlimits |= {"RLIMIT_DATA": spec.memory_bytes}
    argv = plan.argv
    program = filter_program()
    if program is not None:
        argv += ["--seccomp", str(_memory_file(plan, "seccomp", program))]
    argv += ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    argv += [] if spec.network else ["--unshare-net"]
    argv += ["--uid", str(uid), "--gid", str(gid), "--hostname", "sandbox"]
    argv += ["--disable-userns", "--new-session", "--cap-drop", "ALL"]
    argv += ["--die-with-parent"] if spec.die_with_parent else []
    _system(argv)
    argv += ["--proc", "/proc", "--dev", "/dev"]
    for place in ("/dev/shm", "/tmp"):  # noqa: S108
        argv += ["--perms", "1777", "--size", str(spec.tmp_bytes), "--tmpfs", place]
    _etc(plan, uid, gid)
    mounts = [("--ro-bind", *each) for each in spec.readonly] + [("--bind", *each) for each in spec.writable]
    for flag, source, destination in sorted(mounts, key=lambda each: each[2].rstrip("/").count("/")):
        argv += [flag, _staged(plan, source) if root else source, destination]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", spec.cwd, "--", *spec.argv]
    plan.fds += spec.pass_fds
    return plan


def trusted_plan(spec: SandboxSpec) -> Plan:
    """Plan a plain start, for code that the operator trusts: same user, limits per process only."""
    program = shutil.which(spec.argv[0], path=spec.env.get("PATH"))
    if program is None:
        raise Misconfigured(f"sandbox {spec.name}: program {spec.argv[0]!r} must be an executable file, it is not")
    return Plan(
        argv=[program, *spec.argv[1:]], env=dict(spec.env), cwd=spec.cwd, fds=list(spec.pass_fds),
        rlimits={"RLIMIT_CORE": 0, "RLIMIT_NOFILE": _OPEN_FILES, "RLIMIT_DATA": spec.memory_bytes},
        die_with_parent=spec.die_with_parent,
        parent=os.getpid(),
    )  # fmt: skip


def _system(argv: list[str]) -> None:
    argv += ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM:
        path = Path("/") / name
        if path.is_symlink():
            argv += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            argv += ["--ro-bind", str(path), str(path)]


def _etc(plan: Plan, uid: int, gid: int) -> None:
    files = {
        "passwd": f"tenant:x:{uid}:{gid}:tenant:/home/tenant:/bin/bash\n",
        "group": f"tenant:x:{gid}:\n",
        "hosts": "127.0.0.1 localhost sandbox\n",
        "resolv.conf": "",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }
    for name, text in files.items():
        fd = _memory_file(plan, name, text.encode())
        plan.argv += ["--perms", "0644", "--ro-bind-data", str(fd), f"/etc/{name}"]
    for name in _ETC:
        path = Path("/etc") / name
        if path.exists():
            plan.argv += ["--ro-bind", str(path), str(path)]


def _staged(plan: Plan, source: str) -> str:
    plan.stage.append(source)
    return f"{_STAGE}/{len(plan.stage) - 1}"


def _memory_file(plan: Plan, name: str, content: bytes) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    plan.fds.append(fd)
    return fd


def _below(path: str, parent: str) -> bool:
    return path != parent and Path(path).is_relative_to(parent)
