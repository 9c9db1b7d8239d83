"""A strategy can ask, never act: what raises, lies, hangs, dies or eats memory is put out, and the others go on."""

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest

from kernel_lib.errors import StrategyFault
from kernel_lib.market.instrument import EURUSD
from kernel_lib.strategy import Proposer, load_strategy
from kernel_lib.trading.account import AccountConfig
from kernel_lib.trading.record import VIEW
from live_engine import strategy_wire as wire
from live_engine.heard import Question, Told
from live_engine.proposers import Fault
from live_engine.strategy_line import Line
from live_engine.strategy_process import StrategyHost
from live_engine.strategy_wire import Answer, Blobs, checked_proposal
from tests.live_engine.strategy_kit import FORGED, FORGES, STEADY, plain, start_host


def load_of(source: str, entry: str) -> dict[str, object]:
    return {
        "name": entry, "source": source, "entry": entry, "models": {}, "channels": [], "params": {},
        "instrument": msgspec.to_builtins(EURUSD),
        "account": msgspec.to_builtins(AccountConfig()),
    }  # fmt: skip


@pytest.fixture
def host() -> Iterator[StrategyHost]:
    held = start_host(answer_s=3.0)
    yield held
    held.close()


def tick(number: int, *slots: int) -> list[Question]:
    view = np.zeros(1, VIEW).tobytes()
    return [Question(slot, number * 10**9, 1.1 + number * 1e-5, 1.1001 + number * 1e-5, view) for slot in slots]


def test_good_strategies_answer_and_keep_their_state(host: StrategyHost) -> None:
    assert host.add(1, load_of(STEADY, "steady")) is None
    answers = [host.ask(tick(number, 1))[1] for number in range(6)]
    assert all(isinstance(each, Answer) for each in answers)
    kept = host.snapshot(1)
    assert isinstance(kept, bytes)
    following = [host.ask(tick(number, 1))[1] for number in (6, 7)]
    host.remove(1)
    assert host.add(2, load_of(STEADY, "steady"), kept, tick(6, 2)) is None
    assert host.ask(tick(7, 2))[2] == following[1]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    raise ValueError('no such luck')\n", "ValueError: no such luck"),
        ("    return None\n", "must give a number from -1 to 1, or an order; bad gave None"),
        ("    os._exit(0)\n", "ended by itself"),
        ("    time.sleep(60)\n", "no answer within 3.0 s"),
        ("    while True: pass\n", "no answer within 3.0 s"),
        ("    block = bytearray(2 << 30)\n    block[::4096] = b'x' * len(block[::4096])\n    return 0.0\n", ""),
    ],
)
def test_a_bad_strategy_is_put_out_and_its_neighbour_goes_on(host: StrategyHost, body: str, reason: str) -> None:
    assert host.add(1, load_of(STEADY, "steady")) is None
    before = [host.ask(tick(number, 1))[1] for number in range(5)]
    assert host.add(2, load_of(plain(body), "bad")) is None
    answers = host.ask(tick(5, 2, 1))
    fault = answers[2]
    assert isinstance(fault, Fault)
    assert reason in fault.reason
    assert isinstance(answers[1], Answer)
    alone = [host.ask(tick(number, 1))[1] for number in range(6, 9)]
    assert all(isinstance(each, Answer) for each in [*before, *alone])
    assert 2 not in host.slots


def test_a_target_that_is_no_number_is_told_as_such(host: StrategyHost) -> None:
    for slot, body in enumerate(("    return math.nan\n", "    return 7.0\n"), start=1):
        assert host.add(slot, load_of(plain(body), "bad")) is None
        answer = host.ask(tick(1, slot))[slot]
        assert isinstance(answer, Answer)
        assert answer.status == 2


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def (", "SyntaxError"),
        ("x = 1", "must define the strategy"),
        ("import sys; sys.exit(3)", "ended by itself"),
        ("raise RuntimeError('at import')", "at import"),
        ("import socket; socket.create_connection(('127.0.0.1', 80), 2)", "Error"),
    ],
)
def test_source_that_cannot_be_loaded_is_a_fault(host: StrategyHost, source: str, reason: str) -> None:
    fault = host.add(1, load_of(source, "steady"))
    assert isinstance(fault, Fault)
    assert reason in fault.reason
    assert host.add(2, load_of(STEADY, "steady")) is None


def test_source_longer_than_one_frame_is_carried(host: StrategyHost) -> None:
    assert host.add(1, load_of(STEADY + "#" * 300_000, "steady")) is None


@pytest.mark.parametrize(
    "attack",
    [
        # ahead of the honest answer
        f"os.write(fd, {FORGED})",
        # frames run into one another
        f"fcntl.fcntl(fd, fcntl.F_SETFL, 0), os.write(fd, {FORGED}), os.write(fd, bytes(4000))",
    ],
)
def test_a_strategy_that_writes_into_the_line_to_the_desk_is_put_out(host: StrategyHost, attack: str) -> None:
    top = FORGES.format(attack=attack)
    assert host.add(1, load_of(plain("    forge()\n    return 0.0\n", top), "bad")) is None
    answer = host.ask(tick(1, 1))[1]
    assert isinstance(answer, Fault)
    assert "question asked" in answer.reason
    assert host.add(2, load_of(STEADY, "steady")) is None
    assert isinstance(host.ask(tick(9, 2))[2], Answer)


def test_more_strategies_than_the_line_holds_frames_are_asked_in_turns(
    host: StrategyHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Line, "frames_in_flight", 2)
    raising = load_of(plain("    raise ValueError\n"), "bad")
    for slot in range(1, 6):
        assert host.add(slot, raising if slot == 4 else load_of(STEADY, "steady")) is None
    answers = host.ask(tick(1, *range(1, 6)))
    assert [slot for slot, each in answers.items() if isinstance(each, Answer)] == [1, 2, 3, 5]
    assert isinstance(answers[4], Fault)


def frame(**changes: object) -> bytes:
    fields: dict[str, object] = {"kind": wire.PROPOSAL, "slot": 1, "epoch": 2, "seq": 3, "target": 1.0, "units": 10}
    fields |= {"stop": 0, "take": 0, "status": 1} | changes
    return wire.PROPOSAL_FRAME.pack(*fields.values())


def test_an_honest_frame_is_read() -> None:
    assert checked_proposal(frame(), 1, 2, 3) == Answer(1.0, 10, 0, 0, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"",
        lambda: frame()[:-1],
        lambda: frame() + b"x",
        lambda: frame(epoch=1),
        lambda: frame(seq=2),
        lambda: frame(slot=2),
        lambda: frame(target=float("nan")),
        lambda: frame(target=1.5),
        lambda: frame(units=1 << 40),
        lambda: frame(stop=-1),
        lambda: frame(status=3),
        lambda: frame(status=-1),
    ],
)
def test_a_hostile_frame_is_a_fault(make: Callable[[], bytes]) -> None:
    with pytest.raises(StrategyFault):
        checked_proposal(make(), 1, 2, 3)


def test_parts_of_a_long_message_must_fit() -> None:
    head = (wire.BLOB, 1, 1, 1, wire.SNAPSHOT)
    pack = wire._BLOB.pack
    for frames in (
        [b"short"],
        [pack(*head, 1 << 30, 0) + b"x"],
        [pack(*head, 10, 5) + b"x"],
        [pack(*head, 10, 0) + b"12345", pack(*head, 11, 5) + b"12345"],
        [pack(*head, 2, 0) + b"123"],
        [pack(*head, 2, 0)],
    ):
        blobs = Blobs()
        for each in frames[:-1]:
            blobs.add(each)
        with pytest.raises(StrategyFault):
            blobs.add(frames[-1])


ALONE = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="tick", features={"slow": f.ema(3), "news": f.outside("news")})
def alone(x, position, p):
    if x.news < 0.0:
        return 1.0 / (x.slow - x.slow)
    return 1.0 if x.mid >= x.slow * x.news else -1.0
"""


def test_a_strategy_that_is_alone_is_served_without_python_and_answers_the_same(host: StrategyHost) -> None:
    """The compiled loop takes over at the third question, and gives way to whatever else comes."""
    load = load_of(ALONE, "alone") | {"channels": ["news"]}
    proposer = Proposer(load_strategy(ALONE, "alone"), EURUSD)
    assert host.add(1, load) is None
    for number in range(60):
        if number % 20 == 5:
            told = Told(1, 0, 1.0 if number < 40 else 0.9999)
            host.tell(told)
            proposer.tell(told.channel, told.number)
        (question,) = tick(number, 1)
        view = np.frombuffer(question.view, VIEW).copy()
        expected = proposer.on_tick(question.time_ns, question.bid, question.ask, view)
        assert host.ask([question])[1] == Answer(*expected)
        if number == 30:
            assert host.snapshot(1) == proposer.snapshot()
    host.tell(Told(1, 0, -1.0))
    fault = host.ask(tick(60, 1))[1]
    assert isinstance(fault, Fault)
    assert "ZeroDivisionError" in fault.reason


def test_a_fault_whose_words_are_as_long_as_an_answer_is_read_as_a_fault(host: StrategyHost) -> None:
    words = "x" * (wire.PROPOSAL_FRAME.size - wire.HEADER.size - len("ValueError: "))
    assert host.add(1, load_of(STEADY, "steady")) is None
    assert host.add(2, load_of(plain(f"    raise ValueError('{words}')\n"), "bad")) is None
    answers = host.ask(tick(1, 2, 1))
    assert answers[2] == Fault(f"ValueError: {words}")
    assert isinstance(answers[1], Answer)
    assert host.restarts == 0


COUNTS = """
from kernel_lib import features as f
from kernel_lib.features.evaluated import Evaluated
from kernel_lib.strategy import strategy

class Counts:
    def evaluate(self, row, seen):
        done = seen.traded
        return (done.closed / 100, done.gained / 1000, done.slippage_points / 100)

    def state(self):
        return b""

    def restore(self, state):
        pass

made = Evaluated("counts", {}, Counts(), {"one": f.sma(1, bars="1m")}, outputs=("closed", "gained", "slip"), bars="1m")

@strategy(on="1m", features={"own": made})
def counting(x, position, p):
    return x.own + x.own_gained + x.own_slip
"""


def test_a_strategy_is_told_of_its_own_trades_over_the_wire(host: StrategyHost) -> None:
    assert VIEW.itemsize == wire.VIEW_BYTES
    assert host.add(1, load_of(COUNTS, "counting")) is None
    view = np.zeros(1, VIEW)
    view["n_closed"], view["n_won"], view["won_minor"] = 7, 5, 50_00
    view["n_at_market"], view["slipped_points"] = 4, 12
    answers = [host.ask([Question(1, number * 60 * 10**9, 1.1, 1.1001, view.tobytes())])[1] for number in range(4)]
    said = [each for each in answers if isinstance(each, Answer) and each.status]
    assert len(said) >= 2
    assert {round(each.target, 6) for each in said} == {round(0.07 + 0.05 + 0.03, 6)}
