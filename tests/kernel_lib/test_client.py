"""The notebook's client turns answers into arrays and tables, and refusals into errors with a code."""

import inspect
import json
import linecache
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kernel_lib import client as client_module
from kernel_lib import features as f
from kernel_lib.client import Client
from kernel_lib.client_platform import asked_for
from kernel_lib.config import Secret
from kernel_lib.errors import BadData, Misconfigured, Refused, Transient
from kernel_lib.market.tick import TICK
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import strategy

Answer = tuple[int, bytes]
Serve = Callable[[dict[str, Answer]], Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answers by path on both services' sockets; gives a client to them."""
    servers: list[ThreadingUnixStreamServer] = []
    clients: list[Client] = []
    with TemporaryDirectory() as place:

        def start(answers: dict[str, Answer]) -> Client:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    status, content = answers[self.path.partition("?")[0]]
                    assert self.headers["Authorization"] == "token secret-token"
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

                def address_string(self) -> str:
                    return "test"

                def log_message(self, *_: object) -> None:
                    pass

            for name in ("api", "data"):
                server = ThreadingUnixStreamServer(str(Path(place) / f"{name}.sock"), Handler)
                server.daemon_threads = True
                threading.Thread(target=server.serve_forever, daemon=True).start()
                servers.append(server)
            clients.append(Client(Secret("secret-token"), services=place))
            return clients[-1]

        yield start
        for client in clients:
            client.close()
        for server in servers:
            server.shutdown()
            server.server_close()


def stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


TABLE = pa.table({"time_ns": [1_549_238_400_000_000_001], "bid": [1.25], "ask": [1.5]})


def test_ticks_are_an_array_and_frames_are_by_time(serve: Serve) -> None:
    client = serve({"/services/data/ticks": (200, stream_of(TABLE)), "/services/data/bars": (200, stream_of(TABLE))})
    ticks = client.ticks("EURUSD", limit=1)
    assert ticks.dtype == TICK
    assert ticks[0].item() == (1_549_238_400_000_000_001, 1.25, 1.5)
    frame = client.ticks_frame("EURUSD", "2019-02-04", limit=1)
    assert frame.index[0] == pd.Timestamp(1_549_238_400_000_000_001, tz="UTC")
    assert client.bars("EURUSD", "5m").columns.tolist() == ["bid", "ask"]
    assert np.array_equal(frame["bid"].to_numpy(), ticks["bid"])


def test_what_the_platform_tells_is_a_mapping_that_a_notebook_shows_as_a_table(serve: Serve) -> None:
    me = {"user": "ann", "tier": {"name": "<pro>", "daily_trades": None}}
    desk = {"account": {"equity": 10000.5}, "positions": [{"symbol": "EURUSD"}], "notes": []}
    answers = {"me": me, "quota": {"day": "2026-01-02"}, "desk": desk}
    client = serve({f"/services/api/{name}": (200, json.dumps(each).encode()) for name, each in answers.items()})
    assert client.me() == me
    assert json.loads(json.dumps(client.desk())) == desk
    assert "<th style='text-align:left;vertical-align:top'>user</th><td style='text-align:left'>ann</td>" in (
        client.me()._repr_html_()
    )
    assert "&lt;pro&gt;" in client.me()._repr_html_()
    assert "10,000.5" in client.desk()._repr_html_()
    assert "2026-01-02" in client.quota()._repr_html_()


def test_empty_answers_are_empty_tables(serve: Serve) -> None:
    client = serve({"/services/data/symbols": (200, b"[]"), "/services/api/strategies": (200, b"[]")})
    assert client.symbols().empty
    assert client.strategies().columns.tolist() == ["hash", "name", "author", "status", "submitted_at"]


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        ((403, json.dumps({"error": "tier_rows", "message": "too many"}).encode()), Refused, "too many"),
        ((400, json.dumps({"error": "bad_request", "message": "what?"}).encode()), BadData, "what?"),
        ((503, json.dumps({"error": "unavailable", "message": "later"}).encode()), Transient, "later"),
        ((502, b"<html>bad gateway</html>"), Transient, "502"),
        ((403, b"[]"), Transient, "403"),
        ((200, b"not json"), Transient, "not JSON"),
    ],
)  # fmt: skip
def test_a_refusal_is_an_error_that_says_what_to_do(
    serve: Serve, answer: Answer, kind: type[Exception], text: str
) -> None:
    client = serve({"/services/api/me": answer})
    with pytest.raises(kind, match=text):
        client.me()


def test_a_cut_off_table_is_noticed(serve: Serve) -> None:
    client = serve({"/services/data/ticks": (200, stream_of(TABLE)[:40])})
    with pytest.raises(Transient, match="cut off"):
        client.ticks("EURUSD")


def test_without_an_address_or_token_the_client_says_what_to_set() -> None:
    with pytest.raises(Misconfigured, match="JUPYTERHUB_API_TOKEN"):
        Client.from_environ({})
    with pytest.raises(Misconfigured, match="TICKHUB_URL"):
        Client.from_environ({"JUPYTERHUB_API_TOKEN": "x"})


def test_nobody_there_is_worth_a_retry() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        client = Client(Secret("x"), url=f"http://127.0.0.1:{probe.getsockname()[1]}")
        with pytest.raises(Transient, match="must answer"):
            client.me()
        client.close()


def test_the_token_does_not_show() -> None:
    client = Client(Secret("secret-token"), url="http://127.0.0.1:1")
    assert "secret-token" not in repr(vars(client))
    client.close()


@pytest.fixture
def unreachable() -> Iterator[Client]:
    """A client that must not come as far as asking anybody."""
    client = Client(Secret("t" * 32), url="http://127.0.0.1:1", stream_url="ws://127.0.0.1:1")
    yield client
    client.close()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), "hot", [0.3]])
def test_a_value_that_is_no_number_is_refused_before_it_is_sent(unreachable: Client, number: Any) -> None:
    with pytest.raises(BadData, match="must be a finite number, or None"):
        unreachable.tell("moon", number)


def test_one_symbol_is_a_list_of_it_and_not_of_its_letters() -> None:
    assert asked_for("EURUSD", None) == ["EURUSD"]
    assert asked_for(("EURUSD", "USDJPY"), 5) == ["EURUSD", "USDJPY"]
    assert asked_for(None, None) == []


@pytest.mark.parametrize(("symbols", "timeout_s"), [(3, None), ([3], None), ("EURUSD", -1.0), ("EURUSD", 0.0)])
def test_a_stream_of_nothing_is_refused_when_it_is_asked_for(
    unreachable: Client, symbols: Any, timeout_s: float | None
) -> None:
    with pytest.raises(BadData, match=r"symbols must be one such as 'EURUSD'|timeout_s must be above 0"):
        unreachable.stream(symbols, timeout_s)


HASHES = ["ab12cd34" + "0" * 56, "ab12cd99" + "0" * 56, "ffff0000" + "0" * 56]
LISTED = [
    {"hash": each, "name": "n", "author": "a", "status": "submitted", "submitted_at": "2026-11-21T10:00:00"}
    for each in HASHES
]


@pytest.mark.parametrize("begins", ["", "f", "ffff0", "ab12cd", "zzzzzz", "ab/../c", "eeeeee", "ff" * 33, None])
def test_a_hash_that_does_not_mean_one_strategy_for_sure_means_none(serve: Serve, begins: Any) -> None:
    client = serve({"/services/api/strategies": (200, json.dumps(LISTED).encode())})
    with pytest.raises(BadData, match=r"of the hash must be given|must begin one strategy's hash"):
        client.approve(begins)
    with pytest.raises(BadData, match=r"of the hash must be given|must begin one strategy's hash"):
        client.hold_out(begins)


def test_the_first_characters_of_a_hash_are_enough(serve: Serve) -> None:
    client = serve({"/services/api/strategies": (200, json.dumps(LISTED).encode())})
    assert client.submitted("ffff00") == HASHES[2]
    assert client.submitted(HASHES[0]) == HASHES[0]


def test_what_cannot_be_promoted_is_said_in_its_authors_words(unreachable: Client) -> None:
    made = strategy(features={"fast": f.ema(20)})
    by_hand = made(lambda x, position, p: 1.0)
    with pytest.raises(BadData, match="write it as a function with def, it was a lambda"):
        unreachable.promote(by_hand, instrument="EURUSD")
    with pytest.raises(BadData, match="must be what @strategy made, it was 'ma_cross'"):
        unreachable.promote("ma_cross", instrument="EURUSD")
    with pytest.raises(BadData, match="no contract data for symbol 'XX'"):
        unreachable.promote(ma_cross, instrument="XX")


HEAD = "from kernel_lib import features as f\nfrom kernel_lib.strategy import strategy\n"
CELL = "@strategy(features=dict(fast=f.ema({span})))\ndef mine(x, position, p):\n    return 1.0\n"


def cell(text: str, **others: Any) -> Any:
    """Run a cell in a notebook that holds some names already; gives the strategy ``mine``."""
    name = f"<cell {uuid.uuid4()}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names = {"f": f, "strategy": strategy, **others}
    exec(compile(text, name, "exec"), names)
    return names["mine"]


@pytest.mark.parametrize(
    ("text", "others", "told"),
    [
        (CELL.format(span=20), {}, "must run on its own, with its imports: NameError: name 'strategy' is not defined"),
        (f"{HEAD}{CELL.format(span='SPAN')}", {"SPAN": 20}, "NameError: name 'SPAN' is not defined"),
        (f"{HEAD}{CELL.format(span=20)}client.me()\n", {"client": SimpleNamespace(me=dict)}, "name 'client'"),
        (
            f"from kernel_lib.client import Client, Secret\n{HEAD}{CELL.format(span=20)}"
            "if __name__ == 'tickhub_strategy':\n    Client(Secret('t'), url='http://127.0.0.1:1').me()\n",
            {}, "where a strategy trades there is no platform to ask",
        ),
        (
            f"{HEAD}SPAN = 20 if __name__ == 'tickhub_strategy' else 30\n{CELL.format(span='SPAN')}",
            {}, "it gave fast = ema(span=20) in place of fast = ema(span=30)",
        ),
        (
            f"{HEAD}{CELL.format(span=20)}".replace("return 1.0", "return 1.0 if x.bid > x.fats else 0.0"),
            {}, "line 5 of its cell or file: x has no feature 'fats' (did you mean x.fast?); it has fast, bid, ask",
        ),
        (
            f"{HEAD}{CELL.format(span=20)}".replace("return 1.0", "return position.exposur"),
            {}, "position has no field 'exposur' (did you mean position.exposure?)",
        ),
    ],
)  # fmt: skip
def test_a_strategy_that_does_not_run_by_itself_is_refused_where_its_author_is(
    serve: Serve, text: str, others: dict[str, Any], told: str
) -> None:
    counted = {"n_trials": 0, "n_runs": 0, "n_on_instrument": 0}
    client = serve({
        "/services/api/me": (200, b'{"user": "ann", "tenant": "demo"}'),
        "/services/api/trials": (200, json.dumps(counted).encode()),
    })  # fmt: skip
    with pytest.raises(BadData, match=re.escape(told)):
        client.promote(cell(text, **others), instrument="EURUSD")


def test_a_name_that_the_client_does_not_have_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(AttributeError, match=r"did you mean ticks\?"):
        client_module.tick  # noqa: B018


def test_a_question_mark_behind_a_function_shows_what_it_takes() -> None:
    for name in set(client_module.__all__) - {"Client"}:
        function, method = getattr(client_module, name), getattr(Client, name)
        assert function.__doc__ == method.__doc__, name
        assert list(inspect.signature(function).parameters) == list(inspect.signature(method).parameters)[1:], name
    assert "ISO 8601" in str(client_module.ticks.__doc__)
