"""Convolutional network: short patterns wherever in the window they stand."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kernel_lib.models.core import Core
from kernel_lib.models.heads import Heads
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.sequence_learner import SequenceCore, SequenceLearner, linear, part
from kernel_lib.models.space import Choice, Range, Space, integer

if TYPE_CHECKING:
    import torch

__all__ = ["CnnPatternRecognizer"]


class CnnPatternRecognizer(SequenceLearner, frozen=True, kw_only=True):
    """Predict directions, or whole outlooks, with two layers of filters over time (LeCun et al., 1998).

    What the filters found is averaged over the window and joined with what they found last.

    Parameters
    ----------
    filters : int
        Of each layer, 1 to 512.
    reach : int
        Rows that a filter sees, 2 to half the window.
    """

    key: ClassVar[str] = "cnn_pattern_recognizer"
    space: ClassVar[Space] = {
        "window": Range(12, 64, log=True),
        "rate": Range(3e-4, 1e-2, log=True),
        "filters": Choice((8, 16, 32)),
        "reach": Range(2, 5),
    }

    filters: int = 16
    reach: int = 3

    def check(self, sample: Sample) -> None:
        integer("filters", self.filters, 1, 512)
        integer("reach", self.reach, 2, max(2, self.window // 2))
        super().check(sample)

    def network(self, n_features: int, n_heads: int) -> "torch.nn.Module":
        import torch

        class Network(torch.nn.Module):
            def __init__(self, filters: int, reach: int) -> None:
                super().__init__()
                self.near = torch.nn.Conv1d(n_features, filters, reach)
                self.far = torch.nn.Conv1d(filters, filters, reach)
                self.head = torch.nn.Linear(2 * filters, n_heads)

            def forward(self, rows: torch.Tensor) -> torch.Tensor:
                found = torch.relu(self.far(torch.relu(self.near(rows.transpose(1, 2)))))
                answer: torch.Tensor = self.head(torch.cat([found.mean(dim=2), found[:, :, -1]], dim=1))
                return answer[:, None]

        return Network(self.filters, self.reach)

    def core(self, network: "torch.nn.Module", scaler: Scaler, heads: Heads) -> Core:
        return _FilterCore(network, scaler, heads, self.window)


class _FilterCore(SequenceCore):
    def answer(self, graph: Graph, window: str) -> str:
        turned = graph.add("Transpose", window, perm=[1, 0])
        found = graph.add("Reshape", turned, graph.constant([1, len(self.scaler.mean), self.warmup], np.int64))
        for layer in ("near", "far"):
            weight, bias = self.weights(f"{layer}.weight"), self.weights(f"{layer}.bias")
            found = graph.add(
                "Relu",
                graph.add("Conv", found, graph.constant(weight, np.float32), graph.constant(bias, np.float32)),
            )
        n_filters, _, reach = self.weights("far.weight").shape
        n_left = self.warmup - 2 * (reach - 1)
        mean = graph.add("ReduceMean", found, graph.constant([2], np.int64), keepdims=0)
        newest = part(graph, found, n_left - 1, n_left, axis=2)
        newest = graph.add("Reshape", newest, graph.constant([1, n_filters], np.int64))
        joined = graph.add("Concat", mean, newest, axis=1)
        return linear(graph, joined, self.weights("head.weight"), self.weights("head.bias"))
