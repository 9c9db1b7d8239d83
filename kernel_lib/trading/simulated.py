"""The simulated broker: orders arrive after a latency and fill at the quote that prevails then; stops rest here.

Compiled; used by replay and by the live desk on paper, so both fill alike.
"""

from typing import Any

import numpy as np
from numba import njit, types

from kernel_lib.trading.ledger import apply_fill, refresh
from kernel_lib.trading.record import NEVER_NS, Arrays, Reason, arrays_type

__all__ = ["arrival_ns", "close_all", "fill_due", "run_stops"]

_STOP, _TAKE, _STOP_OUT = int(Reason.STOP_LOSS), int(Reason.TAKE_PROFIT), int(Reason.STOP_OUT)
_i8 = types.int64


@njit(types.uint64(types.uint64, types.uint64), cache=True, nogil=True)
def _mix(seed: Any, number: Any) -> Any:
    """Hash two numbers into 64 even bits (SplitMix64, Steele et al. 2014): randomness without hidden state."""
    z = np.uint64(seed) + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(_i8(arrays_type, _i8, _i8), cache=True, nogil=True)
def arrival_ns(s: Arrays, order_id: int, time_ns: int) -> int:
    """Say when an order sent at ``time_ns`` reaches the broker."""
    r = s.rules[0]
    due = time_ns + r.latency_ns
    if r.latency_jitter_ns > 0:
        due += np.int64(_mix(r.seed, np.uint64(order_id)) % np.uint64(r.latency_jitter_ns + 1))
    return due


@njit(_i8(arrays_type, _i8, _i8), cache=True, nogil=True)
def _slip(s: Arrays, side: int, number: int) -> int:
    """Price of a market deal in points: the quote's closing side plus slippage against us."""
    b = s.book[0]
    r = s.rules[0]
    slip = r.slippage_points
    if r.slippage_random_points > 0:
        mixed = _mix(r.seed ^ np.uint64(0x5851F42D4C957F2D), np.uint64(number))
        slip += np.int64(mixed % np.uint64(r.slippage_random_points + 1))
    return b.ask_points + slip if side > 0 else b.bid_points - slip


@njit(types.void(arrays_type, _i8), cache=True, nogil=True)
def drop_working(s: Arrays, k: int) -> None:
    """Take order ``k`` off the list of orders on their way."""
    b = s.book[0]
    for j in range(k, b.n_working - 1):
        s.working[j] = s.working[j + 1]
    b.n_working -= 1
    b.next_due_ns = NEVER_NS
    for j in range(b.n_working):
        b.next_due_ns = min(b.next_due_ns, s.working[j].due_ns)


@njit(types.void(arrays_type, _i8), cache=True, nogil=True)
def fill_due(s: Arrays, before_ns: int) -> None:
    """Fill, in order of arrival, every order that is due before ``before_ns``, at the quote that now prevails."""
    b = s.book[0]
    while b.n_working > 0 and b.next_due_ns < before_ns:
        first = 0
        for k in range(1, b.n_working):
            if s.working[k].due_ns < s.working[first].due_ns:
                first = k
        w = s.working[first]
        order_id, side, units, close_id = w.order_id, w.side, w.units, w.position_id
        stop, take, due = w.stop_points, w.take_points, w.due_ns
        drop_working(s, first)
        apply_fill(s, order_id, side, units, close_id, stop, take, _slip(s, side, order_id), due, 0, -1, 0)
        b.rejections_in_row = 0


@njit(types.void(arrays_type, _i8), cache=True, nogil=True)
def run_stops(s: Arrays, time_ns: int) -> None:
    """Close every position whose stop or target the quote has reached, at the quote (a gap fills at the gap)."""
    b = s.book[0]
    k = 0
    while k < b.n_positions:
        p = s.positions[k]
        quote = b.bid_points if p.side > 0 else b.ask_points
        reason = 0
        if p.stop_points > 0 and (quote - p.stop_points) * p.side <= 0:
            reason = _STOP
        elif p.take_points > 0 and (quote - p.take_points) * p.side >= 0:
            reason = _TAKE
        if reason == 0:
            k += 1
            continue
        order_id = b.next_order_id
        b.next_order_id += 1
        points = _slip(s, -p.side, order_id) if reason == _STOP else quote
        apply_fill(s, order_id, -p.side, p.units, p.position_id, 0, 0, points, time_ns, reason, -1, 0)
        b.n_stopped += 1


@njit(types.void(arrays_type, _i8), cache=True, nogil=True)
def close_all(s: Arrays, time_ns: int) -> None:
    """The broker's stop-out: close everything at the quote."""
    b = s.book[0]
    while b.n_positions > 0:
        p = s.positions[0]
        order_id = b.next_order_id
        b.next_order_id += 1
        points = _slip(s, -p.side, order_id)
        apply_fill(s, order_id, -p.side, p.units, p.position_id, 0, 0, points, time_ns, _STOP_OUT, -1, 0)
        b.n_stopped += 1
    refresh(s)
