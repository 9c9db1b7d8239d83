"""Which models still deserve to be heard."""

import math
from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import ModelReport, Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["ModelImprovement"]


class ModelImprovement(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Propose a weight for each model, and say which to train anew.

    ``weight = accuracy * calibration * steadiness``: accuracy is ``1 + deviations / 3`` in [0, 1], where the live hit
    rate lies below the card's by that many deviations of a coin; calibration ``1 - 4 (brier - 0.25)`` in [0, 1], 0.25
    being a guess at one half; steadiness 1 until a stability index of 0.1, a half from 0.25 (Siddiqi 2006). Proposed as
    ``weight.model NAME``.

    Parameters
    ----------
    least_outcomes : int
        With fewer, accuracy and calibration say nothing yet.
    """

    key: ClassVar[str] = "model_improvement"
    group: ClassVar[Group] = "learning"
    reads: ClassVar[tuple[str, ...]] = ()
    least_outcomes: int = 30

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        if not snapshot.models:
            reading.missing.append("models")
            return reading.without("no model is in use")
        said: list[str] = []
        most = 0
        for model in snapshot.models:
            weight, why = self._weight(reading, model)
            reading.note(f"weight.model {model.name}", weight)
            most = max(most, model.outcomes)
            said.append(f"{model.name}: {why}")
        return reading.finish("; ".join(said), confidence=clip(most / (most + 30.0), 0.0, 1.0))

    def _weight(self, reading: Reading, model: ModelReport) -> tuple[float, str]:
        weight, why = 1.0, []
        name = model.name
        reading.note(f"{name} outcomes", float(model.outcomes))
        if model.outcomes >= self.least_outcomes:
            rate, card = reading.look(f"{name} hit rate", model.hit_rate), reading.look(
                f"{name} hit rate on its card", model.expected_hit_rate
            )  # fmt: skip
            if rate is not None and card is not None and 0.0 < card < 1.0:
                away = reading.note(
                    f"{name} deviations", (rate - card) / math.sqrt(card * (1.0 - card) / model.outcomes)
                )
                weight *= clip(1.0 + away / 3.0, 0.0, 1.0)
                if away < -2.0:
                    why.append(
                        f"right {100.0 * rate:.0f} % of the time, its card says {100.0 * card:.0f} %: train anew"
                    )
            brier = reading.look(f"{name} Brier", model.brier)
            if brier is not None:
                weight *= clip(1.0 - 4.0 * max(0.0, brier - 0.25), 0.0, 1.0)
                if brier > 0.25:
                    why.append(f"Brier {brier:.2f}, worse than a guess: calibrate anew")
        moved = reading.look(f"{name} stability", model.stability)
        if moved is not None and moved > 0.1:
            weight *= clip(1.0 - 0.5 * (moved - 0.1) / 0.15, 0.5, 1.0)
            why.append(f"its inputs moved (index {moved:.2f})")
        few = (
            f"{model.outcomes} outcomes, too few to tell" if model.outcomes < self.least_outcomes else "as on its card"
        )
        return weight, ", ".join(why) or few
