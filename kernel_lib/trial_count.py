"""For which hypothesis runs are counted, and the count of this process.

What is counted, and what makes two runs the same trial, is said in :mod:`kernel_lib.backtest.counting`. Runs are told
to the counter that a shell offered (:mod:`kernel_lib.counter`) and kept here besides, for the report where there is no
counter or it cannot be asked.

>>> with hypothesis("news fade"):
...     current_hypothesis("ma_cross")
'news fade'
>>> current_hypothesis("ma_cross")
'ma_cross'
"""

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Literal

import numpy as np
import numpy.typing as npt

from kernel_lib.counter import TRIAL_BYTES, Runs, Tally, offered
from kernel_lib.errors import BadData, Refused, TickhubError

__all__ = ["count_trials", "current_hypothesis", "hypothesis", "require_seconds", "set_hypothesis", "tally_of"]

_LEAST_SHARPES = 10
_PART = 50_000

_named: ContextVar[str] = ContextVar("hypothesis", default="")
_setting = [""]


@contextlib.contextmanager
def hypothesis(name: str) -> Iterator[None]:
    """Count what runs inside for a hypothesis of this name, instead of the strategy's.

    Parameters
    ----------
    name : str
        1 to 200 characters.
    """
    token = _named.set(_checked(name))
    try:
        yield
    finally:
        _named.reset(token)


def set_hypothesis(name: str | None) -> None:
    """Count all that runs from now on for a hypothesis of this name; None: for the strategy's again."""
    _setting[0] = "" if name is None else _checked(name)


def current_hypothesis(strategy: str) -> str:
    """Give the name that a run of this strategy is counted for."""
    return _named.get() or _setting[0] or strategy


def count_trials(
    kind: Literal["replay", "sweep", "walkforward", "tuning"], strategy: str, symbol: str, trials: bytes,
    sharpes: npt.NDArray[np.float64], seconds: float,
) -> None:  # fmt: skip
    """Count runs made together.

    Parameters
    ----------
    kind, strategy, symbol
        As :class:`~kernel_lib.counter.Runs` has them.
    trials : bytes
        16 for each.
    sharpes : ndarray, shape (n_runs,)
        Per year; NaN where there is none.
    seconds : float
        Backtest-seconds of all together.
    """
    counter = offered()
    packed = sharpes.astype("<f8").tobytes()
    for at in range(0, len(sharpes), _PART):
        runs = Runs(
            kind=kind, hypothesis=current_hypothesis(strategy)[:200], strategy=strategy[:200], symbol=symbol[:64],
            trials=trials[TRIAL_BYTES * at : TRIAL_BYTES * (at + _PART)], sharpes=packed[8 * at : 8 * (at + _PART)],
            seconds=seconds if at == 0 else 0.0,
        )  # fmt: skip
        _here.add(runs)
        if counter is not None:
            counter.count(runs)


def tally_of(strategy: str, symbol: str) -> Tally:
    """Give what was counted for the present hypothesis, by the platform where it can be asked."""
    name = current_hypothesis(strategy)
    counter = offered()
    note = "no platform keeps the count"
    if counter is not None:
        try:
            return counter.tally(name, symbol)
        except TickhubError as error:
            note = f"the platform could not be asked: {error}"
    return _here.tally(name, symbol, note)


def require_seconds() -> None:
    """Refuse a run when the day's backtest-seconds are used up, as far as is known without asking.

    Raises
    ------
    Refused
        Code ``quota_backtest_seconds``.
    """
    counter = offered()
    left = counter.left_seconds() if counter is not None else None
    if left is not None and left <= 0.0:
        raise Refused(
            "quota_backtest_seconds",
            "the day's backtest-seconds must not be used up, none is left; they begin anew at midnight UTC, or ask an "
            "admin for a higher tier (client.quota() shows them)",
        )


class _Here:
    """The count of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, str], int] = {}
        self._trials: dict[tuple[str, str], dict[bytes, float]] = {}

    def add(self, runs: Runs) -> None:
        sharpes = np.frombuffer(runs.sharpes, "<f8")
        keys = [runs.trials[at : at + TRIAL_BYTES] for at in range(0, len(runs.trials), TRIAL_BYTES)]
        with self._lock:
            self._runs[runs.hypothesis, runs.symbol] = self._runs.get((runs.hypothesis, runs.symbol), 0) + len(keys)
            known = self._trials.setdefault((runs.hypothesis, runs.symbol), {})
            for key, sharpe in zip(keys, sharpes.tolist(), strict=True):
                known.setdefault(key, sharpe)

    def tally(self, name: str, symbol: str, note: str) -> Tally:
        with self._lock:
            places = {(name, symbol), (name, "")}
            mine = [self._trials[place] for place in places if place in self._trials]
            sharpes = np.array([each for known in mine for each in known.values()])
            on_instrument = {key for (_, on), known in self._trials.items() if on == symbol for key in known}
            n_runs = sum(self._runs.get(place, 0) for place in places)
        sharpes = sharpes[np.isfinite(sharpes)]
        return Tally(
            hypothesis=name, symbol=symbol, n_trials=sum(map(len, mine)), n_runs=n_runs,
            n_on_instrument=len(on_instrument), note=note,
            sharpe_deviation=float(sharpes.std(ddof=1)) if len(sharpes) >= _LEAST_SHARPES else None,
        )  # fmt: skip


_here = _Here()


def _checked(name: str) -> str:
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 200 or not name.isprintable():
        raise BadData(f"a hypothesis must have a name of 1 to 200 printable characters, it was {name!r}")
    return name.strip()
