"""A command is waited for longer the further out it was given: what was done late is not told as not done."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tornado import httpserver, netutil, web

import dashboards.broker
import hub.services.desk
import kernel_lib.cli.control
import kernel_lib.client_platform
import live_engine.desk_child
from dashboards.broker import Api
from dashboards.identity import Viewer
from dashboards.settings import DeskSettings
from kernel_lib.config import Home, Secret
from kernel_lib.errors import Transient


class _Late(web.RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(0.5)
        self.finish({"done": True})

    async def post(self) -> None:
        await self.get()


async def test_a_command_is_waited_for_and_a_question_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.broker._TIMEOUT_S", 0.1)
    with TemporaryDirectory() as place:
        home = Home(Path(place) / "h").create()
        settings = DeskSettings(home=home, token=Secret("service"), bridge_port=1)
        server = httpserver.HTTPServer(web.Application([("/services/api/desk.*", _Late)]))
        settings.api_socket.parent.mkdir(parents=True, exist_ok=True)
        server.add_socket(netutil.bind_unix_socket(str(settings.api_socket)))
        api, viewer = Api(settings), Viewer("ann", Secret("token"))
        assert await api.ask("POST", "/desk/kill", viewer) == (200, {"done": True})
        with pytest.raises(Transient, match="it did not"):
            await api.ask("GET", "/desk", viewer)
        await api.close()
        server.stop()
        await server.close_all_connections()


def test_nobody_gives_up_before_whoever_he_asked() -> None:
    desk, engine = live_engine.desk_child._ANSWER_S, hub.services.desk._COMMAND_S
    assert desk < engine < dashboards.broker._COMMAND_S
    assert desk < kernel_lib.cli.control._COMMAND_S
    assert engine < kernel_lib.client_platform.TIMEOUT_S
