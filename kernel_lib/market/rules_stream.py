"""The validation rules tick by tick, compiled: what each one asks, in order, and what a tick is worth.

See :mod:`kernel_lib.market.quality` for the rules in words. A refused tick leaves no trace in what the next tick is
measured against, save one: ticks that jump to the same new level confirm each other, because otherwise a market that
really moved would be refused forever.
"""

import math

import numpy as np
from numba import njit

import kernel_lib.machine_code  # noqa: F401  (says where compiled code is kept)
from kernel_lib.market.rules_window import clear_window, push_window, window_mad, window_median

__all__ = ["LIMITS", "MEMORY", "judge_ticks"]

_compiled = njit(cache=True, error_model="numpy", nogil=True)

#: The configuration as numbers; constant during a run.
LIMITS = np.dtype(
    [
        ("level", "<i8"),
        ("stale_ns", "<i8"),
        ("gap_ns", "<i8"),
        ("grace_ns", "<i8"),
        ("spread_factor", "<f8"),
        ("spike_deviations", "<f8"),
        ("volatility_deviations", "<f8"),
        ("parity_tolerance", "<f8"),
        ("least_reliability", "<f8"),
        ("least_ticks", "<i8"),
        ("confirmations", "<i8"),
        ("volatility_decay", "<f8"),
        ("reliability_decay", "<f8"),
    ]
)

#: What is carried from tick to tick, beside the two windows and the sources' reliability.
MEMORY = np.dtype(
    [
        ("n_accepted", "<i8"),
        ("time_ns", "<i8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("changed_ns", "<i8"),
        ("session", "<i8"),
        ("squares", "<f8"),
        ("elapsed", "<f8"),
        ("n_moves", "<i8"),
        ("jump_mid", "<f8"),
        ("n_jumps", "<i8"),
        ("n_wide", "<i8"),
    ]
)

(
    _NOT_FINITE, _NOT_POSITIVE, _CROSSED, _FUTURE, _OUT_OF_ORDER, _REPEATED, _CLOSED, _STALE, _WIDE, _SPIKE, _BOUNDS,
    _PARITY, _SOURCE,
) = range(1, 14)  # fmt: skip
_GAP, _NEW_LEVEL = 1, 2
_BASIC = 0
_ENTERPRISE = 2
_TO_DEVIATION = 1.4826  # a normal's deviation over its MAD
# Of the price: a fifth of a pip on EURUSD, so that a quote that stood still may move by some pips.
_LEAST_SCALE = 2e-5


@_compiled
def judge_ticks(  # type: ignore[no-untyped-def]
    ticks, implied_bid, implied_ask, latest_ns, limits, memory, mids, spreads, reliability, opens, closes,
    codes, notes, quality,
):  # fmt: skip
    """Fill ``codes`` (0: accepted, else the rule), ``notes`` (bits) and ``quality`` for a block."""
    lim, mem = limits[0], memory[0]
    hint = mem.session
    for row in range(ticks.shape[0]):
        time, bid, ask = ticks[row].time_ns, ticks[row].bid, ticks[row].ask
        code = _basic(time, bid, ask, latest_ns, mem)
        note, worth = 0, 1.0
        mid, spread = 0.5 * bid + 0.5 * ask, ask - bid
        session, gap_ns, fresh = hint, 0, False
        if code == 0 and lim.level > _BASIC:
            session = _session(time, hint, lim.grace_ns, opens, closes)
            if session < 0:
                code = _CLOSED
            elif mem.n_accepted > 0 and bid == mem.bid and ask == mem.ask and time - mem.changed_ns > lim.stale_ns:
                code = _STALE
            else:
                hint = session
                if mem.n_accepted > 0:
                    gap_ns = _open_time(mem.time_ns, time, mem.session, session, opens, closes)
                fresh = mem.n_accepted > 0 and gap_ns <= lim.gap_ns and session == mem.session
                if mem.n_accepted > 0 and gap_ns > lim.gap_ns:
                    note |= _GAP
                    worth *= 0.5
                if fresh:
                    code, used = _wide(spread, spreads, lim, mem)
                    worth *= 1.0 - 0.5 * used * used
                    if code == 0:
                        code, used = _jump(mid, spread, time, mids, spreads, lim, mem)
                        worth *= 1.0 - 0.5 * used * used
                    if code == 0 and used < 0.0:
                        note |= _NEW_LEVEL
                if code == 0 and lim.level >= _ENTERPRISE:
                    code = _parity(bid, ask, implied_bid[row], implied_ask[row], lim)
        if lim.level >= _ENTERPRISE:
            sound = 1.0 if code == 0 else 0.0
            reliability[0] += (sound - reliability[0]) * lim.reliability_decay
            if code == 0 and reliability[0] < lim.least_reliability:
                code = _SOURCE
            worth *= min(1.0, max(0.0, reliability[0]))
        if code == 0:
            _accept(time, bid, ask, mid, spread, session, gap_ns, fresh, note, lim, mem, mids, spreads)
        codes[row] = code
        notes[row] = note if code == 0 else 0
        quality[row] = worth if code == 0 else 0.0


@_compiled
def _basic(time, bid, ask, latest_ns, mem):  # type: ignore[no-untyped-def]
    if not (math.isfinite(bid) and math.isfinite(ask)):
        return _NOT_FINITE
    if bid <= 0.0 or ask <= 0.0:
        return _NOT_POSITIVE
    if bid > ask:
        return _CROSSED
    if time > latest_ns:
        return _FUTURE
    if mem.n_accepted > 0:
        if time < mem.time_ns:
            return _OUT_OF_ORDER
        if time == mem.time_ns and bid == mem.bid and ask == mem.ask:
            return _REPEATED
    return 0


@_compiled
def _session(time, hint, grace, opens, closes):  # type: ignore[no-untyped-def]
    """The session's number, -1 when closed; before the first and after the last one the market counts as open."""
    if 0 <= hint < opens.shape[0] and opens[hint] - grace <= time < closes[hint] + grace:
        return hint
    if time < opens[0]:
        return 0
    if time >= closes[-1]:
        return opens.shape[0] - 1
    found = max(0, np.searchsorted(opens, time + grace, side="right") - 1)
    return found if time < closes[found] + grace else -1


@_compiled
def _open_time(before, now, first, last, opens, closes):  # type: ignore[no-untyped-def]
    """Nanoseconds between two ticks in which the market was open."""
    if first == last:
        return now - before
    passed = max(0, closes[first] - before) + max(0, now - opens[last])
    for i in range(first + 1, last):
        passed += closes[i] - opens[i]
    return passed


@_compiled
def _wide(spread, spreads, lim, mem):  # type: ignore[no-untyped-def]
    """Refuse a spread far above the usual one, until enough of them in a row make it usual."""
    if spreads[0] < lim.least_ticks:
        return 0, 0.0
    usual = window_median(spreads)
    if usual <= 0.0:
        return 0, 0.0
    used = spread / (usual * lim.spread_factor)
    if used <= 1.0:
        mem.n_wide = 0
        return 0, used
    mem.n_wide += 1
    if mem.n_wide < lim.confirmations:
        return _WIDE, 1.0
    mem.n_wide = 0
    clear_window(spreads)
    return 0, 1.0


@_compiled
def _jump(mid, spread, time, mids, spreads, lim, mem):  # type: ignore[no-untyped-def]
    """Refuse a mid far from the recent median, or from what volatility allows, until others confirm the level."""
    code, used = 0, 0.0
    usual = window_median(spreads) if spreads[0] > 0.0 else spread
    if mids[0] >= lim.least_ticks:
        scale = max(_TO_DEVIATION * window_mad(mids), 0.5 * usual, _LEAST_SCALE * mid)
        used = abs(mid - window_median(mids)) / (scale * lim.spike_deviations)
        if used > 1.0:
            code = _SPIKE
    if code == 0 and lim.level >= _ENTERPRISE and mem.n_moves >= lim.least_ticks:
        last = 0.5 * mem.bid + 0.5 * mem.ask
        dt = float(time - mem.time_ns)
        variance = mem.squares * (1.0 + dt / mem.elapsed) if mem.elapsed > 0.0 else mem.squares
        bound = max(lim.volatility_deviations * math.sqrt(variance), 2.0 * usual / mid, 10.0 * _LEAST_SCALE)
        moved = abs(math.log(mid / last)) / bound
        if moved > 1.0:
            code = _BOUNDS
        used = max(used, moved)
    if code == 0:
        mem.n_jumps = 0
        return 0, used
    near = max(4.0 * usual, 10.0 * _LEAST_SCALE * mid)
    mem.n_jumps = mem.n_jumps + 1 if mem.n_jumps > 0 and abs(mid - mem.jump_mid) <= near else 1
    mem.jump_mid = mid
    if mem.n_jumps < lim.confirmations:
        return code, 1.0
    mem.n_jumps = 0
    clear_window(mids)
    return 0, -1.0


@_compiled
def _parity(bid, ask, implied_bid, implied_ask, lim):  # type: ignore[no-untyped-def]
    """Refuse a quote that a round trip through two others beats; NaN implies nothing."""
    dear = bid > implied_ask * (1.0 + lim.parity_tolerance)
    cheap = ask < implied_bid * (1.0 - lim.parity_tolerance)
    return _PARITY if dear or cheap else 0


@_compiled
def _accept(time, bid, ask, mid, spread, session, gap_ns, fresh, note, lim, mem, mids, spreads):  # type: ignore[no-untyped-def]
    if lim.level > _BASIC:
        if not fresh:
            clear_window(mids)
            clear_window(spreads)
            mem.n_jumps, mem.n_wide = 0, 0
        elif lim.level >= _ENTERPRISE and note == 0:
            move = math.log(mid / (0.5 * mem.bid + 0.5 * mem.ask))
            weight = max(lim.volatility_decay, 1.0 / (mem.n_moves + 1))
            mem.squares += (move * move - mem.squares) * weight
            mem.elapsed += (float(gap_ns) - mem.elapsed) * weight
            mem.n_moves += 1
        if mem.n_accepted == 0 or bid != mem.bid or ask != mem.ask:
            mem.changed_ns = time
        mem.session = session
        push_window(mids, mid)
        push_window(spreads, spread)
    mem.time_ns, mem.bid, mem.ask = time, bid, ask
    mem.n_accepted += 1
