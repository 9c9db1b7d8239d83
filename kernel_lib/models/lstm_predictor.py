"""LSTM: a network that carries its memory from row to row."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from kernel_lib.models.core import Core
from kernel_lib.models.heads import Heads
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.sequence_learner import SequenceLearner
from kernel_lib.models.space import Choice, Range, Space, integer
from kernel_lib.models.torch_training import seeded

if TYPE_CHECKING:
    import torch

__all__ = ["LstmPredictor"]

Floats = npt.NDArray[np.float64]


class LstmPredictor(SequenceLearner, frozen=True, kw_only=True):
    """Predict directions, or whole outlooks, with one layer of long short-term memory.

    Hochreiter and Schmidhuber (1997). It is trained on sequences of twice the window, from an empty memory, on the rows
    from ``window`` on. Live it is one step for each row, with the memory of all rows since it was last empty; the first
    ``window - 1`` show NaN.

    Parameters
    ----------
    hidden : int
        Cells, 1 to 512.
    """

    key: ClassVar[str] = "lstm_predictor"
    space: ClassVar[Space] = {
        "window": Range(8, 64, log=True),
        "rate": Range(3e-4, 1e-2, log=True),
        "hidden": Choice((16, 32, 64)),
    }

    hidden: int = 32

    def check(self, sample: Sample) -> None:
        integer("hidden", self.hidden, 1, 512)
        super().check(sample)

    @property
    def length(self) -> int:
        return 2 * self.window

    def network(self, n_features: int, n_heads: int) -> "torch.nn.Module":
        import torch

        window = self.window

        class Network(torch.nn.Module):
            def __init__(self, hidden: int) -> None:
                super().__init__()
                self.memory = torch.nn.LSTM(n_features, hidden, batch_first=True)
                self.head = torch.nn.Linear(hidden, n_heads)

            def forward(self, rows: torch.Tensor) -> torch.Tensor:
                answers: torch.Tensor = self.head(self.memory(rows)[0][:, window - 1 :])
                return answers

        return Network(self.hidden)

    def core(self, network: "torch.nn.Module", scaler: Scaler, heads: Heads) -> Core:
        return _StepCore(network, scaler, heads, self.window, self.hidden)


class _StepCore:
    def __init__(self, network: "torch.nn.Module", scaler: Scaler, heads: Heads, window: int, hidden: int) -> None:
        self.network = network
        self.scaler = scaler
        self.heads = heads
        self.warmup = window
        self.hidden = hidden
        self.states: tuple[tuple[int, ...], ...] = ((1, 1, hidden), (1, 1, hidden))

    def raw(self, x: Floats) -> Floats:
        import torch

        shown = np.full((len(x), self.heads.width), np.nan)
        if len(x) < self.warmup:
            return shown
        rows = torch.from_numpy(self.scaler(x).astype(np.float32))
        with torch.no_grad(), seeded(0):
            last = self.network(rows[None])[0]
        shown[self.warmup - 1 :] = self.heads.columns(last.numpy())
        return shown

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        weights = {name: tensor.numpy() for name, tensor in self.network.state_dict().items()}
        n_features = len(self.scaler.mean)
        row = graph.cast(self.scaler.graph(graph, x), np.float32)
        row = graph.add("Reshape", row, graph.constant([1, 1, n_features], np.int64))
        # PyTorch keeps the gates as input, forget, cell, output; ONNX as input, output, forget, cell.
        gates = [self._gates(weights[f"memory.{name}_l0"]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        _, output, cell = graph.add_many(
            "LSTM", 3, row,
            graph.constant(gates[0][None], np.float32),
            graph.constant(gates[1][None], np.float32),
            graph.constant(np.concatenate(gates[2:])[None], np.float32),
            "", states[0], states[1], hidden_size=self.hidden,
        )  # fmt: skip
        flat = graph.add("Reshape", output, graph.constant([1, self.hidden], np.int64))
        last = graph.add(
            "Gemm", flat, graph.constant(weights["head.weight"], np.float32),
            graph.constant(weights["head.bias"], np.float32), transB=1,
        )  # fmt: skip
        return self.heads.graph(graph, last), (output, cell)

    def _gates(self, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        entrance, forget, cell, exit_ = np.split(tensor, 4)
        return np.concatenate([entrance, exit_, forget, cell])
