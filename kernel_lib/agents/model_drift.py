"""Whether the world moved away from what the models learned."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["ModelDrift"]


class ModelDrift(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shrink the size as the models' inputs move: whole until 0.1, nothing from twice 0.25 on, straight between.

    The marks are those of the population stability index (Siddiqi, *Credit Risk Scorecards*, 2006). The worst model
    decides.

    Parameters
    ----------
    moved, shifted : float
        Of the index.
    """

    key: ClassVar[str] = "model_drift"
    group: ClassVar[Group] = "monitoring"
    reads: ClassVar[tuple[str, ...]] = ()
    moved: float = 0.10
    shifted: float = 0.25

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        if not snapshot.models:
            reading.missing.append("models")
            return reading.without("no model is in use")
        found = [
            (index, model.name) for model in snapshot.models
            if (index := reading.look(f"{model.name} stability", model.stability)) is not None
        ]  # fmt: skip
        if not found:
            return reading.without("no model's drift is known")
        index, name = max(found)
        scale = clip((2.0 * self.shifted - index) / (2.0 * self.shifted - self.moved), 0.0, 1.0)
        word = "as in training" if index <= self.moved else "moved" if index < self.shifted else "shifted: train anew"
        return reading.finish(f"inputs of {name} {word} (stability index {index:.2f})",
                              confidence=len(found) / len(snapshot.models), scale=scale)  # fmt: skip
