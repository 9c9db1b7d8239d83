"""The first program of a sandbox: join its control groups, show it its files, become the tenant, exec.

Run as ``python -I -S launcher.py FD``, where FD holds the plan as JSON (see ``bubblewrap.Plan``). Stands alone on the
standard library. As root it makes a mount namespace of its own and binds every source below a private
``/tmp``, because the tenant's user could not pass through, say, root's home to reach it; from there on it
is the tenant, with no way back, and bwrap itself runs unprivileged.
"""

import ctypes
import json
import os
import resource
import stat
import sys
from collections.abc import Callable
from typing import Any

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_NOSUID, _MS_NODEV = 4096, 16384, 1 << 18, 2, 4
_PR_SET_NO_NEW_PRIVS, _PR_SET_PDEATHSIG = 38, 1
_SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Follow the plan; does not return."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        plan = json.load(file)
    try:
        for path in plan["join"]:
            with open(path, "w", encoding="ascii") as procs:
                procs.write(str(os.getpid()))
        if plan["stage"]:
            _stage(plan["stage"])
        for name, limit in plan["rlimits"].items():
            _limit(getattr(resource, name), limit)
        if plan["uid"] is not None:
            os.setgroups([])
            os.setresgid(plan["gid"], plan["gid"], plan["gid"])
            os.setresuid(plan["uid"], plan["uid"], plan["uid"])
        _call(_libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if plan["die_with_parent"]:
            _call(_libc.prctl, _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
            if os.getppid() != plan["parent"]:
                sys.exit("the sandbox's parent is gone")
        os.umask(0o077)
        os.chdir(plan["cwd"])
        os.execve(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606
    except OSError as error:
        sys.exit(f"the sandbox could not be started: {error}")


def _stage(sources: list[str]) -> None:
    _call(_libc.unshare, _CLONE_NEWNS)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    handles = [os.open(source, os.O_PATH | os.O_CLOEXEC) for source in sources]
    _mount("tmpfs", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0711,size=1m")  # noqa: S108
    for number, handle in enumerate(handles):
        target = f"/tmp/{number}"  # noqa: S108
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            os.mkdir(target, 0o755)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o644))
        _mount(f"/proc/self/fd/{handle}", target, None, _MS_BIND | _MS_REC)
        os.close(handle)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind, options)]
    _call(_libc.mount, *texts[:3], ctypes.c_ulong(flags), texts[3], place=target)


def _limit(which: int, limit: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(which, (limit, limit))


def _call(function: Callable[..., Any], *arguments: object, place: str = "") -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place or getattr(function, "__name__", ""))


if __name__ == "__main__":
    main()
