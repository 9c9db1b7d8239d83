"""XGBoost: regularised gradient-boosted trees."""

from typing import ClassVar

import numpy as np

from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.sample import Sample
from kernel_lib.models.space import Range, Space, integer, number
from kernel_lib.models.tree_core import TreeCore

__all__ = ["XGBoost"]


class XGBoost(Learner, frozen=True, kw_only=True):
    """Add ``rounds`` trees by second-order boosting with penalised leaves (Chen and Guestrin, 2016).

    Parameters
    ----------
    rounds : int
        Trees (for each class where there are three), 1 to 2000.
    depth : int
        1 to 16.
    rate : float
        Share of each tree that is added, above 0 to 1.
    row_share, feature_share : float
        Shares drawn for each tree, above 0 to 1.
    least_weight : float
        Sum of second derivatives in a leaf, at least.
    l2 : float
        Penalty on leaf values, 0 or more.
    """

    key: ClassVar[str] = "xgboost"
    kinds: ClassVar[tuple[str, ...]] = ("direction", "value")
    packages: ClassVar[tuple[str, ...]] = ("xgboost-cpu", "xgboost", "onnxmltools", "onnx")
    space: ClassVar[Space] = {
        "rounds": Range(30, 300, log=True),
        "depth": Range(2, 8),
        "rate": Range(0.01, 0.3, log=True),
        "row_share": Range(0.4, 1.0),
        "feature_share": Range(0.3, 1.0),
        "least_weight": Range(0.5, 50.0, log=True),
        "l2": Range(0.1, 100.0, log=True),
    }

    rounds: int = 100
    depth: int = 4
    rate: float = 0.05
    row_share: float = 0.8
    feature_share: float = 0.8
    least_weight: float = 5.0
    l2: float = 1.0

    def check(self, sample: Sample) -> None:
        integer("rounds", self.rounds, 1, 2000)
        integer("depth", self.depth, 1, 16)
        number("rate", self.rate, 1e-6, 1.0)
        number("row_share", self.row_share, 1e-6, 1.0)
        number("feature_share", self.feature_share, 1e-6, 1.0)
        number("least_weight", self.least_weight, 0.0, 1e9)
        number("l2", self.l2, 0.0, 1e9)

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        from xgboost import XGBClassifier, XGBRegressor

        is_chance = sample.kind == "direction"
        trees = (XGBClassifier if is_chance else XGBRegressor)(
            n_estimators=self.rounds,
            max_depth=self.depth,
            learning_rate=self.rate,
            subsample=self.row_share,
            colsample_bytree=self.feature_share,
            min_child_weight=self.least_weight,
            reg_lambda=self.l2,
            tree_method="hist",
            random_state=seed,
            n_jobs=1,
            verbosity=0,
        )
        outcomes = np.searchsorted(sample.classes, sample.outcomes) if is_chance else sample.outcomes
        return TreeCore(trees.fit(sample.inputs, outcomes), is_chance=is_chance, maker="xgboost")
