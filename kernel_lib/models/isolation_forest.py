"""Isolation forest: how few random cuts set a row apart from the others."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.onnx_graph import ML_DOMAIN, Graph
from kernel_lib.models.prediction import Shape
from kernel_lib.models.sample import Sample
from kernel_lib.models.space import integer, number

__all__ = ["IsolationForest"]

Floats = npt.NDArray[np.float64]


class IsolationForest(Learner, frozen=True, kw_only=True):
    """Score rows by ``2^(-mean path length / c(n))``: near 1 unusual, about 0.5 and below usual (Liu et al., 2008).

    The confidence is the share of out-of-sample rows with a lower score; a row is flagged from ``1 - flagged`` on.

    Parameters
    ----------
    trees : int
        1 to 1000.
    rows_per_tree : int
        Rows drawn for each tree, 2 or more; 256 in the paper.
    flagged : float
        Share of unseen rows to flag, above 0 to 0.5.
    """

    key: ClassVar[str] = "isolation_forest"
    kinds: ClassVar[tuple[str, ...]] = ()
    shows: ClassVar[str] = "anomaly"

    trees: int = 100
    rows_per_tree: int = 256
    flagged: float = 0.01

    def check(self, sample: Sample) -> None:
        integer("trees", self.trees, 1, 1000)
        integer("rows_per_tree", self.rows_per_tree, 2, 100_000)
        number("flagged", self.flagged, 1e-6, 0.5)

    def shape(self, sample: Sample) -> Shape:
        return Shape(kind="anomaly", alert=round(1.0 - self.flagged, 6))

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        from sklearn.ensemble import IsolationForest as Fitted

        n_drawn = min(self.rows_per_tree, len(sample.rows))
        fitted = Fitted(n_estimators=self.trees, max_samples=n_drawn, random_state=seed, n_jobs=1).fit(sample.inputs)
        return _PathCore(fitted, n_drawn)


class _PathCore:
    """Leaves hold their own path length, so that the forest is one ONNX node that averages them.

    skl2onnx writes some twenty nodes for each tree instead, a hundred times slower for one row.
    """

    warmup = 1
    states: tuple[tuple[int, ...], ...] = ()

    def __init__(self, fitted: Any, n_drawn: int) -> None:
        self.fitted = fitted
        self.expected = float(_path_length(np.array([float(n_drawn)]))[0])

    def raw(self, x: Floats) -> Floats:
        return -np.asarray(self.fitted.score_samples(x.astype(np.float32)), np.float64).reshape(-1, 1)

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        from onnx import numpy_helper

        columns: dict[str, list[Any]] = {
            name: []
            for name in ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
                         "nodes_truenodeids", "nodes_falsenodeids", "target_treeids", "target_nodeids", "target_ids",
                         "target_weights")
        }  # fmt: skip
        n_trees = len(self.fitted.estimators_)
        for tree_number, (estimator, features) in enumerate(
            zip(self.fitted.estimators_, self.fitted.estimators_features_, strict=True)
        ):
            _add_tree(columns, tree_number, estimator.tree_, np.asarray(features), n_trees)
        tensors = {
            f"{name}_as_tensor": numpy_helper.from_array(np.asarray(columns.pop(name), np.float64), name)
            for name in ("nodes_values", "target_weights")
        }
        mean = graph.add(
            "TreeEnsembleRegressor", graph.cast(x, np.float64), domain=ML_DOMAIN, n_targets=1, post_transform="NONE",
            aggregate_function="SUM", **columns, **tensors,
        )  # fmt: skip
        power = graph.add("Mul", graph.cast(mean, np.float64), graph.constant(-np.log(2.0) / self.expected))
        return graph.add("Exp", power), ()


def _add_tree(
    columns: dict[str, list[Any]], tree_number: int, tree: Any, features: npt.NDArray[Any], n_trees: int
) -> None:
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        is_leaf = left < 0
        columns["nodes_treeids"].append(tree_number)
        columns["nodes_nodeids"].append(node)
        columns["nodes_featureids"].append(0 if is_leaf else int(features[tree.feature[node]]))
        columns["nodes_values"].append(0.0 if is_leaf else float(tree.threshold[node]))
        columns["nodes_modes"].append("LEAF" if is_leaf else "BRANCH_LEQ")
        columns["nodes_truenodeids"].append(0 if is_leaf else left)
        columns["nodes_falsenodeids"].append(0 if is_leaf else right)
        if is_leaf:
            rows = float(tree.n_node_samples[node])
            columns["target_treeids"].append(tree_number)
            columns["target_nodeids"].append(node)
            columns["target_ids"].append(0)
            columns["target_weights"].append(float(depth[node] + _path_length(np.array([rows]))[0]) / n_trees)
        else:
            depth[left] = depth[right] = depth[node] + 1.0


def _path_length(rows: Floats) -> Floats:
    """Mean path of an unsuccessful search in a binary tree of ``rows``: equation 1 of the paper."""
    length = np.where(rows == 2.0, 1.0, 0.0)
    many = rows > 2.0
    n = rows[many]
    length[many] = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return length
