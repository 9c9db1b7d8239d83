"""Strategies of a sandboxed process at their ticks: compiled, and in Python from the first that is not plain."""

from collections.abc import Mapping
from typing import Protocol

from live_engine.draft import Draft
from live_engine.entries import pack_proposals
from live_engine.heard import Question
from live_engine.proposers import HOLD, AskedSeats, Fault, Proposers, Quote, settled
from live_engine.slot import Slot
from live_engine.strategy_wire import Answer
from live_engine.turn import Table

__all__ = ["CompiledSeats"]

_NONE: Mapping[int, Fault] = {}


class _Host(Proposers, Protocol):
    generation: int

    def table(self, slots: list[Slot], draft: Draft) -> Table | None: ...
    def turn(self, table: Table, quote: Quote) -> int: ...
    def rest(self, table: Table, questions: list[Question]) -> dict[int, Answer | Fault]: ...


class CompiledSeats:
    """Seats at a table, which is laid anew when the process, or a strategy in it, is another.

    Parameters
    ----------
    host : StrategyHost
    slots : list of Slot
    draft : Draft
        Of the desk's journal.
    """

    def __init__(self, host: _Host, slots: list[Slot], draft: Draft) -> None:
        self._host = host
        self._draft = draft
        self._slots = slots
        self._table: Table | None = None
        self._generation = -1

    def turn(self, quote: Quote) -> tuple[bytes, Mapping[int, Fault]]:
        """See :meth:`~live_engine.proposers.Seats.turn`."""
        host, table = self._host, self._table
        if self._generation != host.generation:
            self._table = table = host.table(self._slots, self._draft)
            self._generation = host.generation
        if table is None:  # more than the line carries at once, or the process is gone
            return AskedSeats(host, self._slots).turn(quote)
        done = host.turn(table, quote)
        if done < len(self._slots):
            return self._finish(table, quote, done)
        return (b"" if table.is_laid else pack_proposals(quote[0], table.answers(table.n_asked))), _NONE

    def _finish(self, table: Table, quote: Quote, done: int) -> tuple[bytes, Mapping[int, Fault]]:
        left = self._slots[done:]
        answers = table.answers(sum(slot.running for slot in self._slots[:done]))
        questions = [
            Question(slot.number, *quote[1:4], slot.book.arrays.seen.tobytes()) for slot in left if slot.running
        ]
        given, faults = settled(self._host, self._host.rest(table, questions))
        for slot in left:
            slot.book.on_target(*given.get(slot.number, HOLD))
        return pack_proposals(quote[0], answers | given), faults
