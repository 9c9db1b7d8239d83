"""Support vector machine with a radial kernel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.linear_core import softmax
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.space import Range, Space, number

__all__ = ["Svm"]

Floats = npt.NDArray[np.float64]
_MOST_ROWS = 20_000


class Svm(Learner, frozen=True, kw_only=True):
    """Separate directions, or fit a number within a tube, with ``exp(-gamma |a - b|^2)`` as likeness of rows.

    Cortes and Vapnik (1995); three directions are one machine each against the rest. Time and size grow with the
    square of the rows, so at most 20,000 are taken.

    Parameters
    ----------
    strength : float
        Cost of a row on the wrong side, ``C``; above 0.
    width : float
        ``gamma`` times the number of features; 1 is scikit-learn's "scale" for scaled features.
    tube : float
        For numbers: errors below this many deviations of the outcome cost nothing.
    """

    key: ClassVar[str] = "svm"
    kinds: ClassVar[tuple[str, ...]] = ("direction", "value")
    space: ClassVar[Space] = {
        "strength": Range(1e-2, 100.0, log=True),
        "width": Range(1e-2, 10.0, log=True),
        "tube": Range(1e-2, 1.0, log=True),
    }

    strength: float = 1.0
    width: float = 1.0
    tube: float = 0.1

    def check(self, sample: Sample) -> None:
        number("strength", self.strength, 1e-9, 1e9)
        number("width", self.width, 1e-9, 1e6)
        number("tube", self.tube, 0.0, 1e3)
        if len(sample.rows) > _MOST_ROWS:
            raise BadData(
                f"an svm takes at most {_MOST_ROWS:,} rows, there were {len(sample.rows):,}; give the newest ones, or "
                "take gradient_boosting"
            )

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        from sklearn.svm import SVC, SVR

        scaler = Scaler.of(sample.inputs)
        rows, outcomes = scaler(sample.inputs), sample.outcomes
        gamma = self.width / rows.shape[1]
        if sample.kind == "value":
            mean, unit = float(outcomes.mean()), float(outcomes.std()) or 1.0
            machine = SVR(C=self.strength, gamma=gamma, epsilon=self.tube).fit(rows, (outcomes - mean) / unit)
            weights = np.asarray(machine.dual_coef_, np.float64).T * unit
            return _KernelCore(scaler, np.asarray(machine.support_vectors_, np.float64), gamma, weights,
                               np.asarray(machine.intercept_, np.float64) * unit + mean, is_chance=False)  # fmt: skip
        classes = sample.classes[1:] if len(sample.classes) == 2 else sample.classes
        machines = [
            SVC(C=self.strength, gamma=gamma).fit(rows, np.where(outcomes == each, 1.0, -1.0)) for each in classes
        ]
        used = np.unique(np.concatenate([machine.support_ for machine in machines]))
        weights = np.zeros((len(used), len(machines)))
        for column, machine in enumerate(machines):
            weights[np.searchsorted(used, machine.support_), column] = machine.dual_coef_[0]
        offsets = np.array([float(machine.intercept_[0]) for machine in machines])
        if len(machines) == 1:
            weights, offsets = np.hstack([-weights, weights]), np.concatenate([-offsets, offsets])
        return _KernelCore(scaler, rows[used], gamma, weights, offsets, is_chance=True)


@dataclass(frozen=True)
class _KernelCore:
    scaler: Scaler
    vectors: Floats
    gamma: float
    weights: Floats
    offsets: Floats
    is_chance: bool
    warmup: int = 1
    states: tuple[tuple[int, ...], ...] = ()

    def raw(self, x: Floats) -> Floats:
        rows = self.scaler(x)
        sums = np.empty((len(rows), self.weights.shape[1]))
        for start in range(0, len(rows), 1024):  # so that the matrix of likenesses stays small
            part = rows[start : start + 1024]
            apart = (part**2).sum(1)[:, None] - 2.0 * part @ self.vectors.T + (self.vectors**2).sum(1)[None, :]
            sums[start : start + 1024] = np.exp(-self.gamma * np.maximum(apart, 0.0)) @ self.weights + self.offsets
        return softmax(sums) if self.is_chance else sums

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        row = self.scaler.graph(graph, x)
        cross = graph.add("MatMul", row, graph.constant(-2.0 * self.vectors.T))
        own = graph.add("MatMul", graph.add("Mul", row, row), graph.constant(np.ones((self.vectors.shape[1], 1))))
        squares = graph.constant((self.vectors**2).sum(1)[None, :])
        apart = graph.add("Relu", graph.add("Add", graph.add("Add", own, cross), squares))
        alike = graph.add("Exp", graph.add("Mul", apart, graph.constant(-self.gamma)))
        product = graph.add("MatMul", alike, graph.constant(self.weights))
        sums = graph.add("Add", product, graph.constant(self.offsets[None, :]))
        return (graph.add("Softmax", sums, axis=1) if self.is_chance else sums), ()
