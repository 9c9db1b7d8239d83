"""Filtered historical simulation: history rescaled to the volatility of now, and the two filters that say what it is.

Hull and White (1998): a return of a day when volatility was ``s`` stands for one of ``s_now / s`` times its size
today. ``ewma`` is RiskMetrics' filter with decay 0.94; ``garch`` fits a GARCH(1,1) by maximum likelihood. Means are
taken as zero, as both do for daily returns.
"""

from typing import Any, Literal

import msgspec
import numpy as np

from kernel_lib.declared import Declared, declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, complete, table
from kernel_lib.risk.var import QuantileMethod, expected_shortfall, value_at_risk

__all__ = [
    "Garch",
    "ewma_volatility",
    "filtered_expected_shortfall",
    "filtered_returns",
    "filtered_value_at_risk",
    "fit_garch",
    "garch_volatility",
]

Filter = Literal["ewma", "garch"]
_DECAY = 0.94
_LEAST_FOR_GARCH = 50


class Garch(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """Parameters of ``h[t+1] = omega + alpha * r[t]**2 + beta * h[t]`` with ``h`` the variance of a period."""

    omega: float
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        for name in ("omega", "alpha", "beta"):
            if not 0.0 <= getattr(self, name) < 1e100:
                raise BadData(f"{name} of a GARCH must be a number of at least 0, it was {getattr(self, name)!r}")

    @property
    def long_run_volatility(self) -> float:
        """Volatility of a period that it returns to; infinite when ``alpha + beta`` is 1."""
        rest = 1.0 - self.alpha - self.beta
        return float(np.sqrt(self.omega / rest)) if rest > 0.0 else float("inf")


@declared
def ewma_volatility(returns: Any, decay: float = _DECAY, *, seed: Literal["sample", "first"] = "sample") -> Floats:
    """Give the volatility that an exponentially weighted mean of squares expected for each period.

    Parameters
    ----------
    returns : array_like, shape (n_periods,)
    decay : float
        Lambda: weight of yesterday's variance; RiskMetrics takes 0.94 for days and 0.97 for months.
    seed : {"sample", "first"}
        Variance expected of the first period: the mean square of all, or its own square (Hull's sheet).

    Returns
    -------
    ndarray, shape (n_periods + 1,)
        ``[t]`` is known before period ``t``; the last is the forecast for the period to come.

    >>> ewma_volatility([0.01, 0.01], seed="first").round(6).tolist()
    [0.01, 0.01, 0.01]
    """
    array = complete(returns, "returns", 1)
    if not (np.isfinite(decay) and 0.0 < decay < 1.0):
        raise BadData(f"a decay must be above 0 and below 1, it was {decay!r}")
    if seed not in ("sample", "first"):
        raise BadData(f"seed must be 'sample' or 'first', it was {seed!r}")
    squares = array**2
    return np.sqrt(_recursion(0.0, 1.0 - decay, decay, squares, squares.mean() if seed == "sample" else squares[0]))


@declared
def fit_garch(returns: Any) -> Garch:
    """Fit a GARCH(1,1) without mean by maximum likelihood of normal innovations.

    Raises
    ------
    BadData
        Fewer than 50 returns, or a series that does not move.

    >>> steps = np.random.default_rng(1).normal(0, 0.01, 400)
    >>> round(fit_garch(steps).long_run_volatility, 2)
    0.01
    """
    from scipy.optimize import minimize

    array = complete(returns, "returns", _LEAST_FOR_GARCH)
    scale = float(np.sqrt(np.mean(array**2)))
    if scale == 0.0 or array.max() == array.min():
        raise BadData("returns must move for a GARCH fit, they are constant")
    squares = (array / scale) ** 2

    def loss(point: Floats) -> float:
        omega, alpha, beta = point
        if alpha + beta >= 1.0:
            return float(1e10 * (alpha + beta))
        variance = _recursion(omega, alpha, beta, squares, 1.0)[:-1]
        return float(np.mean(np.log(variance) + squares / variance))

    best = None
    # The likelihood has flat ridges; three starts are enough to leave them.
    for alpha, beta in ((0.05, 0.90), (0.10, 0.80), (0.20, 0.50)):
        found = minimize(
            loss, [1.0 - alpha - beta, alpha, beta], method="L-BFGS-B",
            bounds=[(1e-6, 10.0), (0.0, 0.999), (0.0, 0.999)],
        )  # fmt: skip
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    omega, alpha, beta = (float(each) for each in best.x)
    return Garch(omega=omega * scale**2, alpha=alpha, beta=beta)


@declared
def garch_volatility(returns: Any, garch: Garch | None = None) -> Floats:
    """Give the volatility that a GARCH(1,1) expected for each period, and for the one to come; fitted if None.

    Returns
    -------
    ndarray, shape (n_periods + 1,)
        As :func:`ewma_volatility`.
    """
    array = complete(returns)
    fitted = fit_garch(array) if garch is None else garch
    squares = array**2
    return np.sqrt(_recursion(fitted.omega, fitted.alpha, fitted.beta, squares, float(squares.mean())))


@declared
def filtered_returns(returns: Any, *, filter_by: Filter = "ewma", decay: float = _DECAY) -> Floats:
    """Rescale each return to the volatility of now.

    Parameters
    ----------
    returns : array_like, shape (n_periods,) or (n_periods, n_instruments)
        Each instrument is filtered by its own volatility; what moved together stays together.
    filter_by : {"ewma", "garch"}
    decay : float
        Of ``ewma``.

    Raises
    ------
    BadData
        Nothing moved at all, or the input is no table of numbers.
    """
    if np.ndim(returns) == 2:
        columns, names = table(returns)
        if not np.any(columns):
            raise BadData("returns must move to be filtered, every one is 0")
        # An instrument that did not move has no volatility to rescale by, and stays at 0.
        return np.column_stack(
            [
                _rescaled(columns[:, i], filter_by, decay, name) if np.any(columns[:, i]) else columns[:, i]
                for i, name in enumerate(names)
            ]
        )
    return _rescaled(complete(returns, "returns", 2), filter_by, decay, "returns")


@declared
def filtered_value_at_risk(
    returns: Any,
    exposures: Any = None,
    *,
    confidence: float = 0.95,
    horizon: float = 1.0,
    method: QuantileMethod = "linear",
    filter_by: Filter = "ewma",
    decay: float = _DECAY,
) -> float:
    """Give the historical value at risk of the rescaled history; parameters as there.

    >>> calm_then_wild = [0.001, -0.001] * 50 + [0.03, -0.03] * 10
    >>> filtered_value_at_risk(calm_then_wild) > 0.02
    True
    """
    return value_at_risk(
        filtered_returns(returns, filter_by=filter_by, decay=decay), exposures,
        confidence=confidence, horizon=horizon, method=method,
    )  # fmt: skip


@declared
def filtered_expected_shortfall(
    returns: Any,
    exposures: Any = None,
    *,
    confidence: float = 0.95,
    horizon: float = 1.0,
    method: QuantileMethod = "linear",
    filter_by: Filter = "ewma",
    decay: float = _DECAY,
) -> float:
    """Give the historical expected shortfall of the rescaled history; parameters as there."""
    return expected_shortfall(
        filtered_returns(returns, filter_by=filter_by, decay=decay), exposures,
        confidence=confidence, horizon=horizon, method=method,
    )  # fmt: skip


def _rescaled(array: Floats, filter_by: Filter, decay: float, name: str) -> Floats:
    if filter_by not in ("ewma", "garch"):
        raise BadData(f"filter_by must be 'ewma' or 'garch', it was {filter_by!r}")
    if not np.any(array):
        raise BadData(f"{name} must move to be filtered, every return is 0")
    unit = array / np.abs(array).max()  # the squares of very small returns would vanish
    expected = ewma_volatility(unit, decay) if filter_by == "ewma" else garch_volatility(unit)
    rescaled: Floats = array * (expected[-1] / expected[:-1])
    return rescaled


def _recursion(omega: float, alpha: float, beta: float, squares: Floats, first: float) -> Floats:
    """Give h[0] = first, h[t+1] = omega + alpha * squares[t] + beta * h[t], one longer than the squares."""
    from scipy.signal import lfilter

    fed = omega + alpha * squares
    rest, _ = lfilter([1.0], [1.0, -beta], fed, zi=[beta * first])
    return np.concatenate([[first], rest])
