"""K-means: states of the market as the nearest of some centres."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.space import integer

__all__ = ["KMeansClustering"]

Floats = npt.NDArray[np.float64]


class KMeansClustering(Learner, frozen=True, kw_only=True):
    """Find ``clusters`` centres of scaled rows, and name the nearest (Lloyd, 1982; seeded by Arthur and Vassilvitskii).

    Clusters are numbered by their first feature's mean, lowest first, so that a number keeps its sense over refits.
    The confidence of a row is the chance that the next model, made when the row and some more are known, puts it into
    the same cluster: the centre nearest to the row is matched to the next model's centre nearest to it, and the chance
    rises with the margin ``(d2 - d1) / (d2 + d1)`` of the two smallest distances. In the walk-forward the next model is
    that of the next fold, after the last one the final model; so what is said of a row rests on no later fold.

    Parameters
    ----------
    clusters : int
        2 to 64.
    starts : int
        Restarts; the tightest is kept.
    """

    key: ClassVar[str] = "kmeans_clustering"
    kinds: ClassVar[tuple[str, ...]] = ()
    shows: ClassVar[str] = "clusters"

    clusters: int = 4
    starts: int = 4

    def check(self, sample: Sample) -> None:
        integer("clusters", self.clusters, 2, 64)
        integer("starts", self.starts, 1, 100)
        # The first fold of a walk-forward has the fewest rows, and each centre needs a row of its own.
        first = sample.inputs[: len(sample.rows) // (self.folds + 1)]
        n_different = len(np.unique(first, axis=0))
        if n_different < self.clusters:
            raise BadData(
                f"{self.clusters} clusters need as many different rows, there were {n_different} in the first of "
                f"{self.folds + 1} parts of the history; take fewer clusters or give more rows"
            )

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        from sklearn.cluster import KMeans

        scaler = Scaler.of(sample.inputs, bound=1e6)
        fitted = KMeans(self.clusters, n_init=self.starts, random_state=seed).fit(scaler(sample.inputs))
        centres = np.asarray(fitted.cluster_centers_, np.float64)
        return _CentreCore(scaler, centres[np.lexsort(centres.T[::-1])])

    def agreed(self, final: Core, others: Sequence[tuple[Core, npt.NDArray[np.int64]]], x: Floats) -> Floats | None:
        hits = []
        following = [*(core for core, _ in others[1:]), final]
        for (core, rows), later in zip(others, following, strict=True):
            # In units of the features, because each core scales with its own rows.
            centre = core.centres_plain[core.raw(x[rows])[:, 0].astype(int)]  # type: ignore[attr-defined]
            hits.append(later.raw(centre)[:, 0] == later.raw(x[rows])[:, 0])
        return np.concatenate(hits).astype(np.float64) if hits else np.zeros(0)


@dataclass(frozen=True)
class _CentreCore:
    scaler: Scaler
    centres: Floats
    warmup: int = 1
    states: tuple[tuple[int, ...], ...] = ()

    @property
    def centres_plain(self) -> Floats:
        return self.centres * self.scaler.deviation + self.scaler.mean

    def raw(self, x: Floats) -> Floats:
        apart = np.sqrt(((self.scaler(x)[:, None, :] - self.centres[None, :, :]) ** 2).sum(axis=2))
        two = np.sort(apart, axis=1)[:, :2]
        margin = (two[:, 1] - two[:, 0]) / (two[:, 1] + two[:, 0])
        return np.column_stack([apart.argmin(axis=1), margin])

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        from onnx import TensorProto

        gaps = graph.add("Sub", self.scaler.graph(graph, x), graph.constant(self.centres))
        squares = graph.add("ReduceSum", graph.add("Mul", gaps, gaps), graph.constant([1], np.int64), keepdims=0)
        apart = graph.add("Sqrt", squares)
        two, which = graph.add_many("TopK", 2, apart, graph.constant([2], np.int64), largest=0, sorted=1)
        pair = graph.constant([1, 1], np.int64)
        near, far = graph.add_many("Split", 2, two, pair, axis=0)
        nearest, _ = graph.add_many("Split", 2, which, pair, axis=0)
        margin = graph.add("Div", graph.add("Sub", far, near), graph.add("Add", far, near))
        both = graph.add("Concat", graph.add("Cast", nearest, to=TensorProto.DOUBLE), margin, axis=0)
        return graph.add("Reshape", both, graph.constant([1, 2], np.int64)), ()
