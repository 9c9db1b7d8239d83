"""A tenant's desk: the sequence of events, the books they move, and the journal between the two.

Starting is recovering: the last snapshot, then every journaled event again, in order. The same method applies an event
live and in recovery; in recovery the strategies' answers come from the journal and what the books give must equal
what the journal says they gave, else the desk is :class:`~kernel_lib.errors.Broken` and does not start.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData, Broken
from kernel_lib.passport import Approved
from kernel_lib.trading.record import Control, Kind, State, Status
from kernel_lib.wire import AccountState, OrderIntent, Report, TickBlock, decode
from live_engine import entries
from live_engine.broker import broker_event, intent_of, never_sent, order_id_of
from live_engine.entries import ControlEntry, FaultEntry, Inbound, OpenedEntry, Snapshot, StartedEntry
from live_engine.journal import Journal, JournalConfig, Record
from live_engine.latency import Histogram
from live_engine.segment import read_journal
from live_engine.slot import Slot
from live_engine.state import DeskState, TickState
from live_engine.strategy_process import Fault, Question
from live_engine.strategy_wire import Answer

__all__ = ["Desk", "DeskConfig", "Proposers"]

_log = logging.getLogger("tickhub.desk")
_HOLD = Answer(0.0, 0, 0, 0, int(Status.HOLD))
_START = "0-0"


class Proposers(Protocol):
    """Who runs the strategies' code; :class:`~live_engine.strategy_process.StrategyHost` is the real one."""

    restarts: int

    def add(
        self, slot: int, load: dict[str, object], state: bytes = b"", since: Iterable[Question] = ()
    ) -> Fault | None: ...
    def remove(self, slot: int) -> None: ...
    def ask(self, questions: list[Question]) -> dict[int, Answer | Fault]: ...
    def snapshot(self, slot: int) -> bytes | Fault: ...
    def close(self) -> None: ...


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
        self.slots: dict[int, Slot] = {}
        self.refused: dict[str, str] = {}
        self.warnings: list[str] = []
        self.tick_id = self.report_id = ""
        self.stages = {name: Histogram() for name in ("agent_to_bridge", "bridge_to_desk", "decision", "journal",
                                                      "tick_to_order")}  # fmt: skip
        self._proposers = proposers
        self._send = send
        self._clock = clock
        self._control = Control.RESUME
        self._control_reason = ""
        self._report_seqs: dict[str, int] = {}
        self._ticks: dict[str, tuple[int, float, float]] = {}
        self._n_ticks = self._n_blocks = self._n_refused_blocks = self._n_lost = self._n_doubled = 0
        self._next_seqs: dict[str, int] = {}
        self._since_snapshot = 0
        self._block: tuple[TickBlock, list[tuple[int, float, float]], int, Inbound] | None = None
        self._replayed: list[tuple[int, bytes]] | None = None
        self._received_at = 0
        self._snapshot_path = directory / "snapshot"
        self.journal = Journal(directory / "journal", self.config.journal)
        try:
            self._recover(directory / "journal")
            self._resume(was_sent)
        except BaseException:
            self.journal.close()
            self._proposers.close()
            raise

    # Events, live: each is journaled, then applied.

    def on_block(self, entry_id: str, raw: bytes) -> None:
        """Take one message of the tick stream."""
        inbound = Inbound(self._clock(), entry_id, raw)
        began = time.perf_counter_ns()
        self._received_at = began
        self._append(entries.BLOCK, entries.pack_inbound(inbound))
        self.stages["journal"].add(time.perf_counter_ns() - began)
        self._begin_block(inbound)
        self._finish_block()
        if self._since_snapshot >= self.config.snapshot_ticks:
            self.snapshot()

    def on_report(self, entry_id: str, raw: bytes) -> None:
        """Take one message of the report stream."""
        self.report_id = entry_id
        try:
            message = decode(raw)
        except BadData as error:
            self.warn(f"report {entry_id} refused: {error}")
            return
        if isinstance(message, AccountState):
            self._compare_positions(message)
        elif isinstance(message, Report):
            inbound = Inbound(self._clock(), entry_id, raw)
            self._append(entries.REPORT, entries.pack_inbound(inbound))
            self._apply_report(inbound)

    def control(self, control: Control, *, by: str, reason: str, strategy: str = "") -> list[str]:
        """Pause, resume or kill one strategy (by name or hash) or all; give the names it reached."""
        chosen = [each for each in self.slots.values() if strategy in ("", each.hash, each.passport.name)]
        # A withdrawn strategy goes flat, whatever is resumed.
        reached = [each for each in chosen if not (each.withdrawn and control is Control.RESUME)]
        entry = ControlEntry(
            int(control), [each.number for each in reached], not strategy, by[:64], reason[:200], self._clock()
        )
        self._append(entries.CONTROL, msgspec.msgpack.encode(entry))
        restarted = self._apply_control(entry)
        self.journal.wait_durable(self.journal.last_seq)
        for slot in restarted:
            self._load(slot)
        return [each.passport.name for each in reached]

    def reload(self, approved: dict[str, tuple[bytes, bytes, Approved]], refused: dict[str, str]) -> None:
        """Put newly approved strategies on the desk, and take those without approval off.

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
                self._append(entries.CLOSED, msgspec.msgpack.encode(slot.number))
                self._apply_closed(slot.number)
        live = {slot.hash for slot in self.slots.values() if not slot.withdrawn}
        for passport_hash, (bundle, approval, _) in approved.items():
            if passport_hash not in live:
                entry = OpenedEntry(max(self.slots, default=0) + 1, bundle, approval)
                self._append(entries.OPENED, msgspec.msgpack.encode(entry))
                self._load(self._apply_opened(entry))

    def snapshot(self) -> None:
        """Keep the state, so that recovery starts here."""
        for slot in self.slots.values():
            if slot.running:
                state = self._proposers.snapshot(slot.number)
                if isinstance(state, Fault):
                    self._put_out(slot, state)
                else:
                    slot.proposer, slot.since = state, []
        self.journal.wait_durable(self.journal.last_seq)
        entries.write_snapshot(
            self._snapshot_path,
            Snapshot(
                seq=self.journal.last_seq, tick_id=self.tick_id, report_id=self.report_id,
                report_seqs=self._report_seqs, control=int(self._control), control_reason=self._control_reason,
                slots=[slot.snapshot() for slot in self.slots.values()], n_ticks=self._n_ticks, n_blocks=self._n_blocks,
                n_lost=self._n_lost,
                n_doubled=self._n_doubled, next_seqs=self._next_seqs,
            ),
        )  # fmt: skip
        self._since_snapshot = 0

    def close(self) -> None:
        """Stop cleanly: snapshot, then close."""
        if not self.journal.failed:
            self.snapshot()
        self._proposers.close()
        self.journal.close()

    def start_at(self, tick_id: str, report_id: str) -> None:
        """Say where in the streams a new desk begins; a known one goes on where it was.

        Journaled: a desk that is killed before its first tick must not begin at a later place.
        """
        if not self.tick_id:
            entry = StartedEntry(tick_id, report_id)
            seq = self._append(entries.STARTED, msgspec.msgpack.encode(entry))
            self._apply_started(entry)
            self.journal.wait_durable(seq)

    def state(self) -> DeskState:
        """What pages see, see :mod:`live_engine.state`."""
        strategies = [slot.state() for slot in self.slots.values()]
        names = ("ticks", "decisions", "orders", "fills", "denied", "rejected")
        counts = {name: sum(getattr(each, name) for each in strategies) for name in names}
        counts |= {"ticks": self._n_ticks, "blocks": self._n_blocks, "refused_blocks": self._n_refused_blocks}
        counts |= {"lost": self._n_lost, "doubled": self._n_doubled}
        return DeskState(
            tenant=self.tenant, time_ns=self._clock(),
            state="broken" if self.journal.failed else {0: "active", 1: "paused", 2: "killed"}[int(self._control)],
            journal_seq=self.journal.last_seq, position=self.tick_id, restarts=self._proposers.restarts,
            strategies=strategies,
            positions=[each for slot in self.slots.values() for each in slot.positions()],
            orders=[each for slot in self.slots.values() for each in slot.orders()],
            ticks=self._last_ticks(), counts=counts,
            latency_us={name: each.summary_us() for name, each in self.stages.items()},
            refused=self.refused, warnings=self.warnings[-20:],
            profit=round(sum(each.profit for each in strategies), 2),
            profit_today=round(sum(each.profit_today for each in strategies), 2),
        )  # fmt: skip

    def _last_ticks(self) -> list[TickState]:
        return [TickState(symbol=name, time_ns=t, bid=b, ask=a) for name, (t, b, a) in self._ticks.items()]

    # Applying an event: the same live and in recovery.

    def _begin_block(self, inbound: Inbound) -> None:
        self.tick_id = inbound.entry_id
        self._n_blocks += 1
        try:
            block = decode(inbound.raw)
            if not isinstance(block, TickBlock):
                raise BadData(f"the tick stream must hold tick blocks, it held {type(block).__name__}")
            ticks: list[tuple[int, float, float]] = block.array().tolist()
            for _, bid, ask in ticks:
                if not 0.0 < bid <= ask < math.inf:
                    raise BadData(f"ticks of the bus must be validated, one was not: bid {bid}, ask {ask}")
        except BadData as error:
            self._n_refused_blocks += 1
            self.warn(f"block {inbound.entry_id} refused: {error}")
            self._block = None
            return
        self._block = (block, ticks, 0, inbound)
        self._count_gap(block, len(ticks))
        if self._replayed is None:
            self.stages["agent_to_bridge"].add(block.bridge_ns - block.read_ns if block.bridge_ns else 0)
            self.stages["bridge_to_desk"].add(inbound.received_ns - (block.bridge_ns or block.read_ns))

    def _count_gap(self, block: TickBlock, n_ticks: int) -> None:
        # The bridge sees to it that none is lost or doubled; the desk counts, to prove it.
        expected = self._next_seqs.get(block.agent, block.seq_first)
        if block.seq_first > expected:
            self._n_lost += block.seq_first - expected
        elif block.seq_first < expected:
            self._n_doubled += min(expected - block.seq_first, n_ticks)
        if block.seq_first != expected:
            self.warn(f"ticks of {block.agent} must go on at {expected}, they did at {block.seq_first}")
        self._next_seqs[block.agent] = block.seq_first + max(block.n_received, n_ticks)

    def _finish_block(self) -> None:
        if self._block is None:
            return
        _, ticks, index, _ = self._block
        for at in range(index, len(ticks)):
            self._tick(at, None)
        self._block = None

    def _tick(self, index: int, journaled: npt.NDArray[np.void] | None) -> None:
        """One tick of the open block: books, questions, answers, books."""
        assert self._block is not None
        block, ticks, _, inbound = self._block
        self._block = (block, ticks, index + 1, inbound)
        self._ticks[block.symbol] = time_ns, bid, ask = ticks[index]
        self._n_ticks += 1
        self._since_snapshot += 1
        slots = [slot for slot in self.slots.values() if slot.passport.instrument.symbol == block.symbol]
        if not slots:
            return
        began = time.perf_counter_ns()
        newest_ns = ticks[-1][0]
        questions = []
        for slot in slots:
            if slot.paper:  # the simulated broker lives in the time of the events
                age_ns = max(0, block.terminal_ns - newest_ns)
            else:
                sent_ns = block.bridge_ns or block.read_ns
                age_ns = max(0, block.terminal_ns - time_ns) + max(0, inbound.received_ns - sent_ns)
            view = slot.book.on_tick(time_ns, bid, ask, age_ns)
            if slot.running:
                questions.append(Question(slot.number, time_ns, bid, ask, view.tobytes()))
        faults: list[tuple[Slot, Fault]] = []
        if journaled is None:
            answers = self._ask(questions, faults)
            self._append(entries.PROPOSALS, entries.pack_proposals(index, answers))
        else:
            answers = {
                int(row["slot"]): Answer(
                    float(row["target"]), int(row["units"]), int(row["stop"]), int(row["take"]), int(row["status"])
                )
                for row in journaled
            }
            if set(answers) != {question.slot for question in questions}:
                raise Broken(f"tick {index} of block {inbound.entry_id} was answered by other strategies than now run")
        for question in questions:
            slot = self.slots[question.slot]
            if journaled is not None and answers[slot.number].status <= int(Status.DECIDED):
                slot.since.append(question)  # live, the strategy process keeps its own
        for slot in slots:
            answer = answers.get(slot.number, _HOLD)
            if answer.status >= int(Status.BAD_TARGET):
                slot.faulted = True
                slot.reason = slot.reason or Status(answer.status).name.lower().replace("_", " ")
            slot.book.on_target(*answer)
            self._emit(slot)
        if journaled is None:
            for slot, fault in faults:
                self._tell_fault(slot, fault.reason)
            self.stages["decision"].add(time.perf_counter_ns() - began)

    def _ask(self, questions: list[Question], faults: list[tuple[Slot, Fault]]) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        for number, answer in (self._proposers.ask(questions) if questions else {}).items():
            if isinstance(answer, Fault):
                faults.append((self.slots[number], answer))
                status = Status.TIMEOUT if answer.timeout else Status.RAISED
                answers[number] = Answer(math.nan, 0, 0, 0, int(status))
            else:
                answers[number] = answer
                if answer.status == int(Status.BAD_TARGET):
                    faults.append(
                        (self.slots[number], Fault(f"the target must be from -1 to 1, it was {answer.target}"))
                    )
                    self._proposers.remove(number)
        return answers

    def _apply_report(self, inbound: Inbound) -> None:
        self.report_id = inbound.entry_id
        message = decode(inbound.raw)
        assert isinstance(message, Report)
        if message.origin == "agent":
            if message.seq <= self._report_seqs.get(message.agent, 0):
                return
            self._report_seqs[message.agent] = message.seq
        for slot in self.slots.values():
            mine = order_id_of(message.key, slot.magic) is not None if message.key else message.magic == slot.magic
            if not mine or slot.paper or slot.approval.agent != message.agent:
                continue
            event = broker_event(message, slot.passport, slot.magic)
            if event is not None:
                slot.book.on_broker(event)
                self._emit(slot)
            elif message.kind == "unknown":
                self.warn(f"order {message.key}: outcome not known yet, the broker is asked: {message.reason}")

    def _apply_control(self, entry: ControlEntry) -> list[Slot]:
        control = Control(entry.control)
        said = f"{control.name.lower()} by {entry.by}: {entry.reason}"
        if entry.everything:
            self._control, self._control_reason = control, said
        restarted = []
        for number in entry.slots:
            slot = self.slots[number]
            slot.book.control(control, int(slot.book.numbers["time_ns"]) or entry.time_ns)
            if control is Control.RESUME:
                slot.reason = ""
                if slot.faulted:  # its code starts afresh
                    slot.faulted, slot.proposer, slot.since = False, b"", []
                    restarted.append(slot)
            elif not slot.faulted:
                slot.reason = said
            self._emit(slot)
        return restarted

    def _apply_started(self, entry: StartedEntry) -> None:
        self.tick_id, self.report_id = entry.tick_id, entry.report_id

    def _apply_opened(self, entry: OpenedEntry) -> Slot:
        slot = Slot(entry.slot, entry.bundle, entry.approval)
        self.slots[slot.number] = slot
        if self._control is not Control.RESUME:
            slot.book.control(self._control, slot.approval.at_ns)
            slot.reason = self._control_reason
            self._emit(slot)
        return slot

    def _apply_closed(self, number: int) -> None:
        slot = self.slots[number]
        slot.withdrawn = True
        slot.reason = "approval withdrawn; goes flat"
        slot.book.control(Control.KILL, int(slot.book.numbers["time_ns"]) or slot.approval.at_ns)
        if self._replayed is None:
            self._proposers.remove(number)
        self._emit(slot)

    def _emit(self, slot: Slot) -> None:
        """What a book gave: into the journal, then orders to the broker. In recovery: what it must have given."""
        if not slot.book.arrays.book["n_out"][0]:
            return
        rows = slot.book.drain()
        payload = entries.pack_rows(slot.number, rows)
        if self._replayed is not None:
            self._replayed.append((slot.number, payload))
            return
        self._append(entries.ROWS, payload)
        self._dispatch(slot, rows)

    def _dispatch(self, slot: Slot, rows: npt.NDArray[np.void]) -> None:
        orders = rows[rows["kind"] == int(Kind.ORDER)]
        if orders.size and not slot.paper:
            self.journal.wait_durable(self.journal.last_seq)
            for row in orders:
                self._send(intent_of(row, slot.passport, slot.approval.agent, slot.magic, self._clock()))
        if orders.size and self._received_at:
            self.stages["tick_to_order"].add(time.perf_counter_ns() - self._received_at)

    # Recovery

    def _recover(self, directory: Path) -> None:
        kept = entries.read_snapshot(self._snapshot_path)
        after = 0
        if kept is not None:
            after = kept.seq
            self.tick_id, self.report_id, self._report_seqs = kept.tick_id, kept.report_id, dict(kept.report_seqs)
            self._control, self._control_reason = Control(kept.control), kept.control_reason
            self._n_ticks, self._n_blocks = kept.n_ticks, kept.n_blocks
            self._n_lost, self._n_doubled, self._next_seqs = kept.n_lost, kept.n_doubled, dict(kept.next_seqs)
            self.slots = {each.slot: Slot.restored(each) for each in kept.slots}
            if self.journal.last_seq < after:
                raise Broken(
                    f"the journal must reach record {after} of the snapshot, it ends at {self.journal.last_seq}"
                )
        self._replayed = []
        for record in read_journal(directory, after):
            self._apply_record(record)
        # What the books gave after the last journaled row was never journaled, so it was never acted on.
        owed, self._replayed = self._replayed, None
        for number, payload in owed:
            self._append(entries.ROWS, payload)
            self._dispatch(self.slots[number], entries.unpack_rows(payload)[1])
        self._since_snapshot = 0

    def _apply_record(self, record: Record) -> None:
        assert self._replayed is not None
        kind, payload = record.kind, record.payload
        if kind == entries.ROWS:
            if not self._replayed or self._replayed.pop(0)[1] != payload:
                raise Broken(
                    f"record {record.seq}: the book must give again what it gave, it gave something else; the journal "
                    "was written by another version of the step, or it is damaged"
                )
        elif kind == entries.BLOCK:
            self._close_replayed_block(record)
            self._begin_block(entries.unpack_inbound(payload))
        elif kind == entries.PROPOSALS:
            index, proposals = entries.unpack_proposals(payload)
            self._catch_up(index)
            self._tick(index, proposals)
        elif kind == entries.REPORT:
            self._apply_report(entries.unpack_inbound(payload))
        elif kind == entries.CONTROL:
            self._close_replayed_block(record)
            self._apply_control(msgspec.msgpack.decode(payload, type=ControlEntry))
        elif kind == entries.OPENED:
            self._close_replayed_block(record)
            self._apply_opened(msgspec.msgpack.decode(payload, type=OpenedEntry))
        elif kind == entries.CLOSED:
            self._close_replayed_block(record)
            self._apply_closed(msgspec.msgpack.decode(payload, type=int))
        elif kind == entries.STARTED:
            self._apply_started(msgspec.msgpack.decode(payload, type=StartedEntry))
        elif kind == entries.FAULT:
            fault = msgspec.msgpack.decode(payload, type=FaultEntry)
            self._apply_fault(fault)
        else:
            raise Broken(f"record {record.seq} has kind {kind}, which this version does not know; update the platform")

    def _close_replayed_block(self, record: Record) -> None:
        if self._block is not None:
            self._catch_up(len(self._block[1]))
            self._block = None
        if self._replayed:
            number = self._replayed[0][0]
            raise Broken(f"record {record.seq}: rows of slot {number} must come before it, they are missing")

    def _catch_up(self, index: int) -> None:
        if self._block is None or self._block[2] > index:
            raise Broken(f"answers to tick {index} must follow its block, they do not")
        empty = np.zeros(0, entries.PROPOSAL)
        for at in range(self._block[2], index):  # ticks that no strategy looked at leave no record
            self._tick(at, empty)

    def _resume(self, was_sent: Callable[[str], bool]) -> None:
        """Bring the strategies up to the books, settle orders that a crash left in between, finish the open block."""
        for slot in self.slots.values():
            self._load(slot)
        for slot in self.slots.values():
            if not slot.paper:
                for order in slot.orders():
                    if not was_sent(order.key):
                        report = never_sent(
                            order.order_id, slot.passport, slot.approval.agent, slot.magic, self._clock()
                        )
                        self.on_report(self.report_id or _START, msgspec.msgpack.encode(report))
        self._finish_block()

    def _load(self, slot: Slot) -> None:
        if slot.running:
            fault = self._proposers.add(slot.number, slot.load_message(), slot.proposer, slot.since)
            slot.since = []
            if fault is not None:
                self._put_out(slot, fault)

    def _put_out(self, slot: Slot, fault: Fault) -> None:
        """A strategy failed outside a tick: its book is paused from here on."""
        self._tell_fault(slot, fault.reason, pause=True)

    def _tell_fault(self, slot: Slot, reason: str, *, pause: bool = False) -> None:
        entry = FaultEntry(-slot.number if pause else slot.number, reason)
        self._append(entries.FAULT, msgspec.msgpack.encode(entry))
        _log.warning("strategy put out", extra={"strategy": slot.passport.name, "reason": reason})
        self._apply_fault(entry)

    def _apply_fault(self, entry: FaultEntry) -> None:
        slot = self.slots[abs(entry.slot)]
        slot.faulted, slot.reason = True, entry.reason
        if entry.slot < 0 and slot.book.state is State.ACTIVE:
            slot.book.control(Control.PAUSE, int(slot.book.numbers["time_ns"]) or slot.approval.at_ns)
            self._emit(slot)

    def _compare_positions(self, account: AccountState) -> None:
        for slot in self.slots.values():
            if slot.paper or slot.approval.agent != account.agent or slot.orders():
                continue
            theirs = sum(each.side * each.lots for each in account.positions if each.magic == slot.magic)
            n = slot.book.numbers
            ours = slot.book.lots(n["long_units"] - n["short_units"])
            if not math.isclose(theirs, ours, abs_tol=1e-9):
                self.warn(f"{slot.passport.name}: the broker holds {theirs:g} lots, the book {ours:g}; check by hand")

    def _append(self, kind: int, payload: bytes) -> int:
        return self.journal.append(kind, payload)

    def warn(self, text: str) -> None:
        """Note something that a person should look at; shown in the state."""
        if text not in self.warnings[-20:]:
            self.warnings = [*self.warnings[-50:], text]
            _log.warning("%s", text)
