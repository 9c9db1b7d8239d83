"""Trend, volatility and structure over several lengths."""

import math
from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip, lean, squash
from kernel_lib.agents.regimes import READS, regime_of
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["MarketAnalysis"]

_LENGTHS = (12, 36, 96)


class MarketAnalysis(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Say where the market goes by its trend over three lengths, its range and its regime.

    The trend of one length is ``tanh(slope * sqrt(n) / (pace * atr))``: the move of n bars against the distance that
    a random walk of such bars covers. The range speaks against a price far from its mean, ``-tanh(z / 2)``.
    ``share = (adx - 15) / 15`` in [0, 1] blends them: ``share * trend + (1 - share) * range / 2``. Confidence is the
    agreement of the lengths, less in a storm, and less for each length that is not known.

    Parameters
    ----------
    pace : float
        Average ranges that a random walk covers in one bar, about 0.8.

    >>> vote = MarketAnalysis().analyze(Snapshot(time_ns=0, features={
    ...     "slope_12": 1e-4, "slope_36": 1e-4, "slope_96": 1e-4, "atr_14": 1e-3, "adx_14": 40.0, "zscore_50": 1.5}))
    >>> vote.direction > 0.3, vote.reason.split(";")[0]
    (True, 'trend: clearly up over 12, 36 and 96 bars')
    """

    key: ClassVar[str] = "market_analysis"
    group: ClassVar[Group] = "research"
    reads: ClassVar[tuple[str, ...]] = (
        *READS, "slope_12", "slope_36", "slope_96", "atr_14", "zscore_50", "autocorrelation_50", "channel_48_upper",
        "channel_48_lower",
    )  # fmt: skip
    pace: float = 0.8

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        regime, ratio = regime_of(reading)
        atr = reading.feature("atr_14")
        slopes = [(n, reading.feature(f"slope_{n}")) for n in _LENGTHS]
        trends = [
            (n, squash(slope * math.sqrt(n) / (self.pace * atr)))
            for n, slope in slopes if slope is not None and atr is not None and atr > 0.0
        ]  # fmt: skip
        zscore = reading.feature("zscore_50")
        if not trends:
            return reading.without("the trend cannot be told")
        trend = reading.note("trend", sum(each for _, each in trends) / len(trends))
        agreement = reading.note("agreement", abs(sum(math.copysign(1.0, each) for _, each in trends)) / len(trends))
        adx = reading.seen["adx_14"]
        share = reading.note("share of trend", 0.5 if adx is None else clip((adx - 15.0) / 15.0, 0.0, 1.0))
        against = 0.0 if zscore is None else -squash(zscore / 2.0)
        direction = share * trend + (1.0 - share) * against / 2.0
        known = len(trends) / len(_LENGTHS) * (1.0 if zscore is not None and adx is not None else 0.75)
        persistence = reading.feature("autocorrelation_50")
        lasting = 1.0 if persistence is None else clip(1.0 + persistence * (2.0 * share - 1.0), 0.5, 1.0)
        confidence = known * (0.3 + 0.5 * agreement * abs(trend) + 0.2 * abs(direction)) * lasting / max(ratio, 1.0)
        lengths = " and ".join(", ".join(str(n) for n, _ in trends).rsplit(", ", 1))
        return reading.finish(
            f"{regime}: {lean(trend)} over {lengths} bars; volatility {ratio:.1f} times the usual"
            f"{self._place(reading)}", direction, confidence,
        )  # fmt: skip

    def _place(self, reading: Reading) -> str:
        upper, lower = reading.feature("channel_48_upper"), reading.feature("channel_48_lower")
        mid = reading.look("mid", reading.snapshot.mid)
        if upper is None or lower is None or mid is None or upper <= lower:
            return ""
        place = reading.note("place in the channel", clip((mid - lower) / (upper - lower), 0.0, 1.0))
        return f"; at {100.0 * place:.0f} % of the 48-bar channel"
