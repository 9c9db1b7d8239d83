"""Which of the account's deals and orders are an intent's own.

The terminal takes no order id of ours. The key travels in the order's comment, which brokers cut, rewrite or drop; the
order's ticket is known only where an answer came. So an order is looked for by its ticket, then by its key, then by
what no other order of ours can be: a new deal of the same magic number, symbol and side, which an expert sent.
"""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from kernel_lib.wire import OrderIntent

__all__ = ["OpenOrder", "is_trade", "key_of", "own_deals", "own_order"]

_BUY, _SELL = 0, 1
_IN = 0
_BY_SERVER = frozenset((4, 5, 6))  # stop-loss, take-profit, stop-out
_LOTS_DIGITS = 8


class OpenOrder(msgspec.Struct):
    """An intent whose end is not known yet.

    Parameters
    ----------
    since_s : float
        When it was sent, or taken up again after a restart; monotonic.
    after : int
        The newest deal known before it was sent.
    ticket : int
        Of the broker's order; 0 where no answer told it.
    answered : bool
        The broker said that it has it, or did it: it cannot have got lost.
    filled : float
        Lots reported so far.
    noted : bool
        The ticket is on disk.
    told : bool
        That the broker owes its deals was said.
    """

    intent: OrderIntent
    since_s: float
    after: int
    ticket: int = 0
    answered: bool = False
    filled: float = 0.0
    noted: bool = False
    told: bool = False

    @property
    def left(self) -> float:
        """Lots without a deal."""
        return round(self.intent.lots - self.filled, _LOTS_DIGITS)


def key_of(comment: Any) -> str:
    """Read the key in a comment."""
    return str(comment)[:16]


def is_trade(deal: Any) -> bool:
    """Whether a deal bought or sold: others are deposits, charges, corrections."""
    return deal.type in (_BUY, _SELL)


def own_deals(each: OpenOrder, deals: Iterable[Any], known: Collection[str]) -> list[Any]:
    """Give the deals, of those not reported yet, that are this order's.

    Parameters
    ----------
    deals : iterable of TradeDeal
    known : collection of str
        Every key of ours: what carries another one is not this order's.
    """
    intent = each.intent
    found, taken = [], each.filled
    for deal in sorted(deals, key=lambda one: int(one.ticket)):
        if not is_trade(deal) or deal.symbol != intent.symbol or (deal.type == _BUY) != (intent.side > 0):
            continue
        key = key_of(deal.comment)
        if each.ticket:
            mine = deal.order == each.ticket
        elif key == intent.key and deal.magic == intent.magic:
            mine = True
        else:
            fits = round(taken + deal.volume, _LOTS_DIGITS) <= intent.lots
            closes = deal.position_id == intent.position if intent.position else True
            mine = (
                deal.magic == intent.magic and deal.ticket > each.after and deal.reason not in _BY_SERVER
                and key not in known and fits and closes
            )  # fmt: skip
        if mine:
            found.append(deal)
            taken += deal.volume
    return found


def own_order(each: OpenOrder, orders: Iterable[Any]) -> Any:
    """Give this intent's order among the broker's, by its ticket or its key; None where it is not there."""
    for order in orders:
        if order.ticket == each.ticket if each.ticket else key_of(order.comment) == each.intent.key:
            return order
    return None
