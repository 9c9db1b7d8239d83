"""Whether the best of many trials beats a benchmark at all, luck counted: White's reality check and Hansen's SPA.

Both ask how often the largest of all mean differences would be as large if none of the trials were better, by
resampling whole rows with the stationary bootstrap, so that what the trials have in common stays. White takes every
trial as level with the benchmark, which poor trials make too cautious; Hansen scales each difference by its error and
leaves out those that are clearly worse. H. White, *A Reality Check for Data Snooping*, Econometrica 68, 2000;
P. R. Hansen, *A Test for Superior Predictive Ability*, J. of Business and Economic Statistics 23, 2005.
"""

import math
from typing import Any

import msgspec
import numpy as np

from kernel_lib.backtest.bootstrap import block_length, stationary_rows
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, floats, table
from kernel_lib.risk.shown import as_html

__all__ = ["SuperiorAbility", "reality_check", "superior_ability"]


class SuperiorAbility(msgspec.Struct, frozen=True, kw_only=True):
    """How likely the best trial's lead is if no trial is better than the benchmark.

    Parameters
    ----------
    best : str
        Name of the trial with the largest statistic.
    statistic : float
        Of that one: ``sqrt(n) mean(d)``, over its deviation in Hansen's test.
    p_value : float
        The one to use: White's, or Hansen's consistent one.
    p_lower, p_upper : float
        Hansen's bounds: poor trials left out by their sign, and none left out. White's are all the same.
    n_trials, n_periods, n_draws : int
    block : float
        Mean length of a block, in periods.
    test : str
        ``"White"`` or ``"Hansen"``.
    """

    best: str
    statistic: float
    p_value: float
    p_lower: float
    p_upper: float
    n_trials: int
    n_periods: int
    n_draws: int
    block: float
    test: str

    def __repr__(self) -> str:
        return f"<{self.test}: best of {self.n_trials} is {self.best}, p {self.p_value:.4f}>"

    def _repr_html_(self) -> str:
        return as_html(
            f"{self.test}: is the best of {self.n_trials} better than the benchmark?",
            [
                ("best", self.best),
                ("statistic", self.statistic),
                ("p", self.p_value),
                ("p, lower", self.p_lower),
                ("p, upper", self.p_upper),
                ("draws", self.n_draws),
                ("mean block", self.block),
            ],
        )


def reality_check(
    returns: Any, benchmark: Any = 0.0, *, n_draws: int = 1000, block: float | None = None, seed: int = 1
) -> SuperiorAbility:
    """Test, as White does, whether the best trial's mean return is above the benchmark's.

    Parameters
    ----------
    returns : array_like, shape (n_periods, n_trials)
        One column for each trial that was looked at; no NaN. A DataFrame's columns name them.
    benchmark : float or array_like, shape (n_periods,)
        Return of a period to beat; 0 is to stay out of the market.
    n_draws : int
    block : float or None
        Mean length of a block; None: the longest that any column asks for, see
        :func:`~kernel_lib.backtest.bootstrap.block_length`.
    seed : int

    Returns
    -------
    SuperiorAbility

    Raises
    ------
    BadData
        NaN, fewer than ten periods, or a benchmark of another length.

    >>> import numpy as np
    >>> luck = np.random.default_rng(1).normal(0.0, 0.01, (400, 30))
    >>> luck[:, 7] += 0.005
    >>> best = reality_check(luck, n_draws=200)
    >>> best.best, best.p_value < 0.01
    ('x7', True)
    """
    ahead, names, length = _ahead(returns, benchmark, block)
    n_periods = len(ahead)
    means = ahead.mean(axis=0)
    scaled = math.sqrt(n_periods) * means
    highest = [(math.sqrt(n_periods) * (drawn - means)).max(axis=1) for drawn in _means(ahead, length, n_draws, seed)]
    p_value = _share(np.concatenate(highest), float(scaled.max()))
    return SuperiorAbility(
        best=names[int(np.argmax(scaled))], statistic=float(scaled.max()), p_value=p_value, p_lower=p_value,
        p_upper=p_value, n_trials=len(names), n_periods=n_periods, n_draws=n_draws, block=length, test="White",
    )  # fmt: skip


def superior_ability(
    returns: Any,
    benchmark: Any = 0.0,
    *,
    n_draws: int = 1000,
    block: float | None = None,
    seed: int = 1,
    studentized: bool = True,
) -> SuperiorAbility:
    """Test, as Hansen does, whether any trial's mean return is above the benchmark's.

    Arguments as of :func:`reality_check`. A trial counts as clearly worse where its studentized mean is below
    ``-sqrt(2 log log n)``; deviations are those of the stationary bootstrap itself (Hansen, eq. 3 and 4). Columns
    whose lead never changes have no deviation and are left out of the maximum. With ``studentized=False`` differences
    are not scaled, which is what arch's ``SPA`` reports.

    >>> import numpy as np
    >>> luck = np.random.default_rng(1).normal(0.0, 0.01, (400, 30))
    >>> found = superior_ability(luck, n_draws=200)
    >>> found.p_lower <= found.p_value <= found.p_upper
    True
    """
    ahead, names, length = _ahead(returns, benchmark, block)
    n_periods = len(ahead)
    means = ahead.mean(axis=0)
    deviation = _deviations(ahead, length)
    moves = deviation > 0.0
    if not moves.any():
        raise BadData("at least one trial must differ from the benchmark, none did in any period")
    root = math.sqrt(n_periods)
    worse = root * means < -math.sqrt(2.0 * math.log(math.log(n_periods))) * deviation
    scale = np.where(moves & studentized, deviation, 1.0)
    scaled = np.where(moves, root * means / scale, -np.inf)
    statistic = max(float(scaled.max()), 0.0)
    centres = np.stack([np.maximum(means, 0.0), np.where(worse, 0.0, means), means])
    highest: list[Floats] = []
    for drawn in _means(ahead, length, n_draws, seed):
        away = root * (drawn[None] - centres[:, None, :]) / scale
        highest.append(np.maximum(np.where(moves, away, -np.inf).max(axis=2), 0.0))
    lower, consistent, upper = (_share(row, statistic) for row in np.concatenate(highest, axis=1))
    return SuperiorAbility(
        best=names[int(np.argmax(scaled))], statistic=statistic, p_value=consistent, p_lower=lower,
        p_upper=upper, n_trials=len(names), n_periods=n_periods, n_draws=n_draws, block=length, test="Hansen",
    )  # fmt: skip


def _ahead(returns: Any, benchmark: Any, block: float | None) -> tuple[Floats, tuple[str, ...], float]:
    array, names = table(returns, least=10)
    other = floats(benchmark, "benchmark")
    if other.ndim and other.shape != (len(array),):
        raise BadData(f"the benchmark must be a number or have {len(array)} periods, its shape was {other.shape}")
    if np.isnan(other).any():
        raise BadData("the benchmark must have no NaN; drop those periods from it and from the trials")
    ahead = array - (other[:, None] if other.ndim else other)
    return ahead, names, block_length(ahead) if block is None else block


def _means(ahead: Floats, block: float, n_draws: int, seed: int) -> Any:
    """Give the means of resampled tables, ``(some, n_trials)`` at a time; only how often a row is drawn counts."""
    n_periods = len(ahead)
    for rows in stationary_rows(n_periods, block, n_draws, seed):
        places = rows + n_periods * np.arange(len(rows))[:, None]
        counts = np.bincount(places.reshape(-1), minlength=n_periods * len(rows)).reshape(len(rows), n_periods)
        yield counts @ ahead / n_periods


def _deviations(ahead: Floats, block: float) -> Floats:
    """Give the deviation of ``sqrt(n) mean`` under the stationary bootstrap, exact, without drawing."""
    n_periods = len(ahead)
    centred = ahead - ahead.mean(axis=0)
    stays = 1.0 - 1.0 / block
    lags = np.arange(1, n_periods)
    weights = (n_periods - lags) / n_periods * stays**lags + lags / n_periods * stays ** (n_periods - lags)
    variance = (centred**2).mean(axis=0)
    for lag, weight in zip(lags.tolist(), weights.tolist(), strict=True):
        if weight > 1e-12:
            variance = variance + 2.0 * weight * (centred[lag:] * centred[:-lag]).sum(axis=0) / n_periods
    flat = np.ptp(ahead, axis=0) == 0.0
    found: Floats = np.where(flat, 0.0, np.sqrt(np.maximum(variance, 0.0)))
    return found


def _share(drawn: Floats, statistic: float) -> float:
    return float(np.mean(drawn >= statistic))
