"""The trusted half of the step: a tick's effect on the book, the risk check, and the orders that follow.

Compiled, pure, and the same code in replay and live. Order of work on a tick (rule 3 of the design):

1. ``on_tick``: simulated fills that fell due before it, at the quote that prevailed; the day's turn; the new quote;
   stops and margin; mark to market; then the view for the strategy's half.
2. the strategy's half proposes a target.
3. ``on_target``: pauses and kills, risk limits, orders.

While an order is on its way nothing more is sent: the next decision comes after its answer.
"""

import math
from typing import Any

import numpy as np
from numba import types

from kernel_lib.compiler_hints import rarely
from kernel_lib.trading.admission import allowed, deny, guards, opens
from kernel_lib.trading.asking import ask_resting
from kernel_lib.trading.compiled import compiled, inlined
from kernel_lib.trading.ledger import (
    apply_fill,
    charge_swap,
    emit,
    floating_minor,
    margin_in_use,
    note_slippage,
    refresh,
)
from kernel_lib.trading.record import (
    MAX_WORKING,
    NEVER_NS,
    Arrays,
    BrokerKind,
    Control,
    Errand,
    Kind,
    OrderType,
    Reason,
    State,
    Status,
    arrays_type,
    book_type,
    rules_type,
    view_type,
)
from kernel_lib.trading.resting import cancel_resting, drop_working, fill_due, rests, run_resting
from kernel_lib.trading.simulated import arrival_ns, run_stops, stop_out
from kernel_lib.trading.standing import Standing, floating_at, margin_at, standing, standing_type

__all__ = ["catch_up", "on_broker", "on_control", "on_target", "on_tick", "quote", "settle", "show", "unmoved"]

_i8 = types.int64
_f8 = types.float64
_MINUTE_NS = 60 * 10**9
_SECOND_NS = 10**9

_DECISION, _ORDER, _DENIED = int(Kind.DECISION), int(Kind.ORDER), int(Kind.DENIED)
_ACCEPTED, _REJECTED, _CONTROL, _FAULT = int(Kind.ACCEPTED), int(Kind.REJECTED), int(Kind.CONTROL), int(Kind.FAULT)
_PLACED, _STOP_OUT, _PAPER_ONLY = int(Kind.PLACED), int(Reason.STOP_OUT), int(Reason.PAPER_ONLY)
_MARGIN_CALL, _RESTORED = int(Reason.MARGIN_CALL), int(Reason.MARGIN_RESTORED)
_LIMIT, _STOP, _STOP_LIMIT = int(OrderType.LIMIT), int(OrderType.STOP), int(OrderType.STOP_LIMIT)
_PLACE, _MODIFY = int(Errand.PLACE), int(Errand.MODIFY)
_IN_MARGIN_CALL = int(State.MARGIN_CALL)
#: While called, any margin in use has the next quote looked at closely, which then says when it is over.
_ALWAYS = 1e300
_ACTIVE, _PAUSED, _KILLED = int(State.ACTIVE), int(State.PAUSED), int(State.KILLED)
_HOLD, _DECIDED, _BAD, _RAISED = int(Status.HOLD), int(Status.DECIDED), int(Status.BAD_TARGET), int(Status.RAISED)
_MAX_LOTS, _MAX_SPREAD, _DAILY_LOSS = int(Reason.MAX_LOTS), int(Reason.MAX_SPREAD), int(Reason.DAILY_LOSS)
_RATE, _STALE, _NO_MARGIN = int(Reason.MESSAGE_RATE), int(Reason.STALE_QUOTE), int(Reason.NO_MARGIN)
_MINIMUM, _IS_PAUSED, _IS_KILLED = int(Reason.BELOW_MINIMUM), int(Reason.PAUSED), int(Reason.KILLED)
_TOO_MANY, _BAD_TARGET, _HAS_RAISED = int(Reason.TOO_MANY_POSITIONS), int(Reason.BAD_TARGET), int(Reason.RAISED)
_TIMED_OUT, _REPEATED, _OPERATOR = int(Reason.TIMEOUT), int(Reason.REJECTED_REPEATEDLY), int(Reason.OPERATOR)
_B_ACCEPTED, _B_FILLED = int(BrokerKind.ACCEPTED), int(BrokerKind.FILLED)
_B_REJECTED, _B_CLOSED = int(BrokerKind.REJECTED), int(BrokerKind.CLOSED)
_RESUME, _PAUSE, _KILL = int(Control.RESUME), int(Control.PAUSE), int(Control.KILL)
_REJECTIONS_TO_PAUSE = 3


@compiled(types.void(arrays_type, _i8, _i8, _i8, _i8, _i8, _i8))
def _send(s: Arrays, side: int, units: int, position_id: int, stop: int, take: int, trail: int) -> None:
    """Put one order on its way and into the record."""
    b = s.book[0]
    r = s.rules[0]
    if b.n_working >= MAX_WORKING:
        raise OverflowError("a book holds at most 128 orders on their way")
    order_id = b.next_order_id
    b.next_order_id += 1
    b.n_orders += 1
    s.messages[b.message_at] = b.time_ns
    b.message_at = (b.message_at + 1) % s.messages.size
    w = s.working[b.n_working]
    w.what = 0
    w.trail_points = trail
    w.order_id = order_id
    w.side = side
    w.units = units
    w.position_id = position_id
    w.stop_points = stop
    w.take_points = take
    w.sent_ns = b.time_ns
    w.due_ns = arrival_ns(s, order_id, b.time_ns) if r.simulated != 0 else NEVER_NS
    b.next_due_ns = min(b.next_due_ns, w.due_ns)
    b.n_working += 1
    points = b.ask_points if side > 0 else b.bid_points
    w.points = points
    emit(s, _ORDER, 0, b.time_ns, side, 0, order_id, position_id, units, points, stop, take, 0, 0, 0, 0, 0.0, 0.0)


@inlined(types.void(book_type, view_type))
def show(b: Any, v: Any) -> None:
    """Show the strategy's half its position, and all else that only an event changes, not a quote."""
    v.units = b.long_units - b.short_units
    v.in_flight = b.n_working
    v.n_stopped = b.n_stopped
    v.state = b.state
    v.entry_price = b.entry_price
    v.open_time_ns = b.open_time_ns


@inlined(types.boolean(book_type, view_type, standing_type, _f8))
def _weigh(b: Any, v: Any, q: Standing, floating: float) -> bool:
    """Set and show the equity, and the drawdown; True when the daily loss is reached just now."""
    equity = q.balance + floating
    b.equity_minor = equity
    if rarely(equity > b.peak_minor):
        b.peak_minor = equity
    else:
        drawdown = b.peak_minor - equity
        b.drawdown_minor = max(b.drawdown_minor, drawdown)
        if rarely(drawdown > b.drawdown_fraction * b.peak_minor):
            b.drawdown_fraction = drawdown / b.peak_minor
    v.floating_minor = floating
    v.equity_minor = equity
    return equity <= q.floor


@compiled(types.boolean(book_type, rules_type, view_type, _f8))
def _mark(b: Any, r: Any, v: Any, floating: float) -> bool:
    """Mark to market after an event, and show all of it; True when the daily loss is reached just now."""
    show(b, v)
    return _weigh(b, v, standing(b, r), floating)


@compiled(types.void(arrays_type, _i8, _i8, _i8, _i8))
def _move(s: Arrays, current: int, desired: int, stop_word: int, take_word: int) -> None:
    """Send what takes the position from ``current`` to ``desired``, as far as the limits allow."""
    b = s.book[0]
    r = s.rules[0]
    wanted = desired
    desired = allowed(s, current, desired)
    delta = desired - current
    if delta == 0:
        return
    side = 1 if delta > 0 else -1
    opening = opens(current, desired)
    stop = 0
    take = 0
    trail = 0
    if opening:
        stop, take, trail = guards(s, side, b.bid_points if side > 0 else b.ask_points, stop_word, take_word)
        if trail > 0 and r.simulated == 0:
            # A terminal would keep the stop where it was: entered without what the strategy counts on.
            deny(s, _PAPER_ONLY, wanted)
            return
    if r.hedging == 0:
        closes = s.positions[0].position_id if b.n_positions > 0 and not opening else 0
        _send(s, side, abs(delta), closes, stop, take, trail)
    else:
        left = abs(delta)
        n_open = b.n_positions
        for k in range(n_open):
            p = s.positions[k]
            if left == 0 or p.side == side:
                continue
            part = min(left, p.units)
            _send(s, side, part, p.position_id, 0, 0, 0)
            left -= part
        if left > 0:
            _send(s, side, left, 0, stop, take, trail)
    if b.next_due_ns <= b.time_ns:
        fill_due(s, b.time_ns + 1)
        _mark(b, r, s.seen[0], floating_minor(b, r))


@compiled(types.void(arrays_type, _i8))
def catch_up(s: Arrays, time_ns: int) -> None:
    """Play, in order of time, the simulated fills and server midnights that lie before a tick."""
    b = s.book[0]
    while b.day_end_ns <= time_ns:
        midnight = b.day_end_ns
        if b.next_due_ns < midnight:
            fill_due(s, midnight)
        if b.n_ticks > 0:
            if s.nights[b.day] > 0 and b.n_positions > 0 and s.rules[0].simulated != 0:
                charge_swap(s, s.nights[b.day])
            b.equity_minor = b.balance_minor + floating_minor(b, s.rules[0])
            b.day += 1
        else:
            # The first tick: find its day at once instead of walking there.
            b.day = np.searchsorted(s.midnights, time_ns, side="right")
        b.day_end_ns = s.midnights[b.day] if b.day < s.midnights.size else NEVER_NS
        b.day_start_minor = b.equity_minor
        b.loss_locked = 0
    if b.next_due_ns < time_ns:
        fill_due(s, time_ns)


@inlined(types.boolean(book_type, view_type, standing_type, _i8, _f8, _f8, _i8))
def quote(b: Any, v: Any, q: Standing, time_ns: int, bid: float, ask: float, age_ns: int) -> bool:
    """Take the new quote and mark to market; True when something rare happened and :func:`settle` must follow.

    This is the path of almost every tick: it touches two records and calls nothing that can emit. ``q`` is how the book
    stands since the last event; the view has been shown (:func:`show`) what else an event changes.
    """
    b.n_ticks += 1
    b.time_ns = time_ns
    b.age_ns = age_ns
    b.bid = bid
    b.ask = ask
    bid_points = np.int64(bid * q.inverse_point + 0.5)
    ask_points = np.int64(ask * q.inverse_point + 0.5)
    b.bid_points = bid_points
    b.ask_points = ask_points
    floating = 0.0
    if q.watched > 0:
        if (
            rarely(bid_points <= q.long_stop)
            or rarely(bid_points >= q.long_take)
            or rarely(ask_points >= q.short_stop)
            or rarely(ask_points <= q.short_take)
        ):
            return True
        floating = floating_at(q, bid_points, ask_points, bid)
        if rarely(q.balance + floating < q.margin_watch * margin_at(q, bid, ask)):
            return True
    return _weigh(b, v, q, floating)


@compiled(types.void(arrays_type))
def _call_margin(s: Arrays) -> None:
    """Begin or end the margin call."""
    b = s.book[0]
    r = s.rules[0]
    called = b.balance_minor + floating_minor(b, r) < r.margin_call_fraction * margin_in_use(b, r)
    if called == (b.margin_called != 0):
        return
    b.margin_called = 1 if called else 0
    b.margin_watch = _ALWAYS if called else max(r.margin_call_fraction, r.stop_out_fraction)
    reason = _MARGIN_CALL if called else _RESTORED
    emit(s, _CONTROL, reason, b.time_ns, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)
    if called and r.simulated != 0:
        cancel_resting(s, _MARGIN_CALL)
    if not called:
        refresh(s)


@compiled(types.void(arrays_type))
def settle(s: Arrays) -> None:
    """Do what :func:`quote` found due: stops, orders, margin call and stop-out, the daily loss; then mark to market."""
    b = s.book[0]
    r = s.rules[0]
    if r.simulated != 0:
        run_stops(s, b.time_ns)
        run_resting(s, b.time_ns)
    _call_margin(s)
    if r.simulated != 0 and b.balance_minor + floating_minor(b, r) < r.stop_out_fraction * margin_in_use(b, r):
        cancel_resting(s, _STOP_OUT)
        stop_out(s, b.time_ns)
        _call_margin(s)
    if _mark(b, r, s.seen[0], floating_minor(b, r)):
        b.loss_locked = 1
        emit(s, _CONTROL, _DAILY_LOSS, b.time_ns, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)
        cancel_resting(s, _DAILY_LOSS)
    if b.margin_called != 0 and b.state == _ACTIVE:
        s.seen[0].state = _IN_MARGIN_CALL


@compiled(types.void(arrays_type, _i8, _f8, _f8, _i8))
def on_tick(s: Arrays, time_ns: int, bid: float, ask: float, age_ns: int) -> None:
    """Take one validated tick: everything the market and the broker do before the strategy is asked."""
    b = s.book[0]
    if b.next_due_ns < time_ns or b.day_end_ns <= time_ns:
        catch_up(s, time_ns)
    v = s.seen[0]
    show(b, v)
    if quote(b, v, standing(b, s.rules[0]), time_ns, bid, ask, age_ns):
        settle(s)


@inlined(types.boolean(book_type, _f8, _i8, _i8))
def unmoved(b: Any, target: float, target_units: int, status: int) -> bool:
    """Say whether a proposal changes nothing: the path of almost every tick."""
    if b.state == _KILLED or status > _DECIDED or status < _HOLD:
        return False
    if status == _DECIDED:
        current = b.long_units - b.short_units
        if target != b.last_target:
            return False
        if target_units != current:
            # Locked for the day, flat, and asked for the same again: the refusal stands in the record already.
            if b.loss_locked == 0 or current != 0 or b.denied_reason != _DAILY_LOSS or b.denied_units != target_units:
                return False
            b.n_decisions += 1
            return True
        b.n_decisions += 1
    b.denied_reason = 0
    return True


@compiled(types.void(arrays_type, _f8, _i8, _i8, _i8, _i8))
def on_target(s: Arrays, target: float, target_units: int, stop_points: int, take_points: int, status: int) -> None:
    """Take one proposal: decide, within the limits, which orders go out.

    ``stop_points`` and ``take_points`` are distances from the quote, 0 for none; what else they and the status may hold
    is in :mod:`kernel_lib.trading.terms`.
    """
    b = s.book[0]
    if unmoved(b, target, target_units, status):
        return
    if status < _HOLD and b.state != _KILLED:
        if ask_resting(s, target, target_units, stop_points, take_points, status):
            _mark(b, s.rules[0], s.seen[0], floating_minor(b, s.rules[0]))
        return
    if status == _DECIDED:
        b.n_decisions += 1
        if target != b.shown_target or b.shown_status < _HOLD:
            b.shown_target = target
            b.shown_status = _DECIDED
            b.lapsed = 0
            emit(s, _DECISION, 0, b.time_ns, 0, 0, 0, 0, target_units, 0, 0, 0, 0, 0, 0, 0, 0.0, target)
        b.last_target = target
        if rests(s):
            cancel_resting(s, 0)
            if rests(s):
                b.last_target = math.nan  # not unmoved as long as an order may come to rest
    elif status >= _BAD:
        if b.state == _ACTIVE:
            b.state = _PAUSED
        reason = _BAD_TARGET if status == _BAD else _HAS_RAISED if status == _RAISED else _TIMED_OUT
        emit(s, _FAULT, reason, b.time_ns, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, target)
        cancel_resting(s, _IS_PAUSED)
        return
    current = b.long_units - b.short_units
    desired = current if status == _HOLD else target_units
    if b.state == _KILLED:
        desired = 0
    if desired != current and b.n_working == 0 and b.time_ns >= b.blocked_until_ns:
        _move(s, current, desired, stop_points, take_points)


@compiled(types.void(arrays_type, _i8, _i8))
def _take_swap(s: Arrays, position_id: int, swap: int) -> None:
    """Note the swap that the broker booked with a close."""
    for j in range(s.book[0].n_positions):
        if s.positions[j].position_id == position_id:
            s.positions[j].swap_minor += swap


@compiled(types.void(arrays_type, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8))
def on_broker(
    s: Arrays, kind: int, order_id: int, position_id: int, units: int, points: int, time_ns: int, commission: int,
    swap: int, reason: int,
) -> None:  # fmt: skip
    """Take one event of an outside broker: accepted, filled (in parts too), rejected, or closed on its side."""
    b = s.book[0]
    if b.n_ticks == 0:
        return
    k = 0
    while k < b.n_working and s.working[k].order_id != order_id:
        k += 1
    known = k < b.n_working
    if kind == _B_ACCEPTED and known:
        w = s.working[k]
        emit(s, _ACCEPTED, 0, time_ns, w.side, 0, order_id, position_id, w.units, points, 0, 0, 0, 0, 0, 0, 0.0, 0.0)
    elif kind == _B_REJECTED and known:
        w = s.working[k]
        b.n_rejected += 1
        s.seen[0].n_rejected += 1
        emit(
            s,
            _REJECTED,
            reason,
            time_ns,
            w.side,
            0,
            order_id,
            w.position_id,
            w.units,
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
        drop_working(s, k)
        b.blocked_until_ns = b.time_ns + s.rules[0].rejection_pause_ns
        b.rejections_in_row += 1
        if b.rejections_in_row >= _REJECTIONS_TO_PAUSE and b.state == _ACTIVE:
            b.state = _PAUSED
            emit(s, _CONTROL, _REPEATED, time_ns, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)
    elif kind == _B_FILLED and known:
        w = s.working[k]
        side, close_id, stop, take = w.side, w.position_id, w.stop_points, w.take_points
        note_slippage(s, side, w.points, points)
        w.units -= units
        if w.units <= 0:
            drop_working(s, k)
        b.rejections_in_row = 0
        _take_swap(s, close_id, swap)
        apply_fill(s, order_id, side, units, close_id, stop, take, 0, points, time_ns, 0, commission, position_id)
    elif kind == _B_CLOSED:
        for j in range(b.n_positions):
            p = s.positions[j]
            if p.position_id == position_id:
                _take_swap(s, position_id, swap)
                apply_fill(s, order_id, -p.side, units, position_id, 0, 0, 0, points, time_ns, reason, commission, 0)
                b.n_stopped += 1
                break
    _mark(b, s.rules[0], s.seen[0], floating_minor(b, s.rules[0]))


@compiled(types.void(arrays_type, _i8, _i8))
def on_control(s: Arrays, control: int, time_ns: int) -> None:
    """Pause, resume or kill; a kill sends the orders that flatten at once."""
    b = s.book[0]
    b.state = _ACTIVE if control == _RESUME else _PAUSED if control == _PAUSE else _KILLED
    b.rejections_in_row = 0
    reason = _OPERATOR if control == _RESUME else _IS_PAUSED if control == _PAUSE else _IS_KILLED
    emit(s, _CONTROL, reason, time_ns, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)
    current = b.long_units - b.short_units
    if control == _KILL and current != 0 and b.n_working == 0 and math.isfinite(b.bid):
        _move(s, current, 0, 0, 0)
    if control != _RESUME:
        cancel_resting(s, reason)
