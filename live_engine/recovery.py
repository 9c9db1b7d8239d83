"""A desk's books built again from its journal: every event in order, and the same rows as then, or Broken.

The strategies' code does not run here: their answers are in the journal.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Broken
from kernel_lib.trading.record import Status
from live_engine import entries
from live_engine.books import Books, Party
from live_engine.entries import ControlEntry, FaultEntry, OpenedEntry, StartedEntry
from live_engine.heard import Question
from live_engine.proposers import Fault, Quote, answered
from live_engine.segment import Record, read_journal
from live_engine.slot import Slot
from live_engine.strategy_wire import Answer

__all__ = ["recover"]


def recover(
    books: Books, snapshot: Path, directory: Path, last_seq: int, *, watch: Callable[[Record], None] | None = None
) -> list[tuple[Slot, bytes]]:
    """Put the books where the last snapshot was taken, then feed them the journal's records behind it.

    Parameters
    ----------
    snapshot, directory : Path
        The snapshot's file and the journal.
    last_seq : int
        The journal's last record.
    watch : callable or None
        Takes each record before the books do.

    Returns
    -------
    list
        What the books gave after the last journaled row: never journaled, so never acted on.

    Raises
    ------
    Broken
        Snapshot or journal is damaged, or a book gives something else than it gave.
    """
    kept = entries.read_snapshot(snapshot)
    if kept is not None:
        books.restore(kept)
        if last_seq < kept.seq:
            raise Broken(f"the journal must reach record {kept.seq} of the snapshot, it ends at {last_seq}")
    recovery = _Recovery(books)
    books.given = recovery.give_again
    books.told = lambda told: books.slots[told.slot].since.append(told)
    for record in read_journal(directory, kept.seq if kept is not None else 0):
        if watch is not None:
            watch(record)
        recovery.apply(record)
    return recovery.owed


class _Recovery:
    def __init__(self, books: Books) -> None:
        self.books = books
        self.owed: list[tuple[Slot, bytes]] = []

    def give_again(self, slot: Slot, rows: bytes) -> None:
        self.owed.append((slot, rows))

    def apply(self, record: Record) -> None:
        books, kind, payload = self.books, record.kind, record.payload
        if kind == entries.ROWS:
            self._compare(record)
        elif kind == entries.BLOCK:
            self._close_block(record)
            books.begin_block(entries.unpack_inbound(payload))
        elif kind == entries.PROPOSALS:
            index, proposals = entries.unpack_proposals(payload)
            self._catch_up(index)
            self._tick(index, proposals)
        elif kind == entries.REPORT:
            books.on_report(entries.unpack_inbound(payload))
        elif kind == entries.OUTSIDE:
            self._close_block(record)
            books.on_outside(entries.unpack_inbound(payload))
        elif kind == entries.CONTROL:
            self._close_block(record)
            books.on_control(msgspec.msgpack.decode(payload, type=ControlEntry))
        elif kind == entries.OPENED:
            self._close_block(record)
            books.on_opened(msgspec.msgpack.decode(payload, type=OpenedEntry))
        elif kind == entries.CLOSED:
            self._close_block(record)
            books.on_closed(msgspec.msgpack.decode(payload, type=int))
        elif kind == entries.STARTED:
            books.on_started(msgspec.msgpack.decode(payload, type=StartedEntry))
        elif kind == entries.FAULT:
            books.on_fault(msgspec.msgpack.decode(payload, type=FaultEntry))
        else:
            raise Broken(f"record {record.seq} has kind {kind}, which this version does not know; update the platform")

    def _compare(self, record: Record) -> None:
        if self.owed:
            slot, rows = self.owed.pop(0)
            if entries.pack_rows(slot.number, rows) == record.payload:
                return
        raise Broken(
            f"record {record.seq}: the book must give again what it gave, it gave something else; the journal "
            "was written by another version of the step, or it is damaged"
        )

    def _tick(self, index: int, proposals: npt.NDArray[np.void]) -> None:
        answers = entries.answers_in(proposals)

        def journaled(questions: list[Question]) -> dict[int, Answer]:
            if set(answers) != {question.slot for question in questions}:
                raise Broken(
                    f"tick {index} of block {self.books.tick_id} was answered by other strategies than now run"
                )
            for question in questions:
                if answers[question.slot].status <= int(Status.DECIDED):
                    self.books.slots[question.slot].since.append(question)  # live, the strategy process keeps its own
            return answers

        def turn(party: Party, quote: Quote) -> dict[int, Fault]:
            answered(party.slots, quote, journaled)
            return {
                slot: Fault("", answer.status)
                for slot, answer in answers.items()
                if answer.status > int(Status.DECIDED)
            }

        self.books.tick(index, turn)

    def _catch_up(self, index: int) -> None:
        opened = self.books.open
        if opened is None or opened.done > index:
            raise Broken(f"answers to tick {index} must follow its block, they do not")
        nobody = np.zeros(0, entries.PROPOSAL)
        for at in range(opened.done, index):  # ticks that no strategy looked at leave no record
            self._tick(at, nobody)

    def _close_block(self, record: Record) -> None:
        if self.books.open is not None:
            self._catch_up(len(self.books.open.ticks))
            self.books.open = None
        if self.owed:
            number = self.owed[0][0].number
            raise Broken(f"record {record.seq}: rows of slot {number} must come before it, they are missing")
