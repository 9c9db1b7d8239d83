"""The MetaTrader 5 side of a book: its order rows become intents, the broker's reports become its events.

An order's ``key`` says whose it is for ever: the strategy's magic number and a number of the order, in base 36. It
travels in the order's comment, so that an order with unknown outcome can be found again. Nothing is sent twice:
an order that a crash left between journal and bus is looked up on the bus, and rejected here when it is not there.

The order's number is the book's own beyond the millisecond at which the strategy was put on the desk. A strategy that
is approved anew, or put on a desk whose home was lost, begins a book whose orders count from 1 again: with the keys of
before, bridge and agent would take them for repetitions, and do nothing.
"""

import math
import struct
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from kernel_lib.passport import Passport
from kernel_lib.trading.record import BROKER_EVENT, EVENT, BrokerKind, Entry, Kind, Reason
from kernel_lib.wire import OrderIntent, Report

__all__ = [
    "Intents",
    "broker_event",
    "is_key_of",
    "magic_of",
    "never_sent",
    "order_id_of",
    "order_key",
    "orders_in",
    "refusal_in",
    "trades_opened",
]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LIFETIME_NS = 10 * 10**9
_KINDS = {
    "accepted": BrokerKind.ACCEPTED,
    "filled": BrokerKind.FILLED,
    "rejected": BrokerKind.REJECTED,
    "closed": BrokerKind.CLOSED,
}
#: One EVENT record, read without numpy, which takes a microsecond for each field by its name.
_ROW = struct.Struct("<" + "".join({"<i8": "q", "<i2": "h", "<f8": "d"}[EVENT[name].str] for name in EVENT.names or ()))
_KIND, _REASON, _ENTRY, _ORDER_ID, _SIDE, _UNITS, _POSITION, _STOP, _TAKE = (
    (EVENT.names or ()).index(name)
    for name in ("kind", "reason", "entry", "order_id", "side", "units", "position_id", "stop_points", "take_points")
)
_KIND_AT: int = EVENT.fields["kind"][1] if EVENT.fields else 0  # its low byte, and kinds are below 256
_ORDER, _FILL, _DENIED, _OUT = int(Kind.ORDER), int(Kind.FILL), int(Kind.DENIED), int(Entry.OUT)
_REASONS = {"sl": Reason.STOP_LOSS, "tp": Reason.TAKE_PROFIT, "so": Reason.STOP_OUT}


def magic_of(passport_hash: str) -> int:
    """Give a strategy's magic number, 31 bits of its passport's hash, never 0."""
    return int(passport_hash[:8], 16) & 0x7FFF_FFFF or 1


def order_key(magic: int, order_id: int, since_ms: int = 0) -> str:
    """Give the key of one order, at most 16 characters.

    Parameters
    ----------
    magic : int
    order_id : int
        The book's.
    since_ms : int
        When the strategy was put on the desk, UTC milliseconds; 0 on desks of before there was such a number.

    >>> order_key(0x7fffffff, 12), order_key(0x7fffffff, 12, 1_800_000_000_000)
    ('zik0zj.c', 'zik0zj.mywpiwwc')
    """
    return f"{_base36(magic)}.{_base36(since_ms + order_id)}"


def order_id_of(key: str, magic: int, since_ms: int = 0) -> int | None:
    """Read a key back; None when it is not this strategy's, or one of it from before it was put on the desk.

    >>> order_id_of("zik0zj.c", 0x7fffffff)
    12
    """
    owner, dot, number = key.partition(".")
    if not dot or owner != _base36(magic) or not number or not set(number) <= set(_DIGITS):
        return None
    order_id = int(number, 36) - since_ms
    return order_id if order_id > 0 else None


def is_key_of(comment: str, magic: int) -> bool:
    """Say whether a broker's comment begins with a key of this magic number, whatever the broker added.

    >>> is_key_of("zik0zj.c", 0x7fffffff), is_key_of("[sl 1.1]", 0x7fffffff)
    (True, False)
    """
    return magic > 0 and comment.startswith(f"{_base36(magic)}.")


class Intents:
    """Turns one strategy's ORDER rows into messages for the bridge.

    Parameters
    ----------
    passport : Passport
    agent : str
        Of the terminal that carries the orders out.
    magic : int
    since_ms : int
        When the strategy was put on the desk, see :func:`order_key`.
    """

    def __init__(self, passport: Passport, agent: str, magic: int, since_ms: int = 0) -> None:
        contract = passport.instrument
        self._agent, self._magic, self._symbol = agent, magic, contract.symbol
        self._since_ms = since_ms
        self._hedging = passport.account.hedging
        # A quotient of whole numbers is the nearest float at once; rounding takes five times as long.
        steps = round(1 / contract.lot_step)
        self._lot_step = contract.lot_step
        self._units_a_lot = steps if math.isclose(steps * contract.lot_step, 1.0) else 0
        self._points_a_unit = 10.0**contract.digits
        self._next = 1, order_key(magic, 1, since_ms)

    def of(self, rows: bytes, now_ns: int, held_units: int) -> list[OrderIntent]:
        """Give an intent for each ORDER among a book's rows, in their order.

        Parameters
        ----------
        rows : bytes
            EVENT records.
        now_ns : int
            UTC.
        held_units : int
            What the book holds, short below zero: on a netting account an order against it closes that much first.
        """
        return [
            OrderIntent(
                key=self._next[1] if row[_ORDER_ID] == self._next[0] else self._key(row[_ORDER_ID]),
                agent=self._agent,
                magic=self._magic,
                symbol=self._symbol,
                side=row[_SIDE],
                lots=self._lots(row[_UNITS]),
                closes=self._lots(
                    row[_UNITS] * (row[_POSITION] != 0)
                    if self._hedging
                    else max(0, min(row[_UNITS], -row[_SIDE] * held_units))
                ),
                position=row[_POSITION] if self._hedging else 0,
                stop_loss=row[_STOP] / self._points_a_unit,
                take_profit=row[_TAKE] / self._points_a_unit,
                sent_ns=now_ns,
                expires_ns=now_ns + _LIFETIME_NS,
                hedging=self._hedging,
            )
            for row in _ROW.iter_unpack(rows)
            if row[_KIND] == _ORDER
        ]

    def _lots(self, units: int) -> float:
        return units / self._units_a_lot if self._units_a_lot else round(units * self._lot_step, 8)

    def prepare(self, order_id: int) -> None:
        """Write the key of the order that will come next, while nobody waits for it."""
        self._next = order_id, self._key(order_id)

    def _key(self, order_id: int) -> str:
        return order_key(self._magic, order_id, self._since_ms)


def orders_in(rows: bytes) -> bool:
    """Say whether there is an ORDER among a book's rows."""
    return _ORDER in rows[_KIND_AT :: EVENT.itemsize]


def trades_opened(rows: bytes) -> int:
    """Count the fills among a book's rows that opened a position, or turned one."""
    return sum(1 for row in _ROW.iter_unpack(rows) if row[_KIND] == _FILL and row[_ENTRY] != _OUT)


def refusal_in(rows: bytes) -> str:
    """Say why the last order was denied among a book's rows; nothing where none was."""
    denied = [row[_REASON] for row in _ROW.iter_unpack(rows) if row[_KIND] == _DENIED]
    return f"denied: {Reason(denied[-1]).name.lower().replace('_', ' ')}" if denied else ""


def broker_event(report: Report, passport: Passport, order_id: int) -> npt.NDArray[np.void] | None:
    """Turn a report into the book's event; None when it says nothing that the book must know.

    Parameters
    ----------
    report : Report
    passport : Passport
    order_id : int
        The book's number of the order that it is about, 0 for none.
    """
    kind = _KINDS.get(report.kind)
    if kind is None:  # unknown: the order stays on its way until the broker's word comes
        return None
    if not order_id and kind is not BrokerKind.CLOSED:
        return None
    contract, minor = passport.instrument, 10.0**passport.account.digits
    units = round(report.lots / contract.lot_step)
    if units <= 0 and kind in (BrokerKind.FILLED, BrokerKind.CLOSED):
        return None  # no book can take it: its share of the position would be a division by zero, at each start again
    event = np.zeros(1, BROKER_EVENT)
    row = event[0]
    row["kind"], row["order_id"], row["position_id"] = int(kind), order_id, report.position
    row["units"] = units
    row["points"] = round(report.price / contract.point)
    row["time_ns"] = report.time_ns
    row["commission_minor"] = -round(report.commission * minor)  # a terminal tells what it added to the balance
    row["swap_minor"] = round(report.swap * minor)
    row["reason"] = int(_REASONS.get(report.reason.lstrip("[")[:2].lower(), Reason.BROKER))
    return event


def never_sent(key: str, passport: Passport, agent: str, magic: int, time_ns: int) -> Report:
    """Say that an order of ours did not leave, in the words of the bridge."""
    return Report(
        agent=agent, seq=1, kind="rejected", key=key, time_ns=time_ns,
        symbol=passport.instrument.symbol, magic=magic, reason="the engine stopped before it was sent", origin="bridge",
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"
