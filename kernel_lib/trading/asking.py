"""A proposal that asks for a resting order: placed, changed or left as it is, within the risk limits.

One order a book rests at the broker. Asked for with other terms it is changed; of another type or for the other side it
is taken back first. The same terms asked again leave it alone, also after it has lapsed: it is not placed again
until the decision says something else.
"""

import math

from numba import types

from kernel_lib.trading.admission import allowed, deny, guards, opens
from kernel_lib.trading.compiled import compiled
from kernel_lib.trading.ledger import emit
from kernel_lib.trading.record import Arrays, Errand, Kind, OrderType, Reason, State, arrays_type
from kernel_lib.trading.resting import cancel_resting, fill_due, send_errand
from kernel_lib.trading.simulated import on_tick_grid
from kernel_lib.trading.terms import limit_points_of, lower_half, order_points_of, order_type_of, upper_half

__all__ = ["ask_resting"]

_i8, _f8 = types.int64, types.float64
_SECOND_NS = 10**9
_DECISION, _PLACED = int(Kind.DECISION), int(Kind.PLACED)
_PLACE, _MODIFY = int(Errand.PLACE), int(Errand.MODIFY)
_LIMIT, _STOP_LIMIT = int(OrderType.LIMIT), int(OrderType.STOP_LIMIT)
_ACTIVE = int(State.ACTIVE)
_IS_PAUSED, _DAILY_LOSS = int(Reason.PAUSED), int(Reason.DAILY_LOSS)
_BAD_TARGET, _PAPER_ONLY = int(Reason.BAD_TARGET), int(Reason.PAPER_ONLY)


@compiled(types.void(arrays_type, _f8, _i8, _i8, _i8, _i8))
def _show(s: Arrays, target: float, target_units: int, stop_word: int, take_word: int, status: int) -> None:
    """Note a decision in the record when it is another than the last."""
    b = s.book[0]
    if (
        target == b.shown_target
        and status == b.shown_status
        and stop_word == b.shown_stop
        and take_word == b.shown_take
    ):
        return
    b.shown_target = target
    b.shown_status = status
    b.shown_stop = stop_word
    b.shown_take = take_word
    b.lapsed = 0
    emit(
        s, _DECISION, 0, b.time_ns, 0, order_type_of(status), 0, 0, target_units, order_points_of(status),
        lower_half(stop_word), lower_half(take_word), 0, 0, 0, 0, float(limit_points_of(status)), target,
    )  # fmt: skip


@compiled(types.boolean(arrays_type, _f8, _i8, _i8, _i8, _i8))
def ask_resting(s: Arrays, target: float, target_units: int, stop_word: int, take_word: int, status: int) -> bool:
    """Take a proposal that asks for a resting order: place it, change the one that rests, or leave it as it is.

    True when the broker has it already, so that the book is to be marked anew.
    """
    b = s.book[0]
    r = s.rules[0]
    order_type, points, limit = order_type_of(status), order_points_of(status), limit_points_of(status)
    b.n_decisions += 1
    b.last_target = math.nan
    _show(s, target, target_units, stop_word, take_word, status)
    if b.lapsed != 0 or b.n_working > 0 or b.time_ns < b.blocked_until_ns:
        return False
    current = b.long_units - b.short_units
    if target_units == current:
        cancel_resting(s, 0)
        return False
    reason = _PAPER_ONLY if r.simulated == 0 else 0
    if reason == 0 and opens(current, target_units) and (b.state != _ACTIVE or b.loss_locked != 0):
        reason = _IS_PAUSED if b.state != _ACTIVE else _DAILY_LOSS
    side = 1 if target_units > current else -1
    up = -side if order_type == _LIMIT else side
    points = on_tick_grid(points, r.tick_points, up)
    limit = on_tick_grid(limit, r.tick_points, -side) if order_type == _STOP_LIMIT else 0
    entry = limit if order_type == _STOP_LIMIT else points
    if reason == 0 and (entry <= 0 or points <= 0):
        reason = _BAD_TARGET
    if reason != 0:
        deny(s, reason, target_units)
        return False
    stop, take, trail = 0, 0, 0
    if opens(current, target_units):
        stop, take, trail = guards(s, side, entry, stop_word, take_word)
    lifetime_s = upper_half(take_word)
    changes = b.rest_type != 0
    if changes:
        # A stop-limit order that was triggered rests as the limit order it has become.
        became = order_type == _STOP_LIMIT and b.rest_type == _LIMIT
        stays = b.rest_points == (limit if became else points) and b.rest_limit == (0 if became else limit)
        stays = stays and b.rest_desired == target_units and b.rest_lifetime_s == lifetime_s
        stays = stays and b.rest_stop == stop and b.rest_take == take and b.rest_trail == trail
        if stays and (became or b.rest_type == order_type) and b.rest_side == side:
            return False
        if b.rest_type != order_type or b.rest_side != side:
            cancel_resting(s, 0)
            if b.rest_type != 0 or b.n_working > 0:
                return False
            changes = False
    desired = allowed(s, current, target_units)
    if desired == current or (desired > current) != (side > 0):
        return False
    order_id = b.rest_order_id
    if not changes:
        order_id = b.next_order_id
        b.next_order_id += 1
        b.n_orders += 1
    s.messages[b.message_at] = b.time_ns
    b.message_at = (b.message_at + 1) % s.messages.size
    send_errand(s, _MODIFY if changes else _PLACE, order_id, 0)
    w = s.working[b.n_working - 1]
    w.order_type = order_type
    w.side = side
    w.units = abs(desired - current)
    w.desired = target_units
    w.points = points
    w.limit_points = limit
    w.stop_points = stop
    w.take_points = take
    w.trail_points = trail
    w.lifetime_s = lifetime_s
    w.expires_ns = b.time_ns + lifetime_s * _SECOND_NS if lifetime_s > 0 else 0
    if not changes:
        emit(
            s, _PLACED, 0, b.time_ns, side, order_type, order_id, 0, w.units, points, stop, take, 0, 0, 0,
            w.expires_ns, float(limit), 0.0,
        )  # fmt: skip
    if b.next_due_ns > b.time_ns:
        return False
    fill_due(s, b.time_ns + 1)
    return True
