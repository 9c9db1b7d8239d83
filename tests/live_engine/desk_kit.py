"""What desk tests share: an approved strategy, blocks of ticks, a strategy process that runs in this one."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel_lib.market.instrument import EURUSD, Instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.passport import Approval, Approved, Passport, build_passport, sign_approval, verify
from kernel_lib.strategy import Proposer, Strategy, load_strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.record import VIEW
from kernel_lib.wire import encode, tick_block
from live_engine import entries
from live_engine.draft import Draft
from live_engine.heard import Question, Told
from live_engine.proposers import AskedSeats, Fault, Seats
from live_engine.segment import read_journal
from live_engine.slot import Slot
from live_engine.strategy_wire import Answer

NOW = 1_700_000_000_000_000_000


class InProcessStrategies:
    """Runs strategies in the test's own process: fast, and only for code that the test wrote."""

    def __init__(self) -> None:
        self.restarts = 0
        self.held: dict[int, Proposer] = {}

    def add(
        self, slot: int, load: dict[str, object], state: bytes = b"", since: Iterable[Question | Told] = ()
    ) -> Fault | None:
        strategy = load_strategy(str(load["source"]), str(load["entry"])).with_params(**load["params"])  # type: ignore[arg-type]
        proposer = Proposer(strategy, EURUSD)
        if state:
            proposer.restore(state)
        self.held[slot] = proposer
        for each in since:
            if isinstance(each, Told):
                self.tell(each)
            else:
                self._answer(each)
        return None

    def tell(self, told: Told) -> None:
        self.held[told.slot].tell(told.channel, told.number)

    def remove(self, slot: int) -> None:
        self.held.pop(slot, None)

    def ask(self, questions: list[Question]) -> dict[int, Answer | Fault]:
        return {question.slot: self._answer(question) for question in questions}

    def seats(self, slots: list[Slot], draft: Draft) -> Seats:
        return AskedSeats(self, slots)

    def snapshot(self, slot: int) -> bytes | Fault:
        return self.held[slot].snapshot()

    def close(self) -> None:
        self.held.clear()

    def _answer(self, question: Question) -> Answer:
        view = np.frombuffer(question.view, VIEW).copy()
        return Answer(*self.held[question.slot].on_tick(question.time_ns, question.bid, question.ask, view))


def approved_bundle(
    strategy: Strategy, *, mode: str = "paper", agent: str = "", key: Ed25519PrivateKey | None = None,
    costs: Costs | None = None, instrument: Instrument = EURUSD, account: AccountConfig | None = None,
    tenant: str = "acme",
) -> tuple[Passport, bytes, bytes, Approved]:  # fmt: skip
    """Give passport, approval bytes, signature, and what verification makes of them."""
    key = key or Ed25519PrivateKey.generate()
    passport = build_passport(
        strategy, instrument=instrument, author="quinn", tenant=tenant, created_ns=NOW, costs=costs, account=account
    )
    approval = Approval(
        hash=passport.hash, tenant=tenant, author="quinn", approver="ada", mode=mode,  # type: ignore[arg-type]
        agent=agent or ("pc1" if mode == "mt5" else ""), limits=RiskLimits(), at_ns=NOW,
    )  # fmt: skip
    content, signature = sign_approval(approval, key)
    approved = verify(passport.encode(), content, signature, key.public_key(), tenant=tenant, now_ns=NOW)
    return passport, content, signature, approved


def desk_bundle(strategy: Strategy, **fields: object) -> dict[str, tuple[bytes, bytes, Approved]]:
    """Give one approved strategy as ``Desk.reload`` takes it."""
    passport, content, _, approved = approved_bundle(strategy, **fields)  # type: ignore[arg-type]
    return {passport.hash: (passport.encode(), content, approved)}


def blocks_of(ticks: Ticks, lengths: Iterable[int], symbol: str = "EURUSD") -> list[tuple[str, bytes]]:
    """Cut ticks into encoded blocks with entry ids, as the bridge would publish them."""
    blocks: list[tuple[str, bytes]] = []
    at = 0
    for length in lengths:
        part = ticks[at : at + length]
        if not len(part):
            break
        newest_ns = int(part["time_ns"][-1])
        block = tick_block("pc1", symbol, at + 1, part, terminal_ns=newest_ns, read_ns=newest_ns)
        blocks.append((f"{len(blocks) + 1}-0", encode(block)))
        at += length
    return blocks


def journaled_rows(directory: Path) -> np.ndarray:  # type: ignore[type-arg]
    """Every row that the desk's books gave, in order."""
    rows = [
        entries.unpack_rows(each.payload)[1]
        for each in read_journal(directory / "journal")
        if each.kind == entries.ROWS
    ]
    return np.concatenate(rows)
