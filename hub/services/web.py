"""What both services share on the web: callers, rates, refusals as JSON, and a unix socket to listen on."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from tornado import httpserver, netutil, web

from hub.services.doorman import Caller, Doorman
from kernel_lib.errors import BadData, Misconfigured, Refused, TickhubError, Transient
from kernel_lib.stores.live import LiveStore

__all__ = ["NoSuchRoute", "ServiceHandler", "listen", "serve_forever"]

log = logging.getLogger("tickhub")
Answer = TypeVar("Answer")

_STATUS = {
    "no_token": 401, "bad_token": 401, "rate": 429, "unknown_symbol": 404, "unknown_strategy": 404, "no_route": 404,
    "already_approved": 409, "strategy_closed": 409, "symbol_taken": 409, "locked": 409, "bundle_size": 413,
    "method": 405, "engine_unreachable": 503, "desk_down": 503, "unknown_desk": 404,
}  # fmt: skip


class ServiceHandler(web.RequestHandler):
    """Admits the caller, holds the tier's rate, and turns every refusal into ``{"error", "message"}``."""

    caller: Caller
    #: Whether a request goes through while nobody can count how many there were.
    uncounted_too = False

    def initialize(self, doorman: Doorman, live: LiveStore, **_: Any) -> None:
        self._doorman = doorman
        self._live = live
        self._retry_after_s = 0

    def set_default_headers(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.clear_header("Server")

    def check_xsrf_cookie(self) -> None:
        """Nothing here reads a cookie: a token in a header cannot be sent by another site's page."""

    async def prepare(self) -> None:
        self.caller = await self._doorman.admit(self.request.headers.get("Authorization", ""))
        held = self.caller.tier
        for key in (f"user:{self.caller.user}", f"tenant:{self.caller.tenant}"):
            try:
                wait_s = await asyncio.to_thread(
                    self._live.admit, key, per_minute=held.requests_per_minute, burst=held.burst
                )
            except Transient:
                if not self.uncounted_too:
                    raise
                return
            if wait_s > 0:
                self._retry_after_s = int(wait_s) + 1
                raise Refused(
                    "rate",
                    f"the {held.name} tier allows {held.requests_per_minute} requests a minute and {held.burst} at "
                    f"once; try again in {wait_s:.1f} s",
                )

    def require_role(self, *roles: str) -> None:
        """Refuse a caller whose role is none of these."""
        if self.caller.role not in roles:
            raise Refused(
                "role", f"this needs the role {' or '.join(roles)}, {self.caller.user} has the role {self.caller.role}"
            )

    async def blocking(self, call: Callable[[], Answer]) -> Answer:
        """Run what waits on a store beside the event loop."""
        return await asyncio.to_thread(call)

    def body_as(self, kind: type[Answer]) -> Answer:
        """Decode the request's JSON body; an empty body is ``{}``."""
        try:
            return msgspec.json.decode(self.request.body or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, BadData) as error:
            raise BadData(f"the body must be JSON as documented: {error}") from None

    def only_arguments(self, *names: str) -> dict[str, str]:
        """Read the query's arguments, each at most once and none besides ``names``."""
        for name, given in self.request.query_arguments.items():
            if name not in names or len(given) != 1:
                raise BadData(
                    f"the query may have each of {', '.join(names) or 'no arguments'} once, it had {name[:50]!r}"
                )
        return {name: self.get_query_argument(name) for name in self.request.query_arguments}

    def answer(self, content: Any) -> None:
        """Answer with JSON."""
        self.finish(msgspec.json.encode(content))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refused):
            other = 400 if error.code.startswith("bundle_") else 404 if error.code.startswith("no_such") else 403
            status = _STATUS.get(error.code, other)
            code, message = error.code, str(error)
        elif isinstance(error, BadData):
            status, code, message = 400, "bad_request", str(error)
        elif isinstance(error, Transient):
            status, code, message = 503, "unavailable", "a store or the hub does not answer; try again in a moment"
        elif status_code < 500:
            code = {404: "no_route", 405: "method", 413: "bundle_size"}.get(status_code, "bad_request")
            status, message = status_code, HTTPStatus(status_code).phrase
        else:
            status, code, message = 500, "internal", "something is broken on our side; it has been logged"
        self.set_status(status)
        content = {"error": code, "message": message}
        if self._retry_after_s:
            self.set_header("Retry-After", str(self._retry_after_s))
        needed = getattr(error, "needed_tier", None)
        if needed:
            content["needed_tier"] = needed
        self.finish(json.dumps(content))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, Transient):
            log.warning("%s %s: %s", self.request.method, self.request.path[:200], value)
        elif not isinstance(value, (TickhubError, web.HTTPError)):
            super().log_exception(typ, value, tb)


class NoSuchRoute(ServiceHandler):
    """Every other path: also here only callers with a token learn what is not there."""

    async def prepare(self) -> None:
        await super().prepare()
        raise Refused("no_route", f"no such route: {self.request.path[:200]!r}")


def listen(app: web.Application, path: Path, *, max_body_bytes: int) -> httpserver.HTTPServer:
    """Listen on a unix socket that every sandbox may connect to; takes the place of a dead one's.

    Raises
    ------
    Misconfigured
        The path is too long, or its directory is missing.
    """
    server = httpserver.HTTPServer(
        app, max_body_size=max_body_bytes, max_header_size=16 * 1024, idle_connection_timeout=300,
        body_timeout=30, no_keep_alive=False, xheaders=False,
    )  # fmt: skip
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        server.add_socket(netutil.bind_unix_socket(str(path), mode=0o666))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"the service must listen on {path}, it cannot: {error}") from error
    return server


async def serve_forever(server: httpserver.HTTPServer) -> None:
    """Wait for SIGTERM or SIGINT, then finish what is under way."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    log.info("serving, process %d", os.getpid())
    await stop.wait()
    server.stop()
    await server.close_all_connections()
