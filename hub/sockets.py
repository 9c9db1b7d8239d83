"""Where the hub, its proxy's control and its services listen: unix sockets below ``HOME/run``, and their URLs."""

from pathlib import Path
from urllib.parse import quote

from kernel_lib.config import Home

__all__ = ["create_directories", "hub_socket", "proxy_api_socket", "server_sockets", "service_socket", "unix_url"]


def hub_socket(home: Home) -> Path:
    """The hub's own API and pages; its directory holds nothing else, because sandboxes see the directory."""
    return home / "run" / "hub" / "hub.sock"


def service_socket(home: Home, name: str) -> Path:
    """One service (``api``, ``data``); sandboxes see the directory."""
    return home / "run" / "services" / f"{name}.sock"


def proxy_api_socket(home: Home) -> Path:
    """The proxy's control; whoever reaches it can redirect every user."""
    return home / "run" / "proxy" / "api.sock"


def server_sockets(home: Home) -> Path:
    """Directory of the notebook servers' listeners; sandboxes never see it."""
    return home / "run" / "servers"


def create_directories(home: Home) -> None:
    """Make the socket directories with the rights each needs."""
    for path, mode in (
        (hub_socket(home).parent, 0o755),
        (home / "run" / "services", 0o755),
        (proxy_api_socket(home).parent, 0o700),
        (server_sockets(home), 0o700),
    ):
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        path.chmod(mode)


def unix_url(path: Path) -> str:
    """Write a socket's path as JupyterHub and its proxy read it: ``http+unix://%2Frun%2Fhub.sock``."""
    return f"http+unix://{quote(str(path), safe='')}"
