"""One tick through all strategies of a symbol, compiled: books, questions, answers, books, and no Python between.

It does what :mod:`live_engine.proposers` does in Python, with the same functions of the book, and stops where an answer
is not plain: a fault, a bad target, a hostile frame, a process that is gone. Between two ticks the processor's caches
go cold, and an order then waits for every function that it passes through.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit, typeof, types

from kernel_lib.errors import Broken
from kernel_lib.kept_code import keep
from kernel_lib.machine_code import entry_point
from kernel_lib.trading import dispose
from kernel_lib.trading.by_address import ADDRESSES, addresses_of, array_at, arrays_at
from kernel_lib.trading.record import EVENT, MAX_ROWS_PER_EVENT, VIEW, Arrays, Status
from kernel_lib.trading.terms import MAX_POINTS, terms_in_range
from live_engine import entries
from live_engine import strategy_wire as wire
from live_engine.draft import Draft, lay
from live_engine.heard import HEARD, WORDS, Heard
from live_engine.proposers import Quote
from live_engine.segment import HEAD_BYTES
from live_engine.strategy_line import LONGEST_FRAME, Line

__all__ = ["Seat", "Table", "compiled", "is_plain"]

_SEAT = np.dtype([(name, "<i8") for name in ("slot", "asked", "paper", "heard")] + ADDRESSES)
_NUMBERS = np.dtype(
    [(name, "<i8") for name in ("source", "sink", "epoch", "frame", "answers", "received", "length", "sent", "laid")]
)
_FULL = -1
_WORD, _FLOAT = np.int64, np.float64
_QUESTION_BYTES, _ANSWER_BYTES = wire.TICK_FRAME.size, wire.PROPOSAL_FRAME.size
_ANSWER_WORDS, _VIEW_AT = _ANSWER_BYTES // 8, wire.TICK_HEAD.size
_TICK, _PROPOSAL = wire.TICK, wire.PROPOSAL
_HOLD, _DECIDED = int(Status.HOLD), int(Status.DECIDED)
_PROPOSALS, _ROWS = entries.PROPOSALS, entries.ROWS
_PROPOSAL_BYTES, _ROW_BYTES = entries.PROPOSAL.itemsize, EVENT.itemsize
_RECORD_BYTES = HEAD_BYTES + entries.INDEX.size + 8  # with the most that is padded
_MOST_UNITS, _MOST_POINTS = wire.MAX_UNITS, MAX_POINTS


class Seat(NamedTuple):
    """One strategy at the table; ``asked``: its code runs."""

    slot: int
    asked: bool
    paper: bool
    arrays: Arrays
    heard: Heard


class Table:
    """The strategies of one symbol on one line, as compiled code sees them.

    Parameters
    ----------
    seats : list of Seat
        No more are asked than the line holds frames.
    line : Line
    epoch : int
        Of the process at its other end.
    draft : Draft
        Where what comes of a tick is laid.

    Attributes
    ----------
    n_asked : int
    """

    def __init__(self, seats: list[Seat], line: Line, epoch: int, draft: Draft) -> None:
        self._seats = seats
        self._line = line
        self._draft = draft
        self.n_asked = sum(seat.asked for seat in seats)
        self._rows = np.zeros(len(seats), _SEAT)
        for row, seat in zip(self._rows, seats, strict=True):
            row["slot"], row["asked"], row["paper"] = seat.slot, seat.asked, seat.paper
            row["heard"] = seat.heard.numbers.ctypes.data
            for name, number in addresses_of(seat.arrays).items():
                row[name] = number
        self._answers = np.zeros(self.n_asked, entries.PROPOSAL)
        self._numbers = np.zeros(1, _NUMBERS)
        self._laid = self._numbers["laid"].data
        for name, number in (
            ("source", line.source), ("sink", line.sink), ("epoch", epoch), ("received", line.received.ctypes.data),
            ("frame", np.frombuffer(line.buffer, np.uint8).ctypes.data),
            ("answers", self._answers.ctypes.data),
        ):  # fmt: skip
            self._numbers[name] = number
        self._run = compiled()

    def turn(self, quote: Quote, seq: int, processor: int) -> int:
        """Take a tick; give how many seats, from the first on, are done with it.

        All books took the tick. All questions were sent but where :attr:`n_sent` says less. The books of the seats
        that are not done wait for their answers.

        Parameters
        ----------
        quote : Quote
        seq : int
            Number of the first question.
        processor : int
            Where this thread is.

        Raises
        ------
        Broken
            A book's rows were not drained.
        """
        done = self._run(self._rows, self._numbers, self._answers, self._draft.numbers, *quote, seq, processor)
        if done == _FULL:
            for seat in self._seats:
                seat.heard.make_room()
            done = self._run(self._rows, self._numbers, self._answers, self._draft.numbers, *quote, seq, processor)
            if done == _FULL:
                raise Broken("rows of a book must be drained after each event; the record is full")
        return done

    @property
    def is_laid(self) -> bool:
        """Answers and rows of the last turn are in the draft; else there was no room, or it stopped."""
        return bool(self._laid[0])

    def answers(self, n: int) -> dict[int, wire.Answer]:
        """Give the first ``n`` answers to the last tick, by slot."""
        return entries.answers_in(self._answers[:n])

    @property
    def n_sent(self) -> int:
        """So many questions of the last tick were sent."""
        return int(self._numbers["sent"][0])

    @property
    def frame_bytes(self) -> int:
        """How long the frame is that the last turn stopped at; 0 where none came."""
        return max(0, int(self._numbers["length"][0]))


_njit: Any = njit
_in_range = _njit(nogil=True, _nrt=False)(terms_in_range)
_on_tick, _on_target = dispose.on_tick, dispose.on_target


def _system_call(name: str) -> Any:
    return types.ExternalFunction(name, types.int64(types.int32, types.int64, types.uint64))


_read, _write = _system_call("read"), _system_call("write")


@_njit(nogil=True, _nrt=False)
def _send_all(  # type: ignore[no-untyped-def]
    seats, numbers, time_ns, bid, ask, age_ns, paper_age_ns, seq, processor
):
    now = numbers[0]
    asked = sent = 0
    for i in range(len(seats)):
        seat = seats[i]
        _on_tick(arrays_at(seat), time_ns, bid, ask, paper_age_ns if seat.paper else age_ns)
        if seat.asked:
            # Where the next that it heard belongs; it counts when it is answered.
            heard = array_at(seat.heard, 1, HEARD)[0]
            frame = heard.frames + 8 * WORDS * heard.count
            words, floats = array_at(frame, WORDS, _WORD), array_at(frame, WORDS, _FLOAT)
            words[0] = _TICK + (seat.slot << 16) + (now.epoch << 32)
            words[1] = seq + asked
            words[2] = processor
            words[3] = time_ns
            floats[4] = bid
            floats[5] = ask
            array_at(frame + _VIEW_AT, 1, VIEW)[0] = array_at(seat.seen, 1, VIEW)[0]
            if sent == asked and _write(now.sink, frame, _QUESTION_BYTES) == _QUESTION_BYTES:
                sent += 1
            asked += 1
    return sent


@_njit(nogil=True, _nrt=False)
def is_plain(target, units, stop, take, status):  # type: ignore[no-untyped-def]
    """Say whether :func:`~live_engine.strategy_wire.checked_proposal` would take it; a bad target is not plain."""
    if status > _DECIDED or not -1.0 <= target <= 1.0 or not -_MOST_UNITS <= units <= _MOST_UNITS:
        return False
    if status == _DECIDED and 0 <= stop <= _MOST_POINTS and 0 <= take <= _MOST_POINTS:
        return True
    return _in_range(stop, take, status)


@_njit(nogil=True, _nrt=False)
def _turn(  # type: ignore[no-untyped-def]
    seats, numbers, answers, draft, index, time_ns, bid, ask, age_ns, paper_age_ns, seq, processor
):
    now = numbers[0]
    for i in range(len(seats)):
        seat = seats[i]
        rows_left = seat.n_rows - arrays_at(seat).book[0].n_out
        heard = array_at(seat.heard, 1, HEARD)[0]
        if heard.count >= heard.room or rows_left < MAX_ROWS_PER_EVENT:
            return _FULL
    now.length = now.laid = 0
    now.sent = _send_all(seats, numbers, time_ns, bid, ask, age_ns, paper_age_ns, seq, processor)
    asked = 0
    for i in range(len(seats)):
        seat = seats[i]
        target, units, stop, take, status = 0.0, 0, 0, 0, _HOLD
        if seat.asked:
            now.length = 0
            if asked == now.sent:
                return i
            now.length = _read(now.source, now.frame, LONGEST_FRAME)
            array_at(now.received, 1, _WORD)[0] += 1
            words, floats = array_at(now.frame, _ANSWER_WORDS, _WORD), array_at(now.frame, _ANSWER_WORDS, _FLOAT)
            expected = _PROPOSAL + (seat.slot << 16) + (now.epoch << 32)
            if now.length != _ANSWER_BYTES or words[0] != expected or words[1] != seq + asked:
                return i
            status = words[6]
            if status != _HOLD:
                target, units, stop, take = floats[2], words[3], words[4], words[5]
                if not is_plain(target, units, stop, take, status):
                    return i
            array_at(seat.heard, 1, HEARD)[0].count += 1
            answer = answers[asked]
            answer.slot = seat.slot
            answer.status = status
            answer.target = target
            answer.units = units
            answer.stop = stop
            answer.take = take
            asked += 1
        _on_target(arrays_at(seat), target, units, stop, take, status)
    now.laid = _lay_all(seats, now.answers, asked, draft, index)
    return len(seats)


@_njit(nogil=True, _nrt=False)
def _lay_all(seats, answers, n_answers, draft, index):  # type: ignore[no-untyped-def]
    """Lay the answers and the rows of each book, as the desk does; 0 where there is no room for all."""
    here = draft[0]
    needed = _RECORD_BYTES + n_answers * _PROPOSAL_BYTES
    for i in range(len(seats)):
        needed += _RECORD_BYTES + arrays_at(seats[i]).book[0].n_out * _ROW_BYTES
    if here.n_bytes + needed > here.room:
        return 0
    lay(here, _PROPOSALS, index, answers, n_answers * _PROPOSAL_BYTES)
    for i in range(len(seats)):
        seat = seats[i]
        n_out = arrays_at(seat).book[0].n_out
        if n_out > 0:
            lay(here, _ROWS, seat.slot, seat.out, n_out * _ROW_BYTES)
    return 1


keep(_turn)


@cache
def compiled() -> Callable[..., int]:
    """Compile the call that takes a tick, or find it kept."""
    arrays = np.zeros(1, _SEAT), np.zeros(1, _NUMBERS), np.zeros(1, entries.PROPOSAL), Draft(0).numbers
    kinds = (
        *(typeof(each) for each in arrays),
        types.int64, types.int64, types.float64, types.float64, types.int64, types.int64, types.int64, types.int64,
    )  # fmt: skip
    _turn.compile(kinds)
    return entry_point(_turn, kinds)
