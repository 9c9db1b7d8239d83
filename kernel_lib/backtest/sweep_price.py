"""What a sweep will cost, before it starts, and what is left to pay with.

A backtest-second is one second of one processor at work on runs. The price comes of a probe: some sets over some
stretches of the ticks, timed by the thread's own clock and scaled up.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from kernel_lib.backtest.counting import current_hypothesis, require_seconds
from kernel_lib.backtest.grid import Grid, check_names, parameter_sets
from kernel_lib.backtest.sweep_engine import Engine, Lane, empty_totals
from kernel_lib.counter import Counter, Runs, offered
from kernel_lib.declared import declared
from kernel_lib.errors import Misconfigured, Refused, TickhubError
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

__all__ = ["DayQuota", "Price", "Probe", "Quota", "day_quota", "expected", "price", "price_of"]

_PROBED_SETS = 6
_STRETCHES = 3
_STRETCH_TICKS = 40_000
_SLOW_TICKS = 2_000
_TELL_S = 5.0


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep is expected to take.

    Parameters
    ----------
    seconds : float
        Backtest-seconds of all sets together; within a factor of two.
    n_sets, n_ticks : int
    probe_seconds : float
        What asking took.
    left_seconds : float or None
        What the platform has left for today; None without a limit, or where it cannot be asked.
    """

    seconds: float
    n_sets: int
    n_ticks: int
    probe_seconds: float
    left_seconds: float | None = None


class Probe(NamedTuple):
    """One set timed over the ``length`` ticks of a stretch and over the first ``short`` of them, in seconds."""

    length: int
    long_s: float
    short: int
    short_s: float


class Quota:
    """Backtest-seconds that may be used.

    Parameters
    ----------
    seconds : float
    used_s : float

    Examples
    --------
    >>> quota = Quota(2.0)
    >>> quota.charge(0.5)
    >>> quota.left_s
    1.5
    """

    def __init__(self, seconds: float, used_s: float = 0.0) -> None:
        for name, number in (("seconds", seconds), ("used_s", used_s)):
            if not (math.isfinite(number) and number >= 0.0):
                raise Misconfigured(f"{name} of a quota must be a number from 0 on, it was {number!r}")
        self.seconds = seconds
        self.used_s = used_s

    @property
    def left_s(self) -> float:
        """What may still be used; never below 0."""
        return max(0.0, self.seconds - self.used_s)

    def charge(self, seconds: float) -> None:
        """Take off what a run has used; a run that was under way may pass the quota's end a little."""
        self.used_s += seconds

    def require(self, price: Price) -> None:
        """Refuse a run that is dearer than what is left.

        Raises
        ------
        Refused
            With the code ``quota_backtest_seconds``.
        """
        if self.left_s <= 0.0 or price.seconds > self.left_s:
            raise Refused(
                "quota_backtest_seconds",
                f"the run must fit in what is left of the quota, {self.left_s:.3g} of {self.seconds:g} "
                f"backtest-seconds; {price.n_sets:,} sets on {price.n_ticks:,} ticks cost about {price.seconds:.3g}: "
                "take fewer sets, fewer ticks, or wait for the next quota",
            )

    def __repr__(self) -> str:
        return f"<Quota {self.left_s:.3g} of {self.seconds:g} backtest-seconds left>"


class DayQuota(Quota):
    """The platform's backtest-seconds of the day: what a run uses is told as it goes.

    Parameters
    ----------
    counter : Counter
    strategy : str
        Whose runs are charged.
    seconds : float
        What is left as last heard.
    """

    def __init__(self, counter: Counter, strategy: str, seconds: float) -> None:
        super().__init__(seconds)
        self.told_s = 0.0
        self._counter = counter
        self._strategy = strategy

    def charge(self, seconds: float) -> None:
        """Take off what a run has used, and tell it every few seconds."""
        super().charge(seconds)
        untold = self.used_s - self.told_s
        if untold >= _TELL_S:
            self._counter.count(
                Runs(
                    kind="charge", hypothesis=current_hypothesis(self._strategy)[:200], strategy=self._strategy[:200],
                    symbol="", seconds=untold,
                )
            )  # fmt: skip
            self.told_s = self.used_s


def day_quota(strategy: str) -> DayQuota | None:
    """Give the quota that a run is charged to where none was named; None without a platform that limits it.

    Raises
    ------
    Refused
        Code ``quota_backtest_seconds``: the day's are used up.
    """
    counter = offered()
    left: float | None = None
    if counter is not None:
        with contextlib.suppress(TickhubError):
            left = counter.left_seconds(ask=True)
    require_seconds()
    return None if counter is None or left is None else DayQuota(counter, strategy, left)


@declared
def price(
    strategy: Strategy,
    ticks: Ticks,
    grid: Grid,
    *,
    instrument: Instrument | str = "EURUSD",
    account: AccountConfig | None = None,
    limits: RiskLimits | None = None,
    costs: Costs | None = None,
    outside: Mapping[str, Any] | None = None,
) -> Price:
    """Estimate what :func:`~kernel_lib.backtest.sweep.sweep` would take, within a factor of two, in a fraction of it.

    Parameters
    ----------
    strategy, ticks, grid, instrument, account, limits, costs, outside
        As for the sweep.
    """
    contract = known_instrument(instrument) if isinstance(instrument, str) else instrument
    sets = parameter_sets(grid)
    check_names(strategy, sets)
    engine = Engine(
        strategy, ticks, contract, account or AccountConfig(), limits or RiskLimits(), costs or Costs(), outside
    )
    counter = offered()
    left: float | None = None
    if counter is not None:
        with contextlib.suppress(TickhubError):
            left = counter.left_seconds(ask=True)
    return msgspec.structs.replace(price_of(engine, sets), left_seconds=left)


def price_of(engine: Engine, sets: Sequence[Mapping[str, Any]]) -> Price:
    """Estimate the price of sets on an engine; what it compiles, the sweep need not compile again."""
    n_ticks = len(engine.ticks)
    totals = empty_totals(1)
    warming = engine.part(0, min(n_ticks, 50))
    for chosen in _spread(len(sets), _PROBED_SETS):
        Lane(warming).run(sets[chosen], totals)  # compiles, and widens the states once for all
    engine.slow = warming.slow
    length = min(n_ticks, _SLOW_TICKS if engine.slow else _STRETCH_TICKS)
    short = max(1, length // 8)
    probes: list[Probe] = []
    probed = 0.0
    for start in _spread(n_ticks - length + 1, _STRETCHES):
        lanes = Lane(engine.part(start, start + length)), Lane(engine.part(start, start + short))
        for chosen in _spread(len(sets), _PROBED_SETS if not engine.slow else 2):
            if lanes[0].run(sets[chosen], totals) and not totals["n_ticks"][0]:
                probes.append(Probe(length, 0.0, short, 0.0))
                continue
            taken: list[list[float]] = [[float(totals["seconds"][0])], []]
            # The quicker of two counts: an interruption says nothing of the set. What is slow is long enough.
            for k in (1,) if engine.slow else (1, 0, 1):
                lanes[k].run(sets[chosen], totals)
                taken[k].append(float(totals["seconds"][0]))
            probes.append(Probe(length, min(taken[0]), short, min(taken[1])))
            probed += sum(taken[0]) + sum(taken[1])
        if length == n_ticks:
            break
    return Price(seconds=expected(probes, n_ticks) * len(sets), n_sets=len(sets), n_ticks=n_ticks, probe_seconds=probed)


def expected(probes: Sequence[Probe], n_ticks: int) -> float:
    """Give the seconds of one set over ``n_ticks`` by what probes took: a part by the tick, and one by the run.

    A set that did not run took nothing. The part by the tick is a mean, for stretches and sets differ by their nature;
    it is at least half of what a tick took with all else, since a difference of two short times can be anything. The
    part by the run is a median.
    """
    per_tick, per_run = [], []
    for length, long_s, short, short_s in probes:
        by_tick = max((long_s - short_s) / max(1, length - short), 0.5 * long_s / length)
        per_tick.append(by_tick)
        if long_s:
            per_run.append(max(0.0, long_s - by_tick * length))
    return float(np.mean(per_tick)) * n_ticks + (float(np.median(per_run)) if per_run else 0.0)


def _spread(n: int, wanted: int) -> list[int]:
    return sorted({int(k) for k in np.linspace(0, n - 1, min(n, wanted)).round()})
