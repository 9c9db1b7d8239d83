"""Where runs are counted: what a run tells, and the place into which a shell puts whoever keeps the count.

The library's core counts every run it makes (:mod:`kernel_lib.backtest.counting`) and knows no platform. A shell that
does, the client, offers a :class:`Counter`; it is made when the first run is counted, not before.
"""

from collections.abc import Callable
from typing import Annotated, Literal, Protocol

import msgspec

__all__ = ["TRIAL_BYTES", "Counter", "Runs", "Tally", "offer", "offered"]

#: Length of a trial's identity.
TRIAL_BYTES = 16
_MOST_RUNS = 50_000

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Runs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Runs that were made together: a replay is one, a sweep has one for each set.

    Parameters
    ----------
    kind : str
        ``"replay"``, ``"sweep"``, ``"walkforward"``, ``"tuning"``; ``"charge"`` only takes seconds off a quota.
    hypothesis, strategy, symbol : str
        What the runs were for, what ran, and on which instrument; without one ``symbol`` is empty.
    trials : bytes
        An identity of 16 bytes for each run; the same run has the same.
    sharpes : bytes
        The Sharpe ratio of each, per year, little-endian float64, NaN where there is none; empty: of none.
    seconds : float
        Backtest-seconds of all together.
    batch : str
        Set once by the counter, 32 hex digits: what is told twice under one counts once.
    """

    kind: Literal["replay", "sweep", "walkforward", "tuning", "charge"]
    hypothesis: Label
    strategy: Label
    symbol: Annotated[str, msgspec.Meta(max_length=64)]
    trials: Annotated[bytes, msgspec.Meta(max_length=TRIAL_BYTES * _MOST_RUNS)] = b""
    sharpes: Annotated[bytes, msgspec.Meta(max_length=8 * _MOST_RUNS)] = b""
    seconds: Annotated[float, msgspec.Meta(ge=0.0, le=1e7)] = 0.0
    batch: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")] = "0" * 32

    @property
    def n_runs(self) -> int:
        return len(self.trials) // TRIAL_BYTES


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted for one hypothesis.

    Parameters
    ----------
    hypothesis, symbol : str
    n_trials : int
        Distinct ones; what a Sharpe ratio is deflated by.
    n_runs : int
        Runs; the same one run again is a run more and no trial more.
    n_on_instrument : int
        Distinct trials on the instrument for any hypothesis: giving one another name does not begin at zero.
    sharpe_deviation : float or None
        Of the distinct trials' Sharpe ratios, per year; None below ten of them, where it says little.
    by : str
        ``"platform"``, or ``"process"``: this process alone, from its start.
    note : str
        Why it is not the platform's, or what it does not yet hold.
    """

    hypothesis: str
    symbol: str
    n_trials: int
    n_runs: int
    n_on_instrument: int
    sharpe_deviation: float | None = None
    by: Literal["platform", "process"] = "process"
    note: str = ""


class Counter(Protocol):
    """Keeps the count beyond this process."""

    def count(self, runs: Runs) -> None:
        """Take note of runs; quick, and whatever happens to this process they are counted."""

    def send(self, within_s: float) -> None:
        """Hand over what was counted and waits; Transient or Refused where nobody takes it in time."""

    def tally(self, hypothesis: str, symbol: str) -> Tally:
        """Give what was counted; Transient or Refused where nobody can say."""

    def left_seconds(self, *, ask: bool = False) -> float | None:
        """Give the backtest-seconds left today, as last heard; None without a limit, or where nothing was heard.

        ``ask`` asks now; Transient or Refused where nobody can say.
        """


_maker: Callable[[], Counter | None] | None = None
_made: list[Counter | None] = []


def offer(maker: Callable[[], Counter | None] | None) -> None:
    """Put in what makes the counter, in place of what was there; None: runs are counted in this process only."""
    global _maker  # noqa: PLW0603
    _maker = maker
    _made.clear()


def offered() -> Counter | None:
    """Give the counter, made on the first call; None where there is none."""
    if not _made:
        _made.append(_maker() if _maker is not None else None)
    return _made[0]
