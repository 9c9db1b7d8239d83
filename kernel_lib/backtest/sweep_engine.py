"""One parameter set after another through the compiled step: what is shared is built once, the rest is small.

Sets whose composed source is equal share one compiled loop. To make sources equal over windows of different lengths,
each feature's state gets room for the next power of two. A lane (one thread) has a book, a buffer of rows and a curve
of its own, which are wiped between sets; the rows are folded into :data:`~kernel_lib.backtest.sweep_totals.TOTALS`.
"""

import copy
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, typeof

from kernel_lib.backtest.checked import check_lengths, check_ticks
from kernel_lib.backtest.counting import uncounted
from kernel_lib.backtest.loop import EQUITY, MAX_POINTS, interval_of, loop_of, sample
from kernel_lib.backtest.outside import outside_events
from kernel_lib.backtest.replay import replay
from kernel_lib.backtest.sweep_totals import TOTALS, close_totals, fold_rows, open_totals
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.kept_code import keep
from kernel_lib.machine_code import entry_point
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import Proposer, Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import EVENT, MAX_ROWS_PER_EVENT

__all__ = ["Engine", "Lane", "empty_totals"]

_ROWS = 2 * MAX_ROWS_PER_EVENT
_HOUR_NS = 3_600 * 10**9
_PART = 1 << 18  # ticks between two looks at whether to stop


class Engine:
    """What all sets of a sweep share: ticks, contract, account, and the loops compiled so far.

    Parameters
    ----------
    strategy : Strategy
    ticks : ndarray of TICK
    instrument, account, limits, costs, outside
        As for :func:`~kernel_lib.backtest.replay.replay`.
    """

    def __init__(
        self, strategy: Strategy, ticks: Ticks, instrument: Instrument, account: AccountConfig, limits: RiskLimits,
        costs: Costs, outside: Mapping[str, Any] | None,
    ) -> None:  # fmt: skip
        check_ticks(ticks)
        Book(instrument, account, limits, costs)  # refuses a configuration that no set could run with
        self.strategy = strategy
        self.ticks = ticks
        self.instrument = instrument
        self.account = account
        self.limits = limits
        self.costs = costs
        self.outside = outside
        self.told = outside_events(strategy.channels, outside)
        self.span_ns = int(ticks["time_ns"][-1]) - int(ticks["time_ns"][0])
        self.halt = np.zeros(1, np.int64)
        #: Why sets run one tick at a time in Python; empty: they do not.
        self.slow = ""
        self._rooms: dict[str, int] = {}

    def part(self, start: int, stop: int) -> "Engine":
        """Give an engine over some of the ticks; the compiled loops are shared."""
        other = copy.copy(self)
        other.ticks = self.ticks[start:stop]
        check_ticks(other.ticks)
        other.span_ns = int(other.ticks["time_ns"][-1]) - int(other.ticks["time_ns"][0])
        other.halt = np.zeros(1, np.int64)
        return other

    def proposer(self, params: Mapping[str, Any]) -> Proposer:
        """Bind one set; the features' states are as wide as the widest met so far.

        Raises
        ------
        Misconfigured, BadData
            A parameter is out of range.
        """
        chosen = self.strategy.with_params(**params) if params else self.strategy
        wide: dict[str, Any] = {}
        for name, each in chosen.features.items():
            n_own = each.state.size
            room = max(self._rooms.get(name, 0), 1 << max(5, (n_own - 1).bit_length()))
            self._rooms[name] = room
            if n_own < room and -(-n_own // 32) * 32 < room and not hasattr(each, "inputs"):
                wide[name] = copy.copy(each)
                wide[name].state = np.concatenate([each.state, np.zeros(room - n_own)])
        if wide:
            chosen = copy.copy(chosen)
            chosen.features = {**chosen.features, **wide}
        proposer = Proposer(chosen, self.instrument, self.account)
        check_lengths(self.ticks, proposer.lengths)
        return proposer


class Lane:
    """One thread's book and buffers."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        book = Book(engine.instrument, engine.account, engine.limits, engine.costs)
        self._book = book
        a = book.arrays
        states = (a.book, a.positions, a.working, a.messages, a.seen)
        sizes = np.cumsum([0, *(each.nbytes for each in states)])
        self._pristine = np.concatenate([each.view(np.uint8) for each in states])
        self._state = self._pristine.copy()
        views = [self._state[sizes[k] : sizes[k + 1]].view(each.dtype) for k, each in enumerate(states)]
        self._arrays = a._replace(
            book=views[0], positions=views[1], working=views[2], messages=views[3], seen=views[4],
            out=np.zeros(_ROWS, EVENT),
        )  # fmt: skip
        first_ns = int(engine.ticks["time_ns"][0])
        # Totals need the ends of hours, and a replay's curve has a point there.
        interval_ns = max(_HOUR_NS, interval_of(engine.span_ns))
        self._sampling = np.array([interval_ns, first_ns, 0, 0], np.int64)
        self._sampler = self._sampling.copy()
        self._points = np.zeros(min(MAX_POINTS, engine.span_ns // interval_ns + 2, len(engine.ticks)) + 16, EQUITY)
        self._lowest = np.full(1, np.inf)

    def run(self, params: Mapping[str, Any], totals: npt.NDArray[np.void]) -> str:
        """Run one set into ``totals`` (one row of TOTALS); give why it is no good, empty where it is.

        A row whose ``n_ticks`` is below the number of ticks was halted.
        """
        engine = self.engine
        totals["n_ticks"] = totals["seconds"] = 0
        try:
            proposer = engine.proposer(params)
        except (BadData, Misconfigured) as error:
            return str(error)
        except Exception as error:  # the author's function of the parameters; one bad set must not end the others
            return f"{type(error).__name__}: {error}"
        fault = self._compiled(proposer, totals) if not engine.slow else None
        if fault is None or fault:
            fault = self._replayed(params, totals)
        return fault

    def _compiled(self, proposer: Proposer, totals: npt.NDArray[np.void]) -> str | None:
        """Run in compiled code; None where there is none, and a word where the strategy failed."""
        self._state[:] = self._pristine
        self._sampler[:] = self._sampling
        self._lowest[0] = np.inf
        p = proposer
        arguments = (
            self.engine.ticks, p.state, p.forming, p.memory, p.sizing, self._arrays, self._sampler, self._points,
            self._lowest, self.engine.told, p.params, totals, self.engine.span_ns, self.engine.halt,
        )  # fmt: skip
        work = _work_of(p, arguments)
        if work is None:
            self.engine.slow = p.plain_python or "a feature is evaluated by Python"
            return None
        began = time.thread_time()  # what is charged: not compilation; the step itself sees no clock
        try:
            work(*arguments)
        except Exception:  # as in a replay, which then says what it was and at which tick
            return "raised"
        finally:
            totals["seconds"] = time.thread_time() - began
        return "faulted" if p.faulted else ""

    def _replayed(self, params: Mapping[str, Any], totals: npt.NDArray[np.void]) -> str:
        """Run by :func:`replay`: slower, and what stopped the strategy is told."""
        e = self.engine
        with uncounted():  # the sweep counts its sets
            run = replay(
                e.strategy, e.ticks, instrument=e.instrument, account=e.account, limits=e.limits, costs=e.costs,
                params=params, outside=e.outside, progress=False,
            )  # fmt: skip
        _fold_replay(run.events, run.equity, run.book.arrays.book, e.span_ns, totals)
        totals["seconds"] += run.seconds
        return run.fault


@njit(nogil=True)
def _fold_replay(events, points, book, span_ns, totals):  # type: ignore[no-untyped-def]
    t = totals[0]
    open_totals(t)
    fold_rows(events, events.size, t)
    close_totals(points, points.size, book[0], span_ns, t)


def _work_of(proposer: Proposer, arguments: tuple[Any, ...]) -> Callable[..., Any] | None:
    """Give the compiled run for a composed source, None where Python has a part in it."""
    key = proposer.step.propose, arguments[0].dtype
    if key not in _works:
        ticks, fs, forming, memory, sizing, s, sampler, points, lowest, told, p = arguments[:11]
        loop: Any = loop_of(
            proposer, (ticks, 0, 0, fs, forming, memory, sizing, s, sampler, points, lowest, told, p)
        )  # fmt: skip
        if proposer.evaluates or not hasattr(loop, "py_func"):
            return None
        work = _work(loop)
        types = tuple(typeof(each) for each in arguments)
        work.compile(types)
        if len(_works) >= 64:
            _works.clear()
        _works[key] = entry_point(work, types)
    return _works[key]


_works: dict[Any, Callable[..., Any]] = {}


@lru_cache(maxsize=64)
def _work(loop: Any) -> Any:
    @njit(nogil=True)
    def run(ticks, fs, forming, memory, sizing, s, sampler, points, lowest, told, p, totals, span_ns, halt):  # type: ignore[no-untyped-def]
        b, t = s.book[0], totals[0]
        open_totals(t)
        at = 0
        while at < ticks.size:
            if halt[0] != 0:
                t.n_ticks = -1
                return
            stop = min(at + _PART, ticks.size)
            at = loop(ticks, at, stop, fs, forming, memory, sizing, s, sampler, points, lowest, told, p)
            fold_rows(s.out, b.n_out, t)
            b.n_out = 0
        sample(points, sampler, lowest, b, b.time_ns)
        close_totals(points, sampler[2], b, span_ns, t)

    return keep(run)


def empty_totals(n_sets: int) -> npt.NDArray[np.void]:
    """Room for the totals of ``n_sets`` runs."""
    return np.zeros(n_sets, TOTALS)
