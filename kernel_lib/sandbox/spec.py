"""What one sandbox is given: a program, its environment, its limits and the few paths it may see."""

import re

import msgspec

from kernel_lib.errors import Misconfigured

__all__ = ["Mount", "SandboxSpec"]

#: ``(path on the host, path inside)``, both absolute.
Mount = tuple[str, str]

_MIB = 1024**2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class SandboxSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One sandboxed program.

    Parameters
    ----------
    name : str
        Names the control group; two sandboxes that run at once need two names.
    argv : tuple of str
        Program and arguments, paths as seen inside. Never a secret: arguments are public on a machine.
    env : dict
        The whole environment inside; nothing is inherited.
    uid, gid : int
        Host user of the tenant, unprivileged and its own. Only root can switch; others keep their own.
    cpu : float
        Cores.
    memory_bytes, processes, tmp_bytes : int
        Memory of all processes together, processes and threads together, each of ``/tmp`` and ``/dev/shm``.
    readonly, writable : tuple of (source, destination)
        Host paths bound inside.
    pass_fds : tuple of int
        Inherited descriptors, under the same numbers. Only AF_UNIX sockets and pipes: a TCP socket made
        outside would be a way out of the network namespace.
    cwd : str
        Working directory inside.
    network : bool
        Keep the host's network. False for all tenant code.
    die_with_parent : bool
        Kill the sandbox when the process that started it dies.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    uid: int = 65534
    gid: int = 65534
    cpu: float = 1.0
    memory_bytes: int = 512 * _MIB
    processes: int = 64
    tmp_bytes: int = 64 * _MIB
    readonly: tuple[Mount, ...] = ()
    writable: tuple[Mount, ...] = ()
    pass_fds: tuple[int, ...] = ()
    cwd: str = "/"
    network: bool = False
    die_with_parent: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Misconfigured(
                f"a sandbox's name must be 1 to 80 letters, digits, '.', '_', '-', it was {self.name!r}"
            )
        if not self.argv:
            raise Misconfigured(f"sandbox {self.name}: argv must name a program, it was empty")
        if self.cpu <= 0 or min(self.memory_bytes, self.processes, self.tmp_bytes) <= 0:
            raise Misconfigured(f"sandbox {self.name}: cpu, memory, processes and tmp must all be above zero")
        if self.uid < 1 or self.gid < 1:
            raise Misconfigured(
                f"sandbox {self.name}: uid and gid must not be root's, they were {self.uid}, {self.gid}"
            )
        for source, destination in (*self.readonly, *self.writable):
            if not source.startswith("/") or not destination.startswith("/"):
                raise Misconfigured(
                    f"sandbox {self.name}: mounts must be absolute, one was {source!r} on {destination!r}"
                )
