"""A tenant's desk: the sequence of events, the books they move, and the journal between the two.

Every event is journaled, then applied; what the books give is journaled, then acted on. Starting is recovering:
the last snapshot, then every journaled event again, in order (:mod:`live_engine.recovery`). What differs from the
journal then is :class:`~kernel_lib.errors.Broken`, and the desk does not start.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from kernel_lib.errors import BadData, Refused
from kernel_lib.one_position import require_own_position
from kernel_lib.passport import Approved
from kernel_lib.trading.record import Control
from kernel_lib.wire import AccountState, OrderIntent, OutsideValue, Report, decode
from live_engine import entries
from live_engine.books import Books, Party
from live_engine.broker import orders_in
from live_engine.day_trades import keep_to_tier
from live_engine.desk_state import desk_state
from live_engine.entries import ControlEntry, FaultEntry, Inbound, OpenedEntry, StartedEntry
from live_engine.journal import Journal, JournalConfig
from live_engine.latency import Histogram
from live_engine.orphans import Orphans
from live_engine.proposers import Fault, Proposers, Quote
from live_engine.recovery import recover
from live_engine.slot import Slot
from live_engine.state import DeskState

__all__ = ["Desk", "DeskConfig", "Proposers"]

_SHORT_HASH = 6
_STAGES = ("agent_to_bridge", "bridge_to_desk", "decision", "agent_to_decision", "tick_to_order")
_log = logging.getLogger("tickhub.desk")


class DeskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a desk runs.

    Parameters
    ----------
    snapshot_ticks : int
        A snapshot after so many ticks; recovery feeds at most this many again.
    """

    snapshot_ticks: int = 20_000
    journal: JournalConfig = JournalConfig()


class Desk:
    """One tenant's desk.

    Parameters
    ----------
    directory : Path
        Journal and snapshot; locked by the caller.
    tenant : str
    proposers : Proposers
    send : callable
        Hands one order intent to the bus.
    was_sent : callable
        Tells whether an intent with this key is on the bus; asked once after a crash.
    clock : callable
        UTC nanoseconds; for times of receipt and of intents, never inside a book.

    Attributes
    ----------
    daily_trades : int or None
        What the tenant's tier allows; None: no limit.

    Raises
    ------
    Broken
        Journal, snapshot or a book does not give what it gave before.
    """

    def __init__(
        self,
        directory: Path,
        tenant: str,
        proposers: Proposers,
        *,
        send: Callable[[OrderIntent], None],
        was_sent: Callable[[str], bool] = lambda key: False,
        clock: Callable[[], int] = time.time_ns,
        config: DeskConfig | None = None,
    ) -> None:
        self.tenant = tenant
        self.config = config or DeskConfig()
        self.books = Books(self.warn)
        self.daily_trades: int | None = None
        self.refused: dict[str, str] = {}
        self._orphans = Orphans()
        self._accounts: dict[str, AccountState] = {}
        self.warnings: list[str] = []
        self.stages = {name: Histogram() for name in _STAGES}
        self._proposers = proposers
        self._send = send
        self._clock = clock
        self._snapshot_at = 0
        self._received_at = 0
        self._faults: Mapping[int, Fault] = {}
        self._laid = False  # the rows of the tick at hand are in the journal
        self._snapshot_path = directory / "snapshot"
        self.journal = Journal(directory / "journal", self.config.journal)
        try:
            self._recover(directory / "journal")
            self._resume(was_sent)
        except BaseException:
            self.journal.close()
            self._proposers.close()
            raise

    @property
    def slots(self) -> dict[int, Slot]:
        """The strategies on the desk."""
        return self.books.slots

    @property
    def tick_id(self) -> str:
        """The last entry of the tick stream that was taken."""
        return self.books.tick_id

    @property
    def report_id(self) -> str:
        """The last entry of the report stream that was taken."""
        return self.books.report_id

    @property
    def trades_at_broker(self) -> bool:
        """Whether a strategy is asked whose orders go to a broker."""
        return any(slot.running and not slot.paper for slot in self.slots.values())

    def on_block(self, entry_id: str, raw: bytes) -> None:
        """Take one message of the tick stream."""
        self._received_at = time.perf_counter_ns()
        inbound = Inbound(self._clock(), entry_id, raw)
        # Held until something follows from it, or to the end of the block: one write, not three.
        self.journal.append(entries.BLOCK, entries.pack_inbound(inbound), hold=True)
        block = self.books.begin_block(inbound)
        if block is not None:
            self._finish_block()
            self.stages["agent_to_bridge"].add(block.bridge_ns - block.read_ns if block.bridge_ns else 0)
            self.stages["bridge_to_desk"].add(inbound.received_ns - (block.bridge_ns or block.read_ns))
        keep_to_tier(self, self.daily_trades)
        self.journal.flush()
        if self.books.counts.ticks - self._snapshot_at >= self.config.snapshot_ticks:
            self.snapshot()

    def on_report(self, entry_id: str, raw: bytes) -> None:
        """Take one message of the report stream."""
        self.books.report_id = entry_id
        try:
            message = decode(raw)
        except BadData as error:
            self.warn(f"report {entry_id} refused: {error}")
            return
        if isinstance(message, AccountState):
            for slot in self.slots.values():
                if said := slot.differs_from(message):
                    self.warn(said)
            self._accounts[message.agent] = message
            self._orphans.look(message, self.slots.values(), self.refused)
        elif isinstance(message, Report):
            if lost := self.books.reports.lost_before(message):
                self._doubt(message.agent, lost)
            inbound = Inbound(self._clock(), entry_id, raw)
            self.journal.append(entries.REPORT, entries.pack_inbound(inbound))
            self.books.on_report(inbound)

    def on_outside(self, entry_id: str, raw: bytes) -> None:
        """Take one message of the stream of values from outside."""
        self.books.outside_id = entry_id
        try:
            message = decode(raw)
        except BadData as error:
            self.warn(f"value {entry_id} refused: {error}")
            return
        if isinstance(message, OutsideValue):
            inbound = Inbound(self._clock(), entry_id, raw)
            self.journal.append(entries.OUTSIDE, entries.pack_inbound(inbound))
            self.books.on_outside(inbound)

    def control(self, control: Control, *, by: str, reason: str, strategy: str = "") -> list[str]:
        """Pause, resume or kill one strategy or all; give the names it reached, those included that do more already.

        Parameters
        ----------
        strategy : str
            A name, a hash or at least its first six characters; empty for all.
        """
        chosen = [
            each
            for each in self.slots.values()
            if strategy in ("", each.hash, each.passport.name)
            or (len(strategy) >= _SHORT_HASH and each.hash.startswith(strategy))
        ]
        # A withdrawn strategy goes flat, whatever is resumed; so does a killed one, though a pause come after the kill.
        pauses = control is Control.PAUSE
        reached = [
            each for each in chosen if not (each.withdrawn or (pauses and each.killed)) or control is Control.KILL
        ]
        everything = not strategy and not (pauses and self.books.control is Control.KILL)
        if reached or everything:
            self._control(control, reached, everything=everything, by=by, reason=reason)
        keep_to_tier(self, self.daily_trades)  # nobody resumes beyond what the tenant's tier allows
        return [each.passport.name for each in chosen if each in reached or (pauses and each.killed)]

    def hold(self, slots: list[Slot], reason: str, *, release: bool = False) -> None:
        """Pause strategies because of the tier, or resume them; between two blocks."""
        self._control(
            Control.RESUME if release else Control.PAUSE, slots, everything=False, by="the tier", reason=reason,
            by_tier=True,
        )  # fmt: skip

    def reload(self, approved: dict[str, tuple[bytes, bytes, Approved]], refused: dict[str, str]) -> None:
        """Put newly approved strategies on the desk, the earliest approval first, and take those without approval off.

        Parameters
        ----------
        approved : dict
            Hash to bundle, approval bytes and what they say, all verified.
        refused : dict
            Hash to why a bundle is not run.
        """
        self.refused = dict(refused)
        for slot in list(self.slots.values()):
            kept = approved.get(slot.hash)
            if not slot.withdrawn and (kept is None or kept[1] != slot.approval_bytes):
                self.journal.append(entries.CLOSED, msgspec.msgpack.encode(slot.number))
                self._proposers.remove(slot.number)
                self.books.on_closed(slot.number)
        live = {slot.hash for slot in self.slots.values() if not slot.withdrawn}
        fresh = [given for passport_hash, given in approved.items() if passport_hash not in live]
        for bundle, approval, wanted in sorted(fresh, key=lambda given: given[2].approval.at_ns):
            try:
                self._require_own_position(wanted)
            except Refused as error:
                self.refused[wanted.approval.hash] = f"{error.code}: {error}"
                continue
            # Beyond all numbers that its orders had before, though the clock be set back.
            before = [slot for slot in self.slots.values() if slot.hash == wanted.approval.hash]
            since_ms = max([self._clock() // 10**6, *(slot.since_ms + slot.next_order_id for slot in before)])
            entry = OpenedEntry(max(self.slots, default=0) + 1, bundle, approval, since_ms)
            self.journal.append(entries.OPENED, msgspec.msgpack.encode(entry))
            self._load(self.books.on_opened(entry))

    def snapshot(self) -> None:
        """Keep the state, so that recovery starts here."""
        for slot in self.slots.values():
            if slot.running:
                state = self._proposers.snapshot(slot.number)
                if isinstance(state, Fault):
                    self._tell_fault(slot, state.reason, pause=True)
                else:
                    slot.proposer, slot.since = state, []
        self.journal.wait_durable(self.journal.last_seq)
        self._snapshot_at = self.books.counts.ticks
        try:
            entries.write_snapshot(self._snapshot_path, self.books.snapshot(self.journal.last_seq))
        except OSError as error:  # the journal has all of it: recovery begins at the snapshot before, and takes longer
            self.warn(f"a snapshot needs room beside the journal, it found none: {error}; make room on the disk")

    def close(self) -> None:
        """Stop cleanly: snapshot, then close."""
        if not self.journal.failed:
            self.snapshot()
        self._proposers.close()
        self.journal.close()

    @property
    def outside_id(self) -> str:
        """The last entry of the stream of values from outside that was taken."""
        return self.books.outside_id

    def start_at(self, tick_id: str, report_id: str, outside_id: str = "") -> None:
        """Say where in the streams a new desk begins; a known one goes on where it was.

        Journaled: a desk that is killed before its first tick must not begin at a later place.
        """
        if not self.tick_id:
            entry = StartedEntry(tick_id, report_id, outside_id)
            self.books.on_started(entry)
            self.journal.wait_durable(self.journal.append(entries.STARTED, msgspec.msgpack.encode(entry)))

    def state(self) -> DeskState:
        """What pages see, see :mod:`live_engine.state`."""
        return desk_state(
            self.books, tenant=self.tenant, time_ns=self._clock(), broken=self.journal.failed,
            journal_seq=self.journal.last_seq, restarts=self._proposers.restarts, stages=self.stages,
            refused=self.refused, warnings=self.warnings[-20:], orphans=self._orphans.found,
        )  # fmt: skip

    def warn(self, text: str) -> None:
        """Note something that a person should look at; shown in the state."""
        if text not in self.warnings[-20:]:
            self.warnings = [*self.warnings[-50:], text]
            _log.warning("%s", text)

    def no_longer(self, texts: Collection[str]) -> None:
        """Take back what was noted and is over: a page would show it for as long as the desk lives."""
        self.warnings = [each for each in self.warnings if each not in texts]

    def _recover(self, directory: Path) -> None:
        owed = recover(self.books, self._snapshot_path, directory, self.journal.last_seq)
        self.books.given = self._given
        self.books.told = self._proposers.tell
        for slot, rows in owed:
            self._given(slot, rows)
        self._snapshot_at = self.books.counts.ticks

    def _resume(self, was_sent: Callable[[str], bool]) -> None:
        """Bring the strategies up to the books, settle orders that a crash left in between, finish the open block."""
        for slot in self.slots.values():
            self._load(slot)
        for slot in self.slots.values():
            for report in slot.never_sent(was_sent, self._clock()):
                self.on_report(self.report_id or "0-0", msgspec.msgpack.encode(report))
        self._finish_block()
        self.journal.flush()

    def _finish_block(self) -> None:
        opened = self.books.open
        if opened is not None:
            for at in range(opened.done, len(opened.ticks)):
                if self._tick(at):
                    self.stages["agent_to_decision"].add(self._clock() - opened.block.read_ns)
            self.books.open = None

    def _tick(self, index: int) -> bool:
        began = time.perf_counter_ns()
        looked = self.books.tick(index, self._turn)
        self._laid = False
        if self._faults:
            faults, self._faults = self._faults, {}
            for number, fault in faults.items():
                self._tell_fault(self.slots[number], fault.reason)
        if looked:
            self.stages["decision"].add(time.perf_counter_ns() - began)
        return looked

    def _turn(self, party: Party, quote: Quote) -> Mapping[int, Fault]:
        if party.seats is None:
            party.seats = self._proposers.seats(party.slots, self.journal.draft)
        record, self._faults = party.seats.turn(quote)
        self._laid = not record
        if record:
            self.journal.append(entries.PROPOSALS, record, hold=True)
        return self._faults

    def _given(self, slot: Slot, rows: bytes) -> None:
        """What a book gave: into the journal, then orders to the broker."""
        if not self._laid:
            self.journal.append(entries.ROWS, entries.pack_rows(slot.number, rows), hold=self.books.open is not None)
        if not orders_in(rows):
            return
        if not slot.paper:
            intents = slot.intents.of(rows, self._clock(), int(slot.book.arrays.seen["units"][0]))
            self.journal.flush()  # whatever the disk, the kernel has it
            self.journal.wait_durable(self.journal.last_seq)
            for intent in intents:
                self._send(intent)
            slot.intents.prepare(slot.next_order_id)
        if self._received_at:
            self.stages["tick_to_order"].add(time.perf_counter_ns() - self._received_at)

    def _require_own_position(self, wanted: Approved) -> None:
        """Refuse a strategy for as long as what the broker holds may be another's, or its own older self's."""
        holders = [slot for slot in self.slots.values() if self._may_hold(slot)]
        require_own_position(wanted, [slot.approved for slot in holders])
        if wanted.approval.mode == "mt5" and any(slot.hash == wanted.approval.hash for slot in holders):
            raise Refused(
                "goes_flat_first",
                f"{wanted.passport.name} was taken off and approved anew: its older self must be flat before it trades "
                "again; where that lasts, close its position in the terminal",
            )

    def _may_hold(self, slot: Slot) -> bool:
        if slot.paper or not slot.withdrawn:
            return not slot.paper
        # By its book; where that waits for a word that was lost, by what the account shows.
        account = self._accounts.get(slot.approval.agent)
        symbol = slot.passport.instrument.symbol
        return not slot.is_flat and (account is None or any(each.symbol == symbol for each in account.positions))

    def _doubt(self, agent: str, lost: str) -> None:
        """Enter nothing more on an account of which something was not told."""
        # Journaled before the report that shows it: a crash in between finds it again, and cannot forget it.
        said = f"{lost}; compare positions and deals with the terminal"
        self.warn(said)
        reached = [
            slot
            for slot in self.slots.values()
            if slot.approval.agent == agent and not (slot.paper or slot.withdrawn or slot.killed)
        ]
        if reached:
            self._control(
                Control.PAUSE, reached, everything=False, by="the report numbers", reason=f"{said}, then resume"
            )

    def _control(
        self, control: Control, reached: list[Slot], *, everything: bool, by: str, reason: str, by_tier: bool = False
    ) -> None:
        numbers = [each.number for each in reached]
        entry = ControlEntry(int(control), numbers, everything, by[:64], reason[:200], self._clock(), by_tier)
        self.journal.append(entries.CONTROL, msgspec.msgpack.encode(entry))
        restarted = self.books.on_control(entry)
        self.journal.wait_durable(self.journal.last_seq)
        for slot in restarted:
            self._load(slot)

    def _load(self, slot: Slot) -> None:
        if slot.running:
            fault = self._proposers.add(slot.number, slot.load_message(), slot.proposer, slot.since)
            slot.since = []
            if fault is not None:
                self._tell_fault(slot, fault.reason, pause=True)

    def _tell_fault(self, slot: Slot, reason: str, *, pause: bool = False) -> None:
        # Outside a tick no record says what its book made of it: paused from here on.
        entry = FaultEntry(-slot.number if pause else slot.number, reason)
        self.journal.append(entries.FAULT, msgspec.msgpack.encode(entry))
        _log.warning("strategy put out", extra={"strategy": slot.passport.name, "reason": reason})
        self.books.on_fault(entry)
