"""How instruments move together: the covariance and correlation of returns, plain, weighted to the recent, or shrunk.

``sample`` divides by ``n - 1`` (pandas). ``ewma`` is RiskMetrics': zero mean, decay 0.94, weights normalised to 1.
``ledoit_wolf`` shrinks the sample (population) covariance towards a scaled identity (Ledoit and Wolf 2004), by
scikit-learn; with few observations it is the only one of the three that can always be inverted.
"""

from typing import Any, Literal

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, floats, table
from kernel_lib.risk.shown import Shown, Table

__all__ = ["Comovement", "comovement", "correlated_exposure", "covariance", "to_correlation"]

CovarianceMethod = Literal["sample", "ewma", "ledoit_wolf"]


class Comovement(Shown, frozen=True, kw_only=True):
    """Volatilities and correlations of instruments.

    Parameters
    ----------
    names : tuple of str
    covariance, correlation : ndarray, shape (n_instruments, n_instruments)
        Of one period. A row of the correlation is NaN for an instrument that did not move.
    method : str
    """

    names: tuple[str, ...]
    covariance: Floats
    correlation: Floats
    method: str

    @property
    def volatilities(self) -> Floats:
        """Standard deviations of one period, shape (n_instruments,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def average_correlation(self) -> float:
        """Mean of the correlations between different instruments; NaN for a single one."""
        n = len(self.names)
        rest = self.correlation[~np.eye(n, dtype=bool)]
        return float(rest.mean()) if rest.size else float("nan")

    def _table(self) -> Table:
        rows = [[name, *(f"{c:.2f}" for c in row)] for name, row in zip(self.names, self.correlation, strict=True)]
        return (f"Correlation of returns ({self.method})", ("", *self.names), rows)

    def plot(self) -> Any:
        """Draw the correlations as a heat map; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        n = len(self.names)
        figure = Figure(figsize=(2 + 0.5 * n, 1.5 + 0.5 * n), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(self.correlation, vmin=-1.0, vmax=1.0, cmap="RdBu_r")
        axes.set_xticks(range(n), self.names, rotation=90)
        axes.set_yticks(range(n), self.names)
        figure.colorbar(image, ax=axes, label="correlation")
        return figure


@declared
def covariance(returns: Any, method: CovarianceMethod = "sample", *, decay: float = 0.94) -> Floats:
    """Give the covariance of one period.

    Parameters
    ----------
    returns : array_like or DataFrame, shape (n_periods, n_instruments)
        No NaN, at least two rows.
    method : {"sample", "ewma", "ledoit_wolf"}
    decay : float
        Of ``ewma``.

    >>> covariance([[0.01, 0.02], [-0.01, -0.02]]).round(6).tolist()
    [[0.0002, 0.0004], [0.0004, 0.0008]]
    """
    array, _ = table(returns)
    if method == "sample":
        away = array - array.mean(axis=0)
        return np.asarray(away.T @ away / (len(array) - 1))
    if method == "ewma":
        if not (np.isfinite(decay) and 0.0 < decay < 1.0):
            raise BadData(f"a decay must be above 0 and below 1, it was {decay!r}")
        weights = decay ** np.arange(len(array) - 1, -1, -1.0)
        return np.asarray((array * (weights / weights.sum())[:, None]).T @ array)
    if method != "ledoit_wolf":
        raise BadData(f"method must be sample, ewma or ledoit_wolf, it was {method!r}")
    from sklearn.covariance import ledoit_wolf  # type: ignore[import-untyped, unused-ignore]

    return np.asarray(ledoit_wolf(array)[0], dtype=np.float64)


@declared
def comovement(returns: Any, method: CovarianceMethod = "sample", *, decay: float = 0.94) -> Comovement:
    """Describe how instruments move together; parameters as :func:`covariance`.

    >>> comovement([[0.01, 0.02], [-0.01, -0.02], [0.0, 0.0]]).correlation.round(6).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    matrix = covariance(returns, method, decay=decay)
    return Comovement(
        names=table(returns)[1], covariance=matrix, correlation=to_correlation(matrix), method=method,
    )  # fmt: skip


@declared
def to_correlation(matrix: Any) -> Floats:
    """Turn a covariance into a correlation; the row and column of an instrument that did not move are NaN."""
    array = floats(matrix, "a covariance")
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise BadData(f"a covariance must be square, its shape was {array.shape}")
    deviations = np.sqrt(np.diag(array))
    deviations = np.where(deviations > 0.0, deviations, np.nan)
    correlation: Floats = np.clip(array / np.outer(deviations, deviations), -1.0, 1.0)
    moving = np.flatnonzero(~np.isnan(deviations))
    correlation[moving, moving] = 1.0
    return correlation


@declared
def correlated_exposure(exposures: Any, correlation: Any) -> float:
    """Give the exposure that is left after what offsets or diversifies itself: ``sqrt(e' C e)``.

    Equal to the gross sum when everything moves as one, to the net when longs and shorts do.

    Parameters
    ----------
    exposures : array_like, shape (n_instruments,)
        Money, negative when short; scale it with volatilities to speak of risk.
    correlation : array_like, shape (n_instruments, n_instruments)

    >>> correlated_exposure([3.0, 4.0], [[1.0, 0.0], [0.0, 1.0]])
    5.0
    """
    money, matrix = floats(exposures, "exposures"), floats(correlation, "a correlation")
    if money.ndim != 1 or matrix.shape != (money.size, money.size):
        raise BadData(f"{money.size} exposures need a correlation of that size, its shape was {matrix.shape}")
    if not (np.isfinite(money).all() and np.isfinite(matrix).all()):
        raise BadData("exposures and correlation must be finite numbers")
    return float(np.sqrt(max(0.0, float(money @ matrix @ money))))
