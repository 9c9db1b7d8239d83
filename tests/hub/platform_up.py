"""The whole hub as the supervisor runs it: programs in their order, in a home of its own, gone at the end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from hub.programs import Program, prepare, prepare_accounts, programs
from kernel_lib.config import Home, Ports, Secret, StoreUrls
from kernel_lib.supervise import is_ready

START_S = 120.0


class Platform:
    """A running hub: its address, its demo users' passwords, and its programs by name."""

    def __init__(self, home: Home, ports: Ports, urls: StoreUrls) -> None:
        self.home, self.ports, self.urls = home, ports, urls
        self.url = f"http://127.0.0.1:{ports.hub}"
        self.passwords: dict[str, Secret] = {}
        self.programs = {program.name: program for program in programs(home, ports, urls)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._people: dict[str, Person] = {}

    def start(self, name: str) -> None:
        program = self.programs[name]
        environment = {**{k: v for k, v in os.environ.items() if not k.startswith("TICKHUB")}, **program.env}
        with (self.home / "log" / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(program.argv, env=environment, cwd="/", stdout=log, stderr=log)
        self._await(program)

    def stop(self, name: str, *, kill: bool = False) -> None:
        process, program = self._running.pop(name), self.programs[name]
        process.send_signal(signal.SIGKILL if kill else getattr(signal, f"SIG{program.stop_signal}"))
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def person(self, name: str) -> "Person":
        """A logged-in user, the same one each time."""
        if name not in self._people:
            person = Person(self.url, name)
            assert person.log_in(self.passwords[name]).status_code == 200
            self._people[name] = person
        return self._people[name]

    def log(self, name: str) -> str:
        return (self.home / "log" / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        for person in self._people.values():
            with contextlib.suppress(httpx.HTTPError, AssertionError):
                person.stop_server()
            person.client.close()
        for name in reversed(list(self._running)):
            self.stop(name)

    def _await(self, program: Program) -> None:
        deadline = time.monotonic() + START_S
        while not is_ready(program.ready):
            running = self._running[program.name].poll() is None
            assert running, f"{program.name} ended: {self.log(program.name)[-3000:]}"
            assert time.monotonic() < deadline, f"{program.name} is not ready: {self.log(program.name)[-3000:]}"
            time.sleep(0.05)


class Person:
    """Somebody in front of a browser."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self.client = httpx.Client(base_url=url, follow_redirects=True, timeout=60, trust_env=False)
        self.token = ""

    @property
    def xsrf(self) -> str:
        return str(self.client.cookies.get("_xsrf", path="/hub/"))

    def log_in(self, password: Secret) -> httpx.Response:
        self.client.get("/hub/login", params={"next": "/hub/home"})
        form = {"username": self.name, "password": password.reveal(), "_xsrf": self.xsrf}
        answer = self.client.post("/hub/login", params={"next": "/hub/home", "_xsrf": self.xsrf}, data=form)
        if answer.status_code == 200:
            made = self.client.post(
                f"/hub/api/users/{self.name}/tokens", json={"note": "test"}, headers={"X-XSRFToken": self.xsrf}
            )
            self.token = str(made.json()["token"])
        return answer

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}

    def start_server(self) -> None:
        answer = self.client.post(f"/hub/api/users/{self.name}/server", headers={"X-XSRFToken": self.xsrf})
        assert answer.status_code in {201, 202}, answer.text
        deadline = time.monotonic() + START_S
        while not self.servers().get("", {}).get("ready"):
            assert time.monotonic() < deadline, self.servers()
            time.sleep(0.1)

    def stop_server(self) -> None:
        if self.servers():
            self.client.delete(f"/hub/api/users/{self.name}/server", headers={"X-XSRFToken": self.xsrf})
            deadline = time.monotonic() + START_S
            while self.servers():
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def servers(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = self.client.get(f"/hub/api/users/{self.name}").json().get("servers", {})
        return found


@contextlib.contextmanager
def platform_up() -> Iterator[Platform]:
    """Start everything the hub's side consists of."""
    root = Path(tempfile.mkdtemp(prefix="thp-"))
    root.chmod(0o711)
    with socket.socket() as probe, socket.socket() as other:
        probe.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = Ports(hub=probe.getsockname()[1], control=other.getsockname()[1])
    home = Home(root / "h")
    urls = StoreUrls.from_environ(home, {})
    prepare(home, ports, urls)
    platform = Platform(home, ports, urls)
    try:
        for name in platform.programs:
            if name == "proxy":
                platform.passwords = prepare_accounts(urls)
            platform.start(name)
        yield platform
    finally:
        platform.close()
        shutil.rmtree(root, ignore_errors=True)
