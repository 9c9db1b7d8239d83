"""What a desk did, from its journal: for each strategy its ticks, what came in between, its answers and its rows.

The desk's own books are fed the journal again, by :func:`~live_engine.recovery.recover` (which requires that they give
the journaled rows), and are watched meanwhile. No code of a tenant's runs.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.parity_rerun import Event
from kernel_lib.errors import BadData, Broken
from kernel_lib.market.tick import TICK, Ticks
from kernel_lib.passport import Approval, Passport
from kernel_lib.trading.record import EVENT, Control
from kernel_lib.wire import TickBlock
from live_engine.blocks import open_block
from live_engine.books import Books
from live_engine.entries import ControlEntry, FaultEntry, Inbound, OpenedEntry, Snapshot, read_snapshot
from live_engine.heard import Question, Told
from live_engine.recovery import recover
from live_engine.segment import Record, segments_behind
from live_engine.slot import Slot

__all__ = ["Lived", "Stretch", "read_desk"]

_NEVER_NS = (1 << 63) - 1


class Lived(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's life on a desk, or a stretch of it.

    Parameters
    ----------
    number : int
        Of its slot.
    ticks : ndarray of TICK
        Of its symbol, since it was put on the desk or since the stretch began.
    ages_ns : ndarray of int64
        How old each was when the desk took it.
    answers : list of tuple
        One for each tick.
    events : list of Event
        What came in between.
    rows : ndarray of EVENT
    row_ticks : ndarray of int64
        The tick after which, or at which, each row came.
    received_ns : ndarray of int64
        The engine's clock when what caused each row had come.
    begins : (bytes, bytes)
        Book and proposer where the stretch began; empty where the life did.
    evening : (int, int) or None
        How many of its ticks and events had been when the evening was; None where it was put out, or came later.
    code : (int, bytes) or None
        What the desk itself last kept of its code, and after how many of these ticks; None where that was earlier.
    """

    number: int
    passport: Passport
    approval: Approval
    ticks: Ticks
    ages_ns: npt.NDArray[np.int64]
    answers: list[tuple[float, int, int, int, int]]
    events: list[Event]
    rows: npt.NDArray[np.void]
    row_ticks: npt.NDArray[np.int64]
    received_ns: npt.NDArray[np.int64]
    begins: tuple[bytes, bytes] = (b"", b"")
    evening: tuple[int, int] | None = None
    code: tuple[int, bytes] | None = None


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a desk.

    Parameters
    ----------
    lives : list of Lived
    evening : Snapshot or None
        The desk before the first block that goes on into the time after the stretch, or at the journal's end; None
        where that is in the middle of a block. Its proposers are those of the stretch's beginning.
    """

    lives: list[Lived]
    evening: Snapshot | None


def read_desk(directory: Path, *, morning: Path | None = None, until_ns: int = _NEVER_NS) -> Stretch:
    """Read the lives of all strategies on a desk; its journal is copied first, it may be in use.

    Parameters
    ----------
    morning : Path or None
        A snapshot of the desk: what lies before it is neither copied nor read. None: all that ever was.
    until_ns : int
        The evening, by the ticks' time. What came later is read too.

    Raises
    ------
    BadData
        There is no journal.
    Broken
        It or the snapshot is damaged, or the books do not give again what they gave.
    """
    if not (directory / "journal").is_dir():
        raise BadData(f"a desk's journal must be at {directory / 'journal'}; has this tenant traded?")
    kept = read_snapshot(morning) if morning is not None else None
    books = _WatchedBooks(until_ns, _kept_by_the_desk(directory / "snapshot"))
    with tempfile.TemporaryDirectory(prefix="tickhub-night-") as scratch:
        for path in segments_behind(directory / "journal", kept.seq if kept is not None else 0):
            shutil.copy2(path, scratch)
        before = morning if kept is not None and morning is not None else Path(scratch) / "none"
        owed = recover(books, before, Path(scratch), _NEVER_NS, watch=books.watch)
    if not owed:
        books.end()
    return Stretch(lives=[life.lived() for life in books.lives.values()], evening=books.evening)


def _kept_by_the_desk(path: Path) -> Snapshot | None:
    try:
        return read_snapshot(path)
    except Broken:  # it only says more of a gap
        return None


class _Life:
    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.ticks: list[tuple[int, float, float]] = []
        self.ages: list[int] = []
        self.answers: list[tuple[float, int, int, int, int]] = []
        self.events: list[Event] = []
        self.rows: list[npt.NDArray[np.void]] = [np.zeros(0, EVENT)]
        self.row_ticks: list[int] = []
        self.received: list[int] = []
        self.begins = b"", b""
        self.evening: tuple[int, int] | None = None
        self.code: tuple[int, bytes] | None = None

    def note(self, kind: str, **fields: Any) -> None:
        self.events.append(Event(len(self.ticks), kind, **fields))

    def told(self, told: Told) -> None:
        self.note("told", number=told.channel, value=told.number)

    def lived(self) -> Lived:
        return Lived(
            number=self.slot.number, begins=self.begins, evening=self.evening, code=self.code,
            passport=self.slot.passport, approval=self.slot.approval, ticks=np.array(self.ticks, TICK),
            ages_ns=np.array(self.ages, np.int64), answers=self.answers, events=self.events,
            rows=np.concatenate(self.rows), row_ticks=np.array(self.row_ticks, np.int64),
            received_ns=np.array(self.received, np.int64),
        )  # fmt: skip


class _WatchedBook:
    """A book, and a note of all that goes in."""

    def __init__(self, book: Any, life: _Life) -> None:
        self._book, self._life = book, life

    def on_tick(self, time_ns: int, bid: float, ask: float, age_ns: int = 0) -> Any:
        self._life.ticks.append((time_ns, bid, ask))
        self._life.ages.append(age_ns)
        return self._book.on_tick(time_ns, bid, ask, age_ns)

    def on_target(self, *answer: Any) -> None:
        self._life.answers.append(tuple(answer))
        self._book.on_target(*answer)

    def on_broker(self, event: npt.NDArray[np.void]) -> None:
        self._life.note("broker", raw=event.tobytes())
        self._book.on_broker(event)

    def control(self, control: Control, time_ns: int) -> None:
        self._life.note("control", number=int(control), time_ns=time_ns)
        self._book.control(control, time_ns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)


class _Forgotten(list[Question | Told]):
    """Where recovery would keep every question for a process that is to be rebuilt: none is."""

    def append(self, _: Question | Told) -> None:
        return None


class _WatchedBooks(Books):
    def __init__(self, until_ns: int, own: Snapshot | None) -> None:
        self.lives: dict[int, _Life] = {}
        self._own = own
        self.received_ns = 0
        self.evening: Snapshot | None = None
        self._until_ns = until_ns
        self._seq = 0
        self._forward: Any = None
        super().__init__(lambda text: None)

    def watch(self, record: Record) -> None:
        """Note which record comes next."""
        self._note_code()
        self._seq = record.seq

    def restore(self, kept: Snapshot) -> None:
        super().restore(kept)
        self._seq = kept.seq
        for each in kept.slots:
            slot = self.slots[each.slot]
            life = self._life_of(slot)
            life.begins = each.book, each.proposer
            if not slot.running:
                life.note("out")
            self._watch_slot(slot, life)

    def end(self) -> None:
        """Take the journal's end for the evening, where that has not been and no block is in between."""
        self._note_code()
        if self.evening is None and (self.open is None or self.open.done == len(self.open.ticks)):
            self._take_evening(self._seq)

    def _note_code(self) -> None:
        # The desk keeps itself between two blocks: all that this record brought has gone through.
        if self._own is not None and self._own.seq == self._seq:
            for each in self._own.slots:
                if each.proposer and each.slot in self.lives:
                    self.lives[each.slot].code = len(self.lives[each.slot].ticks), each.proposer

    def _take_evening(self, seq: int) -> None:
        # A copy: the books go on, and the snapshot holds their tables.
        self.evening = msgspec.msgpack.decode(msgspec.msgpack.encode(self.snapshot(seq)), type=Snapshot)
        for number, life in self.lives.items():
            if self.slots[number].running:
                life.evening = len(life.ticks), len(life.events)

    def _goes_beyond(self, inbound: Inbound) -> bool:
        try:
            return open_block(inbound).ticks[-1][0] >= self._until_ns
        except (BadData, IndexError):
            return False

    def _watch_slot(self, slot: Slot, life: _Life) -> None:
        slot.since = _Forgotten()
        slot.book = _WatchedBook(slot.book, life)  # type: ignore[assignment]

    @property
    def given(self) -> Callable[[Slot, Any], None]:
        return self._keep

    @given.setter
    def given(self, forward: Callable[[Slot, Any], None]) -> None:
        self._forward = forward

    def _keep(self, slot: Slot, given: Any) -> None:
        life = self._life_of(slot)
        rows = np.frombuffer(bytes(given), EVENT)
        life.rows.append(rows)
        life.row_ticks += [max(len(life.ticks) - 1, 0)] * len(rows)
        life.received += [self.received_ns] * len(rows)
        self._forward(slot, given)

    def _life_of(self, slot: Slot) -> _Life:
        return self.lives.setdefault(slot.number, _Life(slot))

    @property
    def told(self) -> Callable[[Told], None]:
        return lambda told: self.lives[told.slot].told(told)

    @told.setter
    def told(self, _: Callable[[Told], None]) -> None:
        return None

    def begin_block(self, inbound: Inbound) -> TickBlock | None:
        self.received_ns = inbound.received_ns
        if self.evening is None and self._goes_beyond(inbound):
            self._take_evening(self._seq - 1)
        return super().begin_block(inbound)

    def on_report(self, inbound: Inbound) -> None:
        self.received_ns = inbound.received_ns
        super().on_report(inbound)

    def on_opened(self, entry: OpenedEntry) -> Slot:
        slot = super().on_opened(entry)
        life = self._life_of(slot)
        for told in slot.since:
            if isinstance(told, Told):
                life.told(told)
        if self.control is not Control.RESUME:
            life.note("control", number=int(self.control), time_ns=slot.approval.at_ns)
        self._watch_slot(slot, life)
        return slot

    def on_control(self, entry: ControlEntry) -> list[Slot]:
        restarted = super().on_control(entry)
        for slot in restarted:
            life = self.lives[slot.number]
            life.note("afresh")
            for told in slot.since:
                if isinstance(told, Told):
                    life.told(told)
            slot.since = _Forgotten()
        return restarted

    def on_closed(self, number: int) -> None:
        self.lives[number].note("out")
        super().on_closed(number)

    def on_fault(self, entry: FaultEntry) -> None:
        self.lives[abs(entry.slot)].note("out")
        super().on_fault(entry)
