"""The loops of a replay over an array of ticks: the whole step compiled, or cut where Python has a part in it."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, typeof

from kernel_lib.backtest.checked import OPEN_TICK
from kernel_lib.compiler_hints import rarely
from kernel_lib.kept_code import keep
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import Proposer
from kernel_lib.strategy.target import STILL
from kernel_lib.trading import dispose
from kernel_lib.trading.compiled import compiled
from kernel_lib.trading.dispose import catch_up, on_target, quote, settle, show, unmoved
from kernel_lib.trading.record import MAX_ROWS_PER_EVENT, Status
from kernel_lib.trading.standing import standing

__all__ = ["EQUITY", "MAX_POINTS", "interval_of", "loop_of", "sample", "sample_at"]

#: One point of the equity curve: the last of its interval, and the lowest equity within it; money in minor units.
EQUITY = np.dtype([("time_ns", "<i8"), ("balance_minor", "<i8"), ("equity_minor", "<f8"), ("lowest_minor", "<f8"),
                   ("units", "<i8")])  # fmt: skip
#: As a time: before every tick.
_AT_ONCE = np.iinfo(np.int64).min
_DECIDED = int(Status.DECIDED)
_DAY_NS = 86_400 * 10**9
#: Intervals of one equity curve.
MAX_POINTS = 20_000
# Parts of an hour or of a day, so that each hour and each day ends with a point.
_ROUND_S = (
    1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 40, 60, 90, 120, 180, 240, 300, 360, 600, 720, 900, 1200, 1800, 3600,
    7200, 10800, 14400, 21600, 28800, 43200, 86400,
)  # fmt: skip


def interval_of(span_ns: int) -> int:
    """Give the nanoseconds between two points of the equity curve of a run over ``span_ns``."""
    least = -(-(span_ns + 1) // MAX_POINTS)
    return next((each * 10**9 for each in _ROUND_S if each * 10**9 >= least), -(-least // _DAY_NS) * _DAY_NS)


def loop_of(proposer: Proposer, arguments: tuple[Any, ...]) -> Callable[..., int]:
    """Give the fastest loop that the strategy allows, compiled for arguments like these.

    ``loop(ticks, start, stop, ...)`` runs ticks ``start`` to ``stop`` and gives where it stopped: before ``stop`` when
    the rows of the book must be drained first. Where the ticks are of dtype
    :data:`~kernel_lib.backtest.checked.OPEN_TICK`, each is followed by the rest of its bar, which only features see.
    """
    finish = _finish if arguments[0].dtype == OPEN_TICK else _nothing
    loop: Any = _CutLoop(proposer, finish) if proposer.evaluates else _whole_loop(proposer.step.propose, finish)
    return loop if proposer.compiles(loop, arguments) else _plain_loop(proposer, finish is _finish)


@njit(nogil=True, inline="always")
def _nothing(forming, tick):  # type: ignore[no-untyped-def]
    pass


@njit(nogil=True)
def _finish(forming, tick):  # type: ignore[no-untyped-def]
    """Let the forming bars see the rest of the bar that a tick opened."""
    for f in forming:
        f.high = max(f.high, tick.high)
        f.low = min(f.low, tick.low)
        f.close = tick.close
        f.volume += tick.volume - 1.0
        f.spread = tick.spread


@njit(nogil=True)
def _finish_at(forming, ticks, at):  # type: ignore[no-untyped-def]
    _finish(forming, ticks[at])


@compiled()
def _come_due(s, fs, sampler, points, lowest, told, time_ns):  # type: ignore[no-untyped-def]
    """Do what lies before a tick: the equity's point, values from outside, fills, midnights; say when next to look."""
    b = s.book[0]
    if time_ns >= sampler[1]:
        sample(points, sampler, lowest, b, time_ns)
    while sampler[3] < told.size and told[sampler[3]].time_ns <= time_ns:
        fs[told[sampler[3]].channel] = told[sampler[3]].number
        sampler[3] += 1
    if b.next_due_ns < time_ns or b.day_end_ns <= time_ns:
        catch_up(s, time_ns)
    show(b, s.seen[0])
    look_ns = min(sampler[1], b.next_due_ns, b.day_end_ns)
    return min(look_ns, told[sampler[3]].time_ns) if sampler[3] < told.size else look_ns


@lru_cache(maxsize=32)
def _whole_loop(propose: Callable[..., Any], finish: Callable[..., None]) -> Callable[..., int]:
    @njit(nogil=True)
    def run(ticks, start, stop, fs, forming, memory, sizing, s, sampler, points, lowest, told, p):  # type: ignore[no-untyped-def]
        # The pieces of dispose.on_tick and on_target, so that the common tick handles records only: an array
        # passed to a function costs its reference counts. How the book stands is taken down after an event and when
        # something falls due (``look_ns``); from then on the target that changed nothing (``still``) goes on changing
        # nothing, so sizing and admission need not be asked again.
        b, r, v = s.book[0], s.rules[0], s.seen[0]
        m, z = memory[0], sizing[0]
        full = s.out.size - MAX_ROWS_PER_EVENT
        look_ns, still, q = _AT_ONCE, np.nan, standing(b, r)
        for i in range(start, stop):
            tick = ticks[np.uint64(i)]
            time_ns = tick.time_ns
            if rarely(time_ns >= look_ns):
                if b.n_out > full:
                    return i
                look_ns, still = _come_due(s, fs, sampler, points, lowest, told, time_ns), np.nan
                q = standing(b, r)
            if rarely(quote(b, v, q, time_ns, tick.bid, tick.ask, 0)):
                settle(s)
                look_ns, still = _AT_ONCE, np.nan
            lowest[0] = min(lowest[0], b.equity_minor)
            target, units, stop_points, take_points, status = propose(
                fs, forming, m, z, v, time_ns, tick.bid, tick.ask, p, still
            )
            if status == STILL:
                b.n_decisions += 1
            elif unmoved(b, target, units, status):
                still = target if status == _DECIDED else np.nan
            else:
                seq, n_working, still = b.seq, b.n_working, np.nan
                on_target(s, target, units, stop_points, take_points, status)
                if b.seq != seq or b.n_working != n_working:  # else it was refused, as before
                    look_ns = _AT_ONCE
            finish(forming, tick)
        return stop

    loop: Callable[..., int] = keep(run)
    return loop


@lru_cache(maxsize=32)
def _cut_loop(
    advance: Callable[..., Any], decide: Callable[..., Any], finish: Callable[..., None]
) -> Callable[..., int]:
    @njit(nogil=True)
    def run(ticks, start, stop, fs, forming, memory, sizing, s, sampler, points, lowest, told, p, answered):  # type: ignore[no-untyped-def]
        # The loop of _whole_loop, left between features and decision where a feature is to be evaluated; ``answered``
        # goes on from there.
        b, r, v = s.book[0], s.rules[0], s.seen[0]
        m, z = memory[0], sizing[0]
        full = s.out.size - MAX_ROWS_PER_EVENT
        look_ns, still, q = _AT_ONCE, np.nan, standing(b, r)
        for i in range(start, stop):
            tick = ticks[np.uint64(i)]
            time_ns = tick.time_ns
            if not (answered and i == start):
                if rarely(time_ns >= look_ns):
                    if b.n_out > full:
                        return i
                    look_ns, still = _come_due(s, fs, sampler, points, lowest, told, time_ns), np.nan
                    q = standing(b, r)
                if rarely(quote(b, v, q, time_ns, tick.bid, tick.ask, 0)):
                    settle(s)
                    look_ns, still = _AT_ONCE, np.nan
                lowest[0] = min(lowest[0], b.equity_minor)
                if m.faulted == 0:
                    advance(fs, forming, m, time_ns, tick.bid, tick.ask)
                    if m.evaluate != 0:
                        return i
            target, units, stop_points, take_points, status = decide(fs, m, z, v, time_ns, tick.bid, tick.ask, p, still)
            if status == STILL:
                b.n_decisions += 1
            elif unmoved(b, target, units, status):
                still = target if status == _DECIDED else np.nan
            else:
                seq, n_working, still = b.seq, b.n_working, np.nan
                on_target(s, target, units, stop_points, take_points, status)
                if b.seq != seq or b.n_working != n_working:  # else it was refused, as before
                    look_ns = _AT_ONCE
            finish(forming, tick)
        return stop

    loop: Callable[..., int] = keep(run)
    return loop


class _CutLoop:
    """The compiled loop of a strategy with evaluated features, and the evaluations between its parts."""

    def __init__(self, proposer: Proposer, finish: Callable[..., None]) -> None:
        self._proposer = proposer
        self._loop: Any = _cut_loop(proposer.step.advance_half, proposer.step.decide_half, finish)

    def compile(self, types: tuple[Any, ...]) -> None:
        """Compile the loop, as numba's functions do."""
        self._loop.compile((*types, typeof(False)))

    def __call__(self, ticks: Ticks, start: int, stop: int, *rest: Any) -> int:
        at, answered = start, False
        while True:
            at = self._loop(ticks, at, stop, *rest, answered)
            if not self._proposer.memory["evaluate"][0]:
                return int(at)
            time_ns, bid, ask = ticks[at].item()[:3]
            self._proposer.evaluate(time_ns, bid, ask, rest[4].seen)
            answered = True


@njit(cache=True, nogil=True)
def sample(points, sampler, lowest, b, time_ns):  # type: ignore[no-untyped-def]
    """Close an interval of the equity curve with what held before ``time_ns``; intervals begin at round times."""
    if b.n_ticks > 0:
        at = sampler[2]
        points[at].time_ns = b.time_ns
        points[at].balance_minor = b.balance_minor
        points[at].equity_minor = b.equity_minor
        points[at].lowest_minor = min(lowest[0], b.equity_minor)
        points[at].units = b.long_units - b.short_units
        sampler[2] += 1
        lowest[0] = b.equity_minor
    sampler[1] = (time_ns // sampler[0] + 1) * sampler[0]


def _plain_loop(proposer: Proposer, whole_bars: bool) -> Callable[..., int]:
    """The same loop in Python, for a decision that numba cannot compile."""

    def run(ticks: Ticks, start: int, stop: int, *rest: Any) -> int:
        arrays, sampler, points, lowest, told = rest[4:9]
        book = arrays.book.view(np.recarray)[0]
        for i in range(start, stop):
            if book.n_out > arrays.out.size - MAX_ROWS_PER_EVENT:
                return i
            time_ns, bid, ask = ticks[i].item()[:3]
            if time_ns >= sampler[1]:
                sample_at(points, sampler, lowest, arrays.book, time_ns)
            while sampler[3] < len(told) and told["time_ns"][sampler[3]] <= time_ns:
                proposer.tell(int(told["channel"][sampler[3]]), float(told["number"][sampler[3]]))
                sampler[3] += 1
            dispose.on_tick(arrays, time_ns, bid, ask, 0)
            lowest[0] = min(lowest[0], book.equity_minor)
            dispose.on_target(arrays, *proposer.on_tick(time_ns, bid, ask, arrays.seen))
            if whole_bars:
                _finish_at(proposer.forming, ticks, i)
        return stop

    return run


@njit(cache=True, nogil=True)
def sample_at(points, sampler, lowest, book, time_ns):  # type: ignore[no-untyped-def]
    sample(points, sampler, lowest, book[0], time_ns)
