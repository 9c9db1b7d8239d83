"""What an order desk remembers: keys it has seen, orders that are open, deals it has told; rebuilt from its log."""

from collections.abc import Callable
from typing import Any

import msgspec

from kernel_lib.wire import OrderIntent, Report, decode, encode
from mt5_feed.order_search import OpenOrder
from mt5_feed.spool import ITEM, Record

__all__ = ["OrderMemory"]

_KEPT = 20_000


class _State(msgspec.Struct, frozen=True):
    known: list[str]
    open: list[bytes]
    last_deal: int
    keys: dict[int, str]
    orders: dict[str, tuple[int, int, bool, float]] = {}
    """Of the open ones: newest deal before it, ticket, whether it was answered, lots filled."""
    told: list[int] = []


class OrderMemory:
    """Written by the log's records, in their order: intents, orders found at the broker, reports.

    Parameters
    ----------
    monotonic_s : callable

    Attributes
    ----------
    known : dict of str
        Keys of intents, the newest 20,000.
    open : dict of str to OpenOrder
        Those whose end is not known.
    keys : dict of int to str
        By which key a position was opened or last changed, by its identifier.
    told : dict of int
        Deals that a report was made of.
    last_deal : int or None
        The newest deal that was looked at; None before the first look.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self.known: dict[str, None] = {}
        self.open: dict[str, OpenOrder] = {}
        self.keys: dict[int, str] = {}
        self.told: dict[int, None] = {}
        self.last_deal: int | None = None
        self._monotonic_s = monotonic_s

    def remember(self, key: str) -> None:
        _keep(self.known, key, None)

    def tell(self, deal: int) -> None:
        _keep(self.told, deal, None)

    def opened(self, position: int, key: str) -> None:
        _keep(self.keys, position, key)

    def state(self) -> bytes:
        """Everything, as a checkpoint keeps it."""
        last_deal = -1 if self.last_deal is None else self.last_deal
        opened = self.open.values()
        return msgspec.msgpack.encode(
            _State(
                list(self.known), [encode(each.intent) for each in opened], last_deal, self.keys,
                {each.intent.key: (each.after, each.ticket, each.answered, each.filled) for each in opened},
                list(self.told),
            )
        )  # fmt: skip

    def restore(self, kept: bytes) -> None:
        """Stand where a checkpoint was made."""
        state = msgspec.msgpack.decode(kept, type=_State)
        self.known = dict.fromkeys(state.known)
        self.keys = state.keys
        self.told = dict.fromkeys(state.told)
        self.last_deal = None if state.last_deal < 0 else state.last_deal
        for frame in state.open:
            each = self._reopen(frame)
            if each.intent.key in state.orders:
                each.after, each.ticket, each.answered, each.filled = state.orders[each.intent.key]
                each.noted = each.ticket != 0

    def replay(self, record: Record) -> None:
        """Take one record behind the checkpoint."""
        if record.kind == ITEM:
            report = decode(record.payload)
            assert isinstance(report, Report)
            self._replay_report(report)
        elif record.payload.startswith(b"deal "):
            self.last_deal = int(record.payload[5:])
        elif record.payload.startswith(b"order "):
            ticket, answered, after, key = record.payload[6:].split(b" ", 3)
            each = self.open.get(key.decode())
            if each is not None:
                each.ticket, each.answered, each.after = int(ticket), answered == b"1", int(after)
                each.noted = each.ticket != 0
        else:
            self._reopen(record.payload)

    def _replay_report(self, report: Report) -> None:
        if report.deal:
            self.tell(report.deal)
        if report.kind == "closed":
            self.last_deal = max(self.last_deal or 0, report.deal)
            return
        self.remember(report.key)
        each = self.open.get(report.key)
        if report.kind == "filled":
            self.opened(report.position, report.key)
            if each is not None:
                each.filled = round(each.filled + report.lots, 8)
        if report.kind == "rejected" or (each is not None and not each.left):
            self.open.pop(report.key, None)

    def _reopen(self, frame: bytes) -> OpenOrder:
        intent = decode(frame)
        assert isinstance(intent, OrderIntent)
        self.remember(intent.key)
        each = self.open[intent.key] = OpenOrder(intent, self._monotonic_s(), self.last_deal or 0)
        return each


def _keep(kept: dict[Any, Any], key: Any, named: Any) -> None:
    kept[key] = named
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
