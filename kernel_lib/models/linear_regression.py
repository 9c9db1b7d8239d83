"""Linear regression with a ridge."""

from typing import ClassVar

import numpy as np

from kernel_lib.models.core import Core
from kernel_lib.models.learner import Learner
from kernel_lib.models.linear_core import LinearCore
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.space import Range, Space, number

__all__ = ["LinearRegression"]


class LinearRegression(Learner, frozen=True, kw_only=True):
    """Fit a number as a weighted sum of scaled features: least squares with a penalty on the weights.

    Minimises ``|y - X w|^2 + ridge * |w|^2`` (Hoerl and Kennard, 1970); with ridge 0 it is ordinary least squares,
    and of features that say the same the smallest weights are taken.

    Parameters
    ----------
    ridge : float
        0 or more, in units of rows.

    >>> import numpy as np
    >>> x = np.arange(80.0)[:, None]
    >>> model = LinearRegression(ridge=0.0).fit(x, 2.0 * x[:, 0] + 1.0)
    >>> model.predict([[100.0]]).value.tolist()
    [201.0]
    """

    key: ClassVar[str] = "linear_regression"
    kinds: ClassVar[tuple[str, ...]] = ("value",)
    packages: ClassVar[tuple[str, ...]] = ("onnx",)
    space: ClassVar[Space] = {"ridge": Range(1e-3, 1e4, log=True)}

    ridge: float = 1.0

    def check(self, sample: Sample) -> None:
        number("ridge", self.ridge, 0.0, 1e12)

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        scaler = Scaler.of(sample.inputs)
        scaled, mean = scaler(sample.inputs), float(sample.outcomes.mean())
        left, sizes, right = np.linalg.svd(scaled, full_matrices=False)
        kept = sizes > sizes[0] * max(scaled.shape) * np.finfo(np.float64).eps
        factors = np.where(kept, sizes, 0.0) / np.where(kept, sizes**2 + self.ridge, 1.0)
        weights = right.T @ (factors * (left.T @ (sample.outcomes - mean)))
        return LinearCore(scaler, weights[:, None], np.array([mean]), is_chance=False)
