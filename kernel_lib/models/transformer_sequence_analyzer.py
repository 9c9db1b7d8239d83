"""Transformer: every row of the window looks at every other."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.models.core import Core
from kernel_lib.models.heads import Heads
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.sequence_learner import SequenceCore, SequenceLearner, linear, part
from kernel_lib.models.space import Choice, Range, Space, integer

if TYPE_CHECKING:
    import torch

__all__ = ["TransformerSequenceAnalyzer"]


class TransformerSequenceAnalyzer(SequenceLearner, frozen=True, kw_only=True):
    """Predict directions, or whole outlooks, with self-attention over the window (Vaswani et al., 2017).

    Layers are normalised before they work (Xiong et al., 2020); places in the window are learned; the newest row's
    place gives the answer.

    Parameters
    ----------
    width : int
        Numbers for each row, a multiple of ``attention_heads``, to 512.
    attention_heads : int
        1 to 16.
    layers : int
        1 to 8.
    """

    key: ClassVar[str] = "transformer_sequence_analyzer"
    space: ClassVar[Space] = {
        "window": Range(8, 64, log=True),
        "rate": Range(3e-4, 5e-3, log=True),
        "width": Choice((16, 32, 64)),
        "layers": Range(1, 2),
    }

    rate: float = 1e-3
    width: int = 32
    attention_heads: int = 2
    layers: int = 1

    def check(self, sample: Sample) -> None:
        integer("width", self.width, 1, 512)
        integer("attention_heads", self.attention_heads, 1, 16)
        integer("layers", self.layers, 1, 8)
        if self.width % self.attention_heads:
            raise BadData(
                f"width must be a multiple of attention_heads, {self.width} is none of {self.attention_heads}"
            )
        super().check(sample)

    def network(self, n_features: int, n_heads: int) -> "torch.nn.Module":
        import torch

        n_attention, window = self.attention_heads, self.window

        class Block(torch.nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.before = torch.nn.LayerNorm(width)
                self.look = torch.nn.Linear(width, 3 * width)
                self.join = torch.nn.Linear(width, width)
                self.between = torch.nn.LayerNorm(width)
                self.wide = torch.nn.Linear(width, 2 * width)
                self.narrow = torch.nn.Linear(2 * width, width)

            def forward(self, rows: torch.Tensor) -> torch.Tensor:
                n, length, width = rows.shape
                seen = self.look(self.before(rows)).reshape(n, length, 3, n_attention, width // n_attention)
                query, key, value = seen.permute(2, 0, 3, 1, 4)
                weights = torch.softmax(query @ key.transpose(2, 3) / (width // n_attention) ** 0.5, dim=-1)
                rows = rows + self.join((weights @ value).transpose(1, 2).reshape(n, length, width))
                after: torch.Tensor = rows + self.narrow(torch.relu(self.wide(self.between(rows))))
                return after

        class Network(torch.nn.Module):
            def __init__(self, width: int, layers: int) -> None:
                super().__init__()
                self.enter = torch.nn.Linear(n_features, width)
                self.places = torch.nn.Parameter(0.02 * torch.randn(window, width))
                self.blocks = torch.nn.ModuleList([Block(width) for _ in range(layers)])
                self.last = torch.nn.LayerNorm(width)
                self.head = torch.nn.Linear(width, n_heads)

            def forward(self, rows: torch.Tensor) -> torch.Tensor:
                rows = self.enter(rows) + self.places
                for block in self.blocks:
                    rows = block(rows)
                answer: torch.Tensor = self.head(self.last(rows[:, -1:]))
                return answer

        return Network(self.width, self.layers)

    def core(self, network: "torch.nn.Module", scaler: Scaler, heads: Heads) -> Core:
        return _AttentionCore(network, scaler, heads, self.window, self.attention_heads, self.layers)


class _AttentionCore(SequenceCore):
    def __init__(
        self, network: "torch.nn.Module", scaler: Scaler, heads: Heads, window: int, n_attention: int, layers: int
    ) -> None:
        super().__init__(network, scaler, heads, window)
        self.n_attention = n_attention
        self.layers = layers

    def answer(self, graph: Graph, window: str) -> str:
        rows = self._linear(graph, window, "enter")
        rows = graph.add("Add", rows, graph.constant(self.weights("places"), np.float32))
        for layer in range(self.layers):
            rows = self._block(graph, rows, f"blocks.{layer}.")
        newest = part(graph, rows, self.warmup - 1, self.warmup, axis=0)
        return self._linear(graph, self._normal(graph, newest, "last"), "head")

    def _block(self, graph: Graph, rows: str, at: str) -> str:
        width = len(self.weights(f"{at}join.bias"))
        each = width // self.n_attention
        seen = self._linear(graph, self._normal(graph, rows, f"{at}before"), f"{at}look")
        lengths = graph.constant([width] * 3, np.int64)
        shape = graph.constant([self.warmup, self.n_attention, each], np.int64)
        query, key, value = (
            graph.add("Reshape", piece, shape) for piece in graph.add_many("Split", 3, seen, lengths, axis=1)
        )
        query, value = (graph.add("Transpose", piece, perm=[1, 0, 2]) for piece in (query, value))
        likeness = graph.add("MatMul", query, graph.add("Transpose", key, perm=[1, 2, 0]))
        scaled = graph.add("Div", likeness, graph.constant(each**0.5, np.float32))
        looked = graph.add("MatMul", graph.add("Softmax", scaled, axis=-1), value)
        joined = graph.add("Reshape", graph.add("Transpose", looked, perm=[1, 0, 2]),
                           graph.constant([self.warmup, width], np.int64))  # fmt: skip
        rows = graph.add("Add", rows, self._linear(graph, joined, f"{at}join"))
        wide = graph.add("Relu", self._linear(graph, self._normal(graph, rows, f"{at}between"), f"{at}wide"))
        return graph.add("Add", rows, self._linear(graph, wide, f"{at}narrow"))

    def _linear(self, graph: Graph, rows: str, name: str) -> str:
        return linear(graph, rows, self.weights(f"{name}.weight"), self.weights(f"{name}.bias"))

    def _normal(self, graph: Graph, rows: str, name: str) -> str:
        scale = graph.constant(self.weights(f"{name}.weight"), np.float32)
        shift = graph.constant(self.weights(f"{name}.bias"), np.float32)
        return graph.add("LayerNormalization", rows, scale, shift, axis=-1, epsilon=1e-5)
