"""Positions and money: what a fill does to a book. Compiled; every number is whole until it is shown."""

from typing import Any

import numpy as np
from numba import types

from kernel_lib.trading.compiled import compiled, inlined
from kernel_lib.trading.record import (
    MAX_POSITIONS,
    Arrays,
    Entry,
    Kind,
    OrderType,
    Reason,
    arrays_type,
    book_type,
    rules_type,
)
from kernel_lib.trading.standing import floating_at, margin_at, standing, worth_of

__all__ = [
    "apply_fill",
    "charge_swap",
    "emit",
    "floating_minor",
    "margin_in_use",
    "note_slippage",
    "profit_minor",
    "reduce_position",
    "refresh",
]

_FAR = 1 << 60
_KIND_FILL, _KIND_REJECTED, _KIND_CLOSED = int(Kind.FILL), int(Kind.REJECTED), int(Kind.CLOSED)
_IN, _OUT, _INOUT = int(Entry.IN), int(Entry.OUT), int(Entry.INOUT)
_LIMIT = int(OrderType.LIMIT)
_GONE, _FULL = int(Reason.POSITION_GONE), int(Reason.TOO_MANY_POSITIONS)

_i8 = types.int64
_f8 = types.float64


@compiled(
    types.void(arrays_type, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _f8, _f8),
)  # fmt: skip
def emit(
    s: Arrays, kind: int, reason: int, time_ns: int, side: int, entry: int, order_id: int, position_id: int,
    units: int, points: int, stop_points: int, take_points: int, profit: int, commission: int, swap: int,
    open_time_ns: int, open_points: float, target: float,
) -> None:  # fmt: skip
    """Add one row to the record. The caller keeps room for :data:`MAX_ROWS_PER_EVENT` rows an event."""
    b = s.book[0]
    row = s.out[b.n_out]
    row.seq = b.seq
    row.time_ns = time_ns
    row.kind = kind
    row.reason = reason
    row.side = side
    row.entry = entry
    row.order_id = order_id
    row.position_id = position_id
    row.units = units
    row.points = points
    row.stop_points = stop_points
    row.take_points = take_points
    row.profit_minor = profit
    row.commission_minor = commission
    row.swap_minor = swap
    row.open_time_ns = open_time_ns
    row.open_points = open_points
    row.target = target
    b.n_out += 1
    b.seq += 1


@inlined(_f8(rules_type, _i8, _f8))
def profit_minor(r: Any, point_units: int, price: float) -> float:
    """Turn points times units into minor units of the account's currency at ``price``."""
    return worth_of(point_units, r.minor_per_point_unit, r.profit_by_price, price)


@compiled(types.void(arrays_type))
def refresh(s: Arrays) -> None:
    """Sum up after a change: units, cost, swap, entry, and on each side the nearest quote that sets something off.

    A stop and a buy above the market are both met by a quote that rises, so the resting order stands among the stops;
    so does the quote from which a trailing stop moves.
    """
    b = s.book[0]
    b.long_units = 0
    b.short_units = 0
    b.long_cost = 0
    b.short_cost = 0
    b.long_stop = -_FAR
    b.long_take = _FAR
    b.short_stop = _FAR
    b.short_take = -_FAR
    b.open_swap_minor = 0.0
    b.entry_price = np.nan
    b.open_time_ns = s.positions[0].open_time_ns if b.n_positions > 0 else 0
    for k in range(b.n_positions):
        p = s.positions[k]
        b.open_swap_minor += p.swap_minor
        if p.side > 0:
            b.long_units += p.units
            b.long_cost += p.cost
            if p.stop_points > 0:
                b.long_stop = max(b.long_stop, p.stop_points)
            if p.take_points > 0:
                b.long_take = min(b.long_take, p.take_points)
            if p.trail_points > 0:
                b.long_take = min(b.long_take, p.stop_points + p.trail_points + s.rules[0].tick_points)
        else:
            b.short_units += p.units
            b.short_cost += p.cost
            if p.stop_points > 0:
                b.short_stop = min(b.short_stop, p.stop_points)
            if p.take_points > 0:
                b.short_take = max(b.short_take, p.take_points)
            if p.trail_points > 0:
                b.short_take = max(b.short_take, p.stop_points - p.trail_points - s.rules[0].tick_points)
    b.watched = b.n_positions
    if b.rest_type != 0:
        b.watched += 1
        if b.rest_side > 0 and b.rest_type == _LIMIT:
            b.short_take = max(b.short_take, b.rest_points)
        elif b.rest_side > 0:
            b.short_stop = min(b.short_stop, b.rest_points)
        elif b.rest_type == _LIMIT:
            b.long_take = min(b.long_take, b.rest_points)
        else:
            b.long_stop = max(b.long_stop, b.rest_points)
    if b.margin_called != 0 and b.n_positions == 0:
        # Nothing is held whose quote could end the margin call: the next one does, whatever it is.
        b.watched += 1
        b.long_stop = _FAR
    net = b.long_units - b.short_units
    if net != 0:
        b.entry_price = (b.long_cost - b.short_cost) / net * s.rules[0].point


@compiled(_i8(arrays_type, _i8, _i8, _i8, _i8, _i8, _i8, _i8))
def reduce_position(
    s: Arrays, k: int, units: int, points: int, time_ns: int, order_id: int, commission: int, reason: int
) -> int:
    """Close ``units`` of position ``k`` at ``points``; book profit and swap, add a CLOSED row, give the profit."""
    b = s.book[0]
    p = s.positions[k]
    whole = units == p.units
    cost = p.cost if whole else p.cost * units // p.units
    moved = (points * units - cost) * p.side
    profit = int(np.rint(profit_minor(s.rules[0], moved, points * s.rules[0].point)))
    # An outside broker's swap was booked with this very deal; the simulated one's accrues on all that is held.
    swap_at_once = whole or s.rules[0].simulated == 0
    swap = int(np.rint(p.swap_minor if swap_at_once else p.swap_minor * units / p.units))
    paid = p.commission_minor if whole else p.commission_minor * units // p.units
    b.balance_minor += profit + swap
    b.swap_minor += swap
    v = s.seen[0]
    net = profit + swap - paid - commission
    v.n_closed += 1
    if net > 0:
        v.n_won += 1
        v.won_minor += net
    else:
        v.lost_minor -= net
    emit(
        s, _KIND_CLOSED, reason, time_ns, p.side, _OUT, order_id, p.position_id, units, points, p.stop_points,
        p.take_points, profit, paid + commission, swap, p.open_time_ns, cost / units, 0.0,
    )  # fmt: skip
    if whole:
        for j in range(k, b.n_positions - 1):
            s.positions[j] = s.positions[j + 1]
        b.n_positions -= 1
        if b.n_positions == 0:
            b.held_ns += time_ns - b.held_since_ns
    else:
        p.units -= units
        p.cost -= cost
        p.swap_minor -= swap
        p.commission_minor -= paid
    return profit


@compiled(types.boolean(arrays_type, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8))
def apply_fill(
    s: Arrays, order_id: int, side: int, units: int, close_id: int, stop_points: int, take_points: int,
    trail_points: int, points: int, time_ns: int, reason: int, commission_given: int, ticket: int,
) -> bool:  # fmt: skip
    """Book one deal: close, turn or open positions, charge commission, add FILL and CLOSED rows.

    ``close_id`` names the position to close (0: the account's own rule). ``commission_given`` is what an outside
    broker charged, below zero where it paid a rebate; the simulated one charges by the rules. ``ticket`` is the
    broker's position number, 0: count our own. False when the position was gone.
    """
    b = s.book[0]
    r = s.rules[0]
    if close_id != 0:
        k = 0
        while k < b.n_positions and s.positions[k].position_id != close_id:
            k += 1
        if k == b.n_positions:
            b.n_rejected += 1
            s.seen[0].n_rejected += 1
            emit(
                s,
                _KIND_REJECTED,
                _GONE,
                time_ns,
                side,
                0,
                order_id,
                close_id,
                units,
                points,
                0,
                0,
                0,
                0,
                0,
                0,
                0.0,
                0.0,
            )
            return False
        units = min(units, s.positions[k].units)
    elif r.hedging == 0 and b.n_positions > 0 and s.positions[0].side != side:
        k = 0
    else:
        k = -1
    closing = min(units, s.positions[k].units) if k >= 0 else 0
    opening = units - closing
    commission = commission_given
    if r.simulated != 0:
        charged = opening if r.commission_on_entry_only != 0 else units
        worth = profit_minor(r, points * charged, points * r.point) if r.commission_fraction > 0.0 else 0.0
        commission = int(np.rint(r.commission_minor_per_unit * charged + r.commission_fraction * worth))
    exit_part = commission * closing // units
    if r.simulated != 0 and r.commission_on_entry_only != 0:
        exit_part = 0
    b.balance_minor -= commission
    b.commission_minor += commission
    b.n_fills += 1
    s.seen[0].n_fills += 1
    fill_row = b.n_out
    entry = _IN if closing == 0 else _OUT if opening == 0 else _INOUT
    touched = s.positions[k].position_id if k >= 0 else 0
    emit(
        s, _KIND_FILL, reason, time_ns, side, entry, order_id, touched, units, points, stop_points, take_points, 0,
        commission, 0, 0, 0.0, 0.0,
    )  # fmt: skip
    if closing > 0:
        s.out[fill_row].profit_minor = reduce_position(s, k, closing, points, time_ns, order_id, exit_part, reason)
    if opening > 0:
        at = 0
        if r.hedging != 0:
            # A broker that fills an order in parts adds them to one position; ours have a number each.
            while at < b.n_positions and (ticket == 0 or s.positions[at].position_id != ticket):
                at += 1
        if at < b.n_positions:
            p = s.positions[at]
            p.units += opening
            p.cost += points * opening
            p.commission_minor += commission - exit_part
        else:
            if b.n_positions >= MAX_POSITIONS:
                raise OverflowError("a book holds at most 64 positions")
            p = s.positions[b.n_positions]
            p.position_id = ticket if ticket != 0 else b.next_position_id
            b.next_position_id += 1
            p.side = side
            p.units = opening
            p.cost = points * opening
            p.open_time_ns = time_ns
            p.commission_minor = commission - exit_part
            p.swap_minor = 0.0
            if b.n_positions == 0:
                b.held_since_ns = time_ns
            b.n_positions += 1
        p.stop_points = stop_points
        p.take_points = take_points
        p.trail_points = trail_points
        p.trailed = 0
        s.out[fill_row].position_id = p.position_id
    refresh(s)
    return True


@compiled(types.void(arrays_type, _i8, _i8, _i8))
def note_slippage(s: Arrays, side: int, asked_points: int, points: int) -> None:
    """Count how much worse than the quote of its order a deal at the market was."""
    r = s.rules[0]
    v = s.seen[0]
    v.n_at_market += 1
    v.slipped_points += (points - asked_points) * side
    v.expected_points += r.slippage_points + 0.5 * r.slippage_random_points


@compiled(types.void(arrays_type, _i8))
def charge_swap(s: Arrays, nights: int) -> None:
    """Accrue swap for ``nights`` on every open position."""
    b = s.book[0]
    r = s.rules[0]
    for k in range(b.n_positions):
        p = s.positions[k]
        points = r.swap_long_points if p.side > 0 else r.swap_short_points
        amount = points * p.units * nights * r.minor_per_point_unit
        p.swap_minor += amount / b.bid if r.profit_by_price != 0 else amount
    refresh(s)


@inlined(_f8(book_type, rules_type))
def margin_in_use(b: Any, r: Any) -> float:
    """Margin of the open positions at the current quote, in minor units; on hedging accounts both sides count."""
    return margin_at(standing(b, r), b.bid, b.ask)


@inlined(_f8(book_type, rules_type))
def floating_minor(b: Any, r: Any) -> float:
    """Give the floating profit in minor units, swap included."""
    return floating_at(standing(b, r), b.bid_points, b.ask_points, b.bid)
