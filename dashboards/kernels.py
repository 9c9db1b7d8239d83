"""Kernels of published pages: sandboxed, on unix sockets in a folder of their own, with nothing of value inside."""

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager
from traitlets import validate

from kernel_lib.sandbox import SandboxProcess, SandboxSpec, python_mounts, start

__all__ = ["OwnFolderKernel", "SandboxedKernel", "end_all", "use_sandboxes"]

_NAME = "tickhub-sandbox"
_UID = 209_900
_MEMORY_BYTES = 384 * 1024**2
_FILE = "k.json"

_running: dict[int, SandboxProcess] = {}
_prefix = ""


def use_sandboxes(prefix: str) -> None:
    """Make every kernel of this process a :class:`SandboxedKernel`; ``prefix`` keeps installations apart."""
    global _prefix  # noqa: PLW0603
    _prefix = prefix
    factory = KernelProvisionerFactory.instance()
    place = f"{__name__}:{SandboxedKernel.__name__}"
    factory.provisioners[_NAME] = EntryPoint(_NAME, place, KernelProvisionerFactory.GROUP_NAME)
    factory.default_provisioner_name = _NAME


def end_all() -> None:
    """Kill every kernel, at the end of the process."""
    for slot in list(_running):
        _running.pop(slot).remove()


class OwnFolderKernel(ServerKernelManager):
    """Puts each kernel's connection file and sockets into a folder that no other kernel sees."""

    @validate("connection_file")
    def _own_folder(self, proposal: dict[str, Any]) -> str:
        path = Path(proposal["value"])
        if path.name == _FILE:
            return str(path)
        # Short, because a unix socket's path has at most 107 characters.
        folder = path.parent / path.stem.removeprefix("kernel-")[:13]
        folder.mkdir(mode=0o700, exist_ok=True)
        return str(folder / _FILE)


class SandboxedKernel(LocalProvisioner):
    """Starts a kernel without network, without the environment of this process, with a user of its own."""

    _sandbox: SandboxProcess | None = None
    _slot = -1
    _folder: Path | None = None

    @property
    def has_process(self) -> bool:
        return self._sandbox is not None

    async def poll(self) -> int | None:
        return 0 if self._sandbox is None else self._sandbox.poll()

    async def wait(self) -> int | None:
        sandbox = self._sandbox
        status = await asyncio.to_thread(sandbox.wait) if sandbox is not None else 0
        await self._end()
        return status

    async def send_signal(self, signum: int) -> None:
        # A page runs once and cannot be interrupted; every other signal means that it must end.
        if signum and self._sandbox is not None:
            await asyncio.to_thread(self._sandbox.kill)

    async def kill(self, restart: bool = False) -> None:
        await self._end()

    async def terminate(self, restart: bool = False) -> None:
        await self._end()

    async def cleanup(self, restart: bool = False) -> None:
        await self._end()
        if self._folder is not None and not restart:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def launch_kernel(self, cmd: list[str], **_: Any) -> KernelConnectionInfo:
        manager: Any = self.parent
        self._folder = folder = Path(manager.connection_file).parent
        uid = _UID if os.geteuid() == 0 else os.geteuid()
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, uid, uid, follow_symlinks=False)
        self._slot = next(number for number in itertools.count() if number not in _running)
        spec = SandboxSpec(
            name=f"desk-{_prefix}-{self._slot}", argv=tuple(cmd), env=_environment(), uid=uid, gid=uid, cpu=1.0,
            memory_bytes=_MEMORY_BYTES, processes=48, tmp_bytes=16 * 1024**2,
            readonly=python_mounts("kernel_lib", "dashboards"), writable=((str(folder), str(folder)),),
            cwd="/tmp", die_with_parent=True,  # noqa: S108
        )  # fmt: skip
        # Pages are the platform's own code: where nothing can be isolated, they run as plain processes.
        self._sandbox = _running[self._slot] = start(spec, stdout=subprocess.DEVNULL, trusted=True)
        self.pid = self._sandbox.pid
        return self.connection_info

    async def _end(self) -> None:
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            await asyncio.to_thread(sandbox.remove)
            _running.pop(self._slot, None)


def _environment() -> dict[str, str]:
    # Voila hands each kernel the whole environment of its server and the last viewer's address; none of that.
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC",  # noqa: S108
        "IPYTHONDIR": "/tmp/ipython", "JUPYTER_RUNTIME_DIR": "/tmp/runtime", "PYTHONNOUSERSITE": "1",  # noqa: S108
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
