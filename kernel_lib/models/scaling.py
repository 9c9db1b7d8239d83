"""Bring features to mean 0 and deviation 1 with the training rows' own figures; part of the exported graph."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_lib.models.onnx_graph import Graph

__all__ = ["Scaler"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaler:
    """``(x - mean) / deviation``, held within ``bound`` deviations where there is one.

    A feature that does not vary within a fold has the deviation 1.
    """

    mean: Floats
    deviation: Floats
    bound: float | None = None

    @classmethod
    def of(cls, rows: Floats, bound: float | None = None) -> "Scaler":
        """Measure training rows, shape ``(n_rows, n_features)``; population deviation."""
        deviation = rows.std(axis=0)
        return cls(rows.mean(axis=0), np.where(deviation > 0, deviation, 1.0), bound)

    def __call__(self, x: Floats) -> Floats:
        scaled = (x - self.mean) / self.deviation
        return scaled if self.bound is None else np.clip(scaled, -self.bound, self.bound)

    def graph(self, graph: Graph, x: str) -> str:
        """Add the same: a float tensor (1, n_features) in, a double tensor out."""
        centred = graph.add("Sub", graph.cast(x, np.float64), graph.constant(self.mean[None, :]))
        scaled = graph.add("Div", centred, graph.constant(self.deviation[None, :]))
        if self.bound is None:
            return scaled
        return graph.add("Clip", scaled, graph.constant(-self.bound), graph.constant(self.bound))
