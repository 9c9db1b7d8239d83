"""Seats in compiled code give what seats in Python give, and what is not plain is put out while the others go on."""

import itertools
import math
import signal
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from kernel_lib.errors import Broken, StrategyFault
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategies import breakout, ma_cross
from kernel_lib.strategy import Strategy, load_strategy
from kernel_lib.trading.record import Status
from kernel_lib.trading.terms import order_status
from live_engine import entries
from live_engine.draft import Draft
from live_engine.heard import Heard, Question, Told
from live_engine.proposers import AskedSeats, Fault, Quote, Seats
from live_engine.slot import Slot
from live_engine.strategy_line import Line
from live_engine.strategy_process import StrategyHost
from live_engine.strategy_wire import PROPOSAL, PROPOSAL_FRAME, checked_proposal
from live_engine.turn import is_plain
from tests.live_engine.desk_kit import approved_bundle
from tests.live_engine.strategy_kit import FORGED, FORGES, HEAD, STEADY, plain, start_host

MAKES: dict[str, Callable[[StrategyHost, list[Slot], Draft], Seats]] = {
    "compiled": lambda host, slots, draft: host.seats(slots, draft),
    "asked": lambda host, slots, draft: AskedSeats(host, slots),
}
FAILS_AT = 40


@pytest.fixture
def hosts() -> Iterator[Callable[[], StrategyHost]]:
    started: list[StrategyHost] = []

    def start() -> StrategyHost:
        started.append(start_host(answer_s=1.0))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def ticks() -> Ticks:
    dice = np.random.default_rng(5)
    mid = 1.1 + np.cumsum(dice.normal(0.0, 3e-5, 300))
    return make_ticks(np.arange(300) * 10**9 + 1_549_000_000_000_000_000, mid - 5e-5, mid + 5e-5)


@pytest.fixture(scope="module")
def unharmed(ticks: Ticks) -> Iterator[list[bytes]]:
    """The rows of two steady strategies among themselves, asked in Python."""
    host = start_host(answer_s=1.0)
    yield list(run("asked", host, seated(steady(), steady(1e-5)), quotes_of(ticks[:80]))[2].values())
    host.close()


def seated(*strategies: Strategy, mode: str = "paper") -> list[Slot]:
    slots = []
    for number, strategy in enumerate(strategies, 1):
        passport, content, _, _ = approved_bundle(strategy, mode=mode)
        slots.append(Slot(number, passport.encode(), content))
    return slots


def steady(edge: float = 0.0) -> Strategy:
    return load_strategy(STEADY, "steady").with_params(edge=edge)


def quotes_of(ticks: Ticks) -> list[Quote]:
    return [(0, int(each["time_ns"]), float(each["bid"]), float(each["ask"]), 7_000, 3_000) for each in ticks]


def run(
    how: str, host: StrategyHost, slots: list[Slot], quotes: Sequence[Quote]
) -> tuple[list[bytes], dict[int, Fault], dict[int, bytes]]:
    """Let them take ticks as a desk does; give what each tick leaves in the journal, faults, and each book's rows."""
    for slot in slots:
        if slot.running:
            assert host.add(slot.number, slot.load_message()) is None
    draft, drafts, faults = Draft(7), [], {}
    seats = MAKES[how](host, slots, draft)
    rows = {slot.number: b"" for slot in slots}
    for quote in quotes:
        draft.begin(1 << 20)
        record, found = seats.turn(quote)
        if record:
            assert draft.add(entries.PROPOSALS, record)
        if found:
            faults |= found
            for number in found:
                slots[number - 1].faulted = True
            seats = MAKES[how](host, slots, draft)
        for slot in slots:
            given = slot.book.drain_bytes()
            rows[slot.number] += given
            if record and given:
                assert draft.add(entries.ROWS, entries.pack_rows(slot.number, given))
        drafts.append(draft.content())
    return drafts, faults, rows


def answers_in(drafted: bytes) -> np.ndarray:  # type: ignore[type-arg]
    (kind,) = struct.unpack_from("<B", drafted, 16)
    (length,) = struct.unpack_from("<I", drafted, 4)
    assert kind == entries.PROPOSALS
    return entries.unpack_proposals(drafted[24 : 24 + length])[1]


@pytest.mark.parametrize("mode", ["paper", "mt5"])
def test_compiled_seats_give_the_records_rows_and_books_of_seats_that_are_asked(
    hosts: Callable[[], StrategyHost], ticks: Ticks, mode: str
) -> None:
    in_python = load_strategy(plain("    return math.sin(x.mid * 1e5)\n"), "bad")
    found: list[Any] = []
    for how in MAKES:
        chosen = (ma_cross.with_params(fast=2, slow=3), in_python, steady(), breakout, steady(1e-5))
        slots, host = seated(*chosen, mode=mode), hosts()
        slots[2].withdrawn = True
        records, faults, rows = run(how, host, slots, quotes_of(ticks))
        assert not faults
        kept = [host.snapshot(slot.number) for slot in slots if slot.running]
        found.append((records, rows, [slot.book.snapshot() for slot in slots], kept))
    assert found[0] == found[1]
    assert sum(map(len, found[0][0])) > 300 * 300  # laid, not left out
    assert len(found[0][1][1]) > 20 * 120


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no such luck')", "ValueError: no such luck"),
        ("return None", "must give a number from -1 to 1"),
        ("return math.nan", "the target must be from -1 to 1, it was nan"),
        ("return 7.0", "the target must be from -1 to 1, it was 7.0"),
        ("os._exit(0)", "ended by itself"),
        ("time.sleep(60)", "no answer within 1.0 s"),
        ("forge()", "to the question asked"),
    ],
)
@pytest.mark.parametrize("place", [1, 3])
def test_a_strategy_that_fails_is_put_out_and_the_others_never_notice(
    hosts: Callable[[], StrategyHost], ticks: Ticks, unharmed: list[bytes], body: str, reason: str, place: int
) -> None:
    quotes = quotes_of(ticks[:80])
    top = FORGES.format(attack=f"os.write(fd, {FORGED})")
    fails = plain(f"    if x.time_ns >= {quotes[FAILS_AT][1]}: {body}\n    return 0.0\n", top)
    strategies = [steady(), steady(1e-5)]
    strategies.insert(place - 1, load_strategy(fails, "bad"))
    slots = seated(*strategies)
    records, faults, rows = run("compiled", hosts(), slots, quotes)
    assert list(faults) == [place]
    assert reason in faults[place].reason
    answers = answers_in(records[FAILS_AT])
    assert sorted(answers["slot"]) == [1, 2, 3]
    assert answers["status"][answers["slot"] == place] == faults[place].status
    assert [len(answers_in(each)) for each in records[FAILS_AT + 1 :]] == [2] * 39
    assert [rows[slot.number] for slot in slots if slot.number != place] == unharmed


def test_more_strategies_than_the_line_holds_frames_are_asked(
    hosts: Callable[[], StrategyHost], ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotes = quotes_of(ticks[:30])
    found = []
    for held in (2, 64):
        monkeypatch.setattr(Line, "frames_in_flight", held)
        found.append(run("compiled", hosts(), seated(steady(), steady(1e-5), steady(2e-5)), quotes))
    assert found[0] == found[1]


def test_a_strategy_is_told_between_two_ticks_and_knows_it_after_its_process_was_lost(
    hosts: Callable[[], StrategyHost], ticks: Ticks
) -> None:
    source = HEAD + (
        "@strategy(on='tick', features={'news': f.outside('news')})\n"
        "def told(x, position, p):\n    return 0.5 if x.news > 1.0 else -0.5\n"
    )
    quotes = quotes_of(ticks[:6])
    dies = plain(f"    if x.time_ns >= {quotes[4][1]}: os._exit(0)\n    return 0.0\n")
    slots, host = seated(load_strategy(dies, "bad"), load_strategy(source, "told")), hosts()
    for slot in slots:
        assert host.add(slot.number, slot.load_message()) is None
    draft = Draft(0)
    seats = host.seats(slots, draft)
    targets = []
    for number, quote in enumerate(quotes):
        if number == 2:
            host.tell(Told(2, 0, 2.0))
        draft.begin(1 << 20)
        record, faults = seats.turn(quote)
        answers = entries.unpack_proposals(record)[1] if record else answers_in(draft.content())
        targets.append(float(answers["target"][answers["slot"] == 2][0]))
        for failed in faults:
            slots[failed - 1].faulted = True
            seats = host.seats(slots, draft)
    assert targets == [0.0, 0.0, 0.5, 0.5, 0.5, 0.5]  # nothing is known before it is told
    assert host.restarts == 1


def test_what_the_draft_has_no_room_for_is_left_to_the_desk(hosts: Callable[[], StrategyHost], ticks: Ticks) -> None:
    found = []
    for room in (1 << 20, 120):
        slots, host, draft, answers = seated(ma_cross.with_params(fast=2, slow=3)), hosts(), Draft(0), []
        assert host.add(1, slots[0].load_message()) is None
        seats = host.seats(slots, draft)
        for quote in quotes_of(ticks[:60]):
            draft.begin(room)
            record, _ = seats.turn(quote)
            has_rows = bool(slots[0].book.drain_bytes())
            assert bool(record) == (draft.n_bytes == 0) == (room == 120 and has_rows)
            given = entries.unpack_proposals(record)[1] if record else answers_in(draft.content())
            answers.append(given.tobytes())
        found.append((slots[0].book.snapshot(), answers))
    assert found[0] == found[1]


def test_snapshots_and_values_from_outside_come_between_ticks_in_any_number(
    hosts: Callable[[], StrategyHost], ticks: Ticks
) -> None:
    """What was heard moves in memory, and starts again with every snapshot."""
    source = HEAD + (
        "@strategy(on='tick', features={'slow': f.ema(9), 'news': f.outside('news')})\n"
        "def told(x, position, p):\n    return 0.5 if x.mid > x.slow + x.news else -0.5\n"
    )
    found = []
    for make in MAKES.values():
        slots, host, rows = seated(load_strategy(source, "told"), steady()), hosts(), b""
        for slot in slots:
            assert host.add(slot.number, slot.load_message()) is None
        seats = make(host, slots, Draft(0))
        for number, quote in enumerate(quotes_of(ticks)):
            for step in range(number % 5):
                host.tell(Told(1, 0, 1e-5 * (step - number % 3)))
            if number % 97 == 50:
                assert isinstance(host.snapshot(1), bytes)
            seats.turn(quote)
            rows += slots[0].book.drain_bytes() + slots[1].book.drain_bytes()
        held = host.slots[1].heard
        host.slots[2].heard.clear()
        found.append((rows, len(held), [said[16:] for said, _ in held.again(1, 0)], host.snapshot(1)))
    assert found[0][0] == found[1][0]
    assert found[0][1:] == found[1][1:]
    assert found[0][1] > 64


def test_compiled_code_takes_of_a_hostile_frame_what_python_takes() -> None:
    most = 2**63 - 1
    numbers = [0, 1, -1, 10**8, 10**8 + 1, 10**9, 10**9 + 1, -(10**9), -(10**9) - 1, 1 << 31, 1 << 32, most, -most - 1]
    targets = [0.0, 1.0, -1.0, 1.0000001, math.nan, math.inf, -math.inf, 1e308]
    statuses = [
        1,
        2,
        3,
        -1,
        -4,
        -5,
        -(5 + (9 << 29)),
        order_status(1, 110_000, 0),
        order_status(3, 10**8, 10**8),
        most,
        -most - 1,
    ]
    n_taken = 0
    for case in itertools.product(targets, numbers, numbers, numbers, statuses):
        try:
            taken = checked_proposal(PROPOSAL_FRAME.pack(PROPOSAL, 1, 1, 1, *case), 1, 1, 1).status != int(
                Status.BAD_TARGET
            )
        except StrategyFault:
            taken = False
        assert is_plain(*case) == taken, case
        n_taken += taken
    assert n_taken > 100


def test_a_signal_in_the_middle_of_a_tick_changes_nothing(hosts: Callable[[], StrategyHost], ticks: Ticks) -> None:
    quotes = quotes_of(ticks)
    expected = run("compiled", hosts(), seated(steady(), steady(1e-5)), quotes)
    slow = HEAD + (
        "@strategy(features={'slow': f.ema(3)}, params={'edge': 0.0})\n"
        "def steady(x, position, p):\n    held = open\n    time.sleep(0.002)\n"
        "    return 1.0 if x.mid >= x.slow + p.edge else -1.0\n"
    )
    slots = seated(load_strategy(slow, "steady"), steady(1e-5))
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        found = run("compiled", hosts(), slots, quotes)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert found == expected
    assert len(rung) > 100


def test_rows_that_nobody_drains_are_not_written_over(hosts: Callable[[], StrategyHost], ticks: Ticks) -> None:
    slots, host = seated(ma_cross.with_params(fast=2, slow=3)), hosts()
    assert host.add(1, slots[0].load_message()) is None
    seats = host.seats(slots, Draft(0))

    def drain_nothing() -> None:
        for quote in quotes_of(ticks) * 100:
            seats.turn(quote)

    with pytest.raises(Broken, match="must be drained after each event"):
        drain_nothing()


def test_what_was_heard_is_said_again_in_its_order_with_new_numbers() -> None:
    view = bytes(range(136))
    heard = Heard([Told(3, 1, 2.5)])
    for number in range(200):
        heard.add(Question(3, number, 1.1, 1.2, view))
    heard.add(Told(3, 0, -1.0))
    said = list(heard.again(epoch=9, seq=50))
    assert [seq for _, seq in said] == [0, *range(51, 251), 0]
    told, first, last = said[0][0], said[1][0], said[-1][0]
    assert (
        told
        == bytes.fromhex("0a000300090000000000000000000000")
        + np.array([1], "<i8").tobytes()
        + np.array([2.5]).tobytes()
    )
    assert first[:16] == bytes.fromhex("01000300090000003300000000000000")
    assert first[16] == 255  # no processor in particular
    assert first[-136:] == view
    assert len(last) == len(told)
    heard.clear()
    assert not list(heard.again(1, 0))
