"""The simulated market: which ticks have happened so far, by a virtual clock."""

import time
from collections.abc import Callable, Mapping

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.market.tick import Ticks

__all__ = ["Market"]

_MS = 1_000_000


class Market:
    """Plays ticks of one or more symbols.

    Parameters
    ----------
    ticks : mapping of str to Ticks
        Each symbol's ticks in time order; times are cut down to the terminal's milliseconds.
    speed : float or None
        Market seconds per real second; None is "max": :meth:`step` lets the next chunk happen.
    chunk : int
        Ticks per step at "max".
    monotonic_ns : callable
        The real clock that speed is measured by.
    """

    def __init__(
        self,
        ticks: Mapping[str, Ticks],
        speed: float | None,
        chunk: int = 1024,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if not ticks or not all(len(each) for each in ticks.values()):
            raise BadData("a simulated market must have ticks for each symbol, one had none")
        self.ticks = {symbol: _to_milliseconds(each) for symbol, each in ticks.items()}
        self.happened = dict.fromkeys(ticks, 0)
        self._speed = speed
        self._chunk = chunk
        self._monotonic_ns = monotonic_ns
        self._timeline = np.sort(np.concatenate([each["time_ns"] for each in self.ticks.values()]))
        self.now_ns = int(self._timeline[0]) - 1
        self._base_ns = self.now_ns
        self._base_real_ns = monotonic_ns()
        self._started = False

    @property
    def finished(self) -> bool:
        """Whether every tick has happened."""
        return self.now_ns >= int(self._timeline[-1])

    def start_at(self, utc_ns: int) -> None:
        """A reader resumes here: what lies before has happened already. Only the first call counts."""
        if not self._started:
            self._started = True
            self._base_ns = max(self._base_ns, min(utc_ns, int(self._timeline[-1])))
            self._base_real_ns = self._monotonic_ns()
            self._move(self._base_ns)

    def step(self) -> None:
        """Let time pass: by the clock, or by a chunk at "max"."""
        if self._speed is None:
            done = int(np.searchsorted(self._timeline, self.now_ns, side="right"))
            if done < len(self._timeline):
                self._move(int(self._timeline[min(done + self._chunk, len(self._timeline)) - 1]))
        else:
            self.look()

    def look(self) -> None:
        """Bring the market up to the clock; at "max" nothing happens by itself."""
        if self._speed is not None:
            passed = int((self._monotonic_ns() - self._base_real_ns) * self._speed)
            self._move(self._base_ns + passed)

    def last(self, symbol: str) -> np.void | None:
        """The newest tick that has happened, or None."""
        n_ticks = self.happened[symbol]
        return self.ticks[symbol][n_ticks - 1] if n_ticks else None

    def _move(self, now_ns: int) -> None:
        self.now_ns = max(self.now_ns, now_ns)
        for symbol, ticks in self.ticks.items():
            self.happened[symbol] = int(np.searchsorted(ticks["time_ns"], self.now_ns, side="right"))


def _to_milliseconds(ticks: Ticks) -> Ticks:
    cut = ticks.copy()
    cut["time_ns"] -= cut["time_ns"] % _MS
    return cut
