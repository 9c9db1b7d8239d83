"""Logistic regression."""

from typing import ClassVar

import numpy as np

from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.linear_core import LinearCore
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.space import Range, Space, number

__all__ = ["LogisticRegression"]


class LogisticRegression(Learner, frozen=True, kw_only=True):
    """Fit log odds of directions as a weighted sum of scaled features, with a penalty on the weights.

    Parameters
    ----------
    strength : float
        Inverse of the penalty, scikit-learn's ``C``; above 0, smaller is calmer.
    """

    key: ClassVar[str] = "logistic_regression"
    space: ClassVar[Space] = {"strength": Range(1e-4, 10.0, log=True)}

    strength: float = 0.1

    def check(self, sample: Sample) -> None:
        number("strength", self.strength, 1e-12, 1e12)

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        from sklearn.linear_model import LogisticRegression as Fitted

        scaler = Scaler.of(sample.inputs)
        fitted = Fitted(C=self.strength, max_iter=1000, tol=1e-6).fit(scaler(sample.inputs), sample.outcomes)
        weights, offsets = np.asarray(fitted.coef_, np.float64), np.asarray(fitted.intercept_, np.float64)
        if len(weights) == 1:
            weights, offsets = np.vstack([np.zeros_like(weights), weights]), np.concatenate([[0.0], offsets])
        return LinearCore(scaler, weights.T, offsets, is_chance=True)
