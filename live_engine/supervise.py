"""The engine: ``python -m live_engine.supervise`` runs one desk process a tenant and the control port.

The control port is HTTP on 127.0.0.1. ``GET /health`` is open; all else needs ``Authorization: Bearer TOKEN``, a token
of this platform for the audience ``control``. A token's tenant limits it to that desk; the tenant ``*`` reaches all::

    GET  /health                    {"ok": true, "desks": {"acme": "running"}}
    GET  /status                    every desk's process and state
    GET  /desks/TENANT              one desk's state, see live_engine/state.py
    POST /desks/TENANT/pause        {"reason": ..., "by": ..., "strategy": name or hash, optional}
    POST /desks/TENANT/{resume,kill}
    POST /desks/TENANT/reload       the approvals have changed; answered before the desk has done it

Tenants with something in ``HOME/engine/approved`` or a journal get a desk. A desk that dies is started again, later
each time. Desks end when this process does.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from typing import Any

import click
import tornado.httpserver
import tornado.netutil
import tornado.web

from kernel_lib.config import Home, Ports
from kernel_lib.errors import BadData, Misconfigured, Refused, TickhubError, Transient
from kernel_lib.keys import Claims, read_public_key, verify_token
from kernel_lib.wire import Streams
from live_engine.desk_child import DeskChild
from live_engine.lock import hold_lock
from live_engine.logs import set_up_logs

__all__ = ["Engine", "application", "main"]

_log = logging.getLogger("tickhub.engine")
_SCAN_S = 2.0
#: A desk that takes in a strategy does not answer for seconds; who asks how things stand is told that, at once.
_STATUS_S = 3.0


class Engine:
    """Every tenant's desk process."""

    def __init__(self, home: Home, *, desk_argv: list[str]) -> None:
        self.home = home
        self.key = read_public_key(home)
        self.desks: dict[str, DeskChild] = {}
        self._desk_argv = desk_argv
        self._lock = hold_lock(home / "engine" / "lock", "an engine", wait_s=3.0)

    def tenants(self) -> set[str]:
        """Who has a desk."""
        found = set()
        for name in ("approved", "desks"):
            directory = self.home / "engine" / name
            found |= {each.name for each in directory.glob("*") if each.is_dir()} if directory.is_dir() else set()
        return found

    def desk(self, tenant: str) -> DeskChild:
        """Give a tenant's desk, starting it when there is something to run.

        Raises
        ------
        Refused
            Code ``no_such_desk``.
        """
        try:
            Streams(tenant)
        except BadData as error:
            raise Refused("no_such_desk", str(error)) from None
        if tenant not in self.desks:
            if tenant not in self.tenants():
                raise Refused("no_such_desk", f"tenant {tenant!r} has no desk; promote and approve a strategy first")
            self.desks[tenant] = DeskChild(tenant, [*self._desk_argv, "--tenant", tenant], dict(os.environ))
            self.desks[tenant].start()
        return self.desks[tenant]

    async def watch(self) -> None:
        """Start desks for new tenants, for ever."""
        while True:
            for tenant in sorted(self.tenants() - set(self.desks)):
                with contextlib.suppress(Refused):
                    self.desk(tenant)
            await asyncio.sleep(_SCAN_S)

    async def stop(self) -> None:
        """End every desk cleanly; another engine may begin then."""
        await asyncio.gather(*(each.stop() for each in self.desks.values()))
        self._lock.close()


class _Control(tornado.web.RequestHandler):
    engine: Engine

    def initialize(self, engine: Engine) -> None:
        self.engine = engine

    def claims(self, tenant: str = "*") -> Claims:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused("token_missing", "the control port needs 'Authorization: Bearer TOKEN'")
        claims = verify_token(self.engine.key, token.strip(), audience="control", now_s=int(time.time()))
        if claims.tenant not in ("*", tenant):
            raise Refused("token_foreign", f"the token must be for tenant {tenant!r}, it is for another")
        return claims

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(error, Refused):
            status_code = 401 if error.code.startswith("token_") else 404 if error.code.startswith("no_such") else 400
            if error.code == "token_foreign":
                status_code = 403
            self.set_status(status_code)
            self.finish({"ok": False, "code": error.code, "message": str(error)})
        elif isinstance(error, Transient):
            self.set_status(503)
            self.finish({"ok": False, "code": "desk_down", "message": str(error)})
        else:
            self.finish({"ok": False, "code": str(status_code), "message": self._reason})

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(error, Refused | Transient | tornado.web.HTTPError):
            super().log_exception(kind, error, trace)


class _Health(_Control):
    def get(self) -> None:
        desks = {tenant: desk.condition for tenant, desk in self.engine.desks.items()}
        self.finish({"ok": True, "desks": desks})


class _Status(_Control):
    async def get(self) -> None:
        self.claims("*")

        async def describe(desk: DeskChild) -> dict[str, Any]:
            answer: dict[str, Any] = {}
            with contextlib.suppress(Transient):
                answer = await desk.ask({"do": "state"}, _STATUS_S)
            described = {
                "condition": desk.condition, "starts": desk.starts, "pid": desk.pid, "last_error": desk.last_error,
            }  # fmt: skip
            return described | ({"state": answer["state"]} if "state" in answer else {})

        known = list(self.engine.desks.items())  # another may come while one is asked
        described = await asyncio.gather(*(describe(desk) for _, desk in known))
        desks = {tenant: each for (tenant, _), each in zip(known, described, strict=True)}
        self.finish({"ok": True, "desks": desks})


class _Desk(_Control):
    async def get(self, tenant: str) -> None:
        self.claims(tenant)
        self.finish(await self.engine.desk(tenant).ask({"do": "state"}))

    async def post(self, tenant: str, action: str) -> None:
        claims = self.claims(tenant)
        body: dict[str, Any] = {}
        if self.request.body:
            try:
                body = json.loads(self.request.body)
            except (ValueError, RecursionError):
                raise Refused("bad_request", "the body must be a JSON object") from None
            if not isinstance(body, dict):
                raise Refused("bad_request", "the body must be a JSON object")
        # Services of the platform act for somebody they have asked who it is; a tenant's own token speaks for itself.
        by = body.get("by") if claims.tenant == "*" else None
        command = {
            "do": action, "by": str(by or claims.subject)[:64], "reason": str(body.get("reason", ""))[:200],
            "strategy": str(body.get("strategy") or ""),
        }  # fmt: skip
        _log.info("control", extra={"tenant": tenant, "subject": claims.subject, **command})
        desk = self.engine.desk(tenant)
        if action == "reload":  # a strategy is compiled as it is taken in: seconds, and nobody has to wait for them
            desk.tell(command)
            self.finish({"ok": True})
            return
        answer = await desk.ask(command)
        if not answer.get("ok"):
            raise Refused(str(answer.get("code")), str(answer.get("message")))
        self.finish(answer)


def application(engine: Engine) -> tornado.web.Application:
    """The control port's routes."""
    given = {"engine": engine}
    return tornado.web.Application(
        [
            ("/health", _Health, given),
            ("/status", _Status, given),
            ("/desks/([^/]+)", _Desk, given),
            ("/desks/([^/]+)/(pause|resume|kill|reload)", _Desk, given),
        ],
        log_function=lambda handler: None,
    )


async def _serve(engine: Engine, port: int) -> None:
    try:
        sockets = tornado.netutil.bind_sockets(port, "127.0.0.1")
    except OSError as error:
        raise Misconfigured(
            f"the control port must be free, {port} is not: {error}; set TICKHUB_CONTROL_PORT"
        ) from error
    server = tornado.httpserver.HTTPServer(application(engine), max_body_size=64 * 1024)
    server.add_sockets(sockets)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    watcher = asyncio.create_task(engine.watch())
    _log.info("engine is up", extra={"port": sockets[0].getsockname()[1]})
    print(json.dumps({"ready": True, "port": sockets[0].getsockname()[1]}), flush=True)  # noqa: T201
    await stopped.wait()
    watcher.cancel()
    server.stop()
    await engine.stop()


@click.command()
@click.option("--port", type=int, default=None, help="Control port; default TICKHUB_CONTROL_PORT or 8007. 0: any free.")
@click.option("--trusted", is_flag=True, help="All tenants trust each other: run unisolated where it must be.")
@click.option("--snapshot-ticks", default=20_000, show_default=True, help="Ticks between a desk's snapshots.")
@click.option(
    "--awake/--let-sleep", default=True, show_default=True, envvar="TICKHUB_AWAKE",
    help="Idle processors look for work while ticks come thick for orders at a broker, so that these are not late.",
)  # fmt: skip
def main(port: int | None, trusted: bool, snapshot_ticks: int, awake: bool) -> None:
    """Run the live engine."""
    set_up_logs(program="engine")
    home = Home.from_environ()
    argv = [sys.executable, "-m", "live_engine.desk", "--snapshot-ticks", str(snapshot_ticks)]
    try:
        home.create()
        flags = [*(["--trusted"] if trusted else []), *([] if awake else ["--let-sleep"])]
        engine = Engine(home, desk_argv=[*argv, *flags])
        asyncio.run(_serve(engine, Ports.from_environ(os.environ).control if port is None else port))
    except TickhubError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
