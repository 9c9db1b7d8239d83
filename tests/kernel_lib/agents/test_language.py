"""The language model over a loopback server: answers, nonsense, silence, budget; always a reason."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kernel_lib.agents import Orchestrator
from kernel_lib.agents.language import LanguageConfig, LanguageModel
from kernel_lib.agents.news_classifier import news_classifier
from kernel_lib.config import Secret
from kernel_lib.errors import Misconfigured
from tests.kernel_lib.agents.moments import NOW, full

DAY = 86_400 * 10**9


class ScriptedServer(ThreadingHTTPServer):
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.content: Any = ""
        self.status = 200
        self.raw: bytes | None = None
        self.asked: list[tuple[str, dict[str, Any], str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, ScriptedServer)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append((self.path, body, self.headers.get("Authorization", "")))
        answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": server.content}}]}).encode()
        self.send_response(server.status)
        self.end_headers()
        self.wfile.write(answer if server.raw is None else server.raw)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as held:
        thread = threading.Thread(target=held.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield held
        held.shutdown()
        thread.join()


@pytest.fixture
def model(server: ScriptedServer) -> Iterator[LanguageModel]:
    held = LanguageModel(LanguageConfig(url=server.url, model="small", secret=Secret("s3cret"), calls_a_day=3))
    yield held
    held.close()


def test_a_headline_is_scored_by_the_model(server: ScriptedServer, model: LanguageModel) -> None:
    server.content = '```json\n{"score": -0.75}\n```'
    answer = model.score("Euro area output shrinks", now_ns=NOW)
    assert (answer.by, answer.score, answer.reason) == ("model", -0.75, "")
    path, body, token = server.asked[0]
    assert (path, token) == ("/v1/chat/completions", "Bearer s3cret")
    assert (body["model"], body["temperature"]) == ("small", 0)
    assert body["messages"][1]["content"] == "Euro area output shrinks"


@pytest.mark.parametrize(
    ("content", "status", "raw", "why"),
    [("it depends", 200, None, "held no score"), ('{"score": 7}', 200, None, "held no score"),
     ('{"score": NaN}', 200, None, "held no score"), ("[1]", 200, None, "held no score"),
     ("", 500, None, "answered 500"),
     ("", 302, None, "answered 302"), ("", 200, b"<html>", "another shape"),
     ("", 200, b'{"choices": []}', "another shape"),
     (5, 200, None, "held no text")],
)  # fmt: skip
def test_nonsense_falls_back_with_a_reason(
    server: ScriptedServer, model: LanguageModel, content: object, status: int, raw: bytes | None, why: str
) -> None:
    server.content, server.status, server.raw = content, status, raw
    answer = model.score("Profit soars", now_ns=NOW)
    assert (answer.by, answer.score) == ("fallback", news_classifier().score("Profit soars"))
    assert why in answer.reason


def test_a_decision_is_explained_or_its_own_words_stand(server: ScriptedServer, model: LanguageModel) -> None:
    said = Orchestrator("pro").decide(full()).consensus
    server.content = "The panel leans up."
    assert model.explain(said, now_ns=NOW).words == "The panel leans up."
    assert "technical_indicator" in server.asked[0][1]["messages"][1]["content"]
    server.content = " "
    fallback = model.explain(said, now_ns=NOW)
    assert (fallback.by, fallback.words) == ("fallback", said.explain())


def test_the_days_budget_holds_and_comes_back_the_next_day(server: ScriptedServer, model: LanguageModel) -> None:
    server.content = '{"score": 0.5}'
    assert [model.score("x", now_ns=NOW).by for _ in range(4)] == ["model", "model", "model", "fallback"]
    assert model.score("x", now_ns=NOW).reason == "the day's budget of 3 calls is spent"
    assert len(server.asked) == 3
    assert model.score("x", now_ns=NOW + DAY).by == "model"


def test_nobody_there_is_a_reason_too() -> None:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        config = LanguageConfig(url=f"http://127.0.0.1:{bound.getsockname()[1]}/v1", model="small")
        model = LanguageModel(config)
        assert model.score("x", now_ns=0).reason == "the language model could not be reached: ConnectError"
        model.close()


def test_it_is_off_by_default_and_its_secret_is_not_shown() -> None:
    off = LanguageModel(LanguageConfig())
    assert off.score("Profit soars", now_ns=0).reason == "no language model is configured"
    assert "s3cret" not in repr(LanguageConfig(url="https://x", model="m", secret=Secret("s3cret")))


@pytest.mark.parametrize(
    "wrong", [{"url": "http://example.com/v1", "model": "m"}, {"url": "http://127.0.0.1.example.com/v1", "model": "m"},
              {"url": "https://example.com/v1"}, {"timeout_s": 0.0},
              {"calls_a_day": -1}],
)  # fmt: skip
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="must be"):
        LanguageConfig(**wrong)
