"""Orders on their way to the simulated broker, and the one that rests there until its price comes or its time is over.

What is sent arrives after the latency: a deal fills, an order is placed, changed or taken back. A buy limit fills when
the ask is at its price or below, a buy stop when the ask is at its price or above; sells likewise on the bid. A limit
order fills at the quote, which is its price or better; a stop order at the quote with the slippage of a deal; a
stop-limit order becomes a limit order when its stop is met. A gap fills at the gap's quote. What arrives nearer to the
quote than the instrument's stops level is rejected, as in MetaTrader 5; an order that was to be changed rests on as it
was.

An order is there to reach a target: should the position have changed meanwhile, less is filled, or nothing. What stands
against it is closed first, on hedging accounts the oldest first.

Pause, the daily loss, a margin call and a fault take back what would open; an order that only reduces rests on, as a
stop-loss does. A kill and a stop-out take back whatever rests.
"""

from numba import types

from kernel_lib.trading.admission import opens
from kernel_lib.trading.compiled import compiled, inlined
from kernel_lib.trading.ledger import apply_fill, emit, floating_minor, margin_in_use, note_slippage, refresh
from kernel_lib.trading.record import MAX_WORKING, NEVER_NS, Arrays, Errand, Kind, OrderType, Reason, State, arrays_type
from kernel_lib.trading.simulated import arrival_ns, market_points

__all__ = ["cancel_resting", "drop_working", "fill_due", "rests", "run_resting", "send_errand"]

_i8 = types.int64
_ACCEPTED, _REJECTED, _MODIFIED = int(Kind.ACCEPTED), int(Kind.REJECTED), int(Kind.MODIFIED)
_CANCELLED, _EXPIRED, _TRIGGERED = int(Kind.CANCELLED), int(Kind.EXPIRED), int(Kind.TRIGGERED)
_DEAL, _PLACE, _MODIFY, _CANCEL = int(Errand.DEAL), int(Errand.PLACE), int(Errand.MODIFY), int(Errand.CANCEL)
_LIMIT, _STOP_LIMIT = int(OrderType.LIMIT), int(OrderType.STOP_LIMIT)
_ORDER_GONE, _NO_MARGIN = int(Reason.ORDER_GONE), int(Reason.NO_MARGIN)
_STOPS_LEVEL, _MARGIN_CALL = int(Reason.STOPS_LEVEL), int(Reason.MARGIN_CALL)
_ACTIVE, _PAUSED = int(State.ACTIVE), int(State.PAUSED)
_IS_PAUSED, _IS_KILLED, _DAILY_LOSS = int(Reason.PAUSED), int(Reason.KILLED), int(Reason.DAILY_LOSS)


@compiled(types.void(arrays_type))
def _set_next_due(s: Arrays) -> None:
    b = s.book[0]
    b.next_due_ns = b.rest_expires_ns if b.rest_type != 0 and b.rest_expires_ns > 0 else NEVER_NS
    for k in range(b.n_working):
        b.next_due_ns = min(b.next_due_ns, s.working[k].due_ns)


@compiled(types.void(arrays_type, _i8))
def drop_working(s: Arrays, k: int) -> None:
    """Take order ``k`` off the list of orders on their way."""
    b = s.book[0]
    for j in range(k, b.n_working - 1):
        s.working[j] = s.working[j + 1]
    b.n_working -= 1
    _set_next_due(s)


@inlined(types.boolean(arrays_type))
def rests(s: Arrays) -> bool:
    """Say whether an order rests, or is on its way to."""
    b = s.book[0]
    found = b.rest_type != 0
    for k in range(b.n_working):
        found = found or s.working[k].what != _DEAL
    return found


@compiled(types.void(arrays_type, _i8, _i8, _i8))
def send_errand(s: Arrays, what: int, order_id: int, reason: int) -> None:
    """Send something about the resting order; its terms are then written into the last row of ``working``."""
    b = s.book[0]
    if b.n_working >= MAX_WORKING:
        raise OverflowError("a book holds at most 128 orders on their way")
    w = s.working[b.n_working]
    w.what = what
    w.order_id = order_id
    w.position_id = 0
    w.reason = reason
    w.side = b.rest_side
    w.units = b.rest_units
    w.order_type = b.rest_type
    w.points = b.rest_points
    w.sent_ns = b.time_ns
    w.due_ns = arrival_ns(s, order_id, b.time_ns)
    b.next_due_ns = min(b.next_due_ns, w.due_ns)
    b.n_working += 1


@compiled(types.void(arrays_type, _i8, _i8, _i8))
def _say(s: Arrays, kind: int, reason: int, time_ns: int) -> None:
    """Add a row about the resting order."""
    b = s.book[0]
    emit(
        s, kind, reason, time_ns, b.rest_side, b.rest_type, b.rest_order_id, 0, b.rest_units, b.rest_points,
        b.rest_stop, b.rest_take, 0, 0, 0, b.rest_expires_ns, float(b.rest_limit), 0.0,
    )  # fmt: skip


@compiled(types.void(arrays_type))
def _clear(s: Arrays) -> None:
    b = s.book[0]
    b.rest_type = 0
    b.rest_expires_ns = 0
    _set_next_due(s)
    refresh(s)


@compiled(types.void(arrays_type, _i8, _i8))
def _fill_resting(s: Arrays, points: int, time_ns: int) -> None:
    b = s.book[0]
    r = s.rules[0]
    side, order_id = b.rest_side, b.rest_order_id
    current = b.long_units - b.short_units
    units = min(b.rest_units, (b.rest_desired - current) * side)
    if units <= 0:
        _say(s, _CANCELLED, _ORDER_GONE, time_ns)
        _clear(s)
        return
    added = max(0, abs(current + side * units) - (abs(current) if current * side >= 0 else 0))
    margin = added * r.margin_minor_per_unit
    if r.margin_by_price != 0:
        margin *= b.ask
    if current * side >= 0 or units > abs(current):
        closing = 0 if current * side >= 0 else margin_in_use(b, r)
        if b.balance_minor + floating_minor(b, r) - margin_in_use(b, r) + closing < margin:
            b.n_rejected += 1
            s.seen[0].n_rejected += 1
            _say(s, _REJECTED, _NO_MARGIN, time_ns)
            b.lapsed = 1
            _clear(s)
            return
    stop, take, trail = b.rest_stop, b.rest_take, b.rest_trail
    b.rest_type = 0
    b.rest_expires_ns = 0
    _set_next_due(s)
    if r.hedging != 0:
        k = 0
        while units > 0 and k < b.n_positions:
            p = s.positions[k]
            if p.side == side:
                k += 1
                continue
            part = min(units, p.units)
            whole = part == p.units
            apply_fill(s, order_id, side, part, p.position_id, 0, 0, 0, points, time_ns, 0, 0, 0)
            units -= part
            k += 0 if whole else 1
    if units > 0:
        apply_fill(s, order_id, side, units, 0, stop, take, trail, points, time_ns, 0, 0, 0)
    refresh(s)


@compiled(types.void(arrays_type, _i8))
def run_resting(s: Arrays, time_ns: int) -> None:
    """Fill the resting order if the quote has come to it."""
    b = s.book[0]
    if b.rest_type == 0:
        return
    side = b.rest_side
    quote = b.ask_points if side > 0 else b.bid_points
    points = quote
    if b.rest_type != _LIMIT:
        if (quote - b.rest_points) * side < 0:
            return
        _say(s, _TRIGGERED, 0, time_ns)
        if b.rest_type == _STOP_LIMIT:
            b.rest_type = _LIMIT
            b.rest_points = b.rest_limit
            b.rest_limit = 0
            refresh(s)
        else:
            points = market_points(s, side, b.rest_order_id)
    if b.rest_type == _LIMIT and (quote - b.rest_points) * side > 0:
        return
    _fill_resting(s, points, time_ns)


@compiled(types.boolean(arrays_type, _i8))
def _too_near(s: Arrays, k: int) -> bool:
    """Say whether errand ``k`` is within the stops level: its price of the quote, or its stops of its price."""
    level = s.rules[0].stops_level_points
    if level == 0:
        return False
    b = s.book[0]
    w = s.working[k]
    away = (w.points - (b.ask_points if w.side > 0 else b.bid_points)) * w.side
    if w.order_type == _LIMIT:
        away = -away
    entry = w.limit_points if w.order_type == _STOP_LIMIT else w.points
    stop_near = w.stop_points > 0 and (entry - w.stop_points) * w.side < level
    take_near = w.take_points > 0 and (w.take_points - entry) * w.side < level
    return away < level or stop_near or take_near


@compiled(types.void(arrays_type, _i8, _i8))
def _arrive(s: Arrays, k: int, time_ns: int) -> None:
    """Do at the broker what errand ``k`` asks about the resting order."""
    b = s.book[0]
    w = s.working[k]
    what, reason = w.what, w.reason
    if what != _PLACE and (b.rest_type == 0 or b.rest_order_id != w.order_id):
        emit(
            s, _REJECTED, _ORDER_GONE, time_ns, w.side, w.order_type, w.order_id, 0, w.units, w.points, 0, 0, 0, 0, 0,
            0, 0.0, 0.0,
        )  # fmt: skip
        b.n_rejected += 1
        s.seen[0].n_rejected += 1
        drop_working(s, k)
        return
    if what == _CANCEL:
        drop_working(s, k)
        _say(s, _CANCELLED, reason, time_ns)
        _clear(s)
        return
    if _too_near(s, k):
        emit(
            s, _REJECTED, _STOPS_LEVEL, time_ns, w.side, w.order_type, w.order_id, 0, w.units, w.points, w.stop_points,
            w.take_points, 0, 0, 0, 0, float(w.limit_points), 0.0,
        )  # fmt: skip
        b.n_rejected += 1
        s.seen[0].n_rejected += 1
        b.lapsed = 1
        drop_working(s, k)
        return
    # A stop-limit order whose stop was met while its change was on the way has become a limit order, and stays one.
    became = what == _MODIFY and w.order_type == _STOP_LIMIT and b.rest_type == _LIMIT
    b.rest_type = _LIMIT if became else w.order_type
    b.rest_order_id = w.order_id
    b.rest_side = w.side
    b.rest_units = w.units
    b.rest_desired = w.desired
    b.rest_points = w.limit_points if became else w.points
    b.rest_limit = 0 if became else w.limit_points
    b.rest_stop = w.stop_points
    b.rest_take = w.take_points
    b.rest_trail = w.trail_points
    b.rest_lifetime_s = w.lifetime_s
    b.rest_expires_ns = w.expires_ns
    drop_working(s, k)
    if 0 < b.rest_expires_ns <= time_ns:
        _say(s, _EXPIRED, 0, time_ns)  # its time was over before it was there
        b.lapsed = 1
        _clear(s)
        return
    why = _DAILY_LOSS if b.loss_locked != 0 else _MARGIN_CALL if b.margin_called != 0 else 0
    if b.state != _ACTIVE:
        why = _IS_PAUSED if b.state == _PAUSED else _IS_KILLED
    if why == _IS_KILLED or (why != 0 and opens(b.long_units - b.short_units, b.rest_desired)):
        _say(s, _CANCELLED, why, time_ns)
        _clear(s)
        return
    _say(s, _ACCEPTED if what == _PLACE else _MODIFIED, 0, time_ns)
    refresh(s)
    run_resting(s, time_ns)


@compiled(types.void(arrays_type, _i8))
def fill_due(s: Arrays, before_ns: int) -> None:
    """Do, in order of arrival, everything that is due before ``before_ns``, at the quote that now prevails."""
    b = s.book[0]
    while b.next_due_ns < before_ns:
        if b.rest_type != 0 and b.rest_expires_ns == b.next_due_ns:
            _say(s, _EXPIRED, 0, b.next_due_ns)
            b.lapsed = 1
            _clear(s)
            continue
        first = 0
        for k in range(1, b.n_working):
            if s.working[k].due_ns < s.working[first].due_ns:
                first = k
        w = s.working[first]
        if w.what != _DEAL:
            _arrive(s, first, w.due_ns)
            continue
        order_id, side, units, close_id = w.order_id, w.side, w.units, w.position_id
        stop, take, trail, due, asked = w.stop_points, w.take_points, w.trail_points, w.due_ns, w.points
        drop_working(s, first)
        points = market_points(s, side, order_id)
        note_slippage(s, side, asked, points)
        apply_fill(s, order_id, side, units, close_id, stop, take, trail, points, due, 0, 0, 0)
        b.rejections_in_row = 0


@compiled(types.void(arrays_type, _i8))
def cancel_resting(s: Arrays, reason: int) -> None:
    """Take the resting order back, if there is one and that is not on its way already.

    For a reason that forbids entries only, an order that reduces is left where it is.
    """
    b = s.book[0]
    if b.rest_type == 0:
        return
    entries_only = reason in (_IS_PAUSED, _DAILY_LOSS, _MARGIN_CALL)
    if entries_only and not opens(b.long_units - b.short_units, b.rest_desired):
        return
    for k in range(b.n_working):
        if s.working[k].what == _CANCEL:
            return
    send_errand(s, _CANCEL, b.rest_order_id, reason)
    if b.next_due_ns <= b.time_ns:
        fill_due(s, b.time_ns + 1)
