"""A backtest that can stop at any tick, and takes what happened from outside between two ticks.

The same compiled loop as :func:`~kernel_lib.backtest.replay.replay`; where something comes in between, or a single tick
is looked at, the same two halves of the step are called one tick at a time.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.loop import EQUITY, loop_of
from kernel_lib.backtest.outside import OUTSIDE
from kernel_lib.backtest.parity_moment import Moment, moment_of
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import Proposer, Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import BROKER_EVENT, EVENT, Control, Status

__all__ = ["Event", "Rerun", "events_told", "tick_of_row"]

_RAISED = int(Status.RAISED)
# A compiled stretch costs a call; below so many ticks the halves by themselves are as quick.
_STRETCH = 8
_NEVER = np.iinfo(np.int64).max


class Event(msgspec.Struct, frozen=True, array_like=True):
    """What came in before tick number ``tick``.

    Parameters
    ----------
    kind : str
        ``told`` (channel ``number`` shows ``value``), ``control`` (``number`` of
        :class:`~kernel_lib.trading.record.Control`), ``broker`` (``raw``: one BROKER_EVENT), ``out`` (the strategy's
        code is not asked any more), ``afresh`` (its code starts anew).
    time_ns : int
        Of a control.
    """

    tick: int
    kind: str
    number: int = 0
    value: float = math.nan
    time_ns: int = 0
    raw: bytes = b""


class Rerun:
    """One run, as far as it was asked for.

    Parameters
    ----------
    strategy, ticks, instrument, account, limits : as in replay
    costs : Costs or None
        None: fills come as ``broker`` events.
    events : sequence of Event
        In order.
    ages_ns : ndarray of int64 or None
        How old each tick was when the desk took it; None: fresh.
    follow : sequence of tuple
        Answers to the first ticks that the book gets in place of the strategy's: so a run begins where another stood.
    begins : (bytes, bytes)
        Snapshots of book and proposer as they stood before the first tick; empty: they begin there.

    Attributes
    ----------
    at : int
        So many ticks went through.
    fault : str
        Empty, or what stopped the strategy.
    """

    def __init__(
        self, strategy: Strategy, ticks: Ticks, *, instrument: Instrument, account: AccountConfig, limits: RiskLimits,
        costs: Costs | None, events: Sequence[Event] = (), ages_ns: npt.NDArray[np.int64] | None = None,
        follow: Sequence[tuple[float, int, int, int, int]] = (), begins: tuple[bytes, bytes] = (b"", b""),
    ) -> None:  # fmt: skip
        self.strategy, self.ticks = strategy, ticks
        self.book = Book(instrument, account, limits, costs)
        self.book.arrays = self.book.arrays._replace(out=np.zeros(1 << 15, EVENT))
        self.at = 0
        self.fault = ""
        self._contract, self._account = instrument, account
        self._parts: list[npt.NDArray[np.void]] = []
        self._events, self._next = list(events), 0
        self._ages = ages_ns
        self._follow = follow
        limit_ns = limits.max_quote_age_ms * 1_000_000
        self._stale = np.zeros(0, np.int64) if ages_ns is None else np.flatnonzero(ages_ns > limit_ns)
        self._last: tuple[Any, Any] | None = None
        if begins[0]:
            self.book.restore(begins[0])
        self._begin(begins[1])

    @property
    def rows(self) -> npt.NDArray[np.void]:
        """Every row so far, dtype EVENT."""
        self._parts = [np.concatenate([np.zeros(0, EVENT), *self._parts])]
        return self._parts[0]

    def to(self, stop: int) -> "Rerun":
        """Go on until ``stop`` ticks went through; what came in before the next one is left for the next call."""
        while self.at < stop:
            self._take_events()
            until = min(stop, self._next_event(), self._next_stale())
            if until - self.at >= _STRETCH and self.at >= len(self._follow):
                self._stretch(until)
            else:
                self._step()
        return self

    def finish(self) -> "Rerun":
        """Go to the end, and take what came in behind the last tick."""
        self.to(len(self.ticks))
        self._take_events()
        return self

    def moment(self, tick: int) -> Moment:
        """Go on to tick number ``tick`` and say what was known and answered at it."""
        self.to(tick)
        self._take_events()
        self._step()
        assert self._last is not None
        view, answer = self._last
        return moment_of(self.strategy, tick, self.proposer.state, view, answer)

    def _begin(self, snapshot: bytes = b"") -> None:
        self.proposer = Proposer(self.strategy, self._contract, self._account)
        if snapshot:
            self.proposer.restore(snapshot)
        # No point of the equity curve is ever due.
        sampler = np.array([_NEVER, _NEVER, 0, 0], np.int64)
        self._head: tuple[Any, ...] = (
            self.proposer.state, self.proposer.forming, self.proposer.memory, self.proposer.sizing, self.book.arrays,
            sampler, np.zeros(16, EQUITY), np.full(1, np.inf), np.zeros(0, OUTSIDE), self.proposer.params,
        )  # fmt: skip
        self._loop = loop_of(self.proposer, (self.ticks, 0, 0, *self._head))

    def _stretch(self, until: int) -> None:
        n_before = self.book.numbers["n_ticks"]
        try:
            self.at = self._loop(self.ticks, self.at, until, *self._head)
        except Exception as error:  # the edge to the strategy's code
            self.at += self.book.numbers["n_ticks"] - n_before
            self._put_out(error)
        self._drain()

    def _step(self) -> None:
        time_ns, bid, ask = self.ticks[self.at].item()
        view = self.book.on_tick(time_ns, bid, ask, 0 if self._ages is None else int(self._ages[self.at]))
        seen = view[0].copy()
        self.at += 1
        try:
            answer: Any = self.proposer.on_tick(time_ns, bid, ask, view)
        except Exception as error:  # the edge to the strategy's code
            self._put_out(error)
            answer = (math.nan, 0, 0, 0, _RAISED)
        else:
            self.book.on_target(*(self._follow[self.at - 1] if self.at <= len(self._follow) else answer))
        self._last = seen, answer
        self._drain()

    def _put_out(self, error: Exception) -> None:
        self.proposer.fault()
        self.book.on_target(math.nan, 0, 0, 0, _RAISED)
        self.fault = f"tick {self.at - 1}: {type(error).__name__}: {error}"

    def _drain(self) -> None:
        if self.book.has_rows:
            self._parts.append(self.book.drain())

    def _next_event(self) -> int:
        return self._events[self._next].tick if self._next < len(self._events) else _NEVER

    def _next_stale(self) -> int:
        place = int(np.searchsorted(self._stale, self.at))
        return int(self._stale[place]) if place < len(self._stale) else _NEVER

    def _take_events(self) -> None:
        while self._next_event() <= self.at:
            each = self._events[self._next]
            self._next += 1
            if each.kind == "told":
                self.proposer.tell(each.number, each.value)
            elif each.kind == "broker":
                self.book.on_broker(np.frombuffer(each.raw, BROKER_EVENT))
            elif each.kind == "control":
                self.book.control(Control(each.number), each.time_ns)
            elif each.kind == "afresh":
                self._begin()
            else:
                self.proposer.fault()
            self._drain()


def events_told(ticks: Ticks, told: npt.NDArray[np.void]) -> list[Event]:
    """Turn values from outside (dtype OUTSIDE) into events before the first tick at or after their time."""
    places = np.searchsorted(ticks["time_ns"], told["time_ns"], side="left")
    return [
        Event(int(place), "told", int(each["channel"]), float(each["number"]))
        for place, each in zip(places, told, strict=True)
        if place < len(ticks)
    ]


def tick_of_row(make: Callable[[], Rerun], rows: npt.NDArray[np.void], number: int) -> tuple[int, bool]:
    """Find the tick at which a run gave row ``number``.

    Parameters
    ----------
    make : callable
        Gives the run, not begun.
    rows : ndarray of EVENT
        What it gave the first time.

    Returns
    -------
    tick : int
    repeats : bool
        Run again, it gave the same rows up to there.
    """
    run = make()
    # A fill carries the time of its arrival and is found at the next tick: never before that time.
    earliest = int(np.searchsorted(run.ticks["time_ns"], rows["time_ns"][number], side="left"))
    run.to(earliest)
    while len(run.rows) <= number and run.at < len(run.ticks):
        run.to(run.at + 1)
    if run.rows[: number + 1].tobytes() != rows[: number + 1].tobytes():
        return min(earliest, len(run.ticks) - 1), False
    return max(run.at - 1, 0), True
