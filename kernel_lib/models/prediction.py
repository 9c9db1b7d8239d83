"""What a model says: which numbers it shows for a row, and what they mean.

==========  ==============================================================  =========================================
kind        shown                                                           confidence
==========  ==============================================================  =========================================
direction   ``direction`` (-1, 0, +1), ``p_down``, ``p_flat``, ``p_up``     calibrated probability of that direction
value       ``value``                                                       chance that the outcome is on the side of
                                                                            ``reference`` where the value is
clusters    ``cluster`` (0, 1, ...)                                         chance that a model of other rows agrees
anomaly     ``score``, ``anomaly`` (0 or 1)                                 share of unseen rows that are less unusual
outlook     as direction, and ``volatility``, ``momentum``                  as direction
==========  ==============================================================  =========================================

All are rounded to six decimals, so that one row and a batch agree (rule 8 of the step). NaN in, NaN out.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData

__all__ = ["DECIMALS", "Prediction", "Shape"]

DECIMALS = 6
Floats = npt.NDArray[np.float64]
_CLASS_NAMES = {-1: "p_down", 0: "p_flat", 1: "p_up"}


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which columns a model computes and which it shows.

    Parameters
    ----------
    kind : str
        A row of the table above.
    classes : tuple of int
        Directions in order, for direction and outlook.
    alert : float
        For anomaly: confidence from which a row counts as an anomaly.
    """

    kind: Literal["direction", "value", "clusters", "anomaly", "outlook"]
    classes: tuple[int, ...] = ()
    alert: float = 0.99

    @property
    def columns(self) -> tuple[str, ...]:
        """What the exported graph computes."""
        probabilities = tuple(_CLASS_NAMES[each] for each in self.classes)
        return {
            "direction": probabilities,
            "value": ("value", "confidence"),
            "clusters": ("cluster", "confidence"),
            "anomaly": ("score", "confidence"),
            "outlook": (*probabilities, "volatility", "momentum"),
        }[self.kind]

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a prediction shows; the first is the model's own value, the last its confidence."""
        if self.kind in ("direction", "outlook"):
            return ("direction", *self.columns, "confidence")
        return ("score", "anomaly", "confidence") if self.kind == "anomaly" else self.columns

    def show_row(self, columns: Sequence[float]) -> tuple[float, ...]:
        """Turn the columns of one row into what is shown.

        >>> Shape(kind="direction", classes=(-1, 1)).show_row([0.25, 0.75])
        (1.0, 0.25, 0.75, 0.75)
        """
        shown = tuple([round(each, DECIMALS) for each in columns])
        if self.kind in ("direction", "outlook"):
            chances = shown[: len(self.classes)]
            best = max(chances)
            if math.isnan(best):
                return (best, *shown, best)
            return (float(self.classes[chances.index(best)]), *shown, best)
        if self.kind == "anomaly":
            score, confidence = shown
            flag = confidence if math.isnan(confidence) else float(confidence >= self.alert)
            return (score, flag, confidence)
        return shown

    def show(self, columns: Floats) -> "Prediction":
        """Turn columns of many rows, shape ``(n_rows, n_columns)``, into a prediction."""
        values = np.array([self.show_row(row) for row in columns.tolist()], dtype=np.float64)
        return Prediction(shape=self, values=values.reshape(len(columns), len(self.outputs)))


class Prediction(msgspec.Struct, frozen=True):
    """What a model showed for ``n`` rows.

    Parameters
    ----------
    shape : Shape
    values : ndarray of float, shape (n, len(outputs))
        NaN in all columns of a row that could not be answered.
    """

    shape: Shape
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> Floats:
        if name not in self.shape.outputs:
            raise BadData(f"this prediction shows {', '.join(self.shape.outputs)}; {name!r} is none of them")
        return self.values[:, self.shape.outputs.index(name)]

    @property
    def value(self) -> Floats:
        """Direction, number, cluster or score: the model's own answer."""
        return self.values[:, 0]

    @property
    def confidence(self) -> Floats:
        """Calibrated, from 0 to 1."""
        return self.values[:, -1]

    @property
    def probability(self) -> Floats:
        """Chances of the directions, shape ``(n, n_classes)``; of other kinds, the confidence as one column."""
        n_classes = len(self.shape.classes)
        return self.values[:, 1 : 1 + n_classes] if n_classes else self.values[:, -1:]

    def frame(self, index: Any = None) -> Any:
        """Give a pandas DataFrame, one column for each output."""
        import pandas as pd

        return pd.DataFrame(self.values, columns=list(self.shape.outputs), index=index)

    def __repr__(self) -> str:
        return f"Prediction({len(self)} rows: {', '.join(self.shape.outputs)})"
