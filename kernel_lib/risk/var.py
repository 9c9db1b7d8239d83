"""Value at risk and expected shortfall of one series or of a portfolio, from history or from a distribution.

Both are *losses*: positive numbers, in the unit of what goes in (fractions for returns, money for returns times
exposures). A negative figure means that even the bad case gains.

How a quantile is read off ``n`` observations differs between books, so the convention has a name:

==========  ==================================================  ===============================================
method      value at risk                                       expected shortfall
==========  ==================================================  ===============================================
``linear``  linear interpolation at ``(n-1)(1-c)``: numpy,      mean of the worst ``floor((n-1)(1-c)) + 1``:
            R type 7, empyrical, PerformanceAnalytics           empyrical, PerformanceAnalytics
``order``   the ``floor(n(1-c)) + 1``-th worst, the lower       Rockafellar and Uryasev's tail mean, the share at
            quantile of the losses: McNeil, skfolio             the edge with its part: skfolio
``hull``    the ``ceil(n(1-c))``-th worst: Hull                 mean of the losses worse than it: Hull
==========  ==================================================  ===============================================
"""

import math
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.growth import deviation
from kernel_lib.risk.moments import kurtosis, skewness
from kernel_lib.risk.series import Floats, amounts, complete, number, table

__all__ = [
    "check_confidence",
    "expected_shortfall",
    "modified_value_at_risk",
    "normal_expected_shortfall",
    "normal_value_at_risk",
    "portfolio_returns",
    "value_at_risk",
]

QuantileMethod = Literal["linear", "order", "hull"]
_METHODS = ("linear", "order", "hull")
_NORMAL = NormalDist()
# n (1 - c) is meant to be whole for round numbers: 500 * (1 - 0.99) is 5.000000000000004 in floating point.
_SLACK = 1e-9


@declared
def value_at_risk(
    returns: Any,
    exposures: Any = None,
    *,
    confidence: float = 0.95,
    horizon: float = 1.0,
    method: QuantileMethod = "linear",
) -> float:
    """Give the loss that history exceeded in ``1 - confidence`` of the periods (historical simulation).

    Parameters
    ----------
    returns : array_like, shape (n_periods,) or (n_periods, n_instruments)
        One return a period, no NaN, at least two periods.
    exposures : array_like, mapping or None, shape (n_instruments,)
        Money in each instrument, negative when short; needed with a table of returns. A mapping or a pandas Series of
        symbols is matched to the columns of a DataFrame by name.
    confidence : float
        0.5 to below 1; 0.95 and 0.99 are usual.
    horizon : float
        Periods ahead; the loss grows with its square root, which holds for independent returns without drift.
    method : {"linear", "order", "hull"}
        See the module.

    Raises
    ------
    BadData
        NaN, infinite or huge numbers, fewer than two periods, exposures that do not fit, a confidence out of range.

    >>> value_at_risk([-0.05, -0.02, 0.0, 0.01, 0.03], confidence=0.75)
    0.02
    >>> value_at_risk([[-0.01, 0.02], [0.01, -0.04]], [1000.0, 500.0], confidence=0.5, method="hull")
    10.0
    """
    gains = portfolio_returns(returns, exposures)
    return -quantile(gains, 1.0 - check_confidence(confidence), method) * _root(horizon)


@declared
def expected_shortfall(
    returns: Any,
    exposures: Any = None,
    *,
    confidence: float = 0.95,
    horizon: float = 1.0,
    method: QuantileMethod = "linear",
) -> float:
    """Give the mean loss of the worst ``1 - confidence`` of the periods; parameters as :func:`value_at_risk`.

    >>> round(expected_shortfall([-0.05, -0.02, 0.0, 0.01, 0.03], confidence=0.75), 6)
    0.035
    """
    gains = portfolio_returns(returns, exposures)
    return -tail_mean(gains, 1.0 - check_confidence(confidence), method) * _root(horizon)


@declared
def normal_value_at_risk(
    returns: Any = None,
    exposures: Any = None,
    *,
    confidence: float = 0.95,
    horizon: float = 1.0,
    mean: float | None = None,
    volatility: float | None = None,
    ddof: int = 0,
) -> float:
    """Give the value at risk of a normal distribution: ``z * sigma * sqrt(h) - mean * h``.

    Parameters
    ----------
    returns, exposures
        As :func:`value_at_risk`; None when ``volatility`` is given.
    mean, volatility : float or None
        Of one period, in place of the estimates; Hull takes a mean of 0 over short horizons.
    ddof : int
        Of the estimated deviation: 0 is the population's (PerformanceAnalytics' gaussian), 1 the sample's.

    Examples
    --------
    Hull: 10 million in Microsoft, 2 % a day, 99 %, one day.

    >>> round(10e6 * normal_value_at_risk(mean=0.0, volatility=0.02, confidence=0.99))
    465270
    """
    mu, sigma = _mean_and_deviation(returns, exposures, mean, volatility, ddof)
    return _NORMAL.inv_cdf(check_confidence(confidence)) * sigma * _root(horizon) - mu * horizon


@declared
def normal_expected_shortfall(
    returns: Any = None,
    exposures: Any = None,
    *,
    confidence: float = 0.95,
    horizon: float = 1.0,
    mean: float | None = None,
    volatility: float | None = None,
    ddof: int = 0,
) -> float:
    """Give the expected shortfall of a normal distribution: ``sigma * sqrt(h) * phi(z) / (1 - c) - mean * h``.

    >>> round(normal_expected_shortfall(mean=0.0, volatility=1.0, confidence=0.99), 4)
    2.6652
    """
    mu, sigma = _mean_and_deviation(returns, exposures, mean, volatility, ddof)
    z = _NORMAL.inv_cdf(check_confidence(confidence))
    return sigma * _root(horizon) * _NORMAL.pdf(z) / (1.0 - confidence) - mu * horizon


@declared
def modified_value_at_risk(
    returns: Any, exposures: Any = None, *, confidence: float = 0.95, horizon: float = 1.0, ddof: int = 0
) -> float:
    """Give the value at risk with the Cornish-Fisher correction for skewness and heavy tails.

    ``z' = z + (z**2-1) S/6 + (z**3-3z) K/24 - (2 z**3-5z) S**2/36`` at the lower quantile, S and K the population's
    skewness and excess kurtosis (Favre and Galeano 2002; PerformanceAnalytics' ``modified``). Over a longer horizon
    the deviation grows with the root; S and K stay. With extreme tails the expansion can lose its order: a much
    higher confidence then does not mean a larger loss, so compare it with the historical figure.

    >>> round(modified_value_at_risk([0.01, -0.02, 0.03, -0.01, 0.0, 0.02]), 6)
    0.023528
    """
    gains = portfolio_returns(returns, exposures)
    z = -_NORMAL.inv_cdf(check_confidence(confidence))
    sigma = deviation(gains, ddof)
    if sigma == 0.0:
        return -float(gains[0]) * horizon
    s, k = skewness(gains), kurtosis(gains, "excess")
    bent = z + (z**2 - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s**2 / 36
    return -float(gains.mean() * horizon + bent * sigma * _root(horizon))


@declared
def portfolio_returns(returns: Any, exposures: Any = None) -> Floats:
    """Give the gain of each period: the series itself, or the table times the exposures.

    >>> portfolio_returns([[0.01, 0.0], [0.0, -0.02]], [100.0, -50.0]).tolist()
    [1.0, 1.0]
    """
    if exposures is None:
        if np.ndim(returns) == 2:
            raise BadData("a table of returns needs exposures, the money in each instrument; none were given")
        return complete(returns, "returns", 2)
    rates, _ = table(returns)
    money = amounts(exposures, returns)
    # Not BLAS: its threads wait for one another for milliseconds when the cores are busy, and its sums vary with them.
    gains: Floats = np.einsum("ij,j->i", rates, money)
    return gains


def quantile(gains: Floats, share: float, method: QuantileMethod) -> float:
    """Give the gain at the lower ``share``, by the named convention; see the module."""
    if method not in _METHODS:
        raise BadData(f"method must be one of {', '.join(_METHODS)}, it was {method!r}")
    if method == "linear":
        place = (len(gains) - 1) * share
        low = math.floor(place + _SLACK)
        high = min(low + 1, len(gains) - 1)
        sorted_part = np.partition(gains, (low, high))
        part = max(0.0, place - low)
        below, above = float(sorted_part[low]), float(sorted_part[high])
        return below + (above - below) * part
    rank = _rank_hull(len(gains), share) if method == "hull" else math.floor(len(gains) * share + _SLACK)
    return float(np.partition(gains, rank)[rank])


def tail_mean(gains: Floats, share: float, method: QuantileMethod) -> float:
    """Give the mean gain of the lower ``share``, by the named convention; see the module."""
    if method not in _METHODS:
        raise BadData(f"method must be one of {', '.join(_METHODS)}, it was {method!r}")
    if method == "linear":
        last = math.floor((len(gains) - 1) * share + _SLACK)
        return float(np.partition(gains, last)[: last + 1].mean())
    rank = _rank_hull(len(gains), share)
    ordered = np.partition(gains, rank)
    edge = float(ordered[rank])
    if method == "hull":
        return float(ordered[:rank].mean()) if rank else edge
    whole = len(gains) * share
    return (float(ordered[:rank].sum()) + edge * (whole - rank)) / whole


def check_confidence(confidence: float) -> float:
    """Refuse a confidence that is none."""
    if not 0.5 <= number(confidence, "a confidence") < 1.0:
        raise BadData(f"a confidence must be from 0.5 to below 1, it was {confidence!r}; 0.95 means 95 percent")
    return float(confidence)


def _rank_hull(n: int, share: float) -> int:
    return max(0, math.ceil(n * share - _SLACK) - 1)


def _root(horizon: float) -> float:
    if not 0.0 < number(horizon, "a horizon") < math.inf:
        raise BadData(f"a horizon must be a positive number of periods, it was {horizon!r}")
    return math.sqrt(horizon)


def _mean_and_deviation(
    returns: Any, exposures: Any, mean: float | None, volatility: float | None, ddof: int
) -> tuple[float, float]:
    if volatility is not None and not (math.isfinite(volatility) and volatility >= 0.0):
        raise BadData(f"a volatility must be a number of at least 0, it was {volatility!r}")
    if returns is None:
        if volatility is None:
            raise BadData("give returns, or the volatility of one period")
        return mean or 0.0, volatility
    gains = portfolio_returns(returns, exposures)
    return (
        float(gains.mean()) if mean is None else mean,
        deviation(gains, ddof) if volatility is None else volatility,
    )
