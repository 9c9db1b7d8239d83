"""Who may open which path of the bridge; everything else is answered as plain HTTP."""

import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from kernel_lib.errors import Refused
from kernel_lib.keys import Claims, verify_token
from mt5_feed.bridge_metrics import BridgeMetrics

__all__ = ["Admission"]

_LOCAL = ("localhost", "127.0.0.1", "::1")
_REASONS = {200: "OK", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}


class Admission:
    """Decides on a request before the WebSocket handshake.

    Parameters
    ----------
    origins : tuple of str
        Allowed ``Origin`` values besides the request's own host and this machine's local names, any port.
    """

    def __init__(
        self, key: Ed25519PublicKey, origins: tuple[str, ...], metrics: BridgeMetrics,
        health: Callable[[], Awaitable[dict[str, object]]],
    ) -> None:  # fmt: skip
        self._key = key
        self._origins = frozenset(origins)
        self._metrics = metrics
        self._health = health

    async def on_tcp(self, connection: ServerConnection, request: Request) -> Response | None:
        return await self._answer(connection, request, private=False)

    async def on_unix(self, connection: ServerConnection, request: Request) -> Response | None:
        return await self._answer(connection, request, private=True)

    async def _answer(self, connection: ServerConnection, request: Request, *, private: bool) -> Response | None:
        path = urlsplit(request.path).path
        if path == "/health":
            health = await self._health()
            return _json(200 if health["status"] == "ok" else 503, health)
        if path == "/metrics" and private:
            return _response(200, self._metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
        try:
            if path == "/ws/agent":
                connection.claims = self.check_token(request.headers)  # type: ignore[attr-defined]
                return None
            if path == "/ws/stream" or (path.startswith("/ws/client/") and path.count("/") == 3):
                self._check_origin(request.headers, private=private)
                return None
        except Refused as error:
            self._metrics.refusals.labels(error.code).inc()
            return _json(403 if error.code == "origin" else 401, {"code": error.code, "message": str(error)})
        return _json(404, {"code": "not_found", "message": "the bridge serves /ws/agent, /ws/stream and /health"})

    def check_token(self, headers: Headers) -> Claims:
        """Read the bearer token; the subject is the agent's name."""
        given = headers.get_all("Authorization")
        if len(given) != 1 or not given[0].startswith("Bearer "):
            raise Refused("token_missing", "an agent must send the header 'Authorization: Bearer TOKEN'")
        return verify_token(self._key, given[0][7:].strip(), audience="bridge", now_s=int(time.time()))

    def _check_origin(self, headers: Headers, *, private: bool) -> None:
        given = headers.get_all("Origin")
        if not given:
            if private:
                return
            raise Refused("origin", "a page must send its Origin; programs use the unix socket")
        origin = given[0]
        host = urlsplit(origin).hostname
        own = urlsplit(f"//{headers.get('Host', '')}").hostname
        if len(given) == 1 and (origin in self._origins or (host is not None and host in (*_LOCAL, own))):
            return
        raise Refused("origin", f"the page's origin must be allowed (TICKHUB_ORIGINS), it was {origin[:100]!r}")


def _json(status: int, content: dict[str, object]) -> Response:
    return _response(status, msgspec.json.encode(content), "application/json")


def _response(status: int, body: bytes, kind: str) -> Response:
    headers = Headers([("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close")])
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(status, _REASONS[status], headers, body)
