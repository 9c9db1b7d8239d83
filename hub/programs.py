"""What the process supervisor runs for the hub, and what comes before: in order, with command lines and users.

Order: :func:`prepare`; the stores (``postgres``, ``redis``); :func:`prepare_accounts`; then ``proxy``, ``hub``,
``api``, ``data``. Programs read ``TICKHUB_HOME``, the ports and the store URLs from their environment; no command
line and no environment given here holds a secret.
"""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from hub.demo import create_demo
from hub.migrate import migrate
from hub.proxy import check_port, proxy_argv
from hub.roster import SERVICES, create_tokens
from hub.sockets import create_directories, hub_socket, service_socket
from kernel_lib.config import Home, Ports, Secret, StoreUrls
from kernel_lib.errors import TickhubError
from kernel_lib.keys import create_keys
from kernel_lib.stores import embedded
from kernel_lib.stores.accounts import PostgresAccounts

__all__ = ["Program", "prepare", "prepare_accounts", "programs"]

_PASSED_ON = ("TICKHUB_TRUST_ALL_USERS", "LANG", "TZ")


class Program(msgspec.Struct, frozen=True):
    """One program for the supervisor.

    Parameters
    ----------
    name : str
    argv : tuple of str
        Runs in the foreground.
    env : mapping
        Added to the supervisor's own; nothing secret in it.
    user : str
        Whom it ends up as, for display: the command line drops rights itself.
    ready : callable
        True once it answers; never raises.
    priority : int
        Lower starts first and stops last.
    stop_signal : str
        ``"TERM"``, or ``"INT"`` for PostgreSQL's fast shutdown.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    user: str
    ready: Callable[[], bool]
    priority: int
    stop_signal: str = "TERM"


def prepare(home: Home, ports: Ports, urls: StoreUrls) -> None:
    """Make directories, keys, tokens and empty stores, before anything starts; quick and harmless when done before.

    Raises
    ------
    Misconfigured
        The home is not ours, the port is taken, Node is missing, or a store cannot be made.
    """
    home.create()
    create_directories(home)
    create_keys(home)
    create_tokens(home)
    proxy_argv(home, ports)
    if _is_embedded(home, urls.accounts) or _is_embedded(home, urls.live):
        embedded.prepare(home)


def prepare_accounts(urls: StoreUrls, *, demo: bool = True) -> dict[str, Secret]:
    """Migrate the accounts, once PostgreSQL answers, and make the demo's people.

    Returns
    -------
    dict of str to Secret
        Passwords made just now, by user name; shown once, stored nowhere.
    """
    migrate(urls.accounts)
    if not demo:
        return {}
    accounts = PostgresAccounts(urls.accounts)
    try:
        return create_demo(accounts)
    finally:
        accounts.close()


def programs(home: Home, ports: Ports, urls: StoreUrls) -> list[Program]:
    """List the programs in the order in which they start; stores that are elsewhere are left out."""
    env = _environment(home, ports, urls)
    found: list[Program] = []
    for name, url, launch, stop in (
        ("postgres", urls.accounts, embedded.postgres, "INT"),
        ("redis", urls.live, embedded.redis, "TERM"),
    ):
        if _is_embedded(home, url):
            made = launch(home)
            found.append(Program(name, made.argv, made.env, made.user, partial(embedded.is_ready, made), 10, stop))
    us = ""
    found.append(Program("proxy", _python("hub.proxy"), env, us, lambda: not _is_free(ports), 20))
    config = Path(__file__).with_name("jupyterhub_config.py")
    hub_argv = (sys.executable, "-m", "jupyterhub", "--config", str(config))
    found.append(Program("hub", hub_argv, env, us, lambda: _answers(hub_socket(home), "/hub/api/"), 30))
    for service in SERVICES:
        socket, health = service_socket(home, service.name), f"/services/{service.name}/health"
        found.append(Program(service.name, _python(service.module), env, us, partial(_answers, socket, health), 40))
    return found


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


def _environment(home: Home, ports: Ports, urls: StoreUrls) -> dict[str, str]:
    # A store's URL may carry a password. Programs that need one that is not embedded inherit it from the
    # supervisor's own environment, so that it is not written into the supervisor's file.
    env = {
        "TICKHUB_HOME": str(home.root), "TICKHUB_PORT": str(ports.hub), "TICKHUB_BRIDGE_PORT": str(ports.bridge),
        "TICKHUB_CONTROL_PORT": str(ports.control), "TICKHUB_BIND": ports.bind,
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED": "1",
        "HOME": str(home / "hub"),
    }  # fmt: skip
    return env | {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def _is_embedded(home: Home, url: str) -> bool:
    ours = StoreUrls.from_environ(home, {})
    return url in {ours.accounts, ours.live}


def _is_free(ports: Ports) -> bool:
    try:
        check_port(ports.bind, ports.hub)
    except TickhubError:
        return False
    return True


def _answers(socket: Path, path: str) -> bool:
    import httpx

    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=2.0) as client:
            return client.get(f"http://hub{path}").status_code == 200
    except httpx.HTTPError:
        return False
