"""How much of the instrument the portfolio should hold, beside what it holds."""

import math
from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import Portfolio, Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["PortfolioOptimization"]


class PortfolioOptimization(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the target weight against the present one, and shrink what only repeats the other holdings.

    The size that keeps volatility where it usually is: ``usual / recent`` volatility, at most 1. What repeats: with
    weights w and correlations r of the other holdings, ``overlap = side * sum(w r) / sum(|w|)``; a positive overlap
    shrinks the size by ``1 - overlap * min(1, sum(|w|) / full)``, a negative one (it diversifies) leaves it. The target
    is side times size; the direction of the vote is that of ``target - exposure``.

    Parameters
    ----------
    full : float
        Gross weight of other holdings, as a share of the equity, at which an overlap counts whole.
    """

    key: ClassVar[str] = "portfolio_optimization"
    group: ClassVar[Group] = "decision"
    reads: ClassVar[tuple[str, ...]] = ("volatility_20", "volatility_100")
    full: float = 1.0

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        recent, usual = reading.feature("volatility_20"), reading.feature("volatility_100")
        portfolio = snapshot.portfolio
        if portfolio is None:
            reading.missing.append("portfolio")
            return reading.without("the present weight is not known")
        size = 1.0
        if recent is not None and usual is not None and recent > 0.0 and usual > 0.0:
            size = min(1.0, usual / recent)
        said = [
            vote.confidence * vote.direction for vote in snapshot.votes if vote.known_ns <= snapshot.time_ns
        ]  # fmt: skip
        pull = sum(said)
        side = 0.0 if abs(pull) < 1e-9 else math.copysign(1.0, pull)
        overlap, gross = self._overlap(reading, portfolio, side)
        spread_out = 1.0 - max(0.0, overlap) * min(1.0, gross / self.full)
        scale = reading.note("size", size * spread_out)
        held = reading.note("exposure", clip(portfolio.exposure, -1.0, 1.0))
        target = reading.note("target", side * scale)
        move = clip((target - held) / 2.0, -1.0, 1.0)
        known = (0.4 if recent is not None and usual is not None else 0.0) + (0.4 if portfolio.weights else 0.2)
        step = "hold" if abs(move) < 0.05 else "add" if move * (held or move) > 0.0 else "reduce or turn"
        repeated = f"; {100.0 * overlap:.0f} % of it repeats other holdings" if overlap > 0.0 else ""
        return reading.finish(
            f"{step}: target {target:+.2f} against {held:+.2f}{repeated}", move, known, scale=scale
        )  # fmt: skip

    def _overlap(self, reading: Reading, portfolio: Portfolio, side: float) -> tuple[float, float]:
        correlations = dict(portfolio.correlations)
        pull = gross = 0.0
        for symbol, weight in portfolio.weights:
            held = reading.look(f"weight of {symbol}", weight)
            together = reading.look(f"correlation with {symbol}", correlations.get(symbol))
            if held is not None and together is not None:
                pull += held * clip(together, -1.0, 1.0)
                gross += abs(held)
        if gross <= 0.0:
            return 0.0, 0.0
        return reading.note("overlap", side * pull / gross), gross
