"""What an optimiser believes: expected returns and covariance of a span, from prices or from returns.

Two habits of the field, each by name. ``expected_of_returns`` is skfolio's: arithmetic means and the sample
covariance, per period unless told otherwise. ``expected_of_prices`` is PyPortfolioOpt's: the compounded growth of a
252-day year (``mean_historical_return``) and the annual sample covariance (``sample_cov``), each pair of instruments
over the days that both have.
"""

from typing import Any

import msgspec
import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.correlation import CovarianceMethod, covariance
from kernel_lib.risk.series import Floats, complete, floats, periods, table

__all__ = ["Expected", "expected_of_prices", "expected_of_returns", "read_expected"]

_LEAST_EIGENVALUE = 1e-12


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Expected returns and covariance of the same span.

    Parameters
    ----------
    names : tuple of str
    means : ndarray, shape (n_instruments,)
    covariance : ndarray, shape (n_instruments, n_instruments)
        Symmetric, positive definite.
    """

    names: tuple[str, ...]
    means: Floats
    covariance: Floats

    def __post_init__(self) -> None:
        means, n = complete(self.means, "means"), len(self.names)
        matrix = floats(self.covariance, "a covariance")
        msgspec.structs.force_setattr(self, "means", means)
        msgspec.structs.force_setattr(self, "covariance", matrix)
        if means.shape != (n,) or matrix.shape != (n, n):
            raise BadData(
                f"{n} names need as many means and a square covariance, there were {len(means)} and {matrix.shape}"
            )
        if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-14):
            raise BadData("a covariance must be finite and symmetric")
        values = np.linalg.eigvalsh(matrix)
        if values[0] <= _LEAST_EIGENVALUE * max(values[-1], 0.0):
            raise BadData(
                "a covariance must be positive definite, this one is singular: an instrument does not move, two are "
                "one, or there are fewer observations than instruments; use method='ledoit_wolf'"
            )


@declared
def expected_of_returns(
    returns: Any, method: CovarianceMethod = "sample", *, periods_per_year: float | str = 1.0
) -> Expected:
    """Take arithmetic means and a covariance from returns.

    Parameters
    ----------
    returns : array_like or DataFrame, shape (n_periods, n_instruments)
        No NaN.
    method : {"sample", "ewma", "ledoit_wolf"}
        Of the covariance.
    periods_per_year : float or str
        1 leaves both per period.

    >>> expected_of_returns([[0.01, 0.0], [0.02, 0.01], [0.0, -0.03]]).means.round(6).tolist()
    [0.01, -0.006667]
    """
    array, names = table(returns)
    a_year = periods(periods_per_year)
    return Expected(names=names, means=array.mean(axis=0) * a_year, covariance=covariance(array, method) * a_year)


@declared
def expected_of_prices(prices: Any, *, periods_per_year: float | str = "daily") -> Expected:
    """Take compounded annual growth and the annual sample covariance from prices.

    Parameters
    ----------
    prices : DataFrame, shape (n_periods, n_instruments)
        NaN where an instrument was not yet traded.

    >>> import pandas as pd
    >>> found = expected_of_prices(pd.DataFrame({"a": [1.0, 1.1, 1.0, 1.2], "b": [2.0, 2.0, 2.1, 2.2]}))
    >>> found.names
    ('a', 'b')
    """
    import pandas as pd

    array = floats(prices, "prices")
    if array.ndim != 2 or np.any(array <= 0.0):
        raise BadData(f"prices must be a table of numbers above 0, its shape was {array.shape}")
    frame = pd.DataFrame(array, columns=getattr(prices, "columns", None))
    a_year = periods(periods_per_year)
    returns = frame.pct_change(fill_method=None).dropna(how="all")
    counts = returns.count()
    if len(returns) < 2 or (counts < 2).any():
        raise BadData("every instrument must have at least 2 returns")
    means = (1.0 + returns).prod() ** (a_year / counts) - 1.0
    return Expected(
        names=tuple(map(str, frame.columns)), means=means.to_numpy(), covariance=returns.cov().to_numpy() * a_year
    )


def read_expected(thing: Any) -> Expected:
    """Give the argument itself if it is :class:`Expected`, else :func:`expected_of_returns` of it."""
    return thing if isinstance(thing, Expected) else expected_of_returns(thing)
