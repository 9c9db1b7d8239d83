"""A tenant's books and the events that move them: the one way in, the same live and in recovery.

Nothing here reads a clock, writes a record or talks to anyone. Rows that a book gives go to whoever set
:attr:`Books.given`: the recovery, which compares them with the journal, then the desk, which journals them and acts.
"""

from collections.abc import Callable, Mapping

from kernel_lib.errors import BadData
from kernel_lib.trading.record import Control, State, Status
from kernel_lib.wire import OutsideValue, Report, TickBlock, decode
from live_engine.blocks import OpenBlock, Sources, TickCounts, open_block
from live_engine.broker import broker_event
from live_engine.entries import ControlEntry, FaultEntry, Inbound, OpenedEntry, Snapshot, StartedEntry
from live_engine.heard import Question, Told
from live_engine.proposers import Fault, Quote, Seats
from live_engine.report_numbers import ReportNumbers
from live_engine.slot import Slot

__all__ = ["Books", "Party"]

Given = Callable[[Slot, bytes], None]


class Party:
    """Whom an agent's ticks of a symbol concern; made anew when one comes, goes, fails or starts afresh.

    Attributes
    ----------
    slots : list of Slot
        Those that trade it.
    listeners : list
        Those that read its price as one of their channels: slot, and the channel's place.
    seats : Seats or None
        Where the desk lets them take their ticks.
    """

    __slots__ = ("listeners", "seats", "slots")

    def __init__(self, slots: list[Slot], listeners: list[tuple[Slot, int]]) -> None:
        self.slots = slots
        self.listeners = listeners
        self.seats: Seats | None = None


class Books:
    """All strategies' books of one tenant, and how far in the streams they are.

    Parameters
    ----------
    warn : callable
        Takes a sentence that a person should read.

    Attributes
    ----------
    given : callable
        Takes the rows that one slot's book gave, as bytes of EVENT records.
    told : callable
        Takes a value from outside for one slot: from another instrument's tick.
    open : OpenBlock or None
        The block whose ticks are going through.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.slots: dict[int, Slot] = {}
        self.tick_id = self.report_id = self.outside_id = ""
        self.outside: dict[str, float] = {}
        self.control = Control.RESUME
        self.control_reason = ""
        self.counts = TickCounts()
        self.sources = Sources()
        self.last_ticks: dict[str, tuple[int, float, float]] = {}
        self.open: OpenBlock | None = None
        self.given: Given = lambda slot, rows: None
        self.told: Callable[[Told], None] = lambda told: None
        self.reports = ReportNumbers()
        self._parties: dict[tuple[str, str, bool], Party] = {}
        self._warn = warn

    def restore(self, kept: Snapshot) -> None:
        """Stand where a snapshot was taken."""
        self.tick_id, self.report_id = kept.tick_id, kept.report_id
        self.reports.restore(kept.report_seqs, kept.report_times_ns)
        self.control, self.control_reason = Control(kept.control), kept.control_reason
        self.outside_id, self.outside = kept.outside_id, dict(kept.outside)
        self.counts.restore(kept)
        self.sources.held = dict(kept.sources)
        self.slots = {each.slot: Slot.restored(each) for each in kept.slots}
        self._parties.clear()

    def snapshot(self, seq: int) -> Snapshot:
        """Give the state after record ``seq``, between two blocks."""
        counts = self.counts
        return Snapshot(
            seq=seq, tick_id=self.tick_id, report_id=self.report_id, report_seqs=self.reports.last,
            report_times_ns=self.reports.newest_ns, control=int(self.control), control_reason=self.control_reason,
            slots=[slot.snapshot() for slot in self.slots.values()], n_ticks=counts.ticks, n_blocks=counts.blocks,
            n_lost=counts.lost, n_doubled=counts.doubled, next_seqs=counts.next_seqs, outside_id=self.outside_id,
            outside=self.outside, sources=self.sources.held,
        )  # fmt: skip

    def begin_block(self, inbound: Inbound) -> TickBlock | None:
        """Open a message of the tick stream; None when it is refused."""
        self.tick_id = inbound.entry_id
        self.counts.blocks += 1
        try:
            self.open = open_block(inbound)
        except BadData as error:
            self.counts.refused_blocks += 1
            self._warn(f"block {inbound.entry_id} refused: {error}")
            self.open = None
            return None
        block = self.open.block
        self.open.stands = self.sources.take(block, inbound.received_ns)
        if said := self.counts.add_block(block, len(self.open.ticks)):
            self._warn(said)
        return block

    def tick(self, index: int, turn: Callable[[Party, Quote], Mapping[int, Fault]]) -> bool:
        """Take one tick of the open block through ``turn``; False when no strategy looks at it."""
        opened = self.open
        assert opened is not None
        opened.done = index + 1
        block, stands = opened.block, opened.stands
        _, bid, ask = tick = opened.ticks[index]
        if stands:
            self.last_ticks[block.symbol] = tick
        self.counts.ticks += 1
        party = self._parties.get((block.symbol, block.agent, stands)) or self._party(block.symbol, block.agent, stands)
        for slot, channel in party.listeners:
            if slot.running:
                self.told(Told(slot.number, channel, (bid + ask) * 0.5))
        if not party.slots:
            return False
        for number, fault in turn(party, opened.quote(index)).items():
            slot = self.slots[number]
            slot.faulted = True
            slot.reason = slot.reason or Status(fault.status).name.lower().replace("_", " ")
            self._parties.clear()
        for slot in party.slots:
            self._emit(slot)
        return True

    def on_report(self, inbound: Inbound) -> None:
        """Take a broker's report; each of an agent's counts once."""
        self.report_id = inbound.entry_id
        message = decode(inbound.raw)
        assert isinstance(message, Report)
        if not self.reports.take(message):
            return
        for slot in self.slots.values():
            order_id = slot.order_of(message)
            if order_id is None:
                continue
            event = broker_event(message, slot.passport, order_id)
            if event is not None:
                if message.kind == "rejected":
                    slot.refusal = f"rejected: {message.reason or message.retcode}"
                slot.book.on_broker(event)
                self._emit(slot)
            elif message.kind == "unknown":
                self._warn(f"order {message.key}: outcome not known yet, the broker is asked: {message.reason}")
            elif message.kind in ("filled", "closed"):
                self._warn(
                    f"order {message.key}: a deal must be of {slot.passport.instrument.lot_step:g} lots at least, it "
                    f"was of {message.lots:g} and is not booked; compare the position by hand"
                )

    def on_outside(self, inbound: Inbound) -> None:
        """Take a value from outside, for every strategy that reads its channel."""
        self.outside_id = inbound.entry_id
        message = decode(inbound.raw)
        assert isinstance(message, OutsideValue)
        self.outside[message.channel] = message.number
        for slot in self.slots.values():
            if slot.running and message.channel in slot.passport.channels:
                self.told(Told(slot.number, slot.passport.channels.index(message.channel), message.number))

    def on_control(self, entry: ControlEntry) -> list[Slot]:
        """Pause, resume or kill; give the slots whose code starts afresh."""
        control = Control(entry.control)
        said = f"{control.name.lower()} by {entry.by}: {entry.reason}"
        if entry.everything:
            self.control, self.control_reason = control, said
        restarted = []
        for number in entry.slots:
            slot = self.slots[number]
            slot.book.control(control, int(slot.book.numbers["time_ns"]) or entry.time_ns)
            slot.held = entry.by_tier and control is Control.PAUSE
            if control is Control.RESUME:
                slot.reason = ""
                if slot.faulted:
                    slot.faulted, slot.proposer, slot.since = False, b"", self._known(slot)
                    self._parties.clear()
                    restarted.append(slot)
            elif not slot.faulted:
                slot.reason = said
            self._emit(slot)
        return restarted

    def on_started(self, entry: StartedEntry) -> None:
        """A new desk begins behind these places of the streams."""
        self.tick_id, self.report_id, self.outside_id = entry.tick_id, entry.report_id, entry.outside_id

    def on_opened(self, entry: OpenedEntry) -> Slot:
        """Put a strategy on the desk; what stands for all stands for it."""
        slot = Slot(entry.slot, entry.bundle, entry.approval, entry.since_ms)
        self.slots[slot.number] = slot
        slot.since = self._known(slot)
        self._parties.clear()
        if self.control is not Control.RESUME:
            slot.book.control(self.control, slot.approval.at_ns)
            slot.reason = self.control_reason
            self._emit(slot)
        return slot

    def on_closed(self, number: int) -> None:
        """Take a strategy off: it goes flat and is not asked any more."""
        slot = self.slots[number]
        slot.withdrawn = True
        self._parties.clear()
        slot.reason = "approval withdrawn; goes flat"
        slot.book.control(Control.KILL, int(slot.book.numbers["time_ns"]) or slot.approval.at_ns)
        self._emit(slot)

    def on_fault(self, entry: FaultEntry) -> None:
        """Put a strategy out; one that failed outside a tick has its book paused from here on."""
        slot = self.slots[abs(entry.slot)]
        slot.faulted, slot.reason = True, entry.reason
        self._parties.clear()
        if entry.slot < 0 and slot.book.state is State.ACTIVE:
            slot.book.control(Control.PAUSE, int(slot.book.numbers["time_ns"]) or slot.approval.at_ns)
            self._emit(slot)

    def _known(self, slot: Slot) -> list[Question | Told]:
        """Give what a strategy that starts now finds on its channels."""
        return [
            Told(slot.number, place, self.outside[channel])
            for place, channel in enumerate(slot.passport.channels)
            if channel in self.outside
        ]

    def _party(self, symbol: str, agent: str, stands: bool) -> Party:
        # Who trades an agent's account sees that broker's quotes and no other's.
        traders = [
            slot
            for slot in self.slots.values()
            if slot.passport.instrument.symbol == symbol
            and (slot.approval.agent == agent if slot.approval.agent else stands)
        ]
        readers = [
            (slot, slot.passport.channels.index(symbol))
            for slot in self.slots.values()
            if stands and symbol in slot.passport.channels
        ]
        self._parties[symbol, agent, stands] = party = Party(traders, readers)
        return party

    def _emit(self, slot: Slot) -> None:
        if slot.book.has_rows:
            rows = slot.book.drain_bytes()
            self.given(slot, rows)
            slot.note(rows)
