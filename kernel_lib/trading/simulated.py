"""The simulated broker: orders arrive after a latency and fill at the quote that prevails then; stops rest here.

Compiled; used by replay and by the live desk on paper, so both fill alike. The one order of a book that waits for its
price is in :mod:`kernel_lib.trading.resting`.
"""

from typing import Any

import numpy as np
from numba import types

from kernel_lib.trading.compiled import compiled
from kernel_lib.trading.ledger import apply_fill, floating_minor, margin_in_use, profit_minor, refresh
from kernel_lib.trading.record import Arrays, Reason, arrays_type

__all__ = ["arrival_ns", "market_points", "on_tick_grid", "run_stops", "stop_out"]

_STOP, _TAKE, _STOP_OUT = int(Reason.STOP_LOSS), int(Reason.TAKE_PROFIT), int(Reason.STOP_OUT)
_TRAILED = int(Reason.TRAILING_STOP)
_i8 = types.int64


@compiled(types.uint64(types.uint64, types.uint64))
def _mix(seed: Any, number: Any) -> Any:
    """Hash two numbers into 64 even bits (SplitMix64, Steele et al. 2014): randomness without hidden state."""
    z = np.uint64(seed) + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled(_i8(arrays_type, _i8, _i8))
def arrival_ns(s: Arrays, order_id: int, time_ns: int) -> int:
    """Say when an order sent at ``time_ns`` reaches the broker."""
    r = s.rules[0]
    due = time_ns + r.latency_ns
    if r.latency_jitter_ns > 0:
        due += np.int64(_mix(r.seed, np.uint64(order_id)) % np.uint64(r.latency_jitter_ns + 1))
    return due


@compiled(_i8(arrays_type, _i8, _i8))
def market_points(s: Arrays, side: int, number: int) -> int:
    """Price of a market deal in points: the quote's closing side plus slippage against us."""
    b = s.book[0]
    r = s.rules[0]
    slip = r.slippage_points
    if r.slippage_random_points > 0:
        mixed = _mix(r.seed ^ np.uint64(0x5851F42D4C957F2D), np.uint64(number))
        slip += np.int64(mixed % np.uint64(r.slippage_random_points + 1))
    return b.ask_points + slip if side > 0 else b.bid_points - slip


@compiled(_i8(_i8, _i8, _i8))
def on_tick_grid(points: int, grid: int, direction: int) -> int:
    """Round a price to the instrument's tick size, up or down."""
    if grid == 1:
        return points
    low = points // grid * grid
    return low + grid if direction > 0 and low != points else low


@compiled(types.void(arrays_type, _i8))
def run_stops(s: Arrays, time_ns: int) -> None:
    """Close every position whose stop or target the quote has reached, at the quote (a gap fills at the gap).

    A trailing stop follows the quote on the tick grid, towards profit only.
    """
    b = s.book[0]
    grid = s.rules[0].tick_points
    k = 0
    moved = False
    while k < b.n_positions:
        p = s.positions[k]
        quote = b.bid_points if p.side > 0 else b.ask_points
        reason = 0
        if p.stop_points > 0 and (quote - p.stop_points) * p.side <= 0:
            reason = _TRAILED if p.trailed != 0 else _STOP
        elif p.take_points > 0 and (quote - p.take_points) * p.side >= 0:
            reason = _TAKE
        if reason == 0:
            if p.trail_points > 0:
                stop = on_tick_grid(quote - p.side * p.trail_points, grid, -p.side)
                if (stop - p.stop_points) * p.side > 0:
                    p.stop_points = stop
                    p.trailed = 1
                    moved = True
            k += 1
            continue
        order_id = b.next_order_id
        b.next_order_id += 1
        points = quote if reason == _TAKE else market_points(s, -p.side, order_id)
        apply_fill(s, order_id, -p.side, p.units, p.position_id, 0, 0, 0, points, time_ns, reason, 0, 0)
        b.n_stopped += 1
    if moved:
        refresh(s)


@compiled(types.void(arrays_type, _i8))
def stop_out(s: Arrays, time_ns: int) -> None:
    """The broker's stop-out: close positions, most lost first, until the equity is above the level again."""
    b = s.book[0]
    r = s.rules[0]
    while b.n_positions > 0 and b.balance_minor + floating_minor(b, r) < r.stop_out_fraction * margin_in_use(b, r):
        worst = 0
        least = np.inf
        for k in range(b.n_positions):
            p = s.positions[k]
            quote = b.bid_points if p.side > 0 else b.ask_points
            floating = profit_minor(r, (quote * p.units - p.cost) * p.side, b.bid) + p.swap_minor
            if floating < least:
                worst, least = k, floating
        p = s.positions[worst]
        order_id = b.next_order_id
        b.next_order_id += 1
        points = market_points(s, -p.side, order_id)
        apply_fill(s, order_id, -p.side, p.units, p.position_id, 0, 0, 0, points, time_ns, _STOP_OUT, 0, 0)
        b.n_stopped += 1
