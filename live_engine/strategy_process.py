"""The desk's side of its tenant's strategies: one sandboxed child, asked once a tick, trusted in nothing.

All strategies of a tenant share the child, for they are the tenant's own. A strategy that raises, answers
nonsense or does not answer is put out with a reason; when the child itself is lost it is started again and the others
are rebuilt in it: from their last snapshot, by the ticks and views since.
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kernel_lib.errors import StrategyFault
from kernel_lib.sandbox import SandboxProcess
from kernel_lib.sandbox.programs import start_program
from kernel_lib.trading.record import Status
from live_engine import strategy_wire as wire
from live_engine.carried_code import MOST_BYTES
from live_engine.draft import Draft
from live_engine.heard import Heard, Question, Told
from live_engine.proposers import Fault, Quote, Seats
from live_engine.seats import CompiledSeats
from live_engine.slot import Slot
from live_engine.strategy_line import Line, Place, open_line
from live_engine.strategy_wire import Answer
from live_engine.turn import Seat, Table

__all__ = ["HostConfig", "StrategyHost"]

_GONE = "the strategy process ended by itself: out of memory, or the strategy ended it"
_RAISED, _TIMEOUT = int(Status.RAISED), int(Status.TIMEOUT)
_log = logging.getLogger("tickhub.desk")


class HostConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of the tenant's strategy process.

    Parameters
    ----------
    answer_s, load_s : float
        Deadline of one answer, and of loading and compiling one strategy.
    uid : int
        Host user it runs as.
    trusted : bool
        Run it unisolated where the machine cannot isolate.
    """

    answer_s: float = 1.0
    load_s: float = 20.0
    cpu: float = 1.0
    memory_bytes: int = 1024**3
    processes: int = 64
    uid: int = 52000
    trusted: bool = False


class Loaded(msgspec.Struct, kw_only=True):
    """What is needed to put a strategy into a child: its load message, its state, and what it heard since.

    The code is what an earlier child compiled of it (:mod:`live_engine.carried_code`): never looked at here.
    """

    load: dict[str, Any]
    state: bytes
    heard: Heard
    code: bytes = b""


class StrategyHost:
    """One tenant's strategy process.

    Parameters
    ----------
    name : str
        The sandbox's name.

    Attributes
    ----------
    generation : int
        Another with every strategy that comes or goes, and with every process.
    """

    def __init__(self, name: str, config: HostConfig | None = None) -> None:
        self.name = name
        self.config = config or HostConfig()
        self.slots: dict[int, Loaded] = {}
        self.restarts = 0
        self.generation = 0
        self._pending: dict[int, Fault] = {}
        self._epoch = 0
        self._seq = 0
        self._line: Line | None = None
        self._at_once = 1
        self._place = Place()
        self._child: SandboxProcess | None = None

    def add(
        self, slot: int, load: dict[str, Any], state: bytes = b"", since: Iterable[Question | Told] = ()
    ) -> Fault | None:
        """Load a strategy and bring it up to date; give why it could not be, and leave it out then."""
        self.generation += 1
        self.slots[slot] = Loaded(load=load, state=state, heard=Heard(since))
        if self._line is None:
            return self._restart().get(slot)
        fault = self._put(slot)
        if fault is not None:
            del self.slots[slot]
            if fault.timeout:
                self._restart()
        return fault

    def remove(self, slot: int) -> None:
        """Forget a strategy."""
        self.generation += 1
        if self.slots.pop(slot, None) is not None and self._line is not None:
            try:
                self._send(wire.HEADER.pack(wire.UNLOAD, slot, self._epoch, 0))
            except (StrategyFault, OSError):
                self._stop()

    def tell(self, told: Told) -> None:
        """Give a strategy a value from outside; it is seen by the next question."""
        held = self.slots.get(told.slot)
        if held is not None:
            held.heard.add(told)
            # A process that is gone is found by the next question, and rebuilt with this.
            with contextlib.suppress(StrategyFault, OSError):
                self._send(wire.TELL_FRAME.pack(wire.TELL, told.slot, self._epoch, 0, told.channel, told.number))

    def ask(self, questions: Sequence[Question]) -> dict[int, Answer | Fault]:
        """Ask each strategy about one tick; a strategy that faults is put out."""
        answers: dict[int, Answer | Fault] = {}
        left: Sequence[Question] = questions
        # No more at once than the pipes hold: neither side may wait for the other to read.
        while len(left) > self._at_once:
            asked, rest = left[: self._at_once], left[self._at_once :]
            left = [*self._ask_once(asked, answers), *(each for each in rest if each.slot not in answers)]
        while left:
            left = self._ask_once(left, answers)
        return answers

    def seats(self, slots: list[Slot], draft: Draft) -> Seats:
        """Let strategies of one symbol take their ticks."""
        return CompiledSeats(self, slots, draft)

    def table(self, slots: list[Slot], draft: Draft) -> Table | None:
        """Lay a table; None where the line does not carry so many questions at once, or there is no process."""
        if self._line is None or len(slots) > self._at_once:
            return None
        seats = [
            Seat(each.number, each.running, each.paper, each.book.arrays, self._heard_of(each.number)) for each in slots
        ]
        return Table(seats, self._line, self._epoch, draft)

    def turn(self, table: Table, quote: Quote) -> int:
        """Let a table laid for this :attr:`generation` take a tick; see :meth:`~live_engine.turn.Table.turn`."""
        line = self._open_line()
        line.wait_at_most(self.config.answer_s)
        line.waiting = True
        done = table.turn(quote, self._seq + 1, self._place.here())
        line.waiting = False
        self._seq += table.n_asked
        return done

    def rest(self, table: Table, questions: list[Question]) -> dict[int, Answer | Fault]:
        """Give what the strategies say whom the last turn left unanswered; a strategy that faults is put out."""
        answers: dict[int, Answer | Fault] = {}
        n_answered = table.n_asked - len(questions)
        sent, left = questions[: table.n_sent - n_answered], questions[table.n_sent - n_answered :]
        first = self._seq - len(questions) + 1
        again = self._receive_all(sent, first, answers, self._open_line().last(table.frame_bytes))
        left = [*again, *(each for each in left if each.slot not in answers)]
        while left:
            left = self._ask_once(left, answers)
        return answers

    def snapshot(self, slot: int) -> bytes | Fault:
        """Copy a strategy's state, and count later questions from here on."""
        held = self.slots[slot]
        try:
            seq = self._next()
            self._send(wire.HEADER.pack(wire.SNAPSHOT, slot, self._epoch, seq))
            held.state = wire.receive_blob(
                self._open_line(), wire.SNAPSHOT, slot, self._epoch, seq, within_s=self.config.answer_s * 8
            )
        except (StrategyFault, OSError) as error:
            return self._lost(slot, error)
        held.heard.clear()
        return held.state

    def close(self) -> None:
        """End the process."""
        self._stop()

    def _ask_once(self, questions: Sequence[Question], answers: dict[int, Answer | Fault]) -> list[Question]:
        """Ask all; on a lost child give those still unanswered, to be asked again."""
        first = self._seq + 1
        try:
            line, epoch, cpu = self._open_line(), self._epoch, self._place.here()
            line.wait_at_most(self.config.answer_s)
            for slot, time_ns, bid, ask, view in questions:
                line.send(wire.TICK_FRAME.pack(wire.TICK, slot, epoch, self._next(), cpu, time_ns, bid, ask, view))
        except (StrategyFault, OSError) as error:
            return self._give_up(questions, answers, error)
        return self._receive_all(questions, first, answers)

    def _receive_all(
        self,
        questions: Sequence[Question],
        first: int,
        answers: dict[int, Answer | Fault],
        frame: bytes | memoryview = b"",
    ) -> list[Question]:
        """Take the answers to questions numbered from ``first`` on; ``frame`` has come already, where it is one."""
        try:
            line, epoch = self._open_line(), self._epoch
            for seq, question in enumerate(questions, first):
                slot, frame = question.slot, frame or line.receive()
                if _proposes(frame):
                    answers[slot] = wire.checked_proposal(frame, slot, epoch, seq)
                    self.slots[slot].heard.add(question)
                else:
                    answers[slot] = Fault(_fault_text(frame, slot, epoch, seq))
                    self.remove(slot)
                frame = b""
        except (StrategyFault, OSError) as error:
            return self._give_up(questions, answers, error)
        return []

    def _give_up(
        self, questions: Sequence[Question], answers: dict[int, Answer | Fault], error: Exception
    ) -> list[Question]:
        left = [each for each in questions if each.slot not in answers]
        answers[left[0].slot] = self._lost(left[0].slot, error)
        for slot, fault in self._pending.items():  # strategies that could not be rebuilt
            answers.setdefault(slot, fault)
        return [each for each in left[1:] if each.slot not in answers]

    def _lost(self, slot: int, error: Exception) -> Fault:
        # Whoever the child was busy with is to blame: it answers in order.
        self.slots.pop(slot, None)
        timeout = isinstance(error, TimeoutError)
        reason = f"no answer within {self.config.answer_s} s" if timeout else _reason(error)
        _log.warning("strategy process lost", extra={"sandbox": self.name, "slot": slot, "reason": reason})
        self._pending = self._restart()
        return Fault(reason, _TIMEOUT if timeout else _RAISED)

    def _restart(self) -> dict[int, Fault]:
        """Start a child and rebuild every strategy in it; give those that could not be."""
        faults: dict[int, Fault] = {}
        while True:
            self._stop()
            if not self.slots:
                return faults
            self._start()
            for slot in list(self.slots):
                fault = self._put(slot)
                if fault is None:
                    continue
                faults[slot] = fault
                del self.slots[slot]
                if fault.timeout:
                    break
            else:
                return faults

    def _put(self, slot: int) -> Fault | None:
        held = self.slots[slot]
        try:
            seq = self._next()
            line = self._open_line()
            content = msgspec.msgpack.encode(held.load | {"state": held.state, "code": held.code})
            if len(content) > wire.MAX_BLOB_BYTES:  # large models: the code can be made again
                content = msgspec.msgpack.encode(held.load | {"state": held.state, "code": b""})
            line.wait_at_most(self.config.load_s)
            wire.send_blob(line, wire.LOAD, slot, self._epoch, seq, content)
            frame = self._receive(self.config.load_s)
            if frame and frame[0] == wire.BLOB:
                code = wire.receive_blob(
                    line, wire.CODE, slot, self._epoch, seq, within_s=self.config.load_s, frame=frame
                )
                held.code = code if len(code) <= MOST_BYTES else b""
                frame = self._receive(self.config.load_s)
            if len(frame) < wire.HEADER.size or wire.HEADER.unpack_from(frame) != (wire.LOADED, slot, self._epoch, seq):
                return Fault(_fault_text(frame, slot, self._epoch, seq))
            for said, seq in held.heard.again(self._epoch, self._seq):
                self._send(said)
                if not seq:
                    continue
                self._seq = seq
                frame = self._receive(self.config.answer_s * 8)
                if not _proposes(frame):
                    return Fault(_fault_text(frame, slot, self._epoch, seq))
                wire.checked_proposal(frame, slot, self._epoch, seq)
        except TimeoutError:
            return Fault(f"not loaded within {self.config.load_s} s", _TIMEOUT)
        except (StrategyFault, OSError) as error:
            return Fault(_reason(error), _TIMEOUT)
        return None

    def _start(self) -> None:
        self._place.leave()
        self._epoch += 1
        self.restarts += self._epoch > 1
        line, theirs = open_line()
        try:
            # Ends what an engine that was killed left behind; the desk's lock says that the name is nobody else's.
            self._child = start_program(
                self.name, Path(__file__).with_name("strategy_child.py"), theirs, packages=("live_engine",),
                uid=self.config.uid, memory_bytes=self.config.memory_bytes, processes=self.config.processes,
                cpu=self.config.cpu, trusted=self.config.trusted,
            )  # fmt: skip
        except BaseException:
            line.close()
            raise
        finally:
            for each in theirs:
                os.close(each)
        line.watch(self._child.kill)
        self._line = line
        self._at_once = line.frames_in_flight

    def _heard_of(self, slot: int) -> Heard:
        held = self.slots.get(slot)
        return held.heard if held is not None else Heard()

    def _stop(self) -> None:
        self.generation += 1
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._child is not None:
            self._child.remove()
            self._child = None

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _open_line(self) -> Line:
        if self._line is None:
            raise StrategyFault("the strategy process is gone")
        return self._line

    def _send(self, frame: bytes) -> None:
        line = self._open_line()
        line.wait_at_most(self.config.answer_s)
        line.send(frame)

    def _receive(self, timeout_s: float) -> memoryview:
        line = self._open_line()
        line.wait_at_most(timeout_s)
        return line.receive()


def _reason(error: Exception) -> str:
    return _GONE if isinstance(error, ConnectionError) else _printable(str(error).encode())


def _proposes(frame: bytes | memoryview) -> bool:
    # By its kind too: the words of a fault may be just as long.
    return len(frame) == wire.PROPOSAL_FRAME.size and frame[0] == wire.PROPOSAL


def _fault_text(frame: bytes | memoryview, slot: int, epoch: int, seq: int) -> str:
    """Read a FAULT frame from a child that may be hostile."""
    if not frame:
        raise StrategyFault(_GONE)
    if len(frame) < wire.HEADER.size or wire.HEADER.unpack_from(frame) != (wire.FAULT, slot, epoch, seq):
        raise StrategyFault("an answer must be to the question asked, it was to another")
    return _printable(bytes(frame[wire.HEADER.size :]))


def _printable(text: bytes) -> str:
    shown = text[:300].decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in shown)
