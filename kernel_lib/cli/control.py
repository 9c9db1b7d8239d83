"""The operator's way to the engine's control port: a token signed on the spot with the platform's key."""

import http.client
import json
import time
from typing import Any

from kernel_lib.config import Home, Ports
from kernel_lib.errors import Refused, Transient
from kernel_lib.keys import issue_token, read_private_key

__all__ = ["ask_engine"]

_LIFETIME_S = 60
_TIMEOUT_S = 10.0
#: Longer than the engine waits for its desk: what was done late is not told as not done.
_COMMAND_S = 45.0


def ask_engine(
    home: Home, ports: Ports, method: str, path: str, body: dict[str, Any] | None = None, *, tenant: str = "*"
) -> dict[str, Any]:
    """Call the control port and give its JSON.

    Raises
    ------
    Transient
        Nobody answers.
    Refused
        The engine says no; its code and message.
    """
    token = issue_token(
        read_private_key(home), subject="operator", tenant=tenant, audience="control", now_s=int(time.time()),
        lifetime_s=_LIFETIME_S,
    )  # fmt: skip
    patience_s = _TIMEOUT_S if method == "GET" else _COMMAND_S
    connection = http.client.HTTPConnection("127.0.0.1", ports.control, timeout=patience_s)
    try:
        headers = {"Authorization": f"Bearer {token.reveal()}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    except OSError as error:
        raise Transient(f"the engine must answer on port {ports.control}: {error}; is it up?") from error
    finally:
        connection.close()
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise Transient(f"the engine must answer JSON, it answered {text[:200]!r}") from None
    if answer.status >= 400:
        raise Refused(str(found.get("code", answer.status)), str(found.get("message", "the engine refused")))
    return found
