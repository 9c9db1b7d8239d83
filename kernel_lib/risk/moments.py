"""Shape of a distribution of returns: skewness, kurtosis, mean absolute deviation, each by its named definition.

``moment`` divides by the population's deviation (numpy, scipy's default), ``sample`` and ``fisher`` correct for few
observations. Bacon and PerformanceAnalytics call them so. NaN is left out.
"""

from typing import Any, Literal

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, each_column, over, series

__all__ = ["kurtosis", "mean_absolute_deviation", "skewness", "skewness_kurtosis_ratio"]

SkewnessMethod = Literal["moment", "sample", "fisher"]
KurtosisMethod = Literal["moment", "excess", "sample", "sample_excess", "fisher"]


@declared
@each_column
def skewness(returns: Any, method: SkewnessMethod = "moment") -> float:
    """Say to which side the tail is longer; negative means large losses.

    Parameters
    ----------
    method : {"moment", "sample", "fisher"}
        ``moment``: the mean of the third power of ``z`` with the population's deviation (g1). ``sample``: that times
        ``n**2 / ((n-1)(n-2))`` (PerformanceAnalytics). ``fisher``: times ``sqrt(n(n-1)) / (n-2)`` (G1; Excel, pandas).

    Returns
    -------
    float
        NaN for a constant series or too few observations.

    >>> round(skewness([0.01, 0.02, -0.06, 0.01]), 4)
    -1.097
    """
    seen = _seen(returns)
    n = len(seen)
    g1 = _standard_moment(seen, 3)
    if method == "moment":
        return g1
    if method not in ("sample", "fisher"):
        raise BadData(f"method must be moment, sample or fisher, it was {method!r}")
    if n < 3:
        return float("nan")
    return g1 * n * n / ((n - 1) * (n - 2)) if method == "sample" else g1 * float(np.sqrt(n * (n - 1))) / (n - 2)


@declared
@each_column
def kurtosis(returns: Any, method: KurtosisMethod = "excess") -> float:
    """Say how heavy the tails are.

    Parameters
    ----------
    method : {"moment", "excess", "sample", "sample_excess", "fisher"}
        ``moment``: mean of the fourth power of ``z`` (3 for a normal). ``excess``: less 3. ``sample``: Bacon's
        ``n(n+1) / ((n-1)(n-2)(n-3)) * sum(z**4)`` with the sample deviation; ``sample_excess`` less
        ``3(n-1)**2 / ((n-2)(n-3))``, which is G2, also called ``fisher`` (Excel, pandas).

    >>> round(kurtosis([0.01, 0.02, -0.06, 0.01], "moment"), 4)
    2.2945
    """
    seen = _seen(returns)
    n = len(seen)
    beta2 = _standard_moment(seen, 4)
    if method == "moment":
        return beta2
    if method == "excess":
        return beta2 - 3.0
    if method not in ("sample", "sample_excess", "fisher"):
        raise BadData(f"method must be moment, excess, sample, sample_excess or fisher, it was {method!r}")
    if n < 4:
        return float("nan")
    # sum(z**4) with the sample deviation is n * beta2 * ((n-1)/n)**2
    sample = beta2 * (n + 1) * (n - 1) / ((n - 2) * (n - 3))
    return sample if method == "sample" else sample - 3.0 * (n - 1) ** 2 / ((n - 2) * (n - 3))


@declared
@each_column
def mean_absolute_deviation(returns: Any) -> float:
    """Give the mean distance from the mean (Bacon p. 62).

    >>> round(mean_absolute_deviation([0.01, -0.01]), 6)
    0.01
    """
    seen = _seen(returns)
    return float(np.mean(np.abs(seen - seen.mean()))) if seen.size else float("nan")


@declared
@each_column
def skewness_kurtosis_ratio(returns: Any) -> float:
    """Give skewness over kurtosis, both of the ``moment`` method (Bacon p. 99); higher is better.

    >>> round(skewness_kurtosis_ratio([0.01, 0.02, -0.06, 0.01]), 4)
    -0.4781
    """
    seen = _seen(returns)
    return over(_standard_moment(seen, 3), _standard_moment(seen, 4))


def _seen(returns: Any) -> Floats:
    array = series(returns)
    seen: Floats = array[~np.isnan(array)]
    return seen


def _standard_moment(seen: Floats, order: int) -> float:
    if seen.shape[0] < 2 or seen.max() == seen.min():
        return float("nan")
    away = seen - seen.mean()
    # Scaled first, so that returns of 1e-90 keep their shape.
    away = away / np.abs(away).max()
    return float(np.mean(away**order) / np.mean(away**2) ** (order / 2))
