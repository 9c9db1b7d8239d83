"""Fit a regime model over recorded bars with hmmlearn or scikit-learn; the result is a feature of plain numbers."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, whole
from kernel_lib.features.regime import observations, regime
from kernel_lib.features.series import read_series
from kernel_lib.market.bar import BAR

__all__ = ["fit_regime"]

_STATES = 3
_LEAST_ROWS = 100


def fit_regime(
    series: Any,
    method: Literal["hmm", "mixture"] = "hmm",
    *,
    window: int = 20,
    seed: int = 0,
    starts: int = 5,
    bars: str | None = None,
) -> Feature:
    """Fit bear, sideways and bull regimes over the past, for use from then on.

    Fit it on data that lies before what it is judged on: its parameters have seen all of ``series``. The feature itself
    only filters forward. ``feature.to_source()`` gives the line that makes it again, for a strategy's source.

    Parameters
    ----------
    series : array of BAR, pandas Series or DataFrame, Arrow array or table, or array_like of float
        Bars, or closing prices.
    method : {"hmm", "mixture"}
        A Gaussian hidden Markov model (hmmlearn), which knows how long regimes last, or a Gaussian mixture
        (scikit-learn), which takes each observation on its own.
    window : int
        Returns in one observation, see :func:`~kernel_lib.features.regime.regime`.
    seed : int
        Of the fit; the same seed gives the same numbers.
    starts : int
        Random starts of which the likeliest is kept.
    bars : str or None
        Bar length that the feature is to run on; None: on ticks, or the rows that it is given.

    Returns
    -------
    Feature
        :func:`~kernel_lib.features.regime.regime` with the fitted numbers.

    Raises
    ------
    BadData
        Too few rows, prices that are not positive, or prices that never move.

    >>> prices = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.001, 400)))
    >>> fit_regime(prices, "mixture", bars="1h").bars
    '1h'
    """
    n, starts = whole("window", window), whole("starts", starts, most=1000)
    rows = read_series(series).values
    if rows.dtype != BAR:
        raise BadData("a regime is fitted over bars or closing prices, it was given ticks; form bars of them first")
    close = rows["close"]
    if len(close) < _LEAST_ROWS + n:
        raise BadData(f"a fit needs at least {_LEAST_ROWS + n} bars, it was given {len(close)}")
    if not (np.isfinite(close).all() and (close > 0.0).all()):
        raise BadData("prices must be finite and positive to fit a regime; leave the others out")
    seen = observations(close, n)
    scale = seen.std(axis=0)
    if not (scale > 0.0).all():
        raise BadData("prices must move to fit a regime, they were constant")
    # Returns are small: unscaled, the libraries' least variance of 1e-3 would swallow them.
    centre = seen.mean(axis=0)
    scaled = (seen - centre) / scale
    if method == "hmm":
        means, deviations, transition, start = _fit_hmm(scaled, seed, starts)
    elif method == "mixture":
        means, deviations, transition, start = _fit_mixture(scaled, seed, starts)
    else:
        raise BadData(f"method must be 'hmm' or 'mixture', it was {method!r}")
    order = np.argsort(means[:, 0])
    return regime(
        (means * scale + centre)[order],
        (deviations * scale)[order],
        _rows(transition)[np.ix_(order, order)],
        _rows(start)[order],
        n,
        bars=bars,
    )


Fitted = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _fit_hmm(scaled: npt.NDArray[np.float64], seed: int, starts: int) -> Fitted:
    from hmmlearn.hmm import GaussianHMM  # type: ignore[import-untyped]

    best: Any = None
    likeliest = -np.inf
    for run in range(starts):
        model = GaussianHMM(_STATES, covariance_type="diag", n_iter=200, tol=1e-4, random_state=seed + run)
        model.fit(scaled)
        score = model.score(scaled)
        if score > likeliest:
            best, likeliest = model, score
    if best is None:
        raise BadData("the hidden Markov model found no fit; give more or other bars")
    deviations = np.sqrt(np.array([np.diag(each) for each in best.covars_]))
    return np.asarray(best.means_), deviations, np.asarray(best.transmat_), np.asarray(best.startprob_)


def _fit_mixture(scaled: npt.NDArray[np.float64], seed: int, starts: int) -> Fitted:
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(_STATES, covariance_type="diag", n_init=starts, max_iter=500, random_state=seed).fit(scaled)
    weights = np.asarray(model.weights_)
    return np.asarray(model.means_), np.sqrt(model.covariances_), np.tile(weights, (_STATES, 1)), weights


def _rows(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Clean rounding off probabilities, so that each row sums to one."""
    clean = np.maximum(table, 0.0)
    return np.asarray(clean / clean.sum(axis=-1, keepdims=True))
