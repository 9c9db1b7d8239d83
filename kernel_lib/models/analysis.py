"""What several models say of one moment: each by itself, together, and which had nothing to say and why."""

import math
from collections.abc import Mapping

import msgspec
import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.loaded import LoadedModel
from kernel_lib.models.loaded_ensemble import LoadedEnsemble
from kernel_lib.models.prediction import DECIMALS

__all__ = ["Analysis", "analyse"]


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of one moment.

    Parameters
    ----------
    individual : dict of str to dict
        Of each model that answered, its outputs by name.
    direction : float
        From -1 to 1: the mean of ``p_up - p_down`` over models of directions, weighted by how much surer than
        chance each is; NaN where none answered. 0 where none is surer than chance.
    confidence : float
        From 0 to 1: the mean confidence of the models of directions that agree with the sign of ``direction``; NaN
        where none does.
    models_used : tuple of str
    left_out : dict of str to str
        Models without an answer, and the reason.
    feature_count : int
        Different features that were read.
    """

    individual: dict[str, dict[str, float]]
    direction: float
    confidence: float
    models_used: tuple[str, ...]
    left_out: dict[str, str]
    feature_count: int

    def __repr__(self) -> str:
        parts = [f"direction {self.direction:+.3f}, confidence {self.confidence:.3f}"]
        for name, shown in self.individual.items():
            parts.append(f"  {name}: " + ", ".join(f"{key} {number:.4g}" for key, number in shown.items()))
        parts += [f"  {name} left out: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(parts)


@declared
def analyse(models: Mapping[str, LoadedModel | LoadedEnsemble], features: Mapping[str, float]) -> Analysis:
    """Ask each model for one row, made of the features by name.

    Models were trained before and are only asked here: a dozen cost a fifth of a millisecond. A model with memory takes
    the row as the next one.

    Parameters
    ----------
    models : mapping of str to loaded model
        Asked in this order.
    features : mapping of str to float
        All that any of them reads; NaN where unknown.

    Raises
    ------
    BadData
        No models, or a feature that is no number.
    """
    if not models:
        raise BadData("an analysis needs at least one model, there was none")
    individual: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    read: set[str] = set()
    for name, model in models.items():
        missing = [each for each in model.features if each not in features]
        if missing:
            left_out[name] = f"it reads {', '.join(missing)}, which was not given"
            continue
        try:
            row = np.array([features[each] for each in model.features], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise BadData(f"features must be numbers, {model.features} were not: {error}") from error
        read |= set(model.features)
        shown = model.predict_row(row)
        if math.isnan(shown[0]):
            unknown = [each for each, number in zip(model.features, row, strict=True) if not math.isfinite(number)]
            left_out[name] = f"{', '.join(unknown)} is not known" if unknown else f"it warms up, {model.warmup} rows"
            continue
        individual[name] = dict(zip(model.outputs, shown, strict=True))
    direction, confidence = _together(list(individual.values()))
    return Analysis(
        individual=individual, direction=direction, confidence=confidence, models_used=tuple(individual),
        left_out=left_out, feature_count=len(read),
    )  # fmt: skip


def _together(answers: list[dict[str, float]]) -> tuple[float, float]:
    said = [each for each in answers if "direction" in each]
    if not said:
        return math.nan, math.nan
    leans = np.array([each.get("p_up", 0.0) - each.get("p_down", 0.0) for each in said])
    n_classes = np.array([sum(key.startswith("p_") for key in each) for each in said])
    confidences = np.array([each["confidence"] for each in said])
    weights = np.maximum(confidences - 1.0 / n_classes, 0.0)
    if weights.sum() == 0.0:
        return 0.0, math.nan
    direction = round(float(weights @ leans / weights.sum()), DECIMALS)
    agree = np.sign(leans) == np.sign(direction)
    return direction, round(float(confidences[agree].mean()), DECIMALS) if agree.any() else math.nan
