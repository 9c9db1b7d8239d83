"""A service on a unix socket in a thread of its own, for tests that call it as a client does."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from tornado import web

from hub.services.web import listen
from kernel_lib.errors import Refused, Transient


class NameTokens:
    """Every token ``t-NAME`` is good, and is NAME's."""

    async def user_of(self, token: str) -> str | None:
        return token[2:] if token.startswith("t-") else None


class SilentTokens:
    """A hub that does not answer."""

    async def user_of(self, token: str) -> str | None:
        raise Transient("the hub does not answer")


class SilentLive:
    """A bus that does not answer."""

    def admit(self, key: str, *, per_minute: int, burst: int) -> float:
        raise Transient("the live store does not answer")


class ObedientDesk:
    """A desk that does what it is told, and remembers it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str, dict[str, Any]]] = []

    async def state(self, tenant: str, user: str) -> dict[str, Any]:
        return {"tenant": tenant, "user": user}

    async def command(self, tenant: str, user: str, verb: str, details: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((tenant, user, verb, details))
        return {"state": verb}


class AbsentDesk:
    """An engine that is not running."""

    async def state(self, tenant: str, user: str) -> dict[str, Any]:
        raise Refused("engine_unreachable", "the engine must answer, it did not")

    async def command(self, tenant: str, user: str, verb: str, details: dict[str, Any]) -> dict[str, Any]:
        raise Refused("engine_unreachable", "the engine must answer, it did not")


@contextlib.contextmanager
def running(
    build: Callable[[], web.Application], socket: Path, *, max_body_bytes: int = 1 << 20
) -> Iterator[httpx.Client]:
    """Serve ``build()`` on a socket; gives a client to it."""
    ready, loops = threading.Event(), []

    async def serve() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        server = listen(build(), socket, max_body_bytes=max_body_bytes)
        ready.set()
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://hub", timeout=20) as client:
            yield client
    finally:
        for loop, stop in loops:
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def token(user: str) -> dict[str, str]:
    """The header that :class:`NameTokens` lets in as ``user``."""
    return {"Authorization": f"token t-{user}"}
