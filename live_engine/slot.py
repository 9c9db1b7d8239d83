"""One strategy's place on a desk: its passport, its book, and whether its code still runs."""

import math
from collections.abc import Callable
from typing import Any

import msgspec

from kernel_lib.passport import Approval, Approved, Passport
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import State
from kernel_lib.wire import AccountState, Report
from live_engine.broker import Intents, magic_of, never_sent, order_id_of, order_key, refusal_in, trades_opened
from live_engine.entries import SlotSnapshot
from live_engine.heard import Question, Told
from live_engine.state import OrderState, PositionState, StrategyState

__all__ = ["Slot"]


class Slot:
    """Built the same way live, in recovery and in tests: from the journaled bundle and approval.

    Attributes
    ----------
    faulted : bool
        The strategy raised, answered nonsense or did not answer; it is not asked any more.
    withdrawn : bool
        Its approval was taken back; the book goes flat and stays so.
    held : bool
        Paused because the tenant's trades of the day are used up, and resumed when the day turns.
    trades_day, trades : int
        The book's day of the last trade that was opened, and how many were on it.
    since_ms : int
        When it was put on the desk, UTC milliseconds: its orders' keys begin there. 0 on desks of before.
    refusal : str
        Why the last order was denied or rejected, since the process started.
    since : list of Question and Told
        Ticks, views and values from outside since the proposer's last snapshot, for rebuilding it.
    """

    def __init__(self, number: int, bundle: bytes, approval: bytes, since_ms: int = 0) -> None:
        self.number = number
        self.bundle = bundle
        self.approval_bytes = approval
        self.passport = msgspec.msgpack.decode(bundle, type=Passport)
        self.approval = msgspec.msgpack.decode(approval, type=Approval)
        self.hash = self.approval.hash
        self.magic = magic_of(self.hash)
        self.paper = self.approval.mode == "paper"
        costs = self.passport.costs if self.paper else None
        self.book = Book(self.passport.instrument, self.passport.account, self.approval.limits, costs)
        self.since_ms = since_ms
        self.intents = Intents(self.passport, self.approval.agent, self.magic, since_ms)
        self.proposer = b""
        self.since: list[Question | Told] = []
        self.faulted = False
        self.withdrawn = self.held = False
        self.reason = self.refusal = ""
        self.trades_day, self.trades = -1, 0

    @property
    def approved(self) -> Approved:
        return Approved(self.passport, self.approval)

    @property
    def running(self) -> bool:
        """Its code is asked at each tick."""
        return not (self.faulted or self.withdrawn)

    def load_message(self) -> dict[str, Any]:
        """What the sandboxed child needs to run it."""
        return {
            "name": self.passport.name, "source": self.passport.source, "entry": self.passport.entry,
            "params": self.passport.params, "instrument": msgspec.to_builtins(self.passport.instrument),
            "account": msgspec.to_builtins(self.passport.account), "models": self.passport.models,
            "channels": self.passport.channels, "paper": self.paper,
        }  # fmt: skip

    def snapshot(self) -> SlotSnapshot:
        return SlotSnapshot(
            slot=self.number, bundle=self.bundle, approval=self.approval_bytes, book=self.book.snapshot(),
            proposer=self.proposer, faulted=self.faulted, withdrawn=self.withdrawn, reason=self.reason,
            held=self.held, trades_day=self.trades_day, trades=self.trades,
            since_ms=self.since_ms,
        )  # fmt: skip

    @classmethod
    def restored(cls, kept: SlotSnapshot) -> "Slot":
        slot = cls(kept.slot, kept.bundle, kept.approval, kept.since_ms)
        slot.book.restore(kept.book)
        slot.proposer = kept.proposer
        slot.faulted, slot.withdrawn, slot.reason = kept.faulted, kept.withdrawn, kept.reason
        slot.held, slot.trades_day, slot.trades = kept.held, kept.trades_day, kept.trades
        return slot

    def state(self) -> StrategyState:
        book, n = self.book, self.book.numbers
        state = "withdrawn" if self.withdrawn else book.state.name.lower()
        return StrategyState(
            name=self.passport.name, hash=self.hash, symbol=self.passport.instrument.symbol, mode=self.approval.mode,
            currency=self.passport.account.currency, state=state, paused=state != "active", reason=self.reason,
            lots=book.lots(n["long_units"] - n["short_units"]), equity=book.money(n["equity_minor"]),
            balance=book.money(n["balance_minor"]), profit=book.money(n["equity_minor"] - n["deposit_minor"]),
            profit_today=book.money(n["equity_minor"] - n["day_start_minor"]), ticks=n["n_ticks"],
            decisions=n["n_decisions"], orders=n["n_orders"], fills=n["n_fills"], denied=n["n_denied"],
            rejected=n["n_rejected"], refusal=self.refusal,
        )  # fmt: skip

    def positions(self) -> list[PositionState]:
        book, n = self.book, self.book.numbers
        rules = book.arrays.rules[0]
        found = []
        for row in book.positions:
            side, units, cost = int(row["side"]), int(row["units"]), int(row["cost"])
            points = n["bid_points"] if side > 0 else n["ask_points"]
            worth = float(rules["minor_per_point_unit"]) / (n["bid"] if rules["profit_by_price"] else 1.0)
            floating = (points * units - cost) * side * worth + float(row["swap_minor"])
            found.append(
                PositionState(
                    strategy=self.passport.name, symbol=self.passport.instrument.symbol,
                    position_id=int(row["position_id"]), side=side, lots=book.lots(units),
                    open_price=book.price(cost / units), open_time_ns=int(row["open_time_ns"]),
                    stop_loss=book.price(int(row["stop_points"])), take_profit=book.price(int(row["take_points"])),
                    floating_profit=round(book.money(floating), 2),
                )
            )  # fmt: skip
        return found

    def note(self, rows: bytes) -> None:
        """Add the trades that rows of the book opened to those of its day; keep why an order was denied."""
        self.refusal = refusal_in(rows) or self.refusal
        n_opened = trades_opened(rows)
        if n_opened:
            day = self._day()
            self.trades = n_opened + (self.trades if day == self.trades_day else 0)
            self.trades_day = day

    @property
    def trades_today(self) -> int:
        """Trades opened since the broker's midnight."""
        return self.trades if self.trades_day == self._day() else 0

    def _day(self) -> int:
        return int(self.book.arrays.book["day"][0])

    def differs_from(self, account: AccountState) -> str:
        """Say how the broker's position differs from the book's, else nothing; silent about another agent's account."""
        if self.paper or self.approval.agent != account.agent or len(self.book.working):
            return ""
        theirs = sum(each.side * each.lots for each in account.positions if each.magic == self.magic)
        n = self.book.numbers
        ours = self.book.lots(n["long_units"] - n["short_units"])
        if math.isclose(theirs, ours, abs_tol=1e-9):
            return ""
        return f"{self.passport.name}: the broker holds {theirs:g} lots, the book {ours:g}; check by hand"

    def never_sent(self, was_sent: Callable[[str], bool], now_ns: int) -> list[Report]:
        """Give a rejection for each order on its way that a crash left in between: journaled, but not on the bus."""
        if self.paper:
            return []
        return [
            never_sent(order.key, self.passport, self.approval.agent, self.magic, now_ns)
            for order in self.orders()
            if not was_sent(order.key)
        ]

    def order_of(self, report: Report) -> int | None:
        """Give the number of its order that a report is about, 0 for none; None when the report is not its business."""
        if self.paper or self.approval.agent != report.agent:
            return None
        if not report.key:
            return 0 if report.magic == self.magic else None
        order_id = order_id_of(report.key, self.magic, self.since_ms)
        # Not of this book, but of a later one of the same strategy, which was approved anew.
        return None if order_id is None or order_id >= self.next_order_id else order_id

    @property
    def is_flat(self) -> bool:
        """Its book holds nothing, and no order of it is on its way."""
        return not (len(self.book.positions) or len(self.book.working))

    @property
    def next_order_id(self) -> int:
        return int(self.book.arrays.book["next_order_id"][0])

    def orders(self) -> list[OrderState]:
        return [
            OrderState(
                strategy=self.passport.name, symbol=self.passport.instrument.symbol, order_id=int(row["order_id"]),
                key=order_key(self.magic, int(row["order_id"]), self.since_ms), side=int(row["side"]),
                lots=self.book.lots(int(row["units"])), sent_ns=int(row["sent_ns"]),
            )
            for row in self.book.working
        ]  # fmt: skip

    @property
    def killed(self) -> bool:
        return self.book.state is State.KILLED
