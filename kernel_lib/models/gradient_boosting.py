"""Gradient boosting over binned features, scikit-learn's histogram form."""

from typing import Any, ClassVar

import numpy as np

from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.sample import Sample
from kernel_lib.models.space import Range, Space, integer, number
from kernel_lib.models.tree_core import TreeCore

__all__ = ["GradientBoosting"]


class GradientBoosting(Learner, frozen=True, kw_only=True):
    """Add ``rounds`` small trees, each fitted to what the ones before left over (Friedman, 2001).

    Parameters
    ----------
    rounds : int
        Trees (for each class where there are three), 1 to 2000.
    rate : float
        Share of each tree that is added, above 0 to 1.
    leaves : int
        Of a tree, 2 to 255.
    least_leaf : int
        Rows in a leaf, at least.
    l2 : float
        Shrinkage of leaf values, 0 or more.
    """

    key: ClassVar[str] = "gradient_boosting"
    kinds: ClassVar[tuple[str, ...]] = ("direction", "value")
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn", "skl2onnx", "onnx")
    space: ClassVar[Space] = {
        "rounds": Range(30, 300, log=True),
        "rate": Range(0.01, 0.3, log=True),
        "leaves": Range(4, 31),
        "least_leaf": Range(10, 200, log=True),
        "l2": Range(1e-3, 100.0, log=True),
    }

    rounds: int = 100
    rate: float = 0.05
    leaves: int = 15
    least_leaf: int = 20
    l2: float = 1.0

    def check(self, sample: Sample) -> None:
        integer("rounds", self.rounds, 1, 2000)
        number("rate", self.rate, 1e-6, 1.0)
        integer("leaves", self.leaves, 2, 255)
        integer("least_leaf", self.least_leaf, 1, 1_000_000)
        number("l2", self.l2, 0.0, 1e9)

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )

        is_chance = sample.kind == "direction"
        trees = (HistGradientBoostingClassifier if is_chance else HistGradientBoostingRegressor)(
            max_iter=self.rounds,
            learning_rate=self.rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.least_leaf,
            l2_regularization=self.l2,
            early_stopping=False,
            random_state=seed,
        )
        _hold_thresholds(trees.fit(sample.inputs, sample.outcomes))
        return TreeCore(trees, is_chance=is_chance, maker="sklearn")


def _hold_thresholds(trees: Any) -> None:
    """Round the thresholds down to float32.

    They lie half-way between two rows, and rows are float32: no answer changes. The export would round to the nearest
    instead, and so onto the upper row where two rows are neighbours, as prices of 65,000 to the cent are.
    """
    for of_class in trees._predictors:
        for tree in of_class:
            exact = tree.nodes["num_threshold"]
            near = exact.astype(np.float32)
            tree.nodes["num_threshold"] = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
