"""Hands beliefs to one of skfolio's convex optimisers and takes the weights back, as precisely as the solver can."""

import warnings
from typing import Any

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.risk.expected import Expected
from kernel_lib.risk.series import Floats

__all__ = ["solved", "typical_deviation"]

# Clarabel's own tolerances of 1e-8 leave 1e-6 in the weights, and other people's figures have more digits than that.
_PRECISE = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


def solved(model: Any, expected: Expected) -> Floats:
    """Give the weights, shape (n_instruments,), that an skfolio model finds best under the beliefs.

    The model works in units of :func:`typical_deviation`: its targets and rates must be divided by it.

    Raises
    ------
    BadData
        No weights meet the model's targets and bounds.
    """
    from skfolio.exceptions import OptimizationError  # type: ignore[import-untyped, unused-ignore]
    from skfolio.prior import BasePrior, ReturnDistribution  # type: ignore[import-untyped, unused-ignore]

    # In units of a typical deviation: the solver's tolerances are absolute, and a daily variance is 1e-4.
    unit = typical_deviation(expected)
    scaled = ReturnDistribution(
        mu=expected.means / unit, covariance=expected.covariance / unit**2, returns=np.zeros((2, len(expected.names)))
    )

    class Given(BasePrior):  # type: ignore[misc, unused-ignore]
        """Hands the beliefs on as they are."""

        def __init__(self) -> None:
            pass

        def fit(self, X: Any, y: None = None, **_: Any) -> "Given":  # noqa: N803  (the name is skfolio's)
            self.return_distribution_ = scaled
            return self

    # Only the beliefs count; the rows are there because the interface asks for some.
    rows = np.zeros((2, len(expected.names)))
    model.set_params(prior_estimator=Given())
    try:
        try:
            with warnings.catch_warnings():
                # At the limit of floating point the solver says it can't tell: then its own tolerances must do.
                warnings.simplefilter("error", UserWarning)
                model.set_params(solver_params=_PRECISE).fit(rows)
        except (UserWarning, OptimizationError):
            model.set_params(solver_params=None).fit(rows)
    except OptimizationError as error:
        raise BadData(f"no portfolio meets these targets and bounds: {error}") from error
    return np.asarray(model.weights_, dtype=np.float64)


def typical_deviation(expected: Expected) -> float:
    """Give the root of the mean variance of the instruments."""
    return float(np.sqrt(np.mean(np.diag(expected.covariance))))
