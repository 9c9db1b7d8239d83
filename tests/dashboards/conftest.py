"""The hub with the page server, and an engine that has one desk; people who opened the page in a browser."""

import base64
import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.hub.platform_up import Person, Platform, platform_up

DESK = "/services/desk/"
STATE = {"tenant": "demo", "state": "active", "strategies": [], "positions": [], "profit": 77.5, "profit_today": 12.25}


class OneDeskEngine:
    """The engine's control with a desk of tenant ``demo`` and no other; remembers what it was told."""

    def __init__(self, port: int) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        engine = self

        class Control(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                engine.told.append((self.path, body))
                self._answer(body)

            def _answer(self, _: dict[str, Any]) -> None:
                mine = self.path.split("/")[2] == "demo"
                refused = {"ok": False, "code": "no_such_desk", "message": "this tenant has no desk"}
                content = json.dumps({"ok": True, "state": STATE} if mine else refused).encode()
                self.send_response(200 if mine else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Control)
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


class Viewing:
    """Somebody with the page open: the document, its kernel, and requests as the page's script makes them."""

    def __init__(self, person: Person) -> None:
        self.name, self.client = person.name, person.client
        self.page = self.client.get(DESK)

    @property
    def kernel_id(self) -> str:
        found = re.search(r'"kernelId": "([0-9a-f-]{36})"', self.page.text)
        assert found, self.page.text
        return found.group(1)

    @property
    def headers(self) -> dict[str, str]:
        return {"X-XSRFToken": str(self.client.cookies.get("_xsrf", path=DESK)), "Sec-Fetch-Mode": "cors"}

    @property
    def cookies(self) -> str:
        sent = [each for each in self.client.cookies.jar if DESK.startswith(each.path)]
        return "; ".join(f"{each.name}={each.value}" for each in sent)

    @property
    def token(self) -> str:
        """The viewer's OAuth token; the login cookie holds it, signed, and scripts cannot read it."""
        signed = str(self.client.cookies.get("service-desk", path=DESK)).strip('"')
        return base64.b64decode(signed.split("|")[4].partition(":")[2]).decode()

    def ask(self, path: str) -> httpx.Response:
        return self.client.get(f"{DESK}broker/{path}", headers=self.headers)

    def tell(self, path: str, body: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        return self.client.post(f"{DESK}broker/{path}", json=body or {}, headers=self.headers | headers)


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    with platform_up() as running:
        yield running


@pytest.fixture(scope="session")
def engine(platform: Platform) -> Iterator[OneDeskEngine]:
    running = OneDeskEngine(platform.ports.control)
    yield running
    running.close()


class Opening:
    """Opens the page for demo people, each with a login of their own."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._people: list[Person] = []

    def __call__(self, name: str) -> Viewing:
        person = Person(self._platform.url, name)
        self._people.append(person)
        assert person.log_in(self._platform.passwords[name]).status_code == 200
        return Viewing(person)

    def close(self) -> None:
        for person in self._people:
            person.client.close()


@pytest.fixture(scope="session")
def opening(platform: Platform, engine: OneDeskEngine) -> Iterator[Opening]:
    opens = Opening(platform)
    with contextlib.closing(opens):
        yield opens


@pytest.fixture(scope="session")
def trader(opening: Opening) -> Viewing:
    return opening("trader")


@pytest.fixture(scope="session")
def outsider(opening: Opening) -> Viewing:
    return opening("outsider")


@pytest.fixture(scope="session")
def quant(opening: Opening) -> Viewing:
    return opening("quant")


def wait_until(true: Any, within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
