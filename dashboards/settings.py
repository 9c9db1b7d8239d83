"""Where the page process listens, whom it asks, and how much it serves; read once and passed down."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from kernel_lib.config import Home, Ports, Secret
from kernel_lib.errors import Misconfigured

__all__ = ["PREFIX", "DeskSettings"]

PREFIX = "/services/desk/"


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The page process's configuration."""

    home: Home
    token: Secret
    """The service's own token at the hub."""
    bridge_port: int
    """Where a browser reaches the live stream, on the host it opened the page on."""
    stream_url: str = ""
    """Full address of the live stream, where a reverse proxy gives it another host."""
    pool: int = 2
    """Kernels of each page kept warm."""
    most_kernels: int = 30
    """Pages open at a time; a kernel takes about 60 MiB."""
    most_per_viewer: int = 5
    """Pages open at a time for one viewer; the oldest is closed for a further one."""
    recheck_s: float = 5.0
    """How often the rights of everybody with an open page are asked for."""
    idle_s: int = 120
    """A viewer's kernel without a page is ended after this."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "DeskSettings":
        """Read the home, the ports and ``TICKHUB_STREAM_URL``.

        Raises
        ------
        Misconfigured
            The service's token is missing, or the stream's address is not a WebSocket's.
        """
        home, ports = Home.from_environ(environ), Ports.from_environ(environ)
        path = home / "keys" / "desk.token"
        try:
            token = path.read_text().strip()
        except OSError as error:
            raise Misconfigured(f"the token must be at {path}: {error}; 'tickhub up' creates it") from error
        if len(token) < 32:
            raise Misconfigured(f"{path} must hold a token of at least 32 characters; delete it and start again")
        stream = environ.get("TICKHUB_STREAM_URL", "")
        if stream and not stream.startswith(("ws://", "wss://")):
            raise Misconfigured(f"TICKHUB_STREAM_URL must begin with ws:// or wss://, it was {stream[:60]!r}")
        return cls(home=home, token=Secret(token), bridge_port=ports.bridge, stream_url=stream)

    @property
    def socket(self) -> Path:
        """Where we listen; only the proxy, which runs as the same user, may connect."""
        return self.home / "run" / "services" / "desk.sock"

    @property
    def api_socket(self) -> Path:
        """The api service."""
        return self.home / "run" / "services" / "api.sock"

    @property
    def data_socket(self) -> Path:
        """The data service, which judges on the sealed hold-out."""
        return self.home / "run" / "services" / "data.sock"

    @property
    def folder(self) -> Path:
        """The pages as notebooks, and the kernels' sockets."""
        return self.home / "run" / "desk"

    @property
    def hub_api(self) -> str:
        """The hub's API as JupyterHub's own client reads it."""
        return f"http+unix://{quote(str(self.home / 'run' / 'hub' / 'hub.sock'), safe='')}/hub/api"

    @property
    def cookie_secret(self) -> bytes:
        """Signs the login cookie; outlives a restart as the service's token does."""
        return hashlib.sha256(b"desk cookies " + self.token.reveal().encode()).digest()
