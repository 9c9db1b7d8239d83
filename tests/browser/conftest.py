"""A platform of its own whose market is a minute a second, and a headless Chromium in front of it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_lib.config import Home
from tests.flow.conftest import START_S, Running, free_ports

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    root = Path(tempfile.mkdtemp(prefix="thb-"))
    root.chmod(0o711)
    hub, bridge, control = free_ports(3)
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith("TICKHUB_") or name == "TICKHUB_DATA"
    }
    env = {
        **kept, "TICKHUB_HOME": str(root / "h"), "TICKHUB_PORT": str(hub), "TICKHUB_BRIDGE_PORT": str(bridge),
        "TICKHUB_CONTROL_PORT": str(control),
    }  # fmt: skip
    command = [sys.executable, "-m", "kernel_lib.cli"]
    try:
        done = subprocess.run(
            [*command, "up", "--json", "--speed", "60"], env=env, capture_output=True, text=True, timeout=START_S,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        logins = json.loads(done.stdout)["logins"]
        platform = Running(Home(root / "h"), f"http://127.0.0.1:{hub}", f"ws://127.0.0.1:{bridge}", logins, env)
        with platform.client("quant") as client:
            deadline = time.monotonic() + 90
            while not (len(found := client.symbols()) and found["n_ticks"].sum() >= 1000):
                assert time.monotonic() < deadline, f"too few ticks are recorded: {found}"
                time.sleep(0.2)
        yield platform
    finally:
        subprocess.run([*command, "down"], env=env, capture_output=True, check=False, timeout=120)
        shutil.rmtree(root, ignore_errors=True)


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"Chromium is absent: {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield running
        running.close()
