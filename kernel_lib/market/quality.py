"""Validation by tier: which ticks may enter, what each is worth, and the rule that refused the others.

``basic`` asks the rules of :mod:`kernel_lib.market.validation`. ``pro`` adds:

=====================  ==========================================================================================
``out_of_session``     the market is closed (weekend)
``stale``              the very same quote, repeated for longer than ``stale_after_s``
``wide_spread``        spread above ``spread_factor`` times the median of the last ticks
``spike``              mid further than ``spike_deviations`` from the median of the last ticks, in robust deviations
                       (1.4826 times the median absolute deviation, at least half the usual spread)
=====================  ==========================================================================================

``enterprise`` adds:

=====================  ==========================================================================================
``volatility_bounds``  a move beyond ``volatility_deviations`` of what the volatility of ticks allows for its time
``parity``             the quote could be traded against two others at a sure gain above ``parity_tolerance``
``unreliable_source``  too many of the source's last ticks were refused
=====================  ==========================================================================================

Three things are noted, not refused: ``gap`` (longer than ``gap_after_s`` of open market without a tick; the windows
start anew), ``new_level`` and with it the end of a spike: after ``confirmations`` jumps to the same place in a row the
market has moved, and the last of them is let in.

Quality is 0 for a refused tick, and for an accepted one the product of ``1 - s**2 / 2`` over spread and jump, where
``s`` is the used share of the rule's limit; a gap halves it, and at ``enterprise`` the source's reliability
multiplies it. ``basic`` gives 1 to all it accepts. However a sequence is cut into blocks, the answers are the same.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.market.quality_config import LEVEL_RULES, NOTES, Level, QualityConfig, level_numbers
from kernel_lib.market.quality_report import QualityReport, Quarantined
from kernel_lib.market.rules_session import Sessions, forex_weeks
from kernel_lib.market.rules_stream import MEMORY, judge_ticks
from kernel_lib.market.rules_window import make_window
from kernel_lib.market.tick import TICK, Ticks

__all__ = ["QualityVerdict", "TickQuality"]

_EXAMPLES = 5


class QualityVerdict(msgspec.Struct, frozen=True):
    """What became of a block of ticks.

    Parameters
    ----------
    accepted : ndarray of TICK
    quality : ndarray of float, shape of accepted
        Above 0, at most 1.
    refused : ndarray of int64
        Indexes into the block.
    rules : tuple of str
        For each refused index, the rule it broke.
    noted : ndarray of int64
        Indexes into the block of accepted ticks with a note.
    notes : tuple of str
        For each noted index, the note.
    """

    accepted: Ticks
    quality: npt.NDArray[np.float64]
    refused: npt.NDArray[np.int64]
    rules: tuple[str, ...]
    noted: npt.NDArray[np.int64]
    notes: tuple[str, ...]


class TickQuality:
    """Validates one symbol's ticks at a level, block after block.

    Parameters
    ----------
    level : {"basic", "pro", "enterprise"}
        ``kernel_lib.tiers.tier(...).validation``.
    config : QualityConfig or None
    symbol : str
        For the report.
    sessions : tuple of ndarray or None
        When the market is open; None: the forex week.

    >>> from kernel_lib.market.tick import make_ticks
    >>> times = 1_400_000_000_000_000_000 + 10**9 * np.arange(100)
    >>> bid = 1.1 + 1e-5 * (np.arange(100) % 3)
    >>> bid[50] = 1.2
    >>> verdict = TickQuality("pro").check(make_ticks(times, bid, bid + 1e-4))
    >>> verdict.refused.tolist(), verdict.rules
    ([50], ('spike',))
    """

    def __init__(
        self,
        level: Level = "basic",
        config: QualityConfig | None = None,
        *,
        symbol: str = "",
        sessions: Sessions | None = None,
    ) -> None:
        self.level: Level = level
        self.symbol = symbol
        self.config = config or QualityConfig()
        self._opens, self._closes = sessions or forex_weeks()
        self._limits = level_numbers(level, self.config)
        self._memory = np.zeros(1, MEMORY)
        self._mids = make_window(self.config.window)
        self._spreads = make_window(self.config.window)
        self._sources: dict[str, npt.NDArray[np.float64]] = {}
        self._counts = dict.fromkeys(LEVEL_RULES[level], 0)
        self._notes = dict.fromkeys(NOTES, 0)
        self._examples: list[Quarantined] = []
        self._n_seen = 0
        self._n_accepted = 0
        self._quality_sum = 0.0

    def check(
        self,
        ticks: Ticks,
        now_ns: int | None = None,
        *,
        source: str = "",
        implied: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None,
    ) -> QualityVerdict:
        """Sort a block into accepted and refused ticks, and weigh the accepted ones.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (n_ticks,)
            The next ticks of this symbol.
        now_ns : int or None
            The clock, UTC nanoseconds; None leaves out ``from_the_future``.
        source : str
            Who sent them; each source has a record of its own.
        implied : tuple of two ndarrays of shape (n_ticks,), or None
            Bid and ask that other symbols imply at each tick's time
            (:meth:`~kernel_lib.market.rules_parity.Triangle.implied`), NaN where none is known.
        """
        if ticks.dtype != TICK or ticks.ndim != 1:
            raise TypeError(f"ticks must be a one-dimensional array of dtype TICK, it is {ticks.dtype} {ticks.shape}")
        n = ticks.shape[0]
        codes, notes, quality = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
        unknown = np.full(n, np.nan)
        bid, ask = (unknown, unknown) if implied is None else implied
        judge_ticks(
            np.require(ticks, requirements=("C", "W")), np.asarray(bid, np.float64), np.asarray(ask, np.float64),
            self._latest_ns(now_ns), self._limits, self._memory, self._mids,
            self._spreads, self._sources.setdefault(source, np.ones(1)), self._opens, self._closes, codes, notes,
            quality,
        )  # fmt: skip
        return self._verdict(ticks, codes, notes, quality, source)

    @property
    def reliability(self) -> dict[str, float]:
        """Share of sound ticks of each source, newest weighing most; 1 for a source without a record."""
        return {source: float(share[0]) for source, share in self._sources.items()}

    def silent_s(self, now_ns: int) -> float:
        """Seconds of open market since the last accepted tick: what says that a feed has died, by the caller's clock.

        Parameters
        ----------
        now_ns : int
            UTC nanoseconds.

        Returns
        -------
        float
            0 or more; NaN before the first accepted tick. Compare it with ``config.gap_after_s``.
        """
        memory = self._memory[0]
        if not memory["n_accepted"]:
            return float("nan")
        open_ns = np.minimum(self._closes, now_ns) - np.maximum(self._opens, memory["time_ns"])
        return float(open_ns[open_ns > 0].sum()) / 1e9

    def report(self) -> QualityReport:
        """Say what was refused since the start."""
        return QualityReport(
            symbol=self.symbol, level=self.level, n_seen=self._n_seen, n_accepted=self._n_accepted,
            mean_quality=self._quality_sum / self._n_accepted if self._n_accepted else float("nan"),
            refused=dict(self._counts), noted=dict(self._notes), examples=tuple(self._examples),
            reliability=self.reliability,
        )  # fmt: skip

    def _latest_ns(self, now_ns: int | None) -> int:
        most = int(np.iinfo(np.int64).max)
        return most if now_ns is None else min(now_ns + self.config.future_tolerance_ns, most)

    def _verdict(self, ticks: Ticks, codes: Any, notes: Any, quality: Any, source: str) -> QualityVerdict:
        names = LEVEL_RULES["enterprise"]
        refused = np.flatnonzero(codes)
        kept = codes == 0
        rules = tuple(names[code - 1] for code in codes[refused].tolist())
        for index, rule in zip(refused.tolist(), rules, strict=True):
            self._counts[rule] += 1
            if self._counts[rule] <= _EXAMPLES:
                self._examples.append(_quarantined(ticks[index], rule, source, self._n_seen + index))
        noted, said = [], []
        for index in np.flatnonzero(notes).tolist():
            for bit, name in enumerate(NOTES):
                if int(notes[index]) >> bit & 1:
                    noted.append(index)
                    said.append(name)
                    self._notes[name] += 1
        self._n_seen += len(ticks)
        self._n_accepted += int(kept.sum())
        self._quality_sum += float(quality.sum())
        return QualityVerdict(
            accepted=ticks[kept] if refused.size else ticks, quality=quality[kept], refused=refused, rules=rules,
            noted=np.array(noted, np.int64), notes=tuple(said),
        )  # fmt: skip


def _quarantined(tick: np.void, rule: str, source: str, number: int) -> Quarantined:
    return Quarantined(
        rule=rule, number=number, source=source, time_ns=int(tick["time_ns"]), bid=float(tick["bid"]),
        ask=float(tick["ask"]),
    )  # fmt: skip
