"""One set of weights out of what the learning agents propose."""

import math
from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["KnowledgeSynthesis"]

_LEARNING = ("performance_analysis", "model_improvement", "adaptation")


class KnowledgeSynthesis(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Combine proposed weights: ``exp(sum(c log w) / max(1, sum(c)))`` over the learning agents' confidences c.

    The geometric mean, drawn to 1 as far as the proposals are unsure. A weight is at least 0.1 there, so that one agent
    cannot silence another. The next session begins with these.

    Parameters
    ----------
    most : float
        Largest weight.
    """

    key: ClassVar[str] = "knowledge_synthesis"
    group: ClassVar[Group] = "learning"
    reads: ClassVar[tuple[str, ...]] = ()
    most: float = 2.0

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        proposed: dict[str, list[tuple[float, float]]] = {}
        heard: list[str] = []
        for vote in snapshot.votes:
            if vote.agent not in _LEARNING or vote.known_ns > snapshot.time_ns:
                continue
            mine = [(name, number) for name, number in vote.inputs if name.startswith("weight.") and number is not None]
            if mine and vote.confidence > 0.0:
                heard.append(vote.agent)
                reading.note(f"confidence of {vote.agent}", vote.confidence)
            for name, number in mine:
                proposed.setdefault(name, []).append((vote.confidence, clip(number, 0.1, self.most)))
        if not heard:
            reading.missing.append("proposals of the learning agents")
            return reading.without("nothing learned yet, all weights stay 1")
        weights = {}
        for name, each in sorted(proposed.items()):
            sure = sum(confidence for confidence, _ in each)
            pull = sum(confidence * math.log(number) for confidence, number in each)
            weights[name] = reading.note(name, clip(math.exp(pull / max(1.0, sure)), 0.1, self.most))
        apart = sorted(weights, key=lambda name: (-abs(math.log(weights[name])), name))[:3]
        shown = ", ".join(f"{name.removeprefix('weight.')} {weights[name]:.2f}" for name in apart)
        sure = max(vote.confidence for vote in snapshot.votes if vote.agent in heard)
        return reading.finish(f"by {' and '.join(heard)}: {shown}", confidence=sure)
