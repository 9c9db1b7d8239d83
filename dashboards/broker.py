"""What a page may ask of the platform: a short list of paths, each asked with the viewer's own token.

Below ``/services/desk/broker``; the browser sends its login cookie and, with every request, the ``_xsrf`` value::

    GET  /me                    who looks, and what they may do
    GET  /desk                  the tenant's desk as it stands
    POST /ticket                a single-use ticket, and where the live stream is
    POST /{pause,resume,kill}   {"reason"?, "strategy"?}; the hub is asked anew whether the viewer still may
    GET  /strategies            what was submitted
    GET  /strategies/HASH       one of them, to read
    POST /strategies/HASH/{approve,reject}   an admin's decision; the hub is asked anew as above
    POST /strategies/HASH/hold-out           has the data service judge it on the sealed hold-out; asked anew as above
"""

import json
from typing import Any

import httpx
from jupyter_server.base.handlers import APIHandler
from tornado import web

from dashboards.identity import HubIdentity, Viewer
from dashboards.settings import DeskSettings
from kernel_lib.errors import Transient

__all__ = ["Api", "broker_routes"]

_TIMEOUT_S = 8.0
#: Longer than the api waits for the engine: what was done late is not told as not done.
_COMMAND_S = 50.0
_MAX_BODY = 4096


class Api:
    """The api service, and of the data service its hold-out, asked over their sockets with a viewer's token."""

    def __init__(self, settings: DeskSettings) -> None:
        self._clients = {
            name: httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(socket), retries=1),
                base_url=f"http://{name}/services/{name}", trust_env=False,
            )
            for name, socket in (("api", settings.api_socket), ("data", settings.data_socket))
        }  # fmt: skip

    async def ask(
        self, method: str, path: str, viewer: Viewer, body: bytes = b"", *, service: str = "api"
    ) -> tuple[int, Any]:
        """Give status and JSON.

        Raises
        ------
        Transient
            The service does not answer.
        """
        headers = {"Authorization": f"token {viewer.token.reveal()}"}
        patience_s = _TIMEOUT_S if method == "GET" else _COMMAND_S
        try:
            answer = await self._clients[service].request(
                method, path, content=body, headers=headers, timeout=patience_s
            )
            return answer.status_code, answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Transient(f"the service {service} must answer, it did not ({type(error).__name__})") from None

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


class _Broker(APIHandler):
    def initialize(self, api: Api, settings: DeskSettings) -> None:
        self._api = api
        self._desk = settings

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    @property
    def identity(self) -> HubIdentity:
        identity: HubIdentity = self.settings["identity_provider"]
        return identity

    @property
    def viewer(self) -> Viewer:
        return self.identity.viewer(self)

    async def pass_on(self, method: str, path: str, body: bytes = b"", *, service: str = "api") -> Any | None:
        """Ask the api or the data service; a refusal goes to the page as it is, in the service's words."""
        try:
            status, content = await self._api.ask(method, path, self.viewer, body, service=service)
        except Transient:
            told = "trying again" if method == "GET" else "whether it was done shows when it is back"
            status, content = 503, {"error": "unavailable", "message": f"the platform does not answer; {told}"}
        if status >= 400:
            self.refuse(status, content)
            return None
        return content

    def refuse(self, status: int, content: Any) -> None:
        self.set_status(status)
        self.finish(json.dumps(content))


class _Me(_Broker):
    @web.authenticated
    async def get(self) -> None:
        content = await self.pass_on("GET", "/me")
        if content is not None:
            shown = {name: content[name] for name in ("user", "tenant", "role", "tier")}
            self.finish(json.dumps(shown | {"acts": content["role"] in {"trader", "admin"}}))


class _Desk(_Broker):
    @web.authenticated
    async def get(self) -> None:
        content = await self.pass_on("GET", "/desk")
        if content is not None:
            self.finish(json.dumps(content))


class _Ticket(_Broker):
    @web.authenticated
    async def post(self) -> None:
        content = await self.pass_on("POST", "/stream-ticket")
        if content is not None:
            where = {"port": self._desk.bridge_port, "url": self._desk.stream_url}
            self.finish(json.dumps({"ticket": content["ticket"], **where}))


class _Read(_Broker):
    @web.authenticated
    async def get(self, path: str) -> None:
        content = await self.pass_on("GET", f"/{path}")
        if content is not None:
            self.finish(json.dumps(content))


class _Switch(_Broker):
    @web.authenticated
    async def post(self, path: str) -> None:
        if len(self.request.body) > _MAX_BODY:
            raise web.HTTPError(413, reason=f"At most {_MAX_BODY} bytes")
        try:
            allowed = await self.identity.still_allowed(self.viewer)
        except Exception:  # the hub's client raises whatever went wrong; nothing is done on a maybe
            return self.refuse(503, {"error": "unavailable", "message": "the hub does not answer; nothing was done"})
        if not allowed:
            return self.refuse(403, {"error": "ended", "message": "your access has ended; nothing was done"})
        service, where = self._where(path)
        content = await self.pass_on(
            "POST", f"/{where}", b"" if service == "data" else self.request.body, service=service
        )
        if content is not None:
            self.finish(json.dumps(content))
        return None

    @staticmethod
    def _where(path: str) -> tuple[str, str]:
        first, _, rest = path.partition("/")
        if first != "strategies":
            return "api", f"desk/{path}"
        bundle_hash, _, verb = rest.partition("/")
        return ("data", f"hold-out/{bundle_hash}") if verb == "hold-out" else ("api", path)


def broker_routes(prefix: str, api: Api, settings: DeskSettings) -> list[tuple[str, Any, dict[str, Any]]]:
    """List the broker's routes below ``prefix``."""
    given = {"api": api, "settings": settings}
    return [
        (f"{prefix}broker/me", _Me, given),
        (f"{prefix}broker/desk", _Desk, given),
        (f"{prefix}broker/ticket", _Ticket, given),
        (f"{prefix}broker/(strategies(?:/[0-9a-f]{{64}})?)", _Read, given),
        (f"{prefix}broker/(pause|resume|kill|strategies/[0-9a-f]{{64}}/(?:approve|reject|hold-out))", _Switch, given),
    ]
