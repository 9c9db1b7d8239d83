"""Reading a snapshot with a pencil in hand: what was used, and what was missing."""

import math

from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote

__all__ = ["Reading", "clip", "lean", "squash"]

#: No price, equity or indicator is so large; beyond it a number is garbage, and would swamp every other.
_LARGEST = 1e15
#: Less is nothing: what is divided by it overflows.
_SMALLEST = 1e-100


class Reading:
    """One agent's look at one snapshot; ``finish`` makes the vote of it.

    Numbers that are NaN, infinite or beyond 1e15 count as missing, below 1e-100 as 0.
    """

    __slots__ = ("_agent", "_features", "missing", "seen", "snapshot")

    def __init__(self, agent: str, snapshot: Snapshot) -> None:
        self._agent = agent
        self._features = snapshot.features
        self.snapshot = snapshot
        self.seen: dict[str, float | None] = {}
        self.missing: list[str] = []

    def feature(self, label: str) -> float | None:
        """Look at a feature; None where it is not known."""
        return self.look(label, self._features.get(label))

    def look(self, label: str, number: float | None) -> float | None:
        """Look at any number, and remember it by its name; None where it is not known."""
        if number is None or not -_LARGEST < number < _LARGEST:
            self.seen[label] = None
            self.missing.append(label)
            return None
        known = float(number) if not -_SMALLEST < number < _SMALLEST else 0.0
        self.seen[label] = known
        return known

    def note(self, label: str, number: float) -> float:
        """Remember a number that was computed."""
        self.seen[label] = number
        return number

    def finish(
        self, reason: str, direction: float = 0.0, confidence: float = 0.0, *, scale: float = 1.0, veto: bool = False
    ) -> Vote:
        """Make the vote."""
        return Vote(
            agent=self._agent, direction=clip(direction, -1.0, 1.0), confidence=clip(confidence, 0.0, 1.0),
            reason=reason, inputs=tuple(self.seen.items()), known_ns=self.snapshot.time_ns, veto=veto,
            scale=clip(scale, 0.0, 1.0),
        )  # fmt: skip

    def without(self, what: str, *, scale: float = 1.0, veto: bool = False) -> Vote:
        """Make the vote of one who cannot see: no side, no confidence, and what is missing by name."""
        names = ", ".join(dict.fromkeys(self.missing))
        return self.finish(f"{what}{f' (missing: {names})' if names else ''}", scale=scale, veto=veto)


def clip(number: float, low: float, high: float) -> float:
    """Bring a number into a range; NaN gives the nearest to 0."""
    if math.isnan(number):
        return min(max(0.0, low), high)
    return low if number < low else high if number > high else number


def squash(number: float) -> float:
    """Bring any number into (-1, 1) by the hyperbolic tangent; NaN gives 0."""
    return 0.0 if math.isnan(number) else math.tanh(number)


def lean(direction: float) -> str:
    """Say a direction in a word.

    >>> lean(0.8), lean(-0.1), lean(0.0)
    ('clearly up', 'slightly down', 'sideways')
    """
    if abs(direction) < 0.05:
        return "sideways"
    size = "slightly" if abs(direction) < 0.3 else "" if abs(direction) < 0.6 else "clearly"
    return f"{size} {'up' if direction > 0 else 'down'}".strip()
