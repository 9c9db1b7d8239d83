"""Executes order intents at the terminal: each key at most once, whatever breaks in between.

The terminal has no order id of ours, so the key travels in the order's comment. Before an order leaves, its intent is
written to disk; when the answer is lost, the order is looked for by key among the account's deals and orders, and is
never simply sent again. Reports, dispatched intents and the last deal seen live in one log, so a crash cannot keep
one and lose the other.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from kernel_lib.errors import BadData
from kernel_lib.wire import OrderIntent, Report, decode, encode
from mt5_feed.lane import Lane
from mt5_feed.order_request import build_request
from mt5_feed.server_time import server_ms_to_utc_ns
from mt5_feed.spool import ITEM, Record, SpoolConfig
from mt5_feed.terminal import Terminal

__all__ = ["OrderDesk", "OrderDeskConfig"]

_DONE, _PARTIAL, _PLACED = 10009, 10010, 10008
_ASK_AGAIN = (10004, 10020)
_OUTCOME_UNKNOWN = (10011, 10012, 10031)
_REFUSED = frozenset(
    (10006, 10007, 10013, 10014, 10015, 10016, 10017, 10018, 10019, 10021, 10022, 10023, 10024, 10025, 10026, 10027,
     10028, 10029, 10030, 10032, 10033, 10034, 10035, 10036, 10038, 10039, 10040, 10041, 10042, 10043, 10044, 10045,
     10046, 10004, 10020)
)  # fmt: skip
_NOT_DELIVERED = (-2, -8, -10003, -10004)
_ENTRY_IN = 0
_KEPT_KEYS = 20_000
_TWO_DAYS_S = 2 * 86_400
log = structlog.get_logger("agent.orders")


class OrderDeskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the desk deals with the broker.

    Parameters
    ----------
    requotes : int
        How often a requoted order is asked again at the new price.
    reconcile_s : float
        How long an order with unknown outcome is looked for before it counts as never arrived.
    """

    requotes: int = 2
    reconcile_s: float = 5.0


class _Open(msgspec.Struct, frozen=True):
    intent: OrderIntent
    since_s: float


class _State(msgspec.Struct, frozen=True):
    known: list[str]
    open: list[bytes]
    last_deal: int
    keys: dict[int, str]


class OrderDesk:
    """Orders of one account.

    Parameters
    ----------
    server_ms : callable
        Newest server time known, milliseconds.
    """

    def __init__(
        self, terminal: Terminal, agent: str, zone: str, folder: Path, *, server_ms: Callable[[], int],
        config: OrderDeskConfig, spool: SpoolConfig, now_ns: Callable[[], int] = time.time_ns,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._terminal = terminal
        self._agent = agent
        self._zone = zone
        self._server_ms = server_ms
        self._config = config
        self._now_ns = now_ns
        self._monotonic_s = monotonic_s
        self._known: dict[str, None] = {}
        self._open: dict[str, _Open] = {}
        self._keys: dict[int, str] = {}
        self._last_deal: int | None = None
        self.lane = Lane("reports", folder, self._state, spool)
        self.lane.recover(self._restore, self._replay)

    @property
    def n_open(self) -> int:
        """Orders whose outcome is not known yet."""
        return len(self._open)

    def receive(self, intent: OrderIntent) -> None:
        """Execute one intent, unless its key is known."""
        if intent.key in self._known:
            log.info("key_known", key=intent.key)
            return
        reason = self._objection(intent)
        if reason:
            self._report(intent, "rejected", reason=reason)
            return
        # On disk before it leaves: after a crash we know that it may have been sent.
        self.lane.note(encode(intent))
        self._remember(intent.key)
        self._open[intent.key] = _Open(intent, self._monotonic_s())
        self._dispatch(intent)

    def reconcile(self) -> None:
        """Look for orders with unknown outcome, and for positions that the server or a person closed."""
        deals = self._recent_deals()
        if deals is None:
            return
        if self._last_deal is None:
            self._last_deal = max((each.ticket for each in deals), default=0)
            self.lane.note(b"deal %d" % self._last_deal)
        for key, each in list(self._open.items()):
            self._settle(key, each, deals)
        for deal in sorted(deals, key=lambda each: int(each.ticket)):
            if deal.ticket > self._last_deal:
                if deal.entry != _ENTRY_IN and _key_of(deal.comment) not in self._known:
                    self._report_closed(deal)
                self._last_deal = int(deal.ticket)

    def message(self, number: int, record: Record) -> Report:
        """The wire form of a spooled report."""
        report = decode(record.payload)
        assert isinstance(report, Report)
        return msgspec.structs.replace(report, seq=number)

    def _objection(self, intent: OrderIntent) -> str:
        if intent.agent != self._agent:
            return f"the intent must be for agent {self._agent}, it was for {intent.agent}"
        if len(intent.key) > 16:
            return f"a key must have at most 16 characters, it had {len(intent.key)}"
        if intent.side not in (1, -1) or not (math.isfinite(intent.lots) and intent.lots > 0):
            return f"an order must buy (+1) or sell (-1) a positive number of lots, it was {intent.side} {intent.lots}"
        if 0 < intent.expires_ns <= self._now_ns():
            return "the intent expired before it reached the terminal; it was never sent"
        if not 0 <= intent.magic < 2**63:
            return f"magic must be a whole number from 0 to 2**63 - 1, it was {intent.magic}"
        return ""

    def _dispatch(self, intent: OrderIntent) -> None:
        for attempt in range(self._config.requotes + 1):
            try:
                request = build_request(self._terminal, intent)
            except BadData as error:
                self._finish(intent, "rejected", reason=str(error))
                return
            result = self._terminal.order_send(request)
            if result is None or result.retcode not in _ASK_AGAIN or attempt == self._config.requotes:
                break
        if result is None:
            code, text = self._terminal.last_error()
            if code in _NOT_DELIVERED:
                self._finish(intent, "rejected", retcode=code, reason=f"not delivered: {code} {text}")
            else:
                self._report(
                    intent, "unknown", retcode=code, reason=f"the answer was lost ({code} {text}); looking for it"
                )
        elif result.retcode in (_DONE, _PARTIAL):
            if not self._fill_from(intent, self._terminal.history_deals_get(ticket=result.order), result.retcode):
                self._report(intent, "accepted", retcode=result.retcode, reason=str(result.comment))
        elif result.retcode == _PLACED:
            self._report(intent, "accepted", retcode=result.retcode, reason=str(result.comment))
        elif result.retcode in _REFUSED:
            self._finish(intent, "rejected", retcode=result.retcode, reason=str(result.comment))
        else:
            self._report(
                intent, "unknown", retcode=result.retcode, reason=f"{result.comment}; looking for it by its key"
            )

    def _settle(self, key: str, each: _Open, deals: tuple[Any, ...]) -> None:
        mine = [deal for deal in deals if _key_of(deal.comment) == key and deal.magic == each.intent.magic]
        if self._fill_from(each.intent, mine, _DONE):
            return
        if self._monotonic_s() - each.since_s < self._config.reconcile_s:
            return
        waiting = self._terminal.orders_get()
        info = self._terminal.terminal_info()
        if waiting is None or info is None or not info.connected or any(_key_of(one.comment) == key for one in waiting):
            return
        self._finish(each.intent, "rejected", reason="the broker has no trace of it: it never arrived")

    def _fill_from(self, intent: OrderIntent, deals: Any, retcode: int) -> bool:
        if not deals:
            return False
        for deal in deals:
            self._keys[int(deal.position_id)] = intent.key
            self._append(
                Report(
                    agent=self._agent, seq=1, kind="filled", key=intent.key, time_ns=self._utc_ns(deal.time_msc),
                    symbol=str(deal.symbol), magic=intent.magic, side=intent.side, lots=float(deal.volume),
                    price=float(deal.price), position=self._ticket_of(deal), deal=int(deal.ticket),
                    commission=float(deal.commission), swap=float(deal.swap), profit=float(deal.profit),
                    retcode=retcode,
                )
            )  # fmt: skip
        self._open.pop(intent.key, None)
        return True

    def _ticket_of(self, deal: Any) -> int:
        """The position's ticket, which is what closes it; on a netting account it may change, the identifier not."""
        for held in self._terminal.positions_get() or ():
            if held.identifier == deal.position_id:
                return int(held.ticket)
        return int(deal.position_id)

    def _report_closed(self, deal: Any) -> None:
        self._append(
            Report(
                agent=self._agent, seq=1, kind="closed", key=self._keys.get(int(deal.position_id), ""),
                time_ns=self._utc_ns(deal.time_msc), symbol=str(deal.symbol), magic=int(deal.magic),
                side=1 if deal.type == self._terminal.ORDER_TYPE_BUY else -1, lots=float(deal.volume),
                price=float(deal.price), position=int(deal.position_id), deal=int(deal.ticket),
                commission=float(deal.commission), swap=float(deal.swap), profit=float(deal.profit),
                reason=str(deal.comment) or f"reason {deal.reason}",
            )
        )  # fmt: skip

    def _finish(self, intent: OrderIntent, kind: str, *, retcode: int = 0, reason: str) -> None:
        self._report(intent, kind, retcode=retcode, reason=reason)
        self._open.pop(intent.key, None)

    def _report(self, intent: OrderIntent, kind: str, *, retcode: int = 0, reason: str) -> None:
        self._remember(intent.key)
        self._append(
            Report(
                agent=self._agent, seq=1, kind=kind, key=intent.key, time_ns=self._now_ns(), symbol=intent.symbol,
                magic=intent.magic, side=intent.side, lots=intent.lots, position=intent.position, retcode=retcode,
                reason=reason[:200],
            )
        )  # fmt: skip

    def _append(self, report: Report) -> None:
        log.info("report", kind=report.kind, key=report.key, symbol=report.symbol, lots=report.lots,
                 price=report.price, retcode=report.retcode, reason=report.reason)  # fmt: skip
        self.lane.append(encode(report), sync=True)

    def _recent_deals(self) -> tuple[Any, ...] | None:
        # The newest deals are missed unless the end lies well ahead of the server's clock.
        now_s = self._server_ms() // 1000
        return self._terminal.history_deals_get(max(0, now_s - _TWO_DAYS_S), now_s + _TWO_DAYS_S)

    def _utc_ns(self, server_ms: int) -> int:
        import numpy as np

        return int(server_ms_to_utc_ns(np.array([server_ms], dtype=np.int64), self._zone)[0])

    def _remember(self, key: str) -> None:
        self._known[key] = None
        while len(self._known) > _KEPT_KEYS:
            del self._known[next(iter(self._known))]

    def _state(self) -> bytes:
        last_deal = -1 if self._last_deal is None else self._last_deal
        return msgspec.msgpack.encode(
            _State(list(self._known), [encode(each.intent) for each in self._open.values()], last_deal, self._keys)
        )

    def _restore(self, kept: bytes) -> None:
        state = msgspec.msgpack.decode(kept, type=_State)
        self._known = dict.fromkeys(state.known)
        self._keys = state.keys
        self._last_deal = None if state.last_deal < 0 else state.last_deal
        for frame in state.open:
            self._reopen(frame)

    def _replay(self, record: Record) -> None:
        if record.kind == ITEM:
            report = decode(record.payload)
            assert isinstance(report, Report)
            if report.key and report.kind != "closed":
                self._remember(report.key)
                if report.kind in ("filled", "rejected"):
                    self._open.pop(report.key, None)
            if report.kind == "filled":
                self._keys[report.position] = report.key
            elif report.kind == "closed":
                self._last_deal = max(self._last_deal or 0, report.deal)
        elif record.payload.startswith(b"deal "):
            self._last_deal = int(record.payload[5:])
        else:
            self._reopen(record.payload)

    def _reopen(self, frame: bytes) -> None:
        intent = decode(frame)
        assert isinstance(intent, OrderIntent)
        self._remember(intent.key)
        self._open[intent.key] = _Open(intent, self._monotonic_s())


def _key_of(comment: Any) -> str:
    return str(comment)[:16]
