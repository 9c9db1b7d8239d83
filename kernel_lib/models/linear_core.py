"""A weighted sum of scaled features, as linear and logistic regression fit it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.scaling import Scaler

__all__ = ["LinearCore", "softmax"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LinearCore:
    """``scaled @ weights + offsets``, through a softmax for chances.

    Attributes
    ----------
    weights : ndarray, shape (n_features, n_raw)
    offsets : ndarray, shape (n_raw,)
    """

    scaler: Scaler
    weights: Floats
    offsets: Floats
    is_chance: bool
    warmup: int = 1
    states: tuple[tuple[int, ...], ...] = ()

    def raw(self, x: Floats) -> Floats:
        sums = self.scaler(x) @ self.weights + self.offsets
        return softmax(sums) if self.is_chance else sums

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        product = graph.add("MatMul", self.scaler.graph(graph, x), graph.constant(self.weights))
        sums = graph.add("Add", product, graph.constant(self.offsets[None, :]))
        return (graph.add("Softmax", sums, axis=1) if self.is_chance else sums), ()


def softmax(sums: Floats) -> Floats:
    """Turn rows of sums into chances."""
    powers = np.exp(sums - sums.max(axis=1, keepdims=True))
    chances: Floats = powers / powers.sum(axis=1, keepdims=True)
    return chances
