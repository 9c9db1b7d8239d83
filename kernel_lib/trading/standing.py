"""What a quote is held against: of a book and its rules all that only an event changes, as values.

Reckoned once an event, so that on a quiet tick nothing of it is looked up or reckoned again; and the one place that
says what floating profit and margin are.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from kernel_lib.compiler_hints import rarely
from kernel_lib.trading.compiled import inlined
from kernel_lib.trading.record import book_type, rules_type

__all__ = ["Standing", "floating_at", "margin_at", "standing", "standing_type", "worth_of"]

_i8, _f8 = types.int64, types.float64


class Standing(NamedTuple):
    """How a book stands between two events.

    ``cost`` is that of the long less that of the short positions, ``worth`` of one point on one lot step, ``swap`` what
    the open positions have accrued. ``margin`` is to be multiplied by the price where ``margin_by_price`` says so, and
    ``worth`` to be divided by it where ``by_price`` does. ``floor`` is the equity at which the daily loss is reached.
    """

    watched: int
    long_stop: int
    long_take: int
    short_stop: int
    short_take: int
    long_units: int
    short_units: int
    cost: int
    inverse_point: float
    worth: float
    by_price: int
    swap: float
    margin: float
    margin_by_price: int
    margin_watch: float
    balance: float
    floor: float


standing_type = types.NamedTuple([*[_i8] * 8, _f8, _f8, _i8, _f8, _f8, _i8, _f8, _f8, _f8], Standing)


@inlined(standing_type(book_type, rules_type))
def standing(b: Any, r: Any) -> Standing:
    """Take down how a book stands."""
    return Standing(
        b.watched, b.long_stop, b.long_take, b.short_stop, b.short_take,
        b.long_units, b.short_units, b.long_cost - b.short_cost, r.inverse_point,
        r.minor_per_point_unit, r.profit_by_price, b.open_swap_minor,
        (b.long_units + b.short_units) * r.margin_minor_per_unit, r.margin_by_price, b.margin_watch,
        float(b.balance_minor),
        b.day_start_minor * (1.0 - r.daily_loss_fraction) if b.loss_locked == 0 else -np.inf,
    )  # fmt: skip


@inlined(_f8(_i8, _f8, _i8, _f8))
def worth_of(point_units: int, rate: float, by_price: int, price: float) -> float:
    """Turn points times lot steps into minor units, at ``rate`` for one, divided by the price where ``by_price``."""
    worth = point_units * rate
    return worth / price if by_price != 0 else worth


@inlined(_f8(standing_type, _i8, _i8, _f8))
def floating_at(q: Standing, bid_points: int, ask_points: int, bid: float) -> float:
    """Give the floating profit at a quote in minor units, swap included."""
    moved = bid_points * q.long_units - ask_points * q.short_units - q.cost
    return worth_of(moved, q.worth, q.by_price, bid) + q.swap


@inlined(_f8(standing_type, _f8, _f8))
def margin_at(q: Standing, bid: float, ask: float) -> float:
    """Give the margin of the open positions at a quote, in minor units; on hedging accounts both sides count."""
    if rarely(q.margin_by_price == 0):
        return q.margin
    return q.margin * (ask if q.long_units >= q.short_units else bid)
