"""What the process supervisor runs for the hub, and what comes before: in order, with command lines and users.

Order: :func:`prepare`; the stores (``postgres``, ``redis``); :func:`prepare_accounts`; then ``proxy``, ``hub``,
``api``, ``data``. Programs read ``TICKHUB_HOME``, the ports and the store URLs from their environment; no command
line and no environment given here holds a secret.
"""

import os
import socket
import sys
from functools import partial
from pathlib import Path

from hub.demo import create_demo
from hub.migrate import migrate
from hub.proxy import proxy_argv
from hub.roster import SERVICES, create_tokens
from hub.sockets import create_directories, hub_socket, service_socket
from kernel_lib.config import Home, Ports, Secret, StoreUrls
from kernel_lib.keys import create_keys
from kernel_lib.stores import embedded
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.supervise import Program, is_ready

__all__ = ["Program", "prepare", "prepare_accounts", "programs"]

_PASSED_ON = ("TICKHUB_TRUST_ALL_USERS", "TICKHUB_HOLD_OUT_SHARE", "TICKHUB_HOLD_OUT_LEAST_DAYS", "LANG", "TZ")


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
            # The command line drops rights itself, so the supervisor starts it as the user it runs as.
            ready = partial(embedded.is_ready, made)
            found.append(Program(name=name, argv=made.argv, env=made.env, ready=ready, priority=10, stop_signal=stop))
    ready = partial(is_ready, f"tcp:{ports.bind}:{ports.hub}")
    found.append(Program(name="proxy", argv=_python("hub.proxy"), env=env, ready=ready, priority=20))
    config = Path(__file__).with_name("jupyterhub_config.py")
    hub_argv = (sys.executable, "-m", "jupyterhub", "--config", str(config))
    ready = partial(_answers, hub_socket(home), "/hub/api/")
    found.append(Program(name="hub", argv=hub_argv, env=env, ready=ready, priority=30))
    for service in SERVICES:
        where, health = service_socket(home, service.name), f"/services/{service.name}/health"
        ready = partial(_answers, where, health)
        found.append(Program(name=service.name, argv=_python(service.module), env=env, ready=ready, priority=40))
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


def _answers(path: Path, route: str) -> bool:
    # One plain request: an HTTP library would leave its socket open when nobody listens yet.
    request = f"GET {route} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2.0)
            probe.connect(str(path))
            probe.sendall(request.encode())
            return probe.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
