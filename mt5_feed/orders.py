"""Executes order intents at the terminal: each key at most once, whatever breaks in between.

Before an order leaves, its intent is written to disk; when the answer is lost, the order is looked for among the
account's deals and orders (:mod:`mt5_feed.order_search`), and is never simply sent again. That it never arrived is
said only after the terminal, connected all the while, has shown no trace of it for some time. Reports, dispatched
intents and the last deal seen live in one log, so a crash cannot keep one and lose the other.
"""

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from kernel_lib.errors import BadData
from kernel_lib.wire import OrderIntent, Report, decode, encode
from mt5_feed.lane import Lane
from mt5_feed.order_answer import Meaning, meaning_of
from mt5_feed.order_memory import OrderMemory
from mt5_feed.order_request import build_request
from mt5_feed.order_search import OpenOrder, is_trade, key_of, own_deals, own_order
from mt5_feed.server_time import server_ms_to_utc_ns, utc_ns_to_server_ms
from mt5_feed.spool import Record, SpoolConfig
from mt5_feed.terminal import Terminal

__all__ = ["OrderDesk", "OrderDeskConfig"]

_DONE = 10009
_ENTRY_IN = 0
_ENDED = {2: "cancelled", 5: "rejected", 6: "expired"}
#: A deal's reason, as the terminal begins its comment.
_BY_SERVER = {4: "[sl", 5: "[tp", 6: "[so"}
_SEEN = 20_000
_TWO_DAYS_MS = 2 * 86_400_000
_OWED_S = 30.0
_LEAST = 1e-8
log = structlog.get_logger("agent.orders")


class OrderDeskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the desk deals with the broker.

    Parameters
    ----------
    requotes : int
        How often a requoted order is asked again at the new price.
    reconcile_s : float
        How long an order with unknown outcome is looked for, at a terminal that is connected, before it counts as
        never arrived.
    """

    requotes: int = 2
    reconcile_s: float = 5.0


class OrderDesk:
    """Orders of one account.

    Parameters
    ----------
    server_ms : callable
        Newest server time known, milliseconds; 0 before the first tick.
    login : int
        The account that these orders are for; 0: whichever the terminal is on.
    now_ns : callable
        The platform's clock, UTC: what an intent's end is held against.
    trouble : callable
        Says why nothing may be sent now; empty when it may.
    """

    def __init__(
        self, terminal: Terminal, agent: str, zone: str, folder: Path, *, server_ms: Callable[[], int],
        config: OrderDeskConfig, spool: SpoolConfig, now_ns: Callable[[], int] = time.time_ns,
        monotonic_s: Callable[[], float] = time.monotonic, login: int = 0, trouble: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self._terminal = terminal
        self._agent = agent
        self._zone = zone
        self._server_ms = server_ms
        self._config = config
        self._now_ns = now_ns
        self._monotonic_s = monotonic_s
        self._login = login
        self._trouble = trouble
        self._seen: set[int] = set()
        self._connected_s: float | None = None
        self._kept = OrderMemory(monotonic_s)
        self.lane = Lane("reports", folder, self._kept.state, spool)
        self.lane.recover(self._kept.restore, self._kept.replay)

    @property
    def n_open(self) -> int:
        """Orders whose outcome is not known yet."""
        return len(self._kept.open)

    def receive(self, intent: OrderIntent) -> None:
        """Execute one intent, unless its key is known."""
        if intent.key in self._kept.known:
            log.info("key_known", key=intent.key)
            return
        reason = self._objection(intent)
        if not reason and not self._begun():
            reason = "the terminal must show its deals before an order is sent, it did not"
        if reason:
            self._report(intent, "rejected", reason=reason)
            return
        # On disk before it leaves: after a crash we know that it may have been sent.
        self.lane.note(encode(intent))
        self._kept.remember(intent.key)
        each = self._kept.open[intent.key] = OpenOrder(intent, self._monotonic_s(), self._kept.last_deal or 0)
        if intent.again and self._trace(each):
            self._report(intent, "unknown", reason="it was handed over before, and the broker has a trace of it")
        else:
            self._dispatch(each)

    def reconcile(self) -> None:
        """Look for orders with unknown outcome, and for positions that the server or a person closed."""
        deals = self._recent_deals()
        if deals is None or not self._begun(deals):
            self._connected_s = None
            return
        assert self._kept.last_deal is not None
        if not self._seen:
            self._seen = {int(each.ticket) for each in deals if each.ticket <= self._kept.last_deal}
        if self._kept.open:
            self._look_at_connection()
            for each in list(self._kept.open.values()):
                self._settle(each, deals)
        for deal in sorted(deals, key=lambda each: int(each.ticket)):
            # Not by number alone: a deal may show later than one with a higher number.
            if deal.ticket not in self._seen:
                self._take_up(deal)
                self._seen.add(int(deal.ticket))
                self._kept.last_deal = max(self._kept.last_deal, int(deal.ticket))
        if len(self._seen) > _SEEN:
            self._seen.intersection_update(int(each.ticket) for each in deals)

    def message(self, number: int, record: Record) -> Report:
        """The wire form of a spooled report."""
        report = decode(record.payload)
        assert isinstance(report, Report)
        return msgspec.structs.replace(report, seq=number)

    def _begun(self, deals: tuple[Any, ...] | None = None) -> bool:
        """Know the newest deal of before our time, once: what comes after it is looked at."""
        if self._kept.last_deal is None:
            deals = self._recent_deals() if deals is None else deals
            if deals is None:
                return False
            self._kept.last_deal = max((int(each.ticket) for each in deals), default=0)
            self.lane.note(b"deal %d" % self._kept.last_deal)
        return True

    def _objection(self, intent: OrderIntent) -> str:
        if intent.agent != self._agent:
            return f"the intent must be for agent {self._agent}, it was for {intent.agent}"
        if len(intent.key) > 16:
            return f"a key must have at most 16 characters, it had {len(intent.key)}"
        if intent.side not in (1, -1) or not (math.isfinite(intent.lots) and intent.lots > 0):
            return f"an order must buy (+1) or sell (-1) a positive number of lots, it was {intent.side} {intent.lots}"
        if not (math.isfinite(intent.stop_loss) and math.isfinite(intent.take_profit)):
            return f"stops must be prices or 0, they were {intent.stop_loss} and {intent.take_profit}"
        if not 0 <= intent.closes <= intent.lots:
            return f"an order must close from 0 to its {intent.lots} lots, it was {intent.closes}"
        if 0 < intent.expires_ns <= self._now_ns():
            return "the intent expired before it reached the terminal; it was never sent"
        if not 0 <= intent.magic < 2**63:
            return f"magic must be a whole number from 0 to 2**63 - 1, it was {intent.magic}"
        return self._trouble() or self._objection_of_account(intent)

    def _objection_of_account(self, intent: OrderIntent) -> str:
        # Asked before each order: somebody may have switched the terminal to another account a moment ago.
        account = self._terminal.account_info()
        if account is None:
            code, text = self._terminal.last_error()
            return f"the terminal must answer before an order is sent, it did not: {code} {text}"
        if self._login and account.login != self._login:
            return f"the terminal must be on account {self._login}, it is on {account.login}; it was never sent"
        hedging = account.margin_mode == self._terminal.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
        if intent.hedging is not None and intent.hedging != hedging:
            wanted, found = ("hedging", "netting") if intent.hedging else ("netting", "hedging")
            return f"the strategy was approved for a {wanted} account, the terminal's is {found}; it was never sent"
        return ""

    def _dispatch(self, each: OpenOrder) -> None:
        intent = each.intent
        for attempt in range(self._config.requotes + 1):
            try:
                request = build_request(self._terminal, intent)
            except BadData as error:
                self._finish(intent, reason=str(error))
                return
            result = self._terminal.order_send(request)
            meaning, code, text = meaning_of(result, self._terminal.last_error())
            expired = 0 < intent.expires_ns <= self._now_ns()
            if meaning is not Meaning.AGAIN or attempt == self._config.requotes or expired:
                break
        if meaning in (Meaning.AGAIN, Meaning.REFUSED):
            self._finish(intent, retcode=code, reason=text)
            return
        if result is not None and result.order:
            each.ticket = int(result.order)
        each.answered = meaning is not Meaning.UNKNOWN
        if meaning is Meaning.DONE and each.ticket:
            deals = self._terminal.history_deals_get(ticket=each.ticket) or ()
            if self._fill_from(each, deals, code) and not each.left:
                del self._kept.open[intent.key]
                return
        if not each.noted:
            self._note(each)
        self._look_at_connection()
        if not each.filled:
            self._report(intent, "unknown" if meaning is Meaning.UNKNOWN else "accepted", retcode=code, reason=text)

    def _settle(self, each: OpenOrder, deals: tuple[Any, ...]) -> None:
        intent = each.intent
        self._fill_from(
            each, own_deals(each, (one for one in deals if one.ticket not in self._kept.told), self._kept.known)
        )
        if not each.left:
            del self._kept.open[intent.key]
            return
        waited_s = self._monotonic_s() - each.since_s
        working = self._terminal.orders_get()
        if working is None:
            return
        if (waiting := own_order(each, working)) is not None:
            self._found(each, int(waiting.ticket))
            return
        ended = self._ended(each)
        if ended is not None:
            self._found(each, int(ended.ticket))
        if ended is not None and each.filled >= round(ended.volume_initial - ended.volume_current, 8):
            self._finish(intent, reason=_end_of(each, ended))
        elif each.answered or each.filled:
            # Its deals are on their way, or it still works unseen: that nothing is shown is no answer.
            if waited_s > _OWED_S and not each.told:
                each.told = True
                self._report(
                    intent, "unknown", reason="the broker has it and shows neither its deals nor its end; look there"
                )
        elif self._is_sure(each) and not self._trace(each):
            self._finish(intent, reason="the broker has no trace of it: it never arrived")

    def _ended(self, each: OpenOrder) -> Any:
        """Give the order's record once it has ended, or None."""
        if each.ticket:
            return own_order(each, self._terminal.history_orders_get(ticket=each.ticket) or ())
        return own_order(each, self._terminal.history_orders_get(*self._range()) or ())

    def _found(self, each: OpenOrder, ticket: int) -> None:
        if not each.noted:
            each.ticket, each.answered = ticket, True
            self._note(each)

    def _note(self, each: OpenOrder) -> None:
        # What is known of it must outlive this process before anybody waits for its end.
        told = each.ticket, each.answered, each.after, each.intent.key.encode()
        self.lane.note(b"order %d %d %d %s" % told)
        each.noted = each.ticket != 0

    def _trace(self, each: OpenOrder) -> bool:
        """Whether the broker shows anything that may be it; so too where the terminal does not answer."""
        intent, working = each.intent, self._terminal.orders_get()
        found = (
            working, self._terminal.positions_get(), self._recent_deals(),
            self._terminal.history_orders_get(*self._range()),
        )  # fmt: skip
        if any(rows is None or any(key_of(row.comment) == intent.key for row in rows) for rows in found):
            return True
        # An order that still works may have lost its key.
        return any(row.magic == intent.magic and row.symbol == intent.symbol for row in working or ())

    def _look_at_connection(self) -> None:
        info = self._terminal.terminal_info()
        if info is None or not info.connected:
            self._connected_s = None
        elif self._connected_s is None:
            self._connected_s = self._monotonic_s()

    def _is_sure(self, each: OpenOrder) -> bool:
        """Looked for long enough, at a terminal that was connected from then on: history comes after the link."""
        if self._connected_s is None:
            return False
        return self._monotonic_s() - max(each.since_s, self._connected_s) >= self._config.reconcile_s

    def _fill_from(self, each: OpenOrder, deals: Iterable[Any], retcode: int = _DONE) -> bool:
        found = False
        for deal in deals:
            if deal.ticket not in self._kept.told:
                each.ticket = each.ticket or int(deal.order)
                each.answered = True
                if not each.noted and float(deal.volume) < each.left:
                    self._note(each)  # by its ticket alone can be seen how the rest of it ends
                self._report_filled(each.intent, deal, retcode)
                each.filled = round(each.filled + float(deal.volume), 8)
                found = True
        return found

    def _take_up(self, deal: Any) -> None:
        """Report a deal that no order of ours is waiting for: stops, a person, or one of ours given up too early."""
        if deal.ticket in self._kept.told or not is_trade(deal):
            return
        key = key_of(deal.comment)
        if deal.entry != _ENTRY_IN:
            self._report_closed(deal)
        elif key in self._kept.known:
            log.error("late_fill", key=key, deal=int(deal.ticket), lots=float(deal.volume))
            side = 1 if deal.type == self._terminal.ORDER_TYPE_BUY else -1
            late = OrderIntent(
                key=key, agent=self._agent, magic=int(deal.magic), symbol=str(deal.symbol), side=side,
                lots=float(deal.volume),
            )  # fmt: skip
            self._report_filled(late, deal, _DONE)

    def _report_filled(self, intent: OrderIntent, deal: Any, retcode: int) -> None:
        self._append(self._of_deal("filled", deal, intent.key, intent.magic, retcode=retcode))
        self._kept.opened(int(deal.position_id), intent.key)

    def _report_closed(self, deal: Any) -> None:
        key, magic = self._opened_by(deal)
        reason, why = str(deal.comment), _BY_SERVER.get(int(deal.reason), "")
        if why and not reason.lower().startswith(why):  # a broker may rewrite the comment
            reason = f"{why}] {reason}".strip()
        reason = reason or f"reason {deal.reason}"
        self._append(self._of_deal("closed", deal, key, magic, reason=reason))

    def _opened_by(self, deal: Any) -> tuple[str, int]:
        """Whose position a deal closed: a person who closes one of ours leaves neither key nor magic number."""
        key = self._kept.keys.get(int(deal.position_id), "")
        if key and deal.magic:
            return key, int(deal.magic)
        for opened in self._terminal.history_deals_get(position=int(deal.position_id)) or ():
            if opened.entry == _ENTRY_IN and opened.magic:
                return key, int(opened.magic)
        return key, int(deal.magic)

    def _of_deal(self, kind: str, deal: Any, key: str, magic: int, *, retcode: int = 0, reason: str = "") -> Report:
        # The position's identifier, not its ticket: on a netting account that changes when a position turns.
        return Report(
            agent=self._agent, seq=1, kind=kind, key=key, time_ns=self._utc_ns(deal.time_msc), symbol=str(deal.symbol),
            magic=magic, side=1 if deal.type == self._terminal.ORDER_TYPE_BUY else -1, lots=float(deal.volume),
            price=float(deal.price), position=int(deal.position_id), deal=int(deal.ticket),
            commission=float(deal.commission) + float(deal.fee), swap=float(deal.swap), profit=float(deal.profit),
            retcode=retcode, reason=reason[:200],
        )  # fmt: skip

    def _finish(self, intent: OrderIntent, *, retcode: int = 0, reason: str) -> None:
        self._report(intent, "rejected", retcode=retcode, reason=reason)
        self._kept.open.pop(intent.key, None)

    def _report(self, intent: OrderIntent, kind: str, *, retcode: int = 0, reason: str) -> None:
        lots = intent.lots if math.isfinite(intent.lots) else 0.0  # a report must be one that the bridge takes
        self._append(
            Report(
                agent=self._agent, seq=1, kind=kind, key=intent.key, time_ns=self._now_ns(), symbol=intent.symbol,
                magic=intent.magic, side=intent.side, lots=lots, position=intent.position, retcode=retcode,
                reason=reason[:200],
            )
        )  # fmt: skip
        self._kept.remember(intent.key)

    def _append(self, report: Report) -> None:
        self.lane.append(encode(report), sync=True)
        log.info("report", kind=report.kind, key=report.key, symbol=report.symbol, lots=report.lots,
                 price=report.price, retcode=report.retcode, reason=report.reason)  # fmt: skip
        if report.deal:
            self._kept.tell(report.deal)

    def _recent_deals(self) -> tuple[Any, ...] | None:
        return self._terminal.history_deals_get(*self._range())

    def _range(self) -> tuple[int, int]:
        """Seconds of the server's clock in which the last two days' orders lie, by the last tick and by our clock."""
        now_ms = utc_ns_to_server_ms(self._now_ns(), self._zone)
        tick_ms = self._server_ms() or now_ms
        # The newest deals are missed unless the end lies well ahead of the server's clock.
        low_ms, high_ms = min(now_ms, tick_ms) - _TWO_DAYS_MS, max(now_ms, tick_ms) + _TWO_DAYS_MS
        return max(0, low_ms // 1000), high_ms // 1000

    def _utc_ns(self, server_ms: int) -> int:
        import numpy as np

        return int(server_ms_to_utc_ns(np.array([server_ms], dtype=np.int64), self._zone)[0])


def _end_of(each: OpenOrder, ended: Any) -> str:
    asked = each.intent.lots
    if each.filled and ended.volume_initial < asked - _LEAST:
        return f"only {ended.volume_initial:g} of {asked:g} lots were there to close; {each.filled:g} were closed"
    did = f"the broker {_ENDED.get(int(ended.state), 'ended')} it"
    return f"{did}; {each.filled:g} of {asked:g} lots were filled" if each.filled else did
