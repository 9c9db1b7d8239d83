"""How far a Sharpe ratio can be believed: for its length, its tails, and the number of trials it was picked from.

Every argument and result named ``sharpe`` here is *per year*, as :func:`kernel_lib.risk.sharpe_ratio` gives it, and
is brought to a period with the root of ``periods_per_year``; ``periods_per_year=1`` keeps everything per period.
Deviations are of the sample, skewness and kurtosis of the population (a normal has 0 and 3).

Sources: D. H. Bailey and M. Lopez de Prado, *The Sharpe Ratio Efficient Frontier*, J. of Risk 15(2), 2012 (the
probabilistic ratio and the minimum track record); the same, *The Deflated Sharpe Ratio*, J. of Portfolio Management
40(5), 2014; C. R. Harvey and Y. Liu, *Backtesting*, J. of Portfolio Management 42(1), 2015 (haircuts).
"""

import math
from statistics import NormalDist
from typing import Any, Literal

import msgspec
import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.risk.moments import kurtosis, skewness
from kernel_lib.risk.ratios import sharpe_ratio
from kernel_lib.risk.series import complete, matched, periods, series

__all__ = [
    "Haircut",
    "SharpeEstimate",
    "deflated_sharpe_ratio",
    "effective_trials",
    "expected_max_sharpe",
    "haircut_sharpe",
    "haircut_trials",
    "min_track_record",
    "probabilistic_sharpe_ratio",
    "sharpe_estimate",
]

_NORMAL = NormalDist()
_EULER = 0.5772156649015329


class SharpeEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """A Sharpe ratio with what its error depends on.

    Parameters
    ----------
    sharpe : float
        Per year; NaN with fewer than two returns or without variance.
    n_periods : int
        Returns it was estimated from.
    skewness, kurtosis : float
        Of the returns; 0 and 3 for a normal.
    periods_per_year : float
    """

    sharpe: float
    n_periods: int
    skewness: float = 0.0
    kurtosis: float = 3.0
    periods_per_year: float = 252.0

    @property
    def variance_factor(self) -> float:
        """``1 - g3 SR + (g4 - 1)/4 SR**2`` with SR per period: 1 for a normal of no skill."""
        sharpe = self.sharpe / math.sqrt(self.periods_per_year)
        return 1.0 - self.skewness * sharpe + 0.25 * (self.kurtosis - 1.0) * sharpe * sharpe

    @property
    def standard_error(self) -> float:
        """Deviation of the estimate, per year (Mertens 2002); NaN with fewer than two returns."""
        if self.n_periods < 2 or not self.variance_factor >= 0.0:
            return math.nan
        return math.sqrt(self.variance_factor / (self.n_periods - 1) * self.periods_per_year)

    def probability_above(self, sharpe: float = 0.0) -> float:
        """Give the probability, from 0 to 1, that the true ratio is above ``sharpe`` (per year); NaN if unknown.

        ``Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1)/4 SR**2))``.
        """
        error = self.standard_error
        if math.isnan(error) or math.isnan(self.sharpe) or error == 0.0:
            return math.nan
        return _NORMAL.cdf((self.sharpe - sharpe) / error)

    def least_periods(self, sharpe: float = 0.0, confidence: float = 0.95) -> float:
        """Give the returns needed to say with ``confidence`` that the true ratio is above ``sharpe`` (per year).

        ``1 + (1 - g3 SR + (g4 - 1)/4 SR**2) (z / (SR - SR*))**2``; infinite where the ratio is not above it.
        """
        _fraction(confidence, "confidence")
        if math.isnan(self.sharpe) or not self.variance_factor >= 0.0:
            return math.nan
        if self.sharpe <= sharpe:
            return math.inf
        away = (self.sharpe - sharpe) / math.sqrt(self.periods_per_year)
        return 1.0 + self.variance_factor * (_NORMAL.inv_cdf(confidence) / away) ** 2


class Haircut(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a Sharpe ratio after the trials are counted.

    Parameters
    ----------
    sharpe, adjusted_sharpe : float
        Per year, before and after.
    p_value, adjusted_p_value : float
        Two-sided, that a strategy of no skill does as well: once, and for the best of all trials.
    fraction : float
        Share of the ratio that goes; 1 leaves nothing.
    """

    sharpe: float
    adjusted_sharpe: float
    p_value: float
    adjusted_p_value: float
    fraction: float


def sharpe_estimate(returns: Any, risk_free: Any = 0.0, periods_per_year: float | str = "daily") -> SharpeEstimate:
    """Estimate a Sharpe ratio and the moments that its error depends on.

    Parameters
    ----------
    returns : array_like, shape (n_periods,)
        Returns of a period as fractions; NaN is left out.
    risk_free : float or array_like
        Return of a period without risk.
    periods_per_year : float or str

    Raises
    ------
    BadData
        More than one dimension, or a number that is infinite.

    >>> estimate = sharpe_estimate([0.01, 0.02, -0.01, 0.02], periods_per_year=1)
    >>> round(estimate.sharpe, 4), estimate.n_periods, round(estimate.skewness, 4)
    (0.7071, 4, -0.8165)
    """
    first, second = matched(returns, risk_free, "risk_free")
    excess = first - second
    seen = excess[~np.isnan(excess)]
    a_year = periods(periods_per_year)
    flat = len(seen) < 2 or float(seen.max()) == float(seen.min())
    return SharpeEstimate(
        sharpe=math.nan if flat else float(sharpe_ratio(seen, 0.0, a_year)),
        n_periods=len(seen),
        skewness=math.nan if flat else float(skewness(seen)),
        kurtosis=math.nan if flat else float(kurtosis(seen, "moment")),
        periods_per_year=a_year,
    )


def probabilistic_sharpe_ratio(
    returns: Any, sharpe: float = 0.0, *, risk_free: Any = 0.0, periods_per_year: float | str = "daily"
) -> float:
    """Give the probability that the true Sharpe ratio is above ``sharpe`` (per year), from 0 to 1.

    See :meth:`SharpeEstimate.probability_above`; NaN with fewer than two returns or without variance.

    >>> round(probabilistic_sharpe_ratio([0.01, 0.02, -0.01, 0.02], periods_per_year=1), 4)
    0.8261
    """
    return sharpe_estimate(returns, risk_free, periods_per_year).probability_above(sharpe)


def min_track_record(
    returns: Any,
    sharpe: float = 0.0,
    *,
    confidence: float = 0.95,
    risk_free: Any = 0.0,
    periods_per_year: float | str = "daily",
) -> float:
    """Give the number of returns needed before the Sharpe ratio is above ``sharpe`` with ``confidence``.

    See :meth:`SharpeEstimate.least_periods`; infinite where the observed ratio is not above it.

    >>> round(min_track_record([0.01, 0.02, -0.01, 0.02], periods_per_year=1), 2)
    10.21
    """
    return sharpe_estimate(returns, risk_free, periods_per_year).least_periods(sharpe, confidence)


def expected_max_sharpe(n_trials: float, sharpe_deviation: float) -> float:
    """Give the Sharpe ratio that the best of ``n_trials`` independent trials without skill is expected to show.

    ``s ((1 - e) Phi^-1(1 - 1/N) + e Phi^-1(1 - 1/(N exp(1))))`` with Euler's constant e, an approximation of the mean
    of the largest of N normals that is close from five trials on.

    Parameters
    ----------
    n_trials : float
        1 or more; see :func:`effective_trials` for trials that resemble one another.
    sharpe_deviation : float
        Deviation of the ratios over the trials; the result has its unit.

    >>> round(expected_max_sharpe(10, 1.0), 4)
    1.5746
    """
    n_trials = _trials(n_trials)
    if not (math.isfinite(sharpe_deviation) and sharpe_deviation >= 0.0):
        raise BadData(f"the deviation of the trials' ratios must be 0 or more, it was {sharpe_deviation!r}")
    if n_trials <= 1.0:
        return 0.0
    first, second = _NORMAL.inv_cdf(1.0 - 1.0 / n_trials), _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    # Below two trials the approximation turns negative; the best of some is never expected below the mean.
    return sharpe_deviation * max(0.0, (1.0 - _EULER) * first + _EULER * second)


def effective_trials(n_trials: int, mean_correlation: float) -> float:
    """Give the number of independent trials that correlated ones amount to: ``r + (1 - r) N``.

    >>> effective_trials(101, 0.5)
    51.0
    """
    _trials(n_trials)
    if not 0.0 <= mean_correlation <= 1.0:
        raise BadData(f"the mean correlation of the trials must be from 0 to 1, it was {mean_correlation!r}")
    return mean_correlation + (1.0 - mean_correlation) * n_trials


def deflated_sharpe_ratio(
    returns: Any,
    n_trials: float = 1,
    sharpe_deviation: float | None = None,
    *,
    trial_sharpes: Any = None,
    risk_free: Any = 0.0,
    periods_per_year: float | str = "daily",
) -> float:
    """Give the probability that the true Sharpe ratio is above what the best of so many trials shows by luck.

    The probabilistic ratio against :func:`expected_max_sharpe`.

    Parameters
    ----------
    returns : array_like, shape (n_periods,)
        Of the strategy that was picked.
    n_trials : float
        All that were looked at on the way, this one included.
    sharpe_deviation : float or None
        Deviation of the trials' ratios, per year. None: what trials without skill of this length would have,
        ``sqrt(periods_per_year / (n_periods - 1))``.
    trial_sharpes : array_like or None
        The ratios of all trials, per year; gives both numbers.

    Returns
    -------
    float
        From 0 to 1; NaN with fewer than two returns or without variance.

    >>> daily = [0.01, -0.008, 0.012, -0.005] * 63
    >>> [round(deflated_sharpe_ratio(daily, n), 3) for n in (1, 10, 1000)]
    [1.0, 0.993, 0.778]
    """
    estimate = sharpe_estimate(returns, risk_free, periods_per_year)
    if trial_sharpes is not None:
        if sharpe_deviation is not None or n_trials != 1:
            raise BadData("give either trial_sharpes, or n_trials and sharpe_deviation")
        ratios = complete(trial_sharpes, "trial_sharpes")
        n_trials, sharpe_deviation = len(ratios), float(ratios.std(ddof=1)) if len(ratios) > 1 else 0.0
    n_trials = _trials(n_trials)
    if estimate.n_periods < 2:
        return math.nan
    if sharpe_deviation is None:
        sharpe_deviation = math.sqrt(estimate.periods_per_year / (estimate.n_periods - 1))
    return estimate.probability_above(expected_max_sharpe(n_trials, sharpe_deviation))


def haircut_sharpe(
    sharpe: float,
    n_periods: int,
    n_trials: int,
    *,
    periods_per_year: float | str = "daily",
    method: Literal["independent", "bonferroni"] = "independent",
) -> Haircut:
    """Say what is left of a Sharpe ratio that was the best of ``n_trials``.

    The ratio's two-sided p-value is made that of the best of all trials and turned back into a ratio; returns are
    taken as normal and independent (Harvey and Liu 2015).

    Parameters
    ----------
    sharpe : float
        Per year.
    n_periods, n_trials : int
    method : {"independent", "bonferroni"}
        ``1 - (1 - p)**N``, or ``min(1, N p)``.

    >>> round(haircut_sharpe(0.75, 240, 200, periods_per_year="monthly").adjusted_sharpe, 2)
    0.32
    """
    if method not in ("independent", "bonferroni"):
        raise BadData(f"method must be independent or bonferroni, it was {method!r}")
    count = _trials(n_trials)
    p_value = _p_value(sharpe, n_periods, periods(periods_per_year))
    # 1 - (1 - p)**N, exact for the smallest p as well.
    several = -math.expm1(count * math.log1p(-p_value)) if p_value < 1.0 else 1.0
    return _cut(sharpe, p_value, several if method == "independent" else count * p_value, n_periods, periods_per_year)


def haircut_trials(
    sharpes: Any,
    n_periods: int,
    *,
    periods_per_year: float | str = "daily",
    method: Literal["holm", "bhy"] = "bhy",
) -> list[Haircut]:
    """Cut the ratios of all trials of one length together, by Holm or by Benjamini, Hochberg and Yekutieli.

    Holm bounds the chance of one false discovery, BHY the share of false ones whatever the trials' dependence.

    Returns
    -------
    list of Haircut
        In the order given.

    >>> [round(each.adjusted_sharpe, 2) for each in haircut_trials([2.0, 0.5, 0.1], 1000, method="holm")]
    [1.86, 0.24, 0.1]
    """
    if method not in ("holm", "bhy"):
        raise BadData(f"method must be holm or bhy, it was {method!r}")
    ratios = complete(sharpes, "sharpes").tolist()
    count = len(ratios)
    p_values = [_p_value(each, n_periods, periods(periods_per_year)) for each in ratios]
    order = sorted(range(count), key=lambda i: p_values[i])
    adjusted = [0.0] * count
    if method == "holm":
        worst = 0.0
        for place, i in enumerate(order):
            worst = max(worst, (count - place) * p_values[i])
            adjusted[i] = worst
    else:
        harmonic = sum(1.0 / k for k in range(1, count + 1))
        best = 1.0
        for place in range(count, 0, -1):
            i = order[place - 1]
            best = min(best, count * harmonic / place * p_values[i])
            adjusted[i] = best
    return [_cut(ratios[i], p_values[i], adjusted[i], n_periods, periods_per_year) for i in range(count)]


def _cut(sharpe: float, p_value: float, adjusted: float, n_periods: int, per_year: float | str) -> Haircut:
    adjusted = min(1.0, adjusted)
    # From the lower tail: 1 - p/2 of the smallest p is 1 in floating point.
    left = -_NORMAL.inv_cdf(adjusted / 2.0) if adjusted > 0.0 else math.inf
    ratio = min(abs(sharpe), left * math.sqrt(periods(per_year) / n_periods))
    return Haircut(
        sharpe=sharpe,
        adjusted_sharpe=math.copysign(abs(ratio), sharpe),
        p_value=p_value,
        adjusted_p_value=adjusted,
        fraction=1.0 - ratio / abs(sharpe) if sharpe else math.nan,
    )


def _p_value(sharpe: float, n_periods: int, per_year: float) -> float:
    if isinstance(n_periods, bool) or n_periods < 2:
        raise BadData(f"n_periods must be a whole number of at least 2, it was {n_periods!r}")
    ratio = float(series([sharpe], "sharpe")[0])
    if math.isnan(ratio):
        raise BadData("sharpe must be a number, it was NaN")
    return math.erfc(abs(ratio) * math.sqrt(n_periods / per_year) / math.sqrt(2.0))


def _trials(n_trials: float) -> float:
    if isinstance(n_trials, bool) or not (math.isfinite(n_trials) and n_trials >= 1):
        raise BadData(f"the number of trials must be at least 1 (this one counts), it was {n_trials!r}")
    return float(n_trials)


def _fraction(number: float, name: str) -> None:
    if not 0.0 < number < 1.0:
        raise BadData(f"{name} must be between 0 and 1, it was {number!r}")
