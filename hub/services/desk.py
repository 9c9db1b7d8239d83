"""The engine's control, as the api reaches it: one short-lived token a call, one answer or a refusal."""

import json
import time
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from kernel_lib.errors import Refused
from kernel_lib.keys import issue_token

__all__ = ["DeskControl", "EngineControl"]

_LIFETIME_S = 30
_TIMEOUT_S = 5.0
#: A command is obeyed between two ticks, and a desk that takes a strategy in compiles it first: longer than the engine
#: itself waits for its desk, so that what was done late is not told as not done.
_COMMAND_S = 45.0


class DeskControl(Protocol):
    """What the api asks of a tenant's desk."""

    async def state(self, tenant: str, user: str) -> dict[str, Any]: ...
    async def command(self, tenant: str, user: str, verb: str, details: dict[str, Any]) -> dict[str, Any]: ...


class EngineControl:
    """The engine's control on loopback.

    Parameters
    ----------
    url : str
        ``http://127.0.0.1:8007``.
    key : Ed25519PrivateKey
        Signs one token a call, for this user, this tenant and the audience ``control``.
    """

    def __init__(self, url: str, key: Ed25519PrivateKey) -> None:
        self._url = url
        self._key = key

    async def state(self, tenant: str, user: str) -> dict[str, Any]:
        """Give the desk's state."""
        return await self._call("GET", f"/desks/{tenant}", tenant, user, None, _TIMEOUT_S)

    async def command(self, tenant: str, user: str, verb: str, details: dict[str, Any]) -> dict[str, Any]:
        """Send ``pause``, ``resume``, ``kill`` or ``reload``."""
        return await self._call("POST", f"/desks/{tenant}/{verb}", tenant, user, {"by": user, **details}, _COMMAND_S)

    async def _call(
        self, method: str, path: str, tenant: str, user: str, body: dict[str, Any] | None, patience_s: float
    ) -> dict[str, Any]:
        token = issue_token(
            self._key, subject=user, tenant=tenant, audience="control", now_s=int(time.time()), lifetime_s=_LIFETIME_S
        )
        request = HTTPRequest(
            self._url + path, method=method, body=None if body is None else json.dumps(body), follow_redirects=False,
            headers={"Authorization": f"Bearer {token.reveal()}", "Content-Type": "application/json"},
            connect_timeout=_TIMEOUT_S, request_timeout=patience_s,
        )  # fmt: skip
        try:
            response = await AsyncHTTPClient().fetch(request, raise_error=False)
            content = json.loads(response.body or b"{}")
        except (OSError, ValueError, HTTPClientError) as error:
            raise Refused(
                "engine_unreachable", f"the engine must answer, it did not ({type(error).__name__})"
            ) from None
        if response.code == 599 or not isinstance(content, dict):
            raise Refused(
                "engine_unreachable", "the engine must answer, it did not; 'tickhub status' says whether it runs"
            )
        if response.code >= 400:
            raise Refused(str(content.get("code", "engine")), str(content.get("message", "the engine refused")))
        return content
