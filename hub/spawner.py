"""Notebook servers in sandboxes, reached over unix sockets only.

The hub listens on a socket in a directory that no sandbox sees and hands the listening descriptor in; the server
reaches the hub and the services through two directories of sockets, shown read-only. A server outlives a restart
of the hub, which then takes it over again.
"""

import asyncio
import contextlib
import hashlib
import math
import os
import socket
import sys
from pathlib import Path
from typing import Any

from jupyterhub.spawner import Spawner
from tornado import web

from hub.homes import home_directory, open_log, uid_of
from hub.sockets import hub_socket, server_sockets, service_socket, unix_url
from kernel_lib.config import Home
from kernel_lib.errors import TickhubError
from kernel_lib.sandbox import (
    SandboxProcess,
    SandboxSpec,
    adopt,
    capabilities,
    forget,
    python_mounts,
    remember,
    start,
)
from kernel_lib.stores.accounts import Accounts, User
from kernel_lib.tiers import Tier, tier

__all__ = ["INSIDE", "SandboxSpawner", "spawner_over"]

#: Where the sockets lie inside a sandbox.
INSIDE = Path("/run/tickhub")
_ENTRY = Path(__file__).with_name("singleuser.py")
_DROP = (
    "import os,sys;u=int(sys.argv[1]);os.setgroups([]);os.setresgid(u,u,u);os.setresuid(u,u,u);"
    "os.execv(sys.argv[2],sys.argv[2:])"
)
_STOP_S = 10.0
_TMP_BYTES = 512 * 1024**2


def spawner_over(accounts: Accounts, home: Home, *, trusted: bool) -> type["SandboxSpawner"]:
    """Bind the spawner to its store and home; ``trusted`` allows plain processes where nothing can be isolated."""
    return type("SandboxSpawner", (SandboxSpawner,), {"accounts": accounts, "home": home, "trusted": trusted})


class SandboxSpawner(Spawner):
    """JupyterHub's spawner over :mod:`kernel_lib.sandbox`, with the limits of the tenant's tier."""

    accounts: Accounts
    home: Home
    trusted: bool

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._process: SandboxProcess | None = None
        self.env_keep: list[str] = []
        self.disable_user_config = True
        self.default_url = "/lab"
        self.start_timeout = 90
        self.http_timeout = 90
        self.hub_connect_url = unix_url(self._seen(hub_socket(self.home), "hub"))

    async def start(self) -> str:
        """Start the server; gives the URL the proxy reaches it at."""
        user, limits = await asyncio.to_thread(self._who)
        if user.role == "trader":
            raise SpawnRefused("Traders have dashboards and no notebook servers; ask an admin for the role quant.")
        try:
            place = await asyncio.to_thread(home_directory, self.home, user.tenant, user.name, user.number)
            self._process = await asyncio.to_thread(self._launch, user, limits, place)
            remember(self._process, server_sockets(self.home), self._key)
        except TickhubError as error:
            raise SpawnRefused(str(error), status=500) from error
        self._set_connect_url()
        return unix_url(self._socket)

    async def stop(self, now: bool = False) -> None:
        """Ask the server to end, and end it; leaves no process and no control group."""
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(_end, process, 0.0 if now else _STOP_S)
        forget(server_sockets(self.home), self._key)
        self._socket.unlink(missing_ok=True)

    async def poll(self) -> int | None:
        """None while the server runs, else its exit status."""
        if self._process is None:
            return 0
        status = self._process.poll()
        if status is None:
            self._set_connect_url()
        else:
            await asyncio.to_thread(self._process.remove)
            forget(server_sockets(self.home), self._key)
        return status

    def get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super().get_state()
        return state | ({"sandbox": self._process.state()} if self._process else {})

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        if "sandbox" in state:
            self._process = adopt(state["sandbox"])
            self._set_connect_url()

    def clear_state(self) -> None:
        super().clear_state()
        self._process = None

    # Private

    @property
    def _isolated(self) -> bool:
        return capabilities().isolates

    @property
    def _key(self) -> str:
        # Names of users and servers are free text; a digest is a file name, and with the home in it also the name
        # of a control group that no other installation on this machine uses.
        return hashlib.sha256(f"{self.home.root}/{self.user.name}/{self.name}".encode()).hexdigest()[:16]

    @property
    def _socket(self) -> Path:
        return server_sockets(self.home) / f"{self._key}.sock"

    def _seen(self, path: Path, folder: str) -> Path:
        return INSIDE / folder / path.name if self._isolated else path

    def _set_connect_url(self) -> None:
        # The hub would build the address from host and port, which a socket has not.
        if self.server is not None:
            self.server.connect_url = unix_url(self._socket) + self.server.base_url

    def _who(self) -> tuple[User, Tier]:
        user = self.accounts.find_login(self.user.name)
        tenant = self.accounts.tenant(user.tenant) if user else None
        if user is None or tenant is None:
            raise SpawnRefused("This account no longer exists; ask an admin.")
        return user, tier(tenant.tier)

    def _launch(self, user: User, limits: Tier, place: Path) -> SandboxProcess:
        path = self._socket
        path.unlink(missing_ok=True)
        with contextlib.ExitStack() as held:
            # Only ever an AF_UNIX listener: a TCP one would be a way out of the network namespace.
            listener = held.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(128)
            listener.setblocking(False)
            log = held.enter_context(os.fdopen(open_log(place, uid_of(user.number)), "wb"))
            spec = self._spec(user, limits, place, listener.fileno())
            return start(spec, stdout=log, stderr=log, trusted=self.trusted)

    def _spec(self, user: User, limits: Tier, place: Path, listener_fd: int) -> SandboxSpec:
        inside = f"/home/{user.name}" if self._isolated else str(place)
        services = service_socket(self.home, "api").parent
        entry = INSIDE / "singleuser.py"
        environment = self.get_env() | {
            "HOME": inside, "USER": user.name, "LOGNAME": user.name, "LANG": "C.UTF-8", "TZ": "UTC",
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "SHELL": "/bin/bash",
            "PYTHONNOUSERSITE": "1", "JUPYTER_RUNTIME_DIR": f"/tmp/tickhub-{self._key}",  # noqa: S108
            "TICKHUB_CACHE": f"{inside}/.cache/tickhub", "OMP_NUM_THREADS": str(max(1, math.ceil(limits.cpu))),
            "TICKHUB_SERVICES": str(self._seen(services, "") if self._isolated else services),
            "TICKHUB_LISTENER_FD": str(listener_fd),
        }  # fmt: skip
        return SandboxSpec(
            name=f"server-{self._key}",
            argv=(
                *_dropped(user, isolated=self._isolated), sys.executable,
                "-I", str(entry if self._isolated else _ENTRY), "--KernelManager.transport=ipc",
                f"--ServerApp.shutdown_no_activity_timeout={limits.idle_stop_s}",
                f"--MappingKernelManager.cull_idle_timeout={limits.idle_stop_s}",
                f"--ServerApp.root_dir={inside}",
                # Nothing inside reaches the outside, and nobody should be asked whether it may.
                "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            ),
            env=environment, uid=uid_of(user.number) or 65534, gid=uid_of(user.number) or 65534,
            cpu=limits.cpu, memory_bytes=limits.memory_bytes, processes=limits.processes, tmp_bytes=_TMP_BYTES,
            readonly=(
                *python_mounts("kernel_lib"), (str(_ENTRY), str(entry)),
                (str(hub_socket(self.home).parent), str(INSIDE / "hub")), (str(services), str(INSIDE / "services")),
            ),
            writable=((str(place), inside),), pass_fds=(listener_fd,), cwd=inside,
        )  # fmt: skip


def _dropped(user: User, *, isolated: bool) -> tuple[str, ...]:
    # A sandbox drops rights by itself. Without one, nothing of a user's may run as root all the same.
    if isolated or os.geteuid():
        return ()
    return (sys.executable, "-I", "-S", "-c", _DROP, str(uid_of(user.number)))


def _end(process: SandboxProcess, wait_s: float) -> None:
    if wait_s and process.poll() is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            process.wait(wait_s)
    process.remove()


class SpawnRefused(web.HTTPError):
    """No server for this person; JupyterHub shows ``jupyterhub_message`` to whoever asked."""

    def __init__(self, message: str, *, status: int = 403) -> None:
        super().__init__(status, "%s", message, reason="Refused" if status == 403 else "Cannot start")
        self.jupyterhub_message = message
