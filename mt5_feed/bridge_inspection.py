"""Which of an agent's ticks may enter: the validation level of its tenant's tier, symbol by symbol.

The tier is the platform's word, kept on the bus (:meth:`~kernel_lib.wire.Streams.tiers`); an agent has no say in it.
A tenant of whom nothing is known is validated at ``basic``.
"""

import asyncio
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from kernel_lib.market.instrument import Instrument
from kernel_lib.market.rules_parity import Triangle
from kernel_lib.market.rules_session import always_open, forex_weeks
from kernel_lib.market.tick import TICK, Ticks
from kernel_lib.market.validation import Validator, Verdict

if TYPE_CHECKING:
    from kernel_lib.market.quality_config import Level

__all__ = ["Inspection", "load_rules"]

_UNKNOWN_SYMBOL = "unknown_symbol"
#: Currencies and metals that keep the weeks of foreign exchange; anything else may trade on a Sunday.
_WEEKLY = frozenset(
    ("AUD", "CAD", "CHF", "CNH", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "NOK", "NZD", "PLN",
     "RUB", "SEK", "SGD", "THB", "TRY", "USD", "ZAR", "XAG", "XAU", "XPD", "XPT")
)  # fmt: skip
_MAX_AGE_NS = 5 * 10**9


class _Judge(Protocol):
    def __call__(self, ticks: Ticks, now_ns: int) -> tuple[Verdict, float]: ...


async def load_rules(level: "Level") -> None:
    """Load what a level needs, beside the loop: the compiled rules take a second, and the first time many."""
    if level != "basic":
        await asyncio.to_thread(import_module, "kernel_lib.market.quality")


class Inspection:
    """Validates an agent's ticks.

    Parameters
    ----------
    level : {"basic", "pro", "enterprise"}
    agent : str
        Whose record of reliability counts at ``enterprise``.
    instruments : iterable of Instrument
        What the agent said it can trade; ticks of other symbols are refused.
    last : mapping of str to TICK record
        The last accepted tick of a symbol, to go on after it.

    Notes
    -----
    At ``enterprise`` a symbol is also held against two others that imply it, where the agent trades such.
    """

    def __init__(
        self, level: "Level", agent: str, instruments: Iterable[Instrument], last: Mapping[str, np.void]
    ) -> None:
        self.level: Level = level
        self._agent = agent
        self._instruments = {each.symbol: each for each in instruments}
        self._last = dict(last)
        self._judges: dict[str, _Judge] = {}
        self._triangles = _triangles(self._instruments) if level == "enterprise" else {}
        self._legs: dict[str, list[Triangle]] = {}
        for triangle in self._triangles.values():
            for symbol in triangle.symbols:
                self._legs.setdefault(symbol, []).append(triangle)

    def check(self, symbol: str, ticks: Ticks, now_ns: int) -> tuple[Verdict, float]:
        """Sort one symbol's next ticks.

        Returns
        -------
        verdict : Verdict
        quality : float
            Of the last accepted tick, from 0 to 1; NaN where none was accepted.
        """
        if symbol not in self._instruments:
            everything = np.arange(len(ticks), dtype=np.int64)
            refused = Verdict(accepted=ticks[:0], refused=everything, rules=(_UNKNOWN_SYMBOL,) * len(ticks))
            return refused, float("nan")
        judge = self._judges.get(symbol)
        if judge is None:
            judge = self._judges[symbol] = self._judge_of(symbol)
        verdict, quality = judge(ticks, now_ns)
        if len(verdict.accepted):
            self._last[symbol] = verdict.accepted[-1]
            for triangle in self._legs.get(symbol, ()):
                triangle.remember(symbol, verdict.accepted)
                # Older quotes imply nothing any more, and are forgotten with this.
                triangle.implied(np.array([int(verdict.accepted["time_ns"][-1]) - _MAX_AGE_NS]))
        return verdict, quality

    def at_level(self, level: "Level") -> "Inspection":
        """Go on at another level, after the last accepted ticks."""
        return Inspection(level, self._agent, self._instruments.values(), self._last)

    def _judge_of(self, symbol: str) -> _Judge:
        last = self._last.get(symbol)
        if self.level == "basic":
            return _Basic(Validator(last=last))
        return _Strict(self.level, self._agent, self._instruments[symbol], last, self._triangles.get(symbol))


class _Basic:
    def __init__(self, validator: Validator) -> None:
        self._validator = validator

    def __call__(self, ticks: Ticks, now_ns: int) -> tuple[Verdict, float]:
        verdict = self._validator.check(ticks, now_ns)
        return verdict, 1.0 if len(verdict.accepted) else float("nan")


class _Strict:
    def __init__(
        self, level: "Level", agent: str, instrument: Instrument, last: np.void | None, triangle: Triangle | None
    ) -> None:
        from kernel_lib.market.quality import TickQuality

        weekly = {instrument.currency_base, instrument.currency_profit} <= _WEEKLY
        sessions = forex_weeks() if weekly else always_open()
        self._quality = TickQuality(level, symbol=instrument.symbol, sessions=sessions)
        self._agent = agent
        self._triangle = triangle
        if last is not None:
            self._quality.check(np.array([last], TICK), source=agent)

    def __call__(self, ticks: Ticks, now_ns: int) -> tuple[Verdict, float]:
        implied = self._triangle.implied(_ascending(ticks["time_ns"])) if self._triangle is not None else None
        verdict = self._quality.check(ticks, now_ns, source=self._agent, implied=implied)
        quality = float(verdict.quality[-1]) if len(verdict.accepted) else float("nan")
        return Verdict(accepted=verdict.accepted, refused=verdict.refused, rules=verdict.rules), quality


def _ascending(times_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # A tick whose time goes back is refused whatever is implied.
    ascending: npt.NDArray[np.int64] = np.maximum.accumulate(times_ns)
    return ascending


def _triangles(instruments: Mapping[str, Instrument]) -> dict[str, Triangle]:
    """Find for each symbol two others through a common currency, the dollar before others."""
    of_pair: dict[frozenset[str], Instrument] = {}
    for each in instruments.values():
        pair = frozenset((each.currency_base, each.currency_profit))
        if len(pair) == 2 and "" not in pair:
            of_pair.setdefault(pair, each)
    currencies = sorted({currency for pair in of_pair for currency in pair}, key=lambda each: (each != "USD", each))
    found = {}
    for symbol, each in instruments.items():
        base, profit = each.currency_base, each.currency_profit
        if not base or not profit or base == profit:
            continue
        for through in currencies:
            first, second = of_pair.get(frozenset((base, through))), of_pair.get(frozenset((through, profit)))
            if through not in (base, profit) and first is not None and second is not None:
                found[symbol] = Triangle(each, first, second, max_age_ns=_MAX_AGE_NS)
                break
    return found
