"""The count of what was tried: every replay, sweep point and refit, for the hypothesis it was made for.

The best of many trials is good by luck (Bailey, Lopez de Prado 2014), so the number of trials belongs to a result. A
trial is known by the hash of the strategy's source and what its names stood for (numbers, features, models), its
parameters, the instrument, the span of the ticks and what was read from outside; the same one run again is a run more
and no trial more. The hypothesis is the strategy's name, unless one is named::

    with hypothesis("news fade"):
        found = sweep(strategy, ticks, grid)
"""

import contextlib
import hashlib
import math
import re
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from kernel_lib.counter import TRIAL_BYTES
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.trading_days import trading_days
from kernel_lib.strategy import Strategy
from kernel_lib.trading.book import Book
from kernel_lib.trial_count import (
    count_trials,
    current_hypothesis,
    hypothesis,
    require_seconds,
    set_hypothesis,
    tally_of,
)

__all__ = [
    "count_replay", "count_sets", "current_hypothesis", "hypothesis", "made_of", "require_seconds",
    "set_hypothesis", "tally_of", "trial_identities", "uncounted",
]  # fmt: skip

_HOUR_NS = 3_600 * 10**9
_DAYS_A_YEAR = 252.0
_LEAST_DAYS = 30
_SPAN = struct.Struct("<qqq")
# Where an object lies in memory says nothing of it.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")

_quiet = threading.local()


class _Run(Protocol):
    # One replay.
    strategy: Strategy
    instrument: Instrument
    book: Book
    equity: npt.NDArray[np.void]
    span_ns: tuple[int, int]
    n_ticks: int
    seconds: float


class _Ticks(Protocol):
    # What the sets of a sweep ran on.
    ticks: npt.NDArray[np.void]
    instrument: Instrument
    told: npt.NDArray[np.void]


class _Sets(Protocol):
    # What they gave.
    strategy: Strategy
    sets: list[dict[str, Any]]
    totals: npt.NDArray[np.void]


@contextlib.contextmanager
def uncounted() -> Iterator[None]:
    """Count no replay of this thread inside: whoever asked for it counts."""
    before = getattr(_quiet, "on", False)
    _quiet.on = True
    try:
        yield
    finally:
        _quiet.on = before


def count_replay(run: _Run, told: npt.NDArray[np.void] | None = None) -> None:
    """Count one replay; ``told`` is what its features read from outside."""
    if getattr(_quiet, "on", False):
        return
    strategy, symbol = run.strategy, run.instrument.symbol
    trials = trial_identities(strategy, symbol, [(*run.span_ns, run.n_ticks)], [{}], told)
    sharpe = _sharpe(run.equity, run.book.numbers["deposit_minor"])
    count_trials("replay", strategy.name, symbol, trials, np.array([sharpe]), run.seconds)


def count_sets(
    found: _Sets, engine: _Ticks, stretches: Sequence[tuple[int, int]] | None = None, *,
    kind: Literal["sweep", "walkforward"] = "sweep", told_s: float = 0.0,
) -> None:  # fmt: skip
    """Count every set that ran, of a sweep or of one fold.

    Parameters
    ----------
    found : Sweep
    engine : Engine
        What they ran on.
    stretches : sequence of (start, stop) or None
        Which of its ticks; None: all.
    told_s : float
        Backtest-seconds that a quota has told already.
    """
    ran = np.flatnonzero(found.totals["n_ticks"] > 0)
    if len(ran) == 0:
        return
    times, symbol = engine.ticks["time_ns"], engine.instrument.symbol
    spans = [(int(times[a]), int(times[b - 1]), b - a) for a, b in stretches or [(0, len(times))]]
    trials = trial_identities(found.strategy, symbol, spans, [found.sets[row] for row in ran], engine.told)
    totals = found.totals[ran]
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(totals["squares"] / (totals["n_returns"] - 1))
        sharpes = np.where(deviation > 0.0, totals["mean"] / deviation, np.nan) * np.sqrt(totals["periods_a_year"])
    seconds = max(0.0, float(totals["seconds"].sum()) - told_s)
    count_trials(kind, found.strategy.name, symbol, trials, sharpes, seconds)


def trial_identities(
    strategy: Strategy, symbol: str, spans: Sequence[tuple[int, int, int]], sets: Sequence[Mapping[str, Any]],
    told: npt.NDArray[np.void] | None = None,
) -> bytes:  # fmt: skip
    """Give 16 bytes for each set: what makes two runs the same trial.

    Parameters
    ----------
    spans : sequence of (first_ns, last_ns, n_ticks)
        Of the ticks, one for each stretch.
    sets : sequence of mappings
        Parameters that differ from the strategy's own.
    told : ndarray or None
        What its features read from outside.
    """
    code = strategy.decide.__code__
    source = strategy.source.encode() or code.co_code + repr(code.co_consts).encode()
    shared = hashlib.blake2b(digest_size=TRIAL_BYTES)
    outside = b"" if told is None else told.tobytes()
    made = made_of(strategy)
    for part in (
        strategy.entry.encode(),
        source,
        made,
        symbol.encode(),
        *(_SPAN.pack(*each) for each in spans),
        outside,
    ):
        shared.update(len(part).to_bytes(8, "little"))
        shared.update(part)
    own = {name: float(number) for name, number in strategy.params.items()}
    found = []
    for each in sets:
        digest = shared.copy()
        # As numbers: 20 and 20.0 are the same window.
        digest.update(repr(sorted({**own, **{k: float(v) for k, v in each.items()}}.items())).encode())
        found.append(digest.digest())
    return b"".join(found)


def made_of(strategy: Strategy) -> bytes:
    """Say what the names in a strategy's text stood for: one cell run in a loop makes many strategies of one text."""
    given = [_numbers_of(each) if callable(each) else _ADDRESS.sub("", repr(each)) for each in strategy.as_given]
    parts = [_numbers_of(strategy.decide), *given]
    for feature in strategy.features.values():
        files = getattr(feature, "files", {})
        parts += [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in sorted(files.items())]
    return "\n".join(parts).encode()


def _numbers_of(function: Any) -> str:
    """Name the numbers and words that a function reads of its module and of what surrounds it."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ""
    read = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not filled yet
            read[name] = cell.cell_contents
    kept = {name: each for name, each in read.items() if isinstance(each, int | float | str | tuple)}
    return _ADDRESS.sub("", repr((sorted(kept.items()), function.__defaults__)))


def _sharpe(points: npt.NDArray[np.void], deposit_minor: float) -> float:
    """Give the ratio that a report gives; here without all that a report imports."""
    times = np.ascontiguousarray(points["time_ns"])
    if len(times) < 2:
        return math.nan
    days = trading_days(times)
    daily = 1 + np.count_nonzero(days[1:] != days[:-1]) >= _LEAST_DAYS
    periods = days if daily else times // _HOUR_NS
    ends = np.append(np.flatnonzero(periods[1:] != periods[:-1]), len(times) - 1)
    closes = np.maximum(np.concatenate([[float(deposit_minor)], points["equity_minor"][ends]]), 0.0)
    alive = np.cumprod(closes[:-1] > 0.0).astype(bool)
    returns = np.where(alive, np.diff(closes) / np.where(alive, closes[:-1], 1.0), 0.0)
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    if deviation == 0.0:
        return math.nan
    return float(returns.mean()) / deviation * math.sqrt(_DAYS_A_YEAR * (1 if daily else 24))
