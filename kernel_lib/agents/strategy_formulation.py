"""A plan out of the research: side, horizon, size."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, lean
from kernel_lib.agents.regimes import READS, regime_of
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["StrategyFormulation"]

#: What each regime calls for, and how much of the size it bears.
_PLANS = {
    "trend": ("follow it, trailing the stop", 1.0),
    "drift": ("enter in two parts", 0.75),
    "range": ("take the small move, target the middle", 0.75),
    "storm": ("small, stops wide", 0.4),
    "unknown": ("small until the regime is known", 0.5),
}


class StrategyFormulation(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Make one plan of the research votes and the regime.

    ``side = sum(c d) / sum(c)`` over the research votes that have a side, with their confidence c; ``agreement =
    |sum(c d)| / sum(c |d|)``. The size shrinks by ``regime's share * (1 - caution * (1 - agreement))``. As a decision
    agent its side is shown, and not counted again.

    Parameters
    ----------
    caution : float
        By how much full disagreement shrinks the size, 0 to 1.
    """

    key: ClassVar[str] = "strategy_formulation"
    group: ClassVar[Group] = "decision"
    reads: ClassVar[tuple[str, ...]] = READS
    caution: float = 0.5

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        regime, _ = regime_of(reading)
        pull = force = sure = 0.0
        n_votes = 0
        for vote in snapshot.votes:
            if vote.direction == 0.0 or vote.confidence == 0.0 or vote.known_ns > snapshot.time_ns:
                continue
            reading.note(f"{vote.agent}", vote.direction)
            pull += vote.confidence * vote.direction
            force += vote.confidence * abs(vote.direction)
            sure += vote.confidence
            n_votes += 1
        words, share = _PLANS[regime]
        if n_votes == 0:
            reading.missing.append("research votes with a side")
            return reading.without("no plan", scale=share)
        agreement = reading.note("agreement", abs(pull) / force)
        side = pull / sure
        scale = share * (1.0 - self.caution * (1.0 - agreement))
        return reading.finish(
            f"plan: {lean(side)} in a {regime} market, {words}; {n_votes} votes agree to {100.0 * agreement:.0f} %",
            side, sure / n_votes * agreement, scale=scale,
        )  # fmt: skip
