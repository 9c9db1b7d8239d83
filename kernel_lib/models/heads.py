"""What a network's last numbers mean: chances of directions, and of an outlook volatility and momentum."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_lib.models.linear_core import softmax
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.sample import Sample

__all__ = ["Heads"]

Floats = npt.NDArray[np.float64]
_LEAST_VOLATILITY = 1e-9
_WIDEST = 5.0


@dataclass(frozen=True)
class Heads:
    """The last layer has one number for each class, and for an outlook two more.

    Volatility is learned as its logarithm, which is near normal (Andersen et al., 2001) and keeps it positive; both
    numbers are learned in deviations of the training rows.
    """

    classes: tuple[int, ...]
    is_outlook: bool
    volatility: tuple[float, float] = (0.0, 1.0)
    momentum: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, sample: Sample) -> "Heads":
        """Measure the outcomes of the training rows."""
        if sample.kind != "outlook":
            return cls(sample.classes, is_outlook=False)
        outcomes = sample.outcomes
        return cls(
            sample.classes,
            is_outlook=True,
            volatility=_level(np.log(np.maximum(outcomes[:, 1], _LEAST_VOLATILITY))),
            momentum=_level(outcomes[:, 2]),
        )

    @property
    def width(self) -> int:
        """Numbers of the last layer."""
        return len(self.classes) + 2 * self.is_outlook

    def targets(self, outcomes: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Turn outcomes into class numbers, -1 where unknown, and two columns of deviations, NaN where unknown."""
        direction = outcomes[:, 0] if self.is_outlook else outcomes
        known = ~np.isnan(direction)
        index = np.where(known, np.searchsorted(self.classes, np.where(known, direction, self.classes[0])), -1)
        if not self.is_outlook:
            return index, np.zeros((len(outcomes), 0), dtype=np.float32)
        logs = np.log(np.maximum(outcomes[:, 1], _LEAST_VOLATILITY))
        columns = [
            (logs - self.volatility[0]) / self.volatility[1],
            (outcomes[:, 2] - self.momentum[0]) / self.momentum[1],
        ]
        return index, np.clip(np.column_stack(columns), -_WIDEST, _WIDEST).astype(np.float32)

    def columns(self, last: npt.NDArray[np.float32]) -> Floats:
        """Turn the last layer, shape ``(n, width)``, into chances, volatility and momentum."""
        numbers = last.astype(np.float64)
        n_classes = len(self.classes)
        chances = softmax(numbers[:, :n_classes])
        if not self.is_outlook:
            return chances
        volatility = np.exp(np.clip(numbers[:, n_classes], -9, 9) * self.volatility[1] + self.volatility[0])
        momentum = numbers[:, n_classes + 1] * self.momentum[1] + self.momentum[0]
        return np.column_stack([chances, volatility, momentum])

    def graph(self, graph: Graph, last: str) -> str:
        """Add the same to a graph: a float tensor (1, width) in, a double tensor out."""
        numbers = graph.cast(last, np.float64)
        if not self.is_outlook:
            return graph.add("Softmax", numbers, axis=1)
        lengths = graph.constant([len(self.classes), 1, 1], np.int64)
        sums, volatility, momentum = graph.add_many("Split", 3, numbers, lengths, axis=1)
        held = graph.add("Clip", volatility, graph.constant(-9.0), graph.constant(9.0))
        parts = [
            graph.add("Add", graph.add("Mul", part, graph.constant(level[1])), graph.constant(level[0]))
            for part, level in ((held, self.volatility), (momentum, self.momentum))
        ]
        return graph.add("Concat", graph.add("Softmax", sums, axis=1), graph.add("Exp", parts[0]), parts[1], axis=1)


def _level(numbers: Floats) -> tuple[float, float]:
    known = numbers[~np.isnan(numbers)]
    return float(known.mean()), float(known.std()) or 1.0
