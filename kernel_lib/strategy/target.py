"""From a target to lot steps: what the compiled step remembers of a strategy, and how a target becomes a size."""

import math
from typing import Any

import numpy as np
from numba import njit

from kernel_lib.compiler_hints import rarely
from kernel_lib.strategy.orders import KEEP, NUMBER
from kernel_lib.strategy.position import Position
from kernel_lib.trading.record import OrderType, Status
from kernel_lib.trading.terms import MAX_POINTS, MAX_SECONDS, joined, lower_half, order_status, upper_half

__all__ = ["MEMORY", "STILL", "exposure_of", "ordered", "ordered_rows", "position_of", "sized", "sized_rows"]

#: What a proposer remembers beside its features. ``evaluate`` has a bit for each evaluated feature whose bar closed;
#: ``due``: the decision is to be called on this tick.
MEMORY = np.dtype(
    [("base_units", "<i8"), ("asked_units", "<i8"), ("seen_units", "<i8"), ("exposure", "<f8"), ("stops_seen", "<i8"),
     ("last_target", "<f8"), ("latched", "<f8"), ("faulted", "<i8"), ("evaluate", "<i8"), ("due", "<i8")]
)  # fmt: skip

_HOLD, _DECIDED, _BAD = int(Status.HOLD), int(Status.DECIDED), int(Status.BAD_TARGET)
_STOP_LIMIT = int(OrderType.STOP_LIMIT)
_SAME = 1e-9

#: Instead of a status: the target is the one that the loop has named as changing nothing. It goes no further.
STILL = 9


@njit(cache=True, nogil=True, forceinline=True)
def exposure_of(m: Any, v: Any) -> float:
    """Give the exposure that the open position amounts to; divides only when the position has changed."""
    if rarely(v.units != m.seen_units):
        m.seen_units = v.units
        m.exposure = min(1.0, max(-1.0, v.units / m.base_units)) if v.units != 0 and m.base_units > 0 else 0.0
    return m.exposure


# No division here can be by zero, which numba cannot know; a check at each tick costs a hundredth of it.
@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
def position_of(m: Any, z: Any, v: Any) -> Position:
    """Give the position as the decision sees it."""
    return Position(
        exposure_of(m, v), v.units * z.lot_step, v.entry_price, v.floating_minor / z.minor, v.open_time_ns,
        v.equity_minor / z.minor,
    )  # fmt: skip


@njit(cache=True, nogil=True, forceinline=True)
def sized(m: Any, z: Any, v: Any, target: float, mid: float) -> tuple[float, int, int, int, int]:
    """Turn a target into lot steps, rounded down.

    The size is computed when the target changes and then stands: a held position does not breathe with the equity,
    and a refused entry is asked again at the same size. A target that is what we hold changes nothing.
    """
    if not -1.0 <= target <= 1.0:
        m.faulted = 1
        return target, 0, 0, 0, _BAD
    if v.n_stopped != m.stops_seen:
        m.stops_seen = v.n_stopped
        m.latched = m.last_target
    if target == m.latched:
        m.asked_units = v.units
    elif target != m.last_target or m.latched == m.latched:
        m.latched = math.nan
        if abs(target - exposure_of(m, v)) <= _SAME:
            m.asked_units = v.units
        elif v.in_flight == 0:
            base = z.units
            if z.by_risk != 0:
                worth = z.minor_per_point_unit
                if z.by_price != 0:
                    worth /= mid
                base = int(max(0.0, v.equity_minor * z.fraction / (z.risk_points * worth) + _SAME))
            m.base_units = base
            m.seen_units = v.units
            m.exposure = min(1.0, max(-1.0, v.units / base)) if v.units != 0 and base > 0 else 0.0
            size = int(abs(target) * base + _SAME)
            m.asked_units = size if target > 0.0 else -size
        else:
            return target, m.asked_units, z.stop_points, z.take_points, _DECIDED
    m.last_target = target
    return target, m.asked_units, z.stop_points, z.take_points, _DECIDED


@njit(cache=True, nogil=True)
def sized_rows(memory: Any, sizing: Any, view: Any, target: float, mid: float) -> tuple[float, int, int, int, int]:
    """:func:`sized`, for a caller that holds arrays of one record."""
    return sized(memory[0], sizing[0], view[0], target, mid)


@njit(cache=True, nogil=True)
def ordered(m: Any, z: Any, v: Any, order: Any, mid: float) -> tuple[float, int, int, int, int]:
    """Turn what a decision with resting orders answered into a proposal, see :mod:`kernel_lib.trading.terms`.

    A price or distance that is none puts the strategy out, as a target outside [-1, 1] does.
    """
    if order.type == KEEP:
        return 0.0, 0, 0, 0, _HOLD
    target, units, stop_word, take, status = sized(m, z, v, order.target, mid)
    if order.type == NUMBER or status != _DECIDED:
        return target, units, stop_word, take, status
    points, limit = order.price * z.inverse_point + 0.5, order.limit_price * z.inverse_point + 0.5
    stop = order.stop_loss_points if order.stop_loss_points >= 0 else lower_half(stop_word)
    take = order.take_profit_points if order.take_profit_points >= 0 else take
    trail = order.trailing_points if order.trailing_points >= 0 else upper_half(stop_word)
    good = 1.0 <= points <= MAX_POINTS and (order.type != _STOP_LIMIT or 1.0 <= limit <= MAX_POINTS)
    good = good and max(stop, take, trail) <= MAX_POINTS and 0 <= order.expires_s <= MAX_SECONDS
    if not good:
        m.faulted = 1
        return math.nan, 0, 0, 0, _BAD
    limit_points = int(limit) if order.type == _STOP_LIMIT else 0
    status = order_status(order.type, int(points), limit_points)
    return target, units, joined(stop, trail), joined(take, order.expires_s), status


@njit(cache=True, nogil=True)
def ordered_rows(memory: Any, sizing: Any, view: Any, order: Any, mid: float) -> tuple[float, int, int, int, int]:
    """:func:`ordered`, for a caller that holds arrays of one record."""
    return ordered(memory[0], sizing[0], view[0], order, mid)
