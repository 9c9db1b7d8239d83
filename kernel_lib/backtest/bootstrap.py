"""The stationary bootstrap: how far any statistic of a dependent series could have come out otherwise.

Blocks of random, geometrically distributed length are drawn from the series, which is taken as a circle, until a series
of the same length is full (D. N. Politis and J. P. Romano, *The Stationary Bootstrap*, JASA 89, 1994). The mean
length is chosen from the series' own autocorrelation (D. N. Politis and H. White, *Automatic Block-Length Selection
for the Dependent Bootstrap*, Econometric Reviews 23, 2004, as corrected by A. Patton, Politis and White, 28, 2009).
Every draw comes of a seed: the same call gives the same numbers.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, floats

__all__ = [
    "Interval",
    "block_length",
    "bootstrap_interval",
    "interval_of_draws",
    "resample_rows",
    "resampled",
    "stationary_rows",
]

Rows = npt.NDArray[np.int64]
_CHUNK_CELLS = 4_000_000


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """What a statistic is, and between what it lies.

    Parameters
    ----------
    estimate : float
        Of the series as it came.
    low, high : float
        Ends of the interval; NaN where the statistic could not be computed on enough draws.
    confidence : float
        Share of the draws within, 0.95 for 95 percent.
    standard_error : float
        Deviation over the draws.
    n_draws : int
        Draws on which the statistic was a number.
    block : float
        Mean length of a block, in rows.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    standard_error: float
    n_draws: int
    block: float

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __repr__(self) -> str:
        return f"<{self.estimate:.4g}, {100 * self.confidence:g} % from {self.low:.4g} to {self.high:.4g}>"


def block_length(values: Any, *, circular: bool = False) -> float:
    """Choose the mean length of a block from a series' autocorrelation.

    Parameters
    ----------
    values : array_like, shape (n,) or (n, n_columns)
        For a table the longest of its columns' lengths.
    circular : bool
        For blocks of one length (circular block bootstrap) instead of random ones.

    Returns
    -------
    float
        From 1 to ``min(3 sqrt(n), n / 3)``; 1 for a constant series and for fewer than eight rows.

    >>> block_length([0.0, 1.0] * 4 + [1.0, 0.0] * 4) > 1.0
    True
    """
    array = _table(values)
    n_rows = len(array)
    if n_rows < 8:
        return 1.0
    longest = math.ceil(min(3.0 * math.sqrt(n_rows), n_rows / 3.0))
    lengths = [_length_of(column, circular) for column in array.T]
    return max(1.0, min(longest, max(lengths)))


def stationary_rows(n_rows: int, block: float, n_draws: int, seed: Any = 1) -> Iterator[Rows]:
    """Draw row numbers of resampled series, in portions of bounded memory.

    Parameters
    ----------
    n_rows : int
        Length of the series, and of each draw.
    block : float
        Mean length of a block, at least 1; at 1 rows are drawn independently.
    n_draws : int
    seed : int or sequence of int

    Yields
    ------
    ndarray of int64, shape (some, n_rows)

    >>> rows = next(stationary_rows(5, 2.0, 3))
    >>> rows.shape, bool(((rows >= 0) & (rows < 5)).all())
    ((3, 5), True)
    """
    if n_rows < 1:
        raise BadData(f"a series must have at least one row to be resampled, it had {n_rows}")
    if not (math.isfinite(block) and block >= 1.0):
        raise BadData(f"the mean length of a block must be at least 1, it was {block!r}")
    if isinstance(n_draws, bool) or n_draws < 1:
        raise BadData(f"the number of draws must be at least 1, it was {n_draws!r}")
    random = np.random.default_rng(seed)
    left = n_draws
    portion = max(1, _CHUNK_CELLS // n_rows)
    places = np.arange(n_rows)
    while left:
        n_now = min(portion, left)
        left -= n_now
        begins = random.random((n_now, n_rows)) < 1.0 / block
        begins[:, 0] = True
        firsts = random.integers(0, n_rows, (n_now, n_rows))
        began = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
        yield (np.take_along_axis(firsts, began, axis=1) + places - began) % n_rows


def resample_rows(n_rows: int, block: float, seed: int = 1) -> Rows:
    """Draw the row numbers of one resampled series.

    >>> resample_rows(4, 1.0).shape
    (4,)
    """
    return next(stationary_rows(n_rows, block, 1, seed))[0]


def resampled(
    values: Any,
    statistic: Callable[[Any], float],
    *,
    n_draws: int = 1000,
    block: float | None = None,
    seed: int = 1,
    vectorized: bool = False,
) -> Floats:
    """Compute a statistic on resampled series.

    Parameters
    ----------
    values : array_like, shape (n,) or (n, n_columns)
        Rows are drawn whole, so that columns stay aligned. No NaN.
    statistic : callable
        From an array of the shape of ``values`` to a number; with ``vectorized`` from shape ``(n_draws, n)`` to
        ``(n_draws,)``.

    Returns
    -------
    ndarray, shape (n_draws,)
    """
    table = _table(values)
    flat = np.ndim(values) == 1
    array = table[:, 0] if flat else table
    if vectorized and not flat:
        raise BadData("a vectorized statistic takes a series of one dimension")
    length = block_length(table) if block is None else block
    found = []
    for rows in stationary_rows(len(array), length, n_draws, seed):
        if vectorized:
            found.append(np.asarray(statistic(array[rows]), dtype=np.float64))
        else:
            found.append(np.array([float(statistic(array[each])) for each in rows]))
    return np.concatenate(found)


def bootstrap_interval(
    values: Any,
    statistic: Callable[[Any], float],
    *,
    confidence: float = 0.95,
    n_draws: int = 1000,
    block: float | None = None,
    method: Literal["percentile", "basic"] = "percentile",
    seed: int = 1,
    vectorized: bool = False,
) -> Interval:
    """Give a confidence interval of any statistic of a dependent series.

    Parameters
    ----------
    values : array_like, shape (n,) or (n, n_columns)
        Returns of a period, say; no NaN.
    statistic : callable
        From such an array to a number, ``kernel_lib.risk.sharpe_ratio`` for one.
    confidence : float
        Share of the draws inside, between 0 and 1.
    n_draws : int
        A thousand place the ends within about a tenth of a standard error.
    block : float or None
        Mean length of a block; None: :func:`block_length`.
    method : {"percentile", "basic"}
        ``percentile``: the quantiles of the draws. ``basic``: these reflected at the estimate.
    vectorized : bool
        The statistic takes shape ``(n_draws, n)`` at once.

    Raises
    ------
    BadData
        Fewer than two rows, NaN, or a number out of range.

    >>> import numpy as np
    >>> returns = np.random.default_rng(1).normal(0.001, 0.01, 500)
    >>> interval = bootstrap_interval(returns, np.mean)
    >>> interval.low < interval.estimate < interval.high
    True
    """
    if not 0.0 < confidence < 1.0:
        raise BadData(f"confidence must be between 0 and 1, it was {confidence!r}")
    if method not in ("percentile", "basic"):
        raise BadData(f"method must be percentile or basic, it was {method!r}")
    table = _table(values)
    if len(table) < 2:
        raise BadData(f"an interval needs at least 2 rows, there were {len(table)}")
    length = block_length(table) if block is None else block
    whole = table[:, 0] if np.ndim(values) == 1 else table
    estimate = float(np.asarray(statistic(whole[None] if vectorized else whole)).reshape(-1)[0])
    draws = resampled(whole, statistic, n_draws=n_draws, block=length, seed=seed, vectorized=vectorized)
    return interval_of_draws(estimate, draws, length, confidence=confidence, method=method)


def interval_of_draws(
    estimate: float,
    draws: Floats,
    block: float,
    *,
    confidence: float = 0.95,
    method: Literal["percentile", "basic"] = "percentile",
) -> Interval:
    """Make an interval of a statistic's draws; those that are not finite are left out.

    >>> import numpy as np
    >>> interval_of_draws(1.0, np.linspace(0.0, 2.0, 201), 1.0, confidence=0.9)
    <1, 90 % from 0.1 to 1.9>
    """
    seen = draws[np.isfinite(draws)]
    # Where the statistic fails on more than half of the draws, quantiles of the rest say nothing of it.
    if 2 * len(seen) < len(draws) or len(seen) < 2:
        low = high = error = math.nan
    else:
        low, high = np.quantile(seen, [0.5 - confidence / 2, 0.5 + confidence / 2]).tolist()
        error = float(seen.std(ddof=1))
        if method == "basic":
            low, high = 2 * estimate - high, 2 * estimate - low
    return Interval(
        estimate=estimate, low=low, high=high, confidence=confidence, standard_error=error, n_draws=len(seen),
        block=block,
    )  # fmt: skip


def _length_of(column: Floats, circular: bool) -> float:
    n_rows = len(column)
    away = column - column.mean()
    if not away.any() or float(np.ptp(column)) == 0.0:
        return 1.0
    away = away / np.abs(away).max()
    in_a_row = max(5, int(math.log10(n_rows)))
    most = min(math.ceil(math.sqrt(n_rows)) + in_a_row, n_rows - 1)
    covariance = np.array([away[k:] @ away[: n_rows - k] for k in range(most + 1)]) / n_rows
    small = np.array([abs(_correlation(away, k)) for k in range(1, most)]) < 2.0 * math.sqrt(
        math.log10(n_rows) / n_rows
    )
    band = min(2 * _first_small(small, in_a_row, most), most)
    lags = np.arange(-band, band + 1)
    at_lags = covariance[np.abs(lags)]
    flat_top = np.minimum(1.0, 2.0 * (1.0 - np.abs(lags) / band))
    slope = float(np.sum(flat_top * np.abs(lags) * at_lags))
    variance = float(np.sum(flat_top * at_lags))
    scale = (4.0 / 3.0 if circular else 2.0) * variance**2
    if scale == 0.0:
        return 1.0
    return float((2.0 * slope**2 / scale) ** (1.0 / 3.0) * n_rows ** (1.0 / 3.0))


def _correlation(away: Floats, lag: int) -> float:
    # Scaled by the parts that overlap at the lag, as Patton's code does.
    first, second = away[lag:], away[: len(away) - lag]
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / scale if scale > 0.0 else 0.0


def _first_small(small: npt.NDArray[np.bool_], in_a_row: int, most: int) -> int:
    """Give the lag that begins the first run of small correlations, as Patton's code and arch do, or the last one."""
    for start in range(len(small) - in_a_row + 1):
        if small[start : start + in_a_row].all():
            return start + 1
    return most


def _table(values: Any) -> Floats:
    array = floats(values, "values")
    if array.ndim not in (1, 2):
        raise BadData(f"values must have one or two dimensions, the shape was {array.shape}")
    table = array.reshape(len(array), -1)
    if np.isnan(table).any():
        row = int(np.argwhere(np.isnan(table))[0][0])
        raise BadData(f"values must have no NaN to be resampled, there is one in row {row}; drop or fill it first")
    return table
