"""What the risk limits let through: an entry that breaks one is *denied* here and never reaches a broker."""

from numba import njit, types

from kernel_lib.trading.compiled import compiled, inlined
from kernel_lib.trading.ledger import emit, margin_in_use
from kernel_lib.trading.record import MAX_POSITIONS, Arrays, Kind, Reason, State, arrays_type
from kernel_lib.trading.simulated import on_tick_grid
from kernel_lib.trading.terms import lower_half, upper_half

__all__ = ["allowed", "deny", "guards", "opens"]

_i8 = types.int64
_MINUTE_NS = 60 * 10**9
_DENIED = int(Kind.DENIED)
_ACTIVE, _PAUSED = int(State.ACTIVE), int(State.PAUSED)
_MAX_LOTS, _MAX_SPREAD, _DAILY_LOSS = int(Reason.MAX_LOTS), int(Reason.MAX_SPREAD), int(Reason.DAILY_LOSS)
_RATE, _STALE, _NO_MARGIN = int(Reason.MESSAGE_RATE), int(Reason.STALE_QUOTE), int(Reason.NO_MARGIN)
_MINIMUM, _IS_PAUSED, _IS_KILLED = int(Reason.BELOW_MINIMUM), int(Reason.PAUSED), int(Reason.KILLED)
_TOO_MANY, _MARGIN_CALL = int(Reason.TOO_MANY_POSITIONS), int(Reason.MARGIN_CALL)


@compiled(types.void(arrays_type, _i8, _i8))
def _note(s: Arrays, reason: int, desired: int) -> None:
    b = s.book[0]
    b.denied_reason = reason
    b.denied_units = desired
    b.n_denied += 1
    emit(s, _DENIED, reason, b.time_ns, 0, 0, 0, 0, desired, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)


@inlined(types.void(arrays_type, _i8, _i8))
def deny(s: Arrays, reason: int, desired: int) -> None:
    """Note a refusal once, not at every tick for which it lasts."""
    b = s.book[0]
    if b.denied_reason != reason or b.denied_units != desired:
        _note(s, reason, desired)


@inlined(_i8(arrays_type, _i8, types.boolean))
def _refusal(s: Arrays, added_units: int, turns: bool) -> int:
    """Name the first limit that an entry of ``added_units`` breaks, 0 for none.

    ``turns``: what is held is closed first, which frees its margin.
    """
    b = s.book[0]
    r = s.rules[0]
    if b.state != _ACTIVE:
        return _IS_PAUSED if b.state == _PAUSED else _IS_KILLED
    if b.loss_locked != 0:
        return _DAILY_LOSS
    if b.margin_called != 0:
        return _MARGIN_CALL
    if b.age_ns > r.max_quote_age_ns:
        return _STALE
    if b.ask_points - b.bid_points > r.max_spread_points + r.max_spread_fraction * b.bid_points:
        return _MAX_SPREAD
    oldest = (b.message_at - r.messages_per_minute) % s.messages.size
    if s.messages[oldest] > b.time_ns - _MINUTE_NS:
        return _RATE
    margin = added_units * r.margin_minor_per_unit
    if r.margin_by_price != 0:
        margin *= b.ask
    used = 0.0 if turns else margin_in_use(b, r)
    if b.equity_minor - used < margin:
        return _NO_MARGIN
    if r.hedging != 0 and b.n_positions + 1 >= MAX_POSITIONS:
        return _TOO_MANY
    return 0


@inlined(_i8(arrays_type, _i8, _i8))
def allowed(s: Arrays, current: int, desired: int) -> int:
    """Give how far the limits let the position go from ``current`` towards ``desired``; what they do not is noted."""
    r = s.rules[0]
    wanted = desired
    if abs(desired) > r.max_units:
        desired = r.max_units if desired > 0 else -r.max_units
    same_side = current == 0 or (desired > 0) == (current > 0)
    if desired != 0 and (not same_side or abs(desired) > abs(current)):
        added = abs(desired) - abs(current) if same_side else abs(desired)
        reason = _refusal(s, added, not same_side)
        if reason == 0 and wanted != desired:
            reason = _MAX_LOTS
            deny(s, reason, wanted)
        elif reason != 0:
            deny(s, reason, wanted)
            desired = current if same_side else 0
    if desired != 0 and 0 < abs(desired - current) < r.min_units:
        deny(s, _MINIMUM, wanted)
        desired = current
    return desired


@njit(nogil=True, inline="always")
def opens(current, desired):  # type: ignore[no-untyped-def]
    return desired != 0 and (current == 0 or (desired > 0) != (current > 0) or abs(desired) > abs(current))


@compiled(types.UniTuple(_i8, 3)(arrays_type, _i8, _i8, _i8, _i8))
def guards(s: Arrays, side: int, reference: int, stop_word: int, take_word: int) -> tuple[int, int, int]:
    """Turn distances into the prices of stop-loss and take-profit, and the distance that the stop trails by."""
    grid = s.rules[0].tick_points
    stop, take, trail = lower_half(stop_word), lower_half(take_word), upper_half(stop_word)
    if stop == 0:
        stop = trail
    if stop > 0:
        stop = on_tick_grid(reference - side * stop, grid, -side)
    if take > 0:
        take = on_tick_grid(reference + side * take, grid, side)
    return stop, take, trail
