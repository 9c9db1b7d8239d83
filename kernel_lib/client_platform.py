"""The platform as a program with a hub token reaches it: requests to its services, and its live stream.

Inside a notebook server the services listen on sockets in a directory; elsewhere they stand behind the hub's address,
and the stream at the bridge's. What they refuse is an error here, with the code and the words they gave.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from kernel_lib.config import Secret
from kernel_lib.declared import shown
from kernel_lib.errors import BadData, Misconfigured, Refused, Transient

if TYPE_CHECKING:
    import httpx
    import pyarrow as pa
    from websockets.typing import Origin

__all__ = ["TIMEOUT_S", "Platform", "asked_for", "out_of_reach"]

TIMEOUT_S = 60.0
_reached: ContextVar[bool] = ContextVar("_reached", default=True)


@contextmanager
def out_of_reach() -> Iterator[None]:
    """Have every request refused for a while, as where a strategy's source runs by itself."""
    before = _reached.set(False)
    try:
        yield
    finally:
        _reached.reset(before)


class Platform:
    """One user's way to the services and to the stream.

    Parameters
    ----------
    token : Secret
        The user's hub token.
    services : str
        Directory with the services' sockets; empty to use the addresses.
    url, stream_url : str
        The hub's address and the bridge's, without a slash at the end.
    """

    def __init__(self, token: Secret, services: str, url: str, stream_url: str) -> None:
        self._token = token
        self._services = services
        self._url = url
        self._stream_url = stream_url
        self._open: dict[str, httpx.Client] = {}

    def close(self) -> None:
        """Close every connection."""
        for each in self._open.values():
            each.close()
        self._open.clear()

    def arrow(self, route: str, **query: Any) -> "pa.Table":
        """Get a table from the ``data`` service; what is None in the query is left out."""
        import pyarrow as pa

        response = self._request("GET", "data", route, params={k: v for k, v in query.items() if v is not None})
        try:
            with pa.ipc.open_stream(response.content) as reader:
                return reader.read_all()
        except pa.ArrowInvalid as error:
            raise Transient(f"the answer was cut off: {error}; try again") from None

    def json(self, method: str, service: str, route: str, **options: Any) -> Any:
        """Ask a service for JSON; ``options`` are ``content`` and ``params`` of httpx."""
        response = self._request(method, service, route, **options)
        try:
            return response.json()
        except ValueError:
            raise Transient("the answer was not JSON; is something else listening there?") from None

    def messages(self, symbols: list[str], timeout_s: float | None) -> Iterator[dict[str, Any]]:
        """Listen to the live stream until the caller stops."""
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect, unix_connect

        ticket = self.json("POST", "api", "stream-ticket")["ticket"]
        try:
            socket = (
                unix_connect(f"{self._services}/stream.sock", "ws://hub/ws/stream")
                if self._services
                else connect(f"{self._stream_url}/ws/stream", origin=cast("Origin", self._url))
            )
        except (OSError, TimeoutError) as error:
            raise Transient(f"the live stream must answer, it did not: {error}") from None
        with socket:
            socket.send(json.dumps({"ticket": ticket, "symbols": symbols}))
            try:
                while True:
                    message: dict[str, Any] = json.loads(socket.recv(timeout=timeout_s))
                    if message.get("type") == "refused" or "code" in message:
                        raise Refused(str(message.get("code", "refused")), str(message.get("message", "")))
                    yield message
            except TimeoutError:
                about = f" of {', '.join(symbols)}" if symbols else ""
                raise Transient(
                    f"a message{about} must come within {timeout_s:g} s, none did: is the market open, and is it the "
                    "name that client.symbols() has?"
                ) from None
            except ConnectionClosed as error:
                raise Transient(f"the live stream ended: {error}") from None

    def _request(self, method: str, service: str, route: str, **options: Any) -> "httpx.Response":
        import httpx

        if not _reached.get():
            raise Misconfigured(
                "where a strategy trades there is no platform to ask; keep calls of the client out of its cell or file"
            )
        # httpx forgets to close a unix socket that it could not connect.
        if self._services and not os.path.exists(f"{self._services}/{service}.sock"):
            raise Transient(f"the service {service!r} must answer, it is not there; try again in a moment")
        try:
            response = self._client(service).request(method, f"/services/{service}/{route}", **options)
        except httpx.HTTPError as error:
            raise Transient(
                f"the service {service!r} must answer, it did not: {error}; try again in a moment"
            ) from None
        if response.status_code < 400:
            return response
        try:
            refusal = response.json()
            code, message = str(refusal["error"]), str(refusal["message"])
        except (ValueError, KeyError, TypeError):
            raise Transient(f"the service {service!r} answered {response.status_code}; try again in a moment") from None
        if response.status_code >= 500 and code != "engine_unreachable":
            raise Transient(message)
        if code == "bad_request":
            raise BadData(message)
        raise Refused(code, message)

    def _client(self, service: str) -> "httpx.Client":
        import httpx

        name = service if self._services else ""
        if name not in self._open:
            transport = httpx.HTTPTransport(uds=f"{self._services}/{service}.sock") if self._services else None
            self._open[name] = httpx.Client(
                transport=transport, base_url="http://hub" if self._services else self._url, timeout=TIMEOUT_S,
                headers={"Authorization": f"token {self._token.reveal()}"}, trust_env=False,
            )  # fmt: skip
        return self._open[name]


def asked_for(symbols: str | Iterable[str] | None, timeout_s: float | None) -> list[str]:
    """Read what a listener wants to hear: one symbol, several, or none named for all.

    >>> asked_for("EURUSD", 5.0)
    ['EURUSD']

    Raises
    ------
    BadData
        A symbol is not text, or the patience is none.
    """
    if isinstance(symbols, str):
        symbols = [symbols]
    named = list(symbols or ()) if isinstance(symbols, Iterable | None) else [None]
    if not all(isinstance(each, str) for each in named):
        raise BadData(f"symbols must be one such as 'EURUSD', or a list of them, it was {shown(symbols)}")
    if timeout_s is not None and not timeout_s > 0:
        raise BadData(f"timeout_s must be above 0, or None to wait for ever, it was {timeout_s!r}")
    return named
