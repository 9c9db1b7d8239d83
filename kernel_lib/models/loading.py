"""A bundle's bytes, checked and made ready: the one way in for a model that somebody else wrote."""

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.bundle import identity, unpack, unpack_ensemble
from kernel_lib.models.card import Card
from kernel_lib.models.loaded import LoadedModel
from kernel_lib.models.loaded_ensemble import LoadedEnsemble
from kernel_lib.models.onnx_inspection import inspect

__all__ = ["load_model"]


@declared
def load_model(bundle: bytes) -> LoadedModel | LoadedEnsemble:
    """Check a bundle and make it ready.

    Parameters
    ----------
    bundle : bytes
        What :meth:`Model.bundle` or :meth:`Ensemble.bundle` wrote. Everything in it is checked before ONNX Runtime
        sees it: digests, size, operators (only those that our exports use), shapes, no outside files, no nested graphs.

    Raises
    ------
    BadData
        Corrupt, too large, not what the card says, or a graph that ONNX Runtime refuses.
    Refused
        A graph with something in it that may harm: code ``"model_operator"``, ``"model_external"`` and so on.
    """
    together = unpack_ensemble(bundle)
    if together is not None:
        return LoadedEnsemble([_one(each) for each in together.members], together.weights, identity(bundle))
    return _one(bundle)


def _one(bundle: bytes) -> LoadedModel:
    parts = unpack(bundle)
    card = parts.card
    _check_card(card)
    inspect(parts.model, n_features=len(card.features), n_columns=len(card.shape.columns), states=card.states)
    return LoadedModel(card, parts.model, identity(bundle))


def _check_card(card: Card) -> None:
    n_numbers = sum(int(np.prod(each, dtype=np.float64)) for each in card.states)
    if not card.features or len(card.features) > 4096 or len(set(card.names)) != len(card.features):
        raise BadData(f"a model must read from 1 to 4096 features of different names, it read {len(card.features)}")
    if any(min(each, default=0) < 1 or len(each) > 4 for each in card.states) or n_numbers > 2**22:
        raise BadData(f"the memory of a model must be at most 4 million numbers, its shapes were {card.states}")
    if card.warmup_rows < 1:
        raise BadData(f"warmup_rows must be at least 1, it was {card.warmup_rows}")
    if card.shape.kind in ("direction", "outlook") and (
        len(card.shape.classes) < 2 or not set(card.shape.classes) <= {-1, 0, 1}
        or list(card.shape.classes) != sorted(set(card.shape.classes))
    ):  # fmt: skip
        raise BadData(f"directions must be two or three of -1, 0, +1 in order, they were {card.shape.classes}")
