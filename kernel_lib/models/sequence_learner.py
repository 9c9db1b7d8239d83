"""What the three sequence networks share: windows of rows, heads, training, and answers in the order of time."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.models.core import Core
from kernel_lib.models.heads import Heads
from kernel_lib.models.learner import Learner
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.space import Range, Space, integer, number
from kernel_lib.models.torch_training import Effort, hold_out_newest, optimise, seeded, where_it_fits

if TYPE_CHECKING:
    import torch

__all__ = ["SequenceCore", "SequenceLearner", "linear", "part"]

Floats = npt.NDArray[np.float64]
#: Deviations beyond which a feature tells a network nothing more.
_BOUND = 8.0


class SequenceLearner(Learner, frozen=True, kw_only=True):
    """A network over the last ``window`` rows that learns directions or whole outlooks.

    Parameters
    ----------
    window : int
        Rows, 4 to 512.
    epochs, patience : int
        Passes over the rows at most; passes without a better loss on the newest rows before it stops.
    rate : float
        Of the AdamW steps.
    batch : int
        Windows in a step.
    """

    kinds: ClassVar[tuple[str, ...]] = ("direction", "outlook")
    packages: ClassVar[tuple[str, ...]] = ("torch", "onnx")
    space: ClassVar[Space] = {"window": Range(8, 64, log=True), "rate": Range(3e-4, 1e-2, log=True)}

    window: int = 32
    epochs: int = 40
    patience: int = 6
    rate: float = 2e-3
    batch: int = 64

    def check(self, sample: Sample) -> None:
        integer("window", self.window, 4, 512)
        integer("epochs", self.epochs, 1, 10_000)
        integer("patience", self.patience, 1, 10_000)
        integer("batch", self.batch, 1, 65_536)
        number("rate", self.rate, 1e-7, 1.0)
        needed = (self.folds + 1) * (self.length + 16)
        if len(sample.rows) < needed:
            raise BadData(
                f"a {self.key} with a window of {self.window} and {self.folds} folds needs {needed} rows, there were "
                f"{len(sample.rows)}; give more rows, or a shorter window"
            )

    @property
    def length(self) -> int:
        """Rows of one training sequence; the network answers the last ``length - window + 1`` of them."""
        return self.window

    def network(self, n_features: int, n_heads: int) -> "torch.nn.Module":
        """Build it: ``(n, length, n_features)`` in, ``(n, answers, n_heads)`` out."""
        raise BadData(f"{type(self).__name__} must say what its network is")

    def core(self, network: "torch.nn.Module", scaler: Scaler, heads: Heads) -> Core:
        """Wrap the trained network."""
        raise BadData(f"{type(self).__name__} must say how its network answers")

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        heads = Heads.of(sample)
        scaler = Scaler.of(sample.inputs, _BOUND)

        def on(place: "torch.device") -> "torch.nn.Module":
            return self._trained(sample, scaler, heads, place, seed=seed, progress=progress)

        return self.core(where_it_fits(on, self.key), scaler, heads)

    def _trained(
        self, sample: Sample, scaler: Scaler, heads: Heads, place: "torch.device", *, seed: int, progress: bool
    ) -> "torch.nn.Module":
        import torch

        index, numbers = heads.targets(sample.y if sample.y is not None else np.zeros(0))
        older, newest = hold_out_newest(sample)
        rows = torch.from_numpy(scaler(np.nan_to_num(sample.X)).astype(np.float32)).to(place)
        classes, levels = torch.from_numpy(index).to(place), torch.from_numpy(numbers).to(place)
        answered = self.length - self.window + 1
        of_part = np.full(len(index), -1, dtype=np.int64)
        of_part[older], of_part[newest] = 0, 1
        parts = torch.from_numpy(of_part).to(place)
        back = torch.arange(self.length - 1, -1, -1, device=place)
        with seeded(seed, place) as generator:
            network = self.network(sample.X.shape[1], heads.width).to(place)

            def loss_of(ends: "torch.Tensor", part: int) -> "torch.Tensor":
                at = ends.to(place)[:, None] - back[None, :]
                said = network(rows[at]).flatten(0, 1)
                told = at[:, -answered:].flatten()
                counted = (parts[told] == part) & (classes[told] >= 0)
                loss = torch.nn.functional.cross_entropy(
                    said[:, : len(heads.classes)][counted], classes[told][counted], reduction="sum"
                ) / counted.sum().clamp(min=1)
                if heads.is_outlook:
                    aim, guess = levels[told], said[:, len(heads.classes) :]
                    usable = counted[:, None] & ~aim.isnan()
                    errors = torch.where(usable, guess - torch.nan_to_num(aim), torch.zeros_like(guess))
                    loss = loss + 0.5 * (errors**2).sum() / usable.sum().clamp(min=1)
                return loss

            first = int(np.argmin(np.isnan(sample.X).any(axis=1)))
            train_ends, stop_ends = self._ends(older, first), self._ends(newest, first)
            effort = Effort(epochs=self.epochs, patience=self.patience, rate=self.rate, batch=self.batch)
            # Sequences of both parts are numbered in one row: below zero are those held out.
            optimise(network, lambda e: loss_of(e, 0) if int(e[0]) >= 0 else loss_of(-1 - e, 1), train_ends,
                     -1 - stop_ends, effort, generator, progress=progress, title=self.key)  # fmt: skip
        return network.to("cpu")

    def _ends(self, rows: npt.NDArray[np.int64], first: int) -> npt.NDArray[np.int64]:
        """Choose the last rows of the training sequences, so that every row is answered at least once."""
        answered = self.length - self.window + 1
        chosen = rows if answered == 1 else np.unique(np.concatenate([rows[answered - 1 :: answered // 2], rows[-1:]]))
        return chosen[chosen - self.length + 1 >= first]


class SequenceCore:
    """A network whose memory is the last ``window - 1`` scaled rows.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU, in evaluation mode.
    scaler : Scaler
    heads : Heads
    window : int
    """

    def __init__(self, network: "torch.nn.Module", scaler: Scaler, heads: Heads, window: int) -> None:
        self.network = network
        self.scaler = scaler
        self.heads = heads
        self.warmup = window
        self.states: tuple[tuple[int, ...], ...] = ((window - 1, len(scaler.mean)),)

    def raw(self, x: Floats) -> Floats:
        import torch

        width = len(self.heads.classes) + 2 * self.heads.is_outlook
        shown = np.full((len(x), width), np.nan)
        if len(x) < self.warmup:
            return shown
        rows = torch.from_numpy(self.scaler(x).astype(np.float32))
        windows = rows.unfold(0, self.warmup, 1).transpose(1, 2)
        with torch.no_grad(), seeded(0):
            last = torch.cat([self.network(part)[:, -1] for part in torch.split(windows, 512)])
        shown[self.warmup - 1 :] = self.heads.columns(last.numpy())
        return shown

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        row = graph.cast(self.scaler.graph(graph, x), np.float32)
        window = graph.add("Concat", states[0], row, axis=0)
        last = self.answer(graph, window)
        return self.heads.graph(graph, last), (part(graph, window, 1, self.warmup, axis=0),)

    def answer(self, graph: Graph, window: str) -> str:
        """Add the network: a float tensor (window, n_features) in, (1, n_heads) out."""
        raise BadData(f"{type(self).__name__} must say how its network is written")

    def weights(self, name: str) -> npt.NDArray[np.float32]:
        """Give a tensor of the network by its name."""
        tensor: npt.NDArray[np.float32] = self.network.state_dict()[name].numpy()
        return tensor


def part(graph: Graph, tensor: str, start: int, stop: int, *, axis: int) -> str:
    """Cut a tensor along an axis."""
    bounds = [graph.constant([bound], np.int64) for bound in (start, stop, axis)]
    return graph.add("Slice", tensor, *bounds)


def linear(graph: Graph, tensor: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> str:
    """Add a PyTorch ``Linear`` over the last axis."""
    product = graph.add("MatMul", tensor, graph.constant(weight.T, np.float32))
    return graph.add("Add", product, graph.constant(bias, np.float32))
