"""What this machine can enforce, found out by trying it once."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import msgspec

from kernel_lib.sandbox import cgroup
from kernel_lib.sandbox.seccomp import filter_program

__all__ = ["Capabilities", "capabilities"]

_NOBODY = 65534


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a sandbox on this machine can promise.

    ``reasons`` says in plain sentences what is missing and what to do; empty when nothing is.
    """

    root: bool
    bubblewrap: bool
    user_namespaces: bool
    cgroup: Literal["v2", "v1", "none"]
    seccomp: bool
    reasons: list[str]

    @property
    def isolates(self) -> bool:
        """Files, network and processes of the host are out of reach inside."""
        return self.bubblewrap and self.user_namespaces

    @property
    def tenants_apart(self) -> bool:
        """Tenants who do not trust one another can share this machine: own users, and limits that hold."""
        return self.isolates and self.root and self.cgroup != "none" and self.seccomp


@functools.cache
def capabilities() -> Capabilities:
    """Find out what this machine can enforce; the answer is kept for the life of the process."""
    if sys.platform != "linux":
        return Capabilities(
            root=False, bubblewrap=False, user_namespaces=False, cgroup="none", seccomp=False,
            reasons=[f"sandboxes need Linux, this is {sys.platform}; run the server side on Linux"],
        )  # fmt: skip
    root = os.geteuid() == 0
    bubblewrap = shutil.which("bwrap") is not None
    failure = _try_namespaces(root) if bubblewrap else ""
    groups = cgroup.version()
    seccomp = filter_program() is not None and "Seccomp:" in Path("/proc/self/status").read_text()
    reasons = []
    if not bubblewrap:
        reasons.append("bubblewrap is not installed; install it (Debian, Ubuntu, Fedora: the package 'bubblewrap')")
    if failure:
        reasons.append(
            f"the kernel refuses user namespaces ({failure}); set user.max_user_namespaces above 0 and, where AppArmor "
            "restricts them, give bwrap a profile"
        )
    if not root:
        reasons.append("not started by root, so that all tenants share one system user; start as root to part them")
    if groups == "none":
        reasons.append(
            "no control groups can be made here, so that memory, CPU and process limits hold only per process; start "
            "as root, or name a delegated version 2 group in TICKHUB_CGROUP"
        )
    if not seccomp:
        reasons.append("no system-call filter for this kernel or processor; x86_64 and aarch64 have one")
    return Capabilities(
        root=root, bubblewrap=bubblewrap, user_namespaces=bubblewrap and not failure, cgroup=groups, seccomp=seccomp,
        reasons=reasons,
    )  # fmt: skip


def _try_namespaces(root: bool) -> str:
    # Tried as an unprivileged user, because that is who runs bwrap.
    argv = [
        "bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--disable-userns",
        "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev",
    ]  # fmt: skip
    for name in ("bin", "lib", "lib64", "lib32"):
        path = Path("/") / name
        if path.is_symlink():
            argv += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            argv += ["--ro-bind", str(path), str(path)]
    as_user = _NOBODY if root else None
    groups: list[int] | None = [] if root else None
    try:
        done = subprocess.run(
            [*argv, "true"], capture_output=True, text=True, timeout=20, check=False, env={"PATH": "/usr/bin:/bin"},
            cwd="/", user=as_user, group=as_user, extra_groups=groups,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
