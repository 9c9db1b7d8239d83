"""A model's prediction as a feature of a strategy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.declared import declared
from kernel_lib.errors import Misconfigured
from kernel_lib.features.evaluated import Evaluated
from kernel_lib.features.feature import Feature
from kernel_lib.features.from_source import from_source
from kernel_lib.features.shelf import kept
from kernel_lib.models.loaded import LoadedModel
from kernel_lib.models.loading import load_model

__all__ = ["predicted"]


@declared
def predicted(
    name: str, *, inputs: Mapping[str, Feature | tuple[Feature, str]] | None = None, bars: str | None = None
) -> Evaluated:
    """Let a strategy see what a model says whenever a bar closes; the answer stands until the next.

    Its outputs are the model's: of a direction ``x.NAME``, ``x.NAME_probability_up``, ``x.NAME_confidence`` and so on,
    as the card lists them; NaN (and so no decision) while the model's features or its memory warm up.

    Parameters
    ----------
    name : str
        Under which ``models.keep`` keeps the bundle. A passport carries it along.
    inputs : mapping of str to Feature
        The model's features by name, in the order of its training; None: what its card says.
    bars : str or None
        Length of the bars; None: what its card says.

    Raises
    ------
    Misconfigured
        No such model, its card does not say how its features are made, or the inputs are in another order.
    BadData, Refused
        The bundle is damaged or hostile.
    """
    bundle = kept(name)
    model = load_model(bundle)
    card = model.card if isinstance(model, LoadedModel) else model.members[0].card
    facts = card.facts
    bars = bars or facts.bars
    if not bars:
        raise Misconfigured(f"model {name!r} must be told the length of its bars, its card does not say; give bars=")
    if inputs is None:
        unsaid = [each.name for each in card.features if not each.source]
        if unsaid:
            raise Misconfigured(
                f"model {name!r} reads {', '.join(unsaid)}, and its card does not say how they are made; give inputs=, "
                "or bundle it with Facts(sources=...)"
            )
        inputs = {each.name: from_source(each.source) for each in card.features}
    if tuple(inputs) != model.features:
        raise Misconfigured(
            f"model {name!r} must be given {', '.join(model.features)} in this order, it was given {', '.join(inputs)}"
        )
    return Evaluated(
        "predicted", {"name": name, "learner": card.learner}, _Predictor(model), inputs,
        outputs=tuple(model.outputs), bars=bars, files={name: bundle}, doc=predicted.__doc__ or "",
    )  # fmt: skip


class _Predictor:
    # The model as an evaluator.
    def __init__(self, model: Any) -> None:
        self._model = model

    def evaluate(self, row: npt.NDArray[np.float64], seen: Any) -> Sequence[float]:
        answer: Sequence[float] = self._model.predict_row(row)
        return answer

    def state(self) -> bytes:
        state: bytes = self._model.state()
        return state

    def restore(self, state: bytes) -> None:
        self._model.restore(state)
