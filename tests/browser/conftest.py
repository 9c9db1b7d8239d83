"""A platform of its own whose market is a minute a second, and a headless Chromium in front of it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import Running, running_platform

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


#: What a widget's page by itself consists of.
PAGE = frozenset({"/", "/page.js"})


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with running_platform("--speed", "60", n_ticks=1000) as platform:
        yield platform


class Window:
    """One person's browser window; what goes wrong in its scripts is kept."""

    def __init__(self, browser: Any, running: Running, user: str) -> None:
        self.user, self.running = user, running
        self._context = browser.new_context(viewport={"width": 1360, "height": 860}, base_url=running.url)
        self.page = self._context.new_page()
        self.page.set_default_timeout(60_000)
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._note)

    def log_in(self, then: str) -> None:
        """Open an address as somebody who is not logged in, and follow the login to it."""
        self.page.goto(then)
        self.page.fill("input[name=username]", self.user)
        self.page.fill("input[name=password]", self.running.logins[self.user])
        self.page.click("input[type=submit]")

    def shoot(self, name: str) -> None:
        """Save what is to be seen, where ``TICKHUB_SCREENSHOTS`` says."""
        folder = os.environ.get("TICKHUB_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    def close(self) -> None:
        self._context.close()

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.running.url, self.running.stream_url, "blob:", "data:")):
            self.foreign.append(request.url)


def give_page(route: Any, path: str, widget: Any) -> None:
    """Answer a browser's request for one of :data:`PAGE` with a widget and nothing beside it."""
    if path == "/page.js":
        return route.fulfill(body=str(widget._esm), content_type="text/javascript; charset=utf-8")
    text = (
        "<!doctype html><html lang=en><meta name=viewport content='width=device-width'>"
        f"<style>{widget._css}</style><div id=at></div><script type=module>"
        "import page from '/page.js'; page.render({ el: document.getElementById('at') });</script>"
    )
    return route.fulfill(body=text, content_type="text/html; charset=utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"Chromium is absent: {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield running
        running.close()
