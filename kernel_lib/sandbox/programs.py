"""Programs of the platform that run a tenant's strategy: one place for what their sandbox is given.

The engine asks such a program tick by tick, the parity check lets it backtest, the hold-out judges it. Each is a file
of the platform's that is told the descriptors of its line to the caller, and calls
:func:`~kernel_lib.sandbox.laid_out.lay_out_machine_code` first.
"""

import os
import subprocess
import sys
from pathlib import Path

from kernel_lib.machine_code import cache_dir
from kernel_lib.sandbox.bubblewrap import python_mounts
from kernel_lib.sandbox.capabilities import capabilities
from kernel_lib.sandbox.laid_out import MACHINE_CODE
from kernel_lib.sandbox.process import SandboxProcess, clear, start
from kernel_lib.sandbox.spec import SandboxSpec

__all__ = ["start_program"]

_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "HOME": "/tmp", "TICKHUB_CACHE": "/tmp/cache", "LANG": "C.UTF-8",  # noqa: S108
    "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}  # fmt: skip
_OWN = ("HOME", "TICKHUB_CACHE", "XDG_CACHE_HOME")
_TMP_BYTES = 256 * 1024**2


def start_program(
    name: str,
    program: Path,
    descriptors: tuple[int, ...],
    *,
    packages: tuple[str, ...] = (),
    uid: int,
    memory_bytes: int,
    processes: int = 64,
    cpu: float = 1.0,
    trusted: bool = False,
) -> SandboxProcess:
    """Start a program; whatever ran under its name before is ended first.

    Parameters
    ----------
    name : str
        The sandbox's.
    program : Path
        The platform's file; it finds :mod:`kernel_lib` and the ``packages``.
    descriptors : tuple of int
        Its ends of the line to the caller; passed on under their numbers, which are its arguments.
    uid : int
        Host user that it runs as.
    memory_bytes, processes, cpu
        As for :class:`SandboxSpec`.
    trusted : bool
        Run it unisolated where the machine cannot isolate.
    """
    isolated = capabilities().isolates
    env = dict(_ENVIRONMENT)
    mounts = python_mounts("kernel_lib", *packages)
    path = str(program)
    if isolated:
        path = f"/run/{program.name}"
        mounts = (*mounts, (str(program), path))
        seed = cache_dir()  # of these sources only: a developer's cache holds many more
        if seed.is_dir():
            mounts = (*mounts, (str(seed), f"{MACHINE_CODE}/{seed.name}"))
    else:
        env |= {each: os.environ[each] for each in _OWN if each in os.environ}
    spec = SandboxSpec(
        name=name, argv=(sys.executable, "-I", path, *map(str, descriptors)), env=env, uid=uid, gid=uid, cpu=cpu,
        memory_bytes=memory_bytes, processes=processes, tmp_bytes=_TMP_BYTES, readonly=mounts, pass_fds=descriptors,
        die_with_parent=True,
    )  # fmt: skip
    clear(name)
    return start(spec, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, trusted=trusted)
