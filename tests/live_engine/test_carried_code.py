"""A lost strategy process is rebuilt with the machine code that it had, and nothing is taken on trust."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numba
import pytest

from kernel_lib.kept_code import kept_directory
from live_engine import carried_code
from live_engine import strategy_wire as wire
from live_engine.proposers import Fault
from live_engine.strategy_line import open_line
from live_engine.strategy_process import StrategyHost
from live_engine.strategy_wire import Answer
from tests.live_engine.strategy_kit import STEADY, plain, start_host
from tests.live_engine.test_strategy_process import load_of, tick

_LOADS = """
import sys
import numba
import numpy as np
from kernel_lib import kept_code
from kernel_lib.market.instrument import EURUSD
from kernel_lib.strategy import Proposer, load_strategy
from kernel_lib.trading.record import VIEW
from live_engine import carried_code
numba.config.CACHE_DIR = sys.argv[1]
found = []
load = kept_code._Kept.load_overload
def listened(self, sig, context):
    answer = load(self, sig, context)
    found.append(answer is not None)
    return answer
kept_code._Kept.load_overload = listened
carried_code.lay_out(sys.stdin.buffer.read())
known = carried_code.kept_names()
proposer = Proposer(load_strategy(sys.argv[2], "steady"), EURUSD)
print(proposer.on_tick(10**18, 1.1, 1.1001, np.zeros(1, VIEW)), found, file=sys.stderr)
sys.stdout.buffer.write(carried_code.collect(known))
"""


def loaded(cache: Path, code: bytes) -> tuple[str, bytes]:
    """Load a strategy in a process with a cache of its own; what it answered, and the code that it made."""
    cache.mkdir()
    command = [sys.executable, "-c", _LOADS, str(cache), STEADY]
    ended = subprocess.run(command, input=code, capture_output=True, timeout=100, check=True)
    return ended.stderr.decode(), ended.stdout


def test_another_process_takes_the_code_over_and_answers_the_same(tmp_path: Path) -> None:
    first, code = loaded(tmp_path / "first", b"")
    second, more = loaded(tmp_path / "second", code)
    assert first.endswith("[False]\n")
    assert second.endswith("[True]\n")
    assert first.split(")")[0] == second.split(")")[0]
    assert code
    assert not more


@pytest.fixture
def host() -> Iterator[StrategyHost]:
    held = start_host(answer_s=3.0)
    yield held
    held.close()


SPY = plain(
    "    raise ValueError(' '.join(os.listdir(kept_directory())))\n",
    top="from kernel_lib.kept_code import kept_directory\n",
)


def test_what_a_process_compiled_is_given_to_the_one_after_it(host: StrategyHost) -> None:
    assert host.add(1, load_of(STEADY, "steady")) is None
    made = msgspec.msgpack.decode(host.slots[1].code, type=dict[str, bytes])
    assert made
    other = f"{'7' * 64}.code"
    host.slots[1].code = msgspec.msgpack.encode({**made, other: b"unusable", f"../{other}": b"x", "plain.txt": b"x"})
    assert host._restart() == {}
    assert host.add(2, load_of(SPY, "bad")) is None
    fault = host.ask(tick(1, 2))[2]
    assert isinstance(fault, Fault)
    names = fault.reason.removeprefix("ValueError: ").split()
    assert {*made, other} <= set(names)
    assert not {f"../{other}", "plain.txt"} & set(names)


def test_code_that_is_none_costs_a_compilation_and_nothing_else(host: StrategyHost) -> None:
    assert host.add(1, load_of(STEADY, "steady")) is None
    for number, code in enumerate((b"no code at all", msgspec.msgpack.encode({"a": 1}), b"\x81")):
        host.slots[1].code = code
        assert host._restart() == {}
        assert isinstance(host.ask(tick(number, 1))[1], Answer)
        assert host.slots[1].code not in (code, b"")


def test_a_strategy_whose_models_leave_no_room_is_sent_without_its_code(host: StrategyHost) -> None:
    large = load_of(STEADY + f"# {'x' * (wire.MAX_BLOB_BYTES - 500_000)}\n", "steady")
    assert host.add(1, large) is None
    host.slots[1].code = bytes(1_000_000)
    assert host._restart() == {}
    assert isinstance(host.ask(tick(1, 1))[1], Answer)


def test_more_code_than_a_strategy_has_is_not_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "code"))
    directory = kept_directory()
    assert directory is not None
    assert carried_code.kept_names() == frozenset()
    assert carried_code.collect(frozenset()) == b""
    directory.mkdir()
    (directory / f"{'0' * 64}.code").write_bytes(b"small")
    assert carried_code.collect(frozenset()) == msgspec.msgpack.encode({f"{'0' * 64}.code": b"small"})
    (directory / f"{'1' * 64}.code").write_bytes(bytes(carried_code.MOST_BYTES))
    assert carried_code.collect(frozenset()) == b""


def test_a_long_message_that_drips_is_not_waited_for_part_by_part() -> None:
    line, (source, sink) = open_line()

    def drip() -> None:
        with contextlib.suppress(BrokenPipeError):
            for offset in range(wire.MAX_BLOB_BYTES):
                part = wire._BLOB.pack(wire.BLOB, 1, 1, 1, wire.SNAPSHOT, wire.MAX_BLOB_BYTES, offset)
                os.write(sink, part + b"x")

    writer = threading.Thread(target=drip)
    writer.start()
    try:
        with pytest.raises(TimeoutError, match=r"must come within 0.2 s"):
            wire.receive_blob(line, wire.SNAPSHOT, 1, 1, 1, within_s=0.2)
    finally:
        line.close()
        writer.join()
        os.close(source)
        os.close(sink)
