"""Autoencoder: a row that a narrow network cannot rebuild is unusual."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.prediction import Shape
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.sequence_learner import linear
from kernel_lib.models.space import integer, number
from kernel_lib.models.torch_training import Effort, hold_out_newest, optimise, seeded, where_it_fits

if TYPE_CHECKING:
    import torch

__all__ = ["AutoencoderAnomalyDetector"]

Floats = npt.NDArray[np.float64]
_BOUND = 20.0


class AutoencoderAnomalyDetector(Learner, frozen=True, kw_only=True):
    """Score rows by how badly they are rebuilt through ``narrow`` numbers (Hawkins et al., 2002).

    The score is the mean squared error of the scaled features, held within 20 deviations. The confidence is the share
    of out-of-sample rows with a lower score; a row is flagged from ``1 - flagged`` on.

    Parameters
    ----------
    wide, narrow : int
        Units of the outer layers and of the waist; 1 to 512.
    epochs, patience : int
        Passes at most; passes without a better loss on the newest rows before it stops.
    rate : float
        Of the AdamW steps.
    batch : int
        Rows in a step.
    flagged : float
        Share of unseen rows to flag, above 0 to 0.5.
    """

    key: ClassVar[str] = "autoencoder_anomaly_detector"
    kinds: ClassVar[tuple[str, ...]] = ()
    shows: ClassVar[str] = "anomaly"
    packages: ClassVar[tuple[str, ...]] = ("torch", "onnx")

    wide: int = 16
    narrow: int = 2
    epochs: int = 60
    patience: int = 8
    rate: float = 5e-3
    batch: int = 64
    flagged: float = 0.01

    def check(self, sample: Sample) -> None:
        for name in ("wide", "narrow"):
            integer(name, getattr(self, name), 1, 512)
        integer("epochs", self.epochs, 1, 10_000)
        integer("patience", self.patience, 1, 10_000)
        integer("batch", self.batch, 1, 65_536)
        number("rate", self.rate, 1e-7, 1.0)
        number("flagged", self.flagged, 1e-6, 0.5)

    def shape(self, sample: Sample) -> Shape:
        return Shape(kind="anomaly", alert=round(1.0 - self.flagged, 6))

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        scaler = Scaler.of(sample.inputs, _BOUND)

        def on(place: "torch.device") -> "torch.nn.Module":
            return self._trained(sample, scaler, place, seed=seed, progress=progress)

        return _RebuildCore(where_it_fits(on, self.key), scaler)

    def _trained(
        self, sample: Sample, scaler: Scaler, place: "torch.device", *, seed: int, progress: bool
    ) -> "torch.nn.Module":
        import torch

        older, newest = hold_out_newest(sample)
        n_features = sample.X.shape[1]
        rows = torch.from_numpy(scaler(np.nan_to_num(sample.X)).astype(np.float32)).to(place)
        effort = Effort(epochs=self.epochs, patience=self.patience, rate=self.rate, batch=self.batch, decay=0.0)
        with seeded(seed, place) as generator:
            network = torch.nn.Sequential(
                torch.nn.Linear(n_features, self.wide), torch.nn.Tanh(),
                torch.nn.Linear(self.wide, self.narrow), torch.nn.Tanh(),
                torch.nn.Linear(self.narrow, self.wide), torch.nn.Tanh(),
                torch.nn.Linear(self.wide, n_features),
            ).to(place)  # fmt: skip

            def loss_of(numbers: "torch.Tensor") -> "torch.Tensor":
                part = rows[numbers.to(place)]
                return torch.nn.functional.mse_loss(network(part), part)

            optimise(network, loss_of, older, newest, effort, generator, progress=progress, title=self.key)
        return network.to("cpu")


class _RebuildCore:
    warmup = 1
    states: tuple[tuple[int, ...], ...] = ()

    def __init__(self, network: "torch.nn.Module", scaler: Scaler) -> None:
        self.scaler = scaler
        weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        self.layers = [(weights[f"{k}.weight"], weights[f"{k}.bias"]) for k in (0, 2, 4, 6)]

    def raw(self, x: Floats) -> Floats:
        scaled = self.scaler(x)
        rebuilt = scaled.astype(np.float32)
        for k, (weight, bias) in enumerate(self.layers):
            rebuilt = rebuilt @ weight.T + bias
            rebuilt = np.tanh(rebuilt) if k < 3 else rebuilt
        return np.asarray(np.mean((scaled - rebuilt) ** 2, axis=1, keepdims=True), dtype=np.float64)

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        scaled = self.scaler.graph(graph, x)
        rebuilt = graph.cast(scaled, np.float32)
        for k, (weight, bias) in enumerate(self.layers):
            rebuilt = linear(graph, rebuilt, weight, bias)
            rebuilt = graph.add("Tanh", rebuilt) if k < 3 else rebuilt
        gap = graph.add("Sub", scaled, graph.cast(rebuilt, np.float64))
        axis = graph.constant([1], np.int64)
        return graph.add("ReduceMean", graph.add("Mul", gap, gap), axis, keepdims=1), ()
