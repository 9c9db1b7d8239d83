"""An ensemble made ready to answer, one row at a time, with the same verbs as a single model."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.loaded import LoadedModel
from kernel_lib.models.prediction import Prediction
from kernel_lib.models.sample import rows_in_order

__all__ = ["LoadedEnsemble"]


class LoadedEnsemble:
    """Members that each answer the row; their columns are weighted and added.

    Attributes
    ----------
    members : tuple of LoadedModel
    weights : tuple of float
    identity : str
        SHA-256 of the bundle.
    features, outputs : tuple of str
    warmup : int
        The longest of the members.
    """

    def __init__(self, members: Sequence[LoadedModel], weights: Sequence[float], bundle_identity: str) -> None:
        first = members[0].card
        if any(each.card.shape != first.shape or each.features != first.names for each in members):
            raise BadData("the members of an ensemble must read the same features and show the same outputs")
        self.members = tuple(members)
        self.weights = tuple(weights)
        self.identity = bundle_identity
        self.features = first.names
        self.outputs = first.shape.outputs
        self.warmup = max(each.warmup for each in members)
        self._shape = first.shape
        self._places = [self.outputs.index(name) for name in first.shape.columns]

    def predict_row(self, row: npt.NDArray[np.float64]) -> tuple[float, ...]:
        """Answer one row, as :attr:`outputs` names it; NaN while any member has nothing to say."""
        said = [each.predict_row(row) for each in self.members]
        columns = [
            sum(weight * each[place] for weight, each in zip(self.weights, said, strict=True)) for place in self._places
        ]
        return self._shape.show_row(columns)

    @declared
    def predict(self, X: Any, *, names: Sequence[str] | None = None) -> Prediction:  # noqa: N803
        """Answer many rows from an empty memory, each as :meth:`predict_row` would; the own memory is kept."""
        rows = rows_in_order(X, names, self.features)
        kept = self.state()
        self.reset()
        values = np.array([self.predict_row(row) for row in rows], dtype=np.float64)
        self.restore(kept)
        return Prediction(shape=self._shape, values=values.reshape(len(rows), len(self.outputs)))

    def reset(self) -> None:
        """Forget the rows so far."""
        for each in self.members:
            each.reset()

    def state(self) -> bytes:
        """Give the memories of all members as bytes."""
        parts = [each.state() for each in self.members]
        return b"".join(struct.pack("<q", len(part)) + part for part in parts)

    def restore(self, state: bytes) -> None:
        """Take memories back that :meth:`state` gave."""
        at = 0
        for each in self.members:
            if at + 8 > len(state):
                raise BadData("the memory of an ensemble must hold that of each member, it ends early")
            (length,) = struct.unpack_from("<q", state, at)
            each.restore(state[at + 8 : at + 8 + max(0, length)])
            at += 8 + max(0, length)
        if at != len(state):
            raise BadData(f"the memory of an ensemble must have {at} bytes, it had {len(state)}")

    def __repr__(self) -> str:
        return f"LoadedEnsemble({self.identity[:12]}: {', '.join(each.card.learner for each in self.members)})"
