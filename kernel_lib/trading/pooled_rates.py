"""What a point and a lot are worth in the account's currency at the quote of a conversion pair.

The side of the quote is that of MetaTrader 5. A profit is sold for the account's currency, a loss must be bought with
it: with EURUSD on a dollar account a profit in euros is multiplied by the bid, a loss by the ask; with USDJPY a
profit is divided by the ask, a loss by the bid (its ``SYMBOL_TRADE_TICK_VALUE_PROFIT`` and ``_LOSS``). Margin is
multiplied by the ask for buys and by the bid for sells, with USDJPY divided by the bid and by the ask. A night's swap
is converted at that midnight's quote, as a profit where it is earned and as a loss where it is paid.

A book converts at one rate at a time: that of the sum of its open positions. On a hedging account, where it may hold
winners and losers at once, the spread of the conversion pair on the smaller of the two is neglected.
"""

from typing import Any

import numpy as np
from numba import from_dtype, types

from kernel_lib.trading.compiled import compiled
from kernel_lib.trading.record import book_type, rules_type

__all__ = ["LINK", "PRICE", "margin_rate", "set_profit_rate", "set_swap_rate"]

#: The latest quote of a symbol.
PRICE = np.dtype([("bid", "<f8"), ("ask", "<f8")])

#: Which symbols convert a book's money: profit and margin currency. The symbol is -1 where the rules' number stands;
#: ``inverse`` says that the pair has the account's currency first. ``base`` is the number of the rules at a rate of 1.
LINK = np.dtype(
    [
        ("profit_symbol", "<i8"),
        ("profit_inverse", "<i8"),
        ("profit_base", "<f8"),
        ("margin_symbol", "<i8"),
        ("margin_inverse", "<i8"),
        ("margin_base", "<f8"),
    ]
)

_i8, _f8 = types.int64, types.float64
_price_type, _link_type = from_dtype(PRICE), from_dtype(LINK)


@compiled(types.UniTuple(_f8, 2)(_link_type, _price_type))
def _rates(link: Any, q: Any) -> tuple[float, float]:
    """Worth of a unit of the profit currency that is sold, and of one that must be bought."""
    if link.profit_inverse != 0:
        return 1.0 / q.ask, 1.0 / q.bid
    return q.bid, q.ask


@compiled(_f8(book_type, rules_type, _link_type, _price_type))
def set_profit_rate(b: Any, r: Any, link: Any, q: Any) -> float:
    """Write the worth of a point at the quote ``q`` into a book's rules, by whether its positions are in profit.

    Gives what the worth is in a loss, which is what sizing by risk reckons with.
    """
    moved = (b.bid_points * b.long_units - b.long_cost) + (b.short_cost - b.ask_points * b.short_units)
    gain, loss = _rates(link, q)
    r.minor_per_point_unit = link.profit_base * (gain if moved >= 0 else loss)
    return link.profit_base * loss


@compiled(types.void(book_type, rules_type, _link_type, _price_type))
def set_swap_rate(b: Any, r: Any, link: Any, q: Any) -> None:
    """Write the worth of a point of swap at the quote ``q`` into a book's rules, by whether the night is paid for."""
    gain, loss = _rates(link, q)
    points = r.swap_long_points if b.long_units >= b.short_units else r.swap_short_points
    r.minor_per_point_unit = link.profit_base * (gain if points >= 0.0 else loss)


@compiled(_f8(_link_type, _price_type, _i8))
def margin_rate(link: Any, q: Any, side: int) -> float:
    """Give the margin of a lot step for a deal or a position of ``side`` at the quote ``q``."""
    if link.margin_inverse != 0:
        return link.margin_base / (q.bid if side > 0 else q.ask)
    return link.margin_base * (q.ask if side > 0 else q.bid)
