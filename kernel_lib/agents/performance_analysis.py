"""What was earned, and which agents were right."""

import math
from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.track_record import weight_of, wilson
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["PerformanceAnalysis"]


class PerformanceAnalysis(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sum up closed trades, and propose weights by each agent's hit rate.

    Hit rate with Wilson's 95 % interval (1927), expectancy (mean profit) and profit factor (gains over losses) of the
    trades known by now; for each agent ``weight.AGENT = 2 (hits + a) / (hits + misses + 2 a)``, the mean of a Beta
    posterior over one half, so that nothing known gives 1. Confidence is ``n / (n + 30)``.

    Parameters
    ----------
    prior : float
        a, outcomes of each kind that are taken as seen.
    """

    key: ClassVar[str] = "performance_analysis"
    group: ClassVar[Group] = "learning"
    reads: ClassVar[tuple[str, ...]] = ()
    prior: float = 50.0

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        closed, won, gained, lost = _trades(snapshot)
        n_outcomes = 0.0
        for record in snapshot.records:
            if record.regime == "" and record.hits >= 0.0 and record.misses >= 0.0:
                total = reading.look(f"outcomes of {record.agent}", record.hits + record.misses)
                if total is not None:
                    n_outcomes = max(n_outcomes, total)
                    weight = weight_of(record.hits, record.misses, prior=self.prior)
                    reading.note(f"weight.{record.agent}", weight)
        reading.note("trades", float(closed))
        n = max(float(closed), n_outcomes)
        if n == 0.0:
            reading.missing.append("closed trades and outcomes")
            return reading.without("nothing to learn from yet")
        said = [f"{n_outcomes:.0f} outcomes of votes"] if n_outcomes else []
        if closed:
            low, high = wilson(won, closed)
            mean = reading.note("expectancy", (gained - lost) / closed)
            reading.note("hit rate", won / closed)
            reading.note("hit rate, low", low)
            reading.note("hit rate, high", high)
            reading.look("profit factor", gained / lost if lost > 0.0 else math.inf)
            said.insert(0, f"{closed} trades, {100.0 * won / closed:.0f} % won "
                           f"({100.0 * low:.0f} to {100.0 * high:.0f}), {mean:+.4g} each")  # fmt: skip
        return reading.finish("; ".join(said), confidence=n / (n + 30.0))


def _trades(snapshot: Snapshot) -> tuple[int, int, float, float]:
    """Give how many trades are closed, how many won, what these gained and the others lost."""
    portfolio = snapshot.portfolio
    if portfolio is None:
        return 0, 0, 0.0, 0.0
    totals = portfolio.totals
    if totals is not None and not portfolio.trades:
        sound = 0 <= totals.won <= totals.closed and 0.0 <= totals.gained < 1e15 and 0.0 <= totals.lost < 1e15
        return (totals.closed, totals.won, totals.gained, totals.lost) if sound else (0, 0, 0.0, 0.0)
    profits = [
        each.profit for each in portfolio.trades if each.known_ns <= snapshot.time_ns and abs(each.profit) < 1e15
    ]  # fmt: skip
    won = [each for each in profits if each > 0.0]
    return len(profits), len(won), sum(won), -sum(each for each in profits if each < 0.0)
