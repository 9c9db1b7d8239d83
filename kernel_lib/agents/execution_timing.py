"""Whether now is a good moment to trade."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.fundamental_analysis import minutes_ahead
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["ExecutionTiming"]


class ExecutionTiming(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the cost of trading now against the usual, and keep out of releases and closed sessions.

    The spread shrinks the size by ``(most - ratio) / (most - 1.5)`` between 1.5 and ``most`` times its median, and at
    ``most`` it vetoes. So does a release within the blackout (before it, or after it when it is just past), and a
    closed session. A quiet market (few ticks a second) shrinks it to a half.

    Parameters
    ----------
    most_spread : float
        Times the median.
    before_min, after_min : float
        Blackout around a release of high impact, minutes.
    least_ticks : float
        A second.
    """

    key: ClassVar[str] = "execution_timing"
    group: ClassVar[Group] = "decision"
    reads: ClassVar[tuple[str, ...]] = ("tick_rate_100", "session")
    most_spread: float = 3.0
    before_min: float = 15.0
    after_min: float = 5.0
    least_ticks: float = 0.05

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        stops: list[str] = []
        slower: list[str] = []
        scale = 1.0
        known = 0
        spread, usual = reading.look("spread", snapshot.spread), reading.look("median spread", snapshot.spread_median)
        if spread is not None and usual is not None and usual > 0.0:
            known += 1
            ratio = reading.note("spread ratio", spread / usual)
            if ratio >= self.most_spread:
                stops.append(f"the spread is {ratio:.1f} times the usual")
            elif ratio > 1.5:
                scale = min(scale, (self.most_spread - ratio) / (self.most_spread - 1.5))
                slower.append(f"the spread is {ratio:.1f} times the usual")
        centres = reading.feature("session")
        is_open = (
            snapshot.session_open if snapshot.session_open is not None else None if centres is None else centres > 0
        )
        if is_open is not None:
            known += 1
            if not is_open:
                stops.append("no session is open")
        rate = reading.feature("tick_rate_100")
        if rate is not None:
            known += 1
            if rate < self.least_ticks:
                scale = min(scale, 0.5)
                slower.append(f"{rate:.2f} ticks a second")
        ahead = minutes_ahead(reading, self.after_min)
        if ahead is not None:
            known += 1
            if -self.after_min <= ahead <= self.before_min:
                stops.append(f"a release {f'in {ahead:.0f} min' if ahead >= 0.0 else f'{-ahead:.0f} min ago'}")
        if known == 0:
            return reading.without("the moment cannot be judged")
        confidence = clip(known / 4.0, 0.0, 1.0)
        if stops:
            return reading.finish(f"wait: {' and '.join(stops)}", confidence=confidence, scale=0.0, veto=True)
        if slower:
            return reading.finish(f"smaller: {' and '.join(slower)}", confidence=confidence, scale=scale)
        return reading.finish("a good moment: usual spread and activity, no release near", confidence=confidence)
