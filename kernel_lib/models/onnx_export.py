"""A model as one ONNX file: scaling, estimator and calibration, for one row, memory in and out; and the proof of it.

Inputs: ``row`` float32 ``(1, n_features)`` and ``state_0`` and so on, zero at the start. Outputs: ``columns`` float64
``(1, n_columns)`` as :attr:`Shape.columns` names them, and ``next_0`` and so on.
"""

from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Broken
from kernel_lib.models.card import Card, raw_width
from kernel_lib.models.core import Core
from kernel_lib.models.loading import load_model
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.prediction import Prediction

__all__ = ["Agreement", "agreement", "export", "probing_rows", "require_agreement"]

Floats = npt.NDArray[np.float64]
#: Trees add float32 numbers, scikit-learn's add float64: a few of the last digits, before rounding.
TOLERANCE = 1e-5


class Fitted(Protocol):
    """What is read of a model; :class:`~kernel_lib.models.model.Model` has it."""

    core: Core
    card: Card

    @property
    def features(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    def predict(self, X: Any) -> Prediction: ...  # noqa: N803


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far an exported model is from its original.

    Parameters
    ----------
    rows : int
        Rows compared.
    largest : float
        Largest difference, of chances as they are, of other numbers in units of ``max(1, |number|)``.
    output : str
        Where it was.
    nan_agrees : bool
        Both answer NaN to the same rows.
    """

    rows: int
    largest: float
    output: str
    nan_agrees: bool


def export(model: Fitted) -> bytes:
    """Write the graph; the same model gives the same bytes."""
    graph = Graph()
    states = tuple(f"state_{k}" for k in range(len(model.card.states)))
    raw, following = model.core.graph(graph, "row", states)
    columns = model.card.calibration.graph(graph, raw, raw_width(model.card))
    graph.alias(columns, "columns")
    for k, name in enumerate(following):
        graph.alias(name, f"next_{k}")
    return graph.model(
        [("row", (1, len(model.features))), *zip(states, model.card.states, strict=True)],
        [
            ("columns", np.float64, (1, len(model.card.shape.columns))),
            *((f"next_{k}", np.float32, shape) for k, shape in enumerate(model.card.states)),
        ],
    )


def agreement(model: Fitted, bundle: bytes, rows: Any) -> Agreement:
    """Compare original and export on rows; directions are compared where the chances differ by more than rounding."""
    ours, theirs = model.predict(rows), load_model(bundle).predict(rows)
    gaps = _gaps(ours, theirs)
    unknown, absent = np.isnan(ours.values), np.isnan(theirs.values)
    column = int(np.unravel_index(np.argmax(gaps), gaps.shape)[1]) if gaps.size else 0
    return Agreement(
        rows=len(ours),
        largest=float(gaps.max(initial=0.0)),
        output=model.outputs[column],
        nan_agrees=bool((unknown == absent).all()),
    )


def require_agreement(model: Fitted, bundle: bytes, rows: Any, tolerance: float = TOLERANCE) -> Agreement:
    """Compare, and halt where the export says something else.

    Raises
    ------
    Broken
        Export and original differ by more than ``tolerance``, or on which rows can be answered.
    """
    found = agreement(model, bundle, rows)
    if found.largest > tolerance or not found.nan_agrees:
        raise Broken(
            f"an exported {model.card.learner} must answer as its original within {tolerance:g}, {found.output} "
            f"differed by {found.largest:g} over {found.rows} rows (same NaN: {found.nan_agrees}); do not use it"
        )
    return found


def probing_rows(model: Fitted) -> Floats:
    """Make rows of which an export might answer some otherwise.

    A stretch of usual ones, long enough for a memory to warm up; zeros, tiny and huge numbers, the ends of the
    training's range and the edges of its bins; and NaN, infinite and other unreadable ones.
    """
    features = model.card.features
    lowest = np.array([each.lowest for each in features])
    highest = np.array([each.highest for each in features])
    width = np.maximum(highest - lowest, 1e-12)
    rows = [np.zeros(len(features)), lowest, highest, lowest - 10 * width, highest + 10 * width]
    rows += [np.full(len(features), each) for each in (1e-38, -1e-38, 1e6, -1e6, 9e29, -9e29, 2e30)]
    rows += [np.array([each.edges[k % len(each.edges)] for each in features]) for k in range(9)]
    for column in range(min(4, len(features))):
        for odd in (np.nan, np.inf, -np.inf, 1e300):
            rows.append((lowest + highest) / 2)
            rows[-1] = np.where(np.arange(len(features)) == column, odd, rows[-1])
    random = np.random.default_rng(0)
    usual = random.uniform(lowest, highest, (2 * model.card.warmup_rows + 30, len(features)))
    return np.concatenate([usual, np.array(rows)])


def _gaps(ours: Prediction, theirs: Prediction) -> Floats:
    with np.errstate(invalid="ignore"):
        gaps = np.abs(ours.values - theirs.values) / np.maximum(1.0, np.abs(ours.values))
    gaps[np.isnan(gaps)] = 0.0
    kind = ours.shape.kind
    if kind in ("direction", "outlook"):
        chances = np.sort(ours.probability, axis=1)
        tied = chances[:, -1] - chances[:, -2] < 2 * TOLERANCE
        gaps[tied, 0] = 0.0
    if kind == "anomaly":
        gaps[np.abs(ours.confidence - ours.shape.alert) < 2 * TOLERANCE, 1] = 0.0
    if kind == "clusters":
        gaps[ours.confidence != ours.confidence, 0] = 0.0
    return gaps
