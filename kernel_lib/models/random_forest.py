"""Random forest: many trees on resampled rows, their answers averaged."""

from typing import ClassVar

from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.sample import Sample
from kernel_lib.models.space import Choice, Range, Space, integer, number
from kernel_lib.models.tree_core import TreeCore

__all__ = ["RandomForest"]


class RandomForest(Learner, frozen=True, kw_only=True):
    """Average ``trees`` deep trees, each grown on a bootstrap of the rows and a share of the features (Breiman, 2001).

    Parameters
    ----------
    trees : int
        1 to 2000.
    depth : int
        Deepest level, 1 to 32.
    least_leaf : int
        Rows in a leaf, at least; large leaves keep noise out.
    feature_share : float
        Share of the features tried at each split, above 0 to 1.

    >>> RandomForest(trees=50).trees
    50
    """

    key: ClassVar[str] = "random_forest"
    kinds: ClassVar[tuple[str, ...]] = ("direction", "value")
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn", "skl2onnx", "onnx")
    space: ClassVar[Space] = {
        "trees": Choice((100, 200)),
        "depth": Range(3, 12),
        "least_leaf": Range(5, 200, log=True),
        "feature_share": Range(0.2, 1.0),
    }

    trees: int = 100
    depth: int = 8
    least_leaf: int = 20
    feature_share: float = 0.5

    def check(self, sample: Sample) -> None:
        integer("trees", self.trees, 1, 2000)
        integer("depth", self.depth, 1, 32)
        integer("least_leaf", self.least_leaf, 1, 1_000_000)
        number("feature_share", self.feature_share, 1e-6, 1.0)

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        from sklearn.ensemble import (
            RandomForestClassifier,
            RandomForestRegressor,
        )

        is_chance = sample.kind == "direction"
        forest = (RandomForestClassifier if is_chance else RandomForestRegressor)(
            n_estimators=self.trees,
            max_depth=self.depth,
            min_samples_leaf=self.least_leaf,
            max_features=self.feature_share,
            random_state=seed,
            n_jobs=-1,
        )
        forest.fit(sample.inputs, sample.outcomes)
        # Each tree has its own seed, so all cores may grow them; but their answers are added in one order.
        forest.set_params(n_jobs=1)
        return TreeCore(forest, is_chance=is_chance, maker="sklearn")
