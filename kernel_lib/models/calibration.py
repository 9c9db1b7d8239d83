"""Turn what a model says of itself into chances that hold, from rows it had not seen.

Three forms, one for each thing a model may say:

``Chances``
    Probabilities of directions. ``sigmoid``: ``softmax(a * ln p + b)``, which for two classes is Platt's scaling of
    the log odds (1999) and for more is bias-corrected temperature scaling (Alexandari et al., 2020). ``isotonic``: a
    rising curve for each class, normalised (Zadrozny and Elkan, 2002).
``SideChance``
    A number: the chance that the outcome is on the number's side of a reference, ``sigmoid(a * |v - r| / s + b)``.
``ScoreChance``
    A margin or an anomaly score: a curve over it.
"""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.models.curve import Curve, quantile_curve, rising_curve
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.scores import side_reference

__all__ = ["Calibration", "Chances", "Method", "ScoreChance", "SideChance", "fit_chances", "fit_score", "fit_side"]

Floats = npt.NDArray[np.float64]
Method = Literal["sigmoid", "isotonic", "none"]
_LEAST_CHANCE = 1e-6


class Chances(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="chances", kw_only=True):
    """Calibrated chances of ``len(offsets)`` classes; columns behind them pass as they are."""

    method: Method
    slope: float
    offsets: tuple[float, ...]
    curves: tuple[Curve, ...] = ()

    def columns(self, raw: Floats) -> Floats:
        """Turn raw columns ``(n, n_classes + rest)`` into calibrated ones."""
        n_classes = len(self.offsets)
        chances, rest = raw[:, :n_classes], raw[:, n_classes:]
        if self.method == "sigmoid":
            logits = np.log(np.clip(chances, _LEAST_CHANCE, 1.0)) * self.slope + np.asarray(self.offsets)
            chances = _softmax(logits)
        elif self.method == "isotonic":
            chances = self._curved(chances)
        return np.concatenate([chances, rest], axis=1)

    def _curved(self, chances: Floats) -> Floats:
        if len(self.curves) == 1:
            up = self.curves[0](chances[:, 1])
            return np.column_stack([1.0 - up, up])
        heights = np.column_stack([curve(chances[:, k]) for k, curve in enumerate(self.curves)]) + _LEAST_CHANCE
        normalised: Floats = heights / heights.sum(axis=1, keepdims=True)
        return normalised

    def graph(self, graph: Graph, raw: str, n_columns: int) -> str:
        """Add the same to a graph over a double tensor of shape (1, n_columns)."""
        if self.method == "none":
            return raw
        n_classes = len(self.offsets)
        chances, rest = raw, ""
        if n_columns > n_classes:
            lengths = graph.constant([n_classes, n_columns - n_classes], np.int64)
            chances, rest = graph.add_many("Split", 2, raw, lengths, axis=1)
        if self.method == "sigmoid":
            logs = graph.add("Log", graph.add("Clip", chances, graph.constant(_LEAST_CHANCE), graph.constant(1.0)))
            scaled = graph.add("Mul", logs, graph.constant(self.slope))
            shown = graph.add("Softmax", graph.add("Add", scaled, graph.constant([self.offsets])), axis=1)
        else:
            shown = self._curved_graph(graph, chances, n_classes)
        return graph.add("Concat", shown, rest, axis=1) if rest else shown

    def _curved_graph(self, graph: Graph, chances: str, n_classes: int) -> str:
        ones = graph.constant([1] * n_classes, np.int64)
        each = graph.add_many("Split", n_classes, chances, ones, axis=1)
        if len(self.curves) == 1:
            up = self.curves[0].graph(graph, each[1])
            return graph.add("Concat", graph.add("Sub", graph.constant([[1.0]]), up), up, axis=1)
        curved = [curve.graph(graph, part) for curve, part in zip(self.curves, each, strict=True)]
        heights = graph.add("Add", graph.add("Concat", *curved, axis=1), graph.constant(_LEAST_CHANCE))
        return graph.add("Div", heights, graph.add("ReduceSum", heights, graph.constant([1], np.int64), keepdims=1))


class SideChance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="side", kw_only=True):
    """A number and the chance that the outcome lies on its side of ``reference``."""

    reference: float
    slope: float
    offset: float

    def columns(self, raw: Floats) -> Floats:
        """Turn ``(n, 1)`` into value and confidence."""
        logit = np.abs(raw[:, 0] - self.reference) * self.slope + self.offset
        return np.column_stack([raw[:, 0], _sigmoid(logit)])

    def graph(self, graph: Graph, raw: str, n_columns: int) -> str:
        """Add the same to a graph over a double tensor of shape (1, 1)."""
        away = graph.add("Abs", graph.add("Sub", raw, graph.constant(self.reference)))
        logit = graph.add("Add", graph.add("Mul", away, graph.constant(self.slope)), graph.constant(self.offset))
        return graph.add("Concat", raw, graph.add("Sigmoid", logit), axis=1)


class ScoreChance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="score", kw_only=True):
    """A first column as it is, and a curve over the last."""

    curve: Curve

    def columns(self, raw: Floats) -> Floats:
        """Turn ``(n, 1 or 2)`` into first column and confidence."""
        return np.column_stack([raw[:, 0], self.curve(raw[:, -1])])

    def graph(self, graph: Graph, raw: str, n_columns: int) -> str:
        """Add the same to a graph over a double tensor of shape (1, n_columns)."""
        if n_columns == 1:
            return graph.add("Concat", raw, self.curve.graph(graph, raw), axis=1)
        first, last = graph.add_many("Split", 2, raw, graph.constant([1, 1], np.int64), axis=1)
        return graph.add("Concat", first, self.curve.graph(graph, last), axis=1)


Calibration = Chances | SideChance | ScoreChance


def fit_chances(chances: Floats, outcomes: Floats, classes: tuple[int, ...], method: Method) -> Chances:
    """Fit on out-of-sample chances.

    Parameters
    ----------
    chances : ndarray, shape (n, n_classes)
    outcomes : ndarray, shape (n,)
        One of ``classes`` each.
    classes : tuple of int
    method : {"sigmoid", "isotonic", "none"}
    """
    flat = (0.0,) * len(classes)
    if method == "none" or len(chances) == 0:
        return Chances(method="none", slope=1.0, offsets=flat)
    if method == "isotonic":
        chosen = range(1, 2) if len(classes) == 2 else range(len(classes))
        curves = tuple(rising_curve(chances[:, k], (outcomes == classes[k]).astype(np.float64)) for k in chosen)
        return Chances(method="isotonic", slope=1.0, offsets=flat, curves=curves)
    if method != "sigmoid":
        raise BadData(f"calibration must be 'sigmoid', 'isotonic' or 'none', it was {method!r}")
    slope, *offsets = _fit_softmax(np.log(np.clip(chances, _LEAST_CHANCE, 1.0)), np.searchsorted(classes, outcomes))
    return Chances(method="sigmoid", slope=slope, offsets=tuple(offsets))


def fit_side(values: Floats, outcomes: Floats) -> SideChance:
    """Fit on out-of-sample numbers, shape ``(n,)``, and their outcomes."""
    reference = side_reference(outcomes)
    away = np.abs(values - reference)
    unit = float(away.mean()) or 1.0
    hits = ((values > reference) == (outcomes > reference)).astype(np.float64)
    slope, offset = _fit_logistic(away / unit, hits)
    return SideChance(reference=reference, slope=slope / unit, offset=offset)


def fit_score(scores: Floats, hits: Floats | None) -> ScoreChance:
    """Fit a rising chance of a hit over out-of-sample scores; without hits, the share of lower scores."""
    return ScoreChance(curve=quantile_curve(scores) if hits is None else rising_curve(scores, hits))


def _fit_softmax(logs: Floats, index: npt.NDArray[np.int64]) -> list[float]:
    """Maximise the likelihood of slope and offsets, held to (1, 0) by the weight of one observation each."""
    from scipy.optimize import minimize

    n_classes = logs.shape[1]
    rows = np.arange(len(index))
    start = np.concatenate([[1.0], np.zeros(n_classes)])

    def loss(at: Floats) -> tuple[float, Floats]:
        chances = _softmax(logs * at[0] + at[1:])
        gap = chances.copy()
        gap[rows, index] -= 1.0
        slope = float(np.sum(gap * logs)) + (at[0] - 1.0)
        fit = -float(np.sum(np.log(np.maximum(chances[rows, index], 1e-300))))
        prior = 0.5 * float(np.sum((at - start) ** 2))
        return fit + prior, np.concatenate([[slope], gap.sum(axis=0) + at[1:]])

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] + [(None, None)] * n_classes)
    return [float(each) for each in found.x]


def _fit_logistic(x: Floats, hits: Floats) -> tuple[float, float]:
    from scipy.optimize import minimize

    # Two observations at one half keep the offset finite when every row hit or none did.
    def loss(at: Floats) -> tuple[float, Floats]:
        logit = x * at[0] + at[1]
        gap = _sigmoid(logit) - hits
        prior = np.logaddexp(0.0, at[1]) + np.logaddexp(0.0, -at[1])
        fit = float(np.sum(np.logaddexp(0.0, logit) - hits * logit)) + float(prior) + 0.5 * at[0] ** 2
        pull = 2.0 * float(_sigmoid(np.asarray(at[1]))) - 1.0
        return fit, np.array([float(gap @ x) + at[0], float(gap.sum()) + pull])

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances: Floats = powers / powers.sum(axis=1, keepdims=True)
    return chances


def _sigmoid(logit: Floats) -> Floats:
    chance: Floats = 0.5 * (1.0 + np.tanh(0.5 * logit))
    return chance
