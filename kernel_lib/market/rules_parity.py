"""Triangular parity: what two pairs say a third must be quoted at, at every moment.

EURGBP is implied by EURUSD and GBPUSD: euros bought with dollars that pounds were sold for. The implied bid and ask
are what a round trip would really get, so a quote outside them by more than a tolerance is a sure gain, that is, a
wrong quote (no-arbitrage bounds, Hull chapter 5).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Misconfigured
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.tick import TICK, Ticks, empty_ticks

__all__ = ["Triangle"]

_MAX_AGE_NS = 5 * 10**9


class _Leg(NamedTuple):
    symbol: str
    inverse: bool


class Triangle:
    """Implied quotes of one symbol from two others that share a currency.

    Parameters
    ----------
    of, first, second : Instrument
        The symbol that is checked, and two pairs through a common currency: EURGBP from EURUSD and GBPUSD.
    max_age_ns : int
        A leg's quote older than this implies nothing.

    Raises
    ------
    Misconfigured
        The three do not form a triangle.

    >>> from kernel_lib.market.instrument import instrument
    >>> from kernel_lib.market.tick import make_ticks
    >>> triangle = Triangle(*map(instrument, ("EURGBP", "EURUSD", "GBPUSD")))
    >>> triangle.remember("EURUSD", make_ticks([0], [1.1000], [1.1001]))
    >>> triangle.remember("GBPUSD", make_ticks([0], [1.2500], [1.2501]))
    >>> [side.round(5).tolist() for side in triangle.implied(np.array([1]))]
    [[0.87993], [0.88008]]
    """

    def __init__(self, of: Instrument, first: Instrument, second: Instrument, *, max_age_ns: int = _MAX_AGE_NS) -> None:
        wanted = (of.currency_base, of.currency_profit)
        for one, two in ((first, second), (second, first)):
            for start in ((one.currency_base, one.currency_profit), (one.currency_profit, one.currency_base)):
                for end in ((two.currency_base, two.currency_profit), (two.currency_profit, two.currency_base)):
                    if start[0] == wanted[0] and start[1] == end[0] and end[1] == wanted[1]:
                        self._legs = (
                            _Leg(one.symbol, start[0] != one.currency_base),
                            _Leg(two.symbol, end[0] != two.currency_base),
                        )
        if not hasattr(self, "_legs") or "" in wanted:
            raise Misconfigured(
                f"{of.symbol} must follow from {first.symbol} and {second.symbol} through a common currency"
            )
        self._max_age_ns = max_age_ns
        self._quotes: dict[str, Ticks] = {leg.symbol: empty_ticks() for leg in self._legs}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The two symbols to :meth:`remember`."""
        return tuple(leg.symbol for leg in self._legs)

    def remember(self, symbol: str, ticks: Ticks) -> None:
        """Take the next accepted ticks of a leg; other symbols are ignored. Feed them before what they imply."""
        if symbol in self._quotes and len(ticks):
            if ticks.dtype != TICK:
                raise TypeError(f"ticks must be an array of dtype TICK, it is {ticks.dtype}")
            self._quotes[symbol] = np.concatenate([self._quotes[symbol], ticks])

    def implied(self, times_ns: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Give implied bid and ask at times in ascending order; NaN where a leg is unknown or too old.

        Each leg counts with its last quote at or before the time. What lies before the last time is forgotten, so
        later calls must not go back.
        """
        times = np.asarray(times_ns, dtype=np.int64)
        bid, ask = np.ones(len(times)), np.ones(len(times))
        for leg in self._legs:
            quotes = self._quotes[leg.symbol]
            at = np.searchsorted(quotes["time_ns"], times, side="right") - 1
            known = at >= 0
            known[known] &= times[known] - quotes["time_ns"][at[known]] <= self._max_age_ns
            low, high = np.full(len(times), np.nan), np.full(len(times), np.nan)
            low[known], high[known] = quotes["bid"][at[known]], quotes["ask"][at[known]]
            bid *= 1.0 / high if leg.inverse else low
            ask *= 1.0 / low if leg.inverse else high
            if len(times) and at[-1] > 0:
                self._quotes[leg.symbol] = quotes[at[-1] :].copy()
        return bid, ask
