"""What a model is to learn: the outcome of each row, and the row at which that outcome is known.

A label looks forward by design; a feature never does. So a label carries ``ends``, the row at which its outcome became
known, and the splits of :mod:`kernel_lib.models.splits` keep every training row away whose outcome was still open when
the test rows began. Rows without an outcome yet (the last ones) have NaN.

Sources: fixed horizon and triple barrier after M. Lopez de Prado, *Advances in Financial Machine Learning* (2018),
sections 3.2 and 3.4; realised volatility after Andersen and Bollerslev (1998).
"""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.arrays import numbers
from kernel_lib.declared import declared
from kernel_lib.errors import BadData

__all__ = ["Kind", "Labels", "direction", "forward_return", "momentum", "outlook", "triple_barrier", "volatility"]

Kind = Literal["direction", "value", "outlook"]
Floats = npt.NDArray[np.float64]


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Outcomes of ``n`` rows.

    Parameters
    ----------
    name : str
        As it stands in a model card, ``"direction(12)"``.
    kind : {"direction", "value", "outlook"}
        ``direction``: -1, 0 or +1. ``value``: a real number. ``outlook``: three columns, direction, volatility and
        momentum.
    horizon : int
        The most rows from a row to its outcome.
    values : ndarray of float, shape (n,) or (n, 3)
        NaN where the outcome is not known.
    ends : ndarray of int, shape (n,)
        The row at which the outcome is known; the row's own number where there is none.
    """

    name: str
    kind: Kind
    horizon: int
    values: npt.NDArray[np.float64]
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> "Labels":
        """Give the first rows, ``labels[:n]``; outcomes that lie beyond them become unknown."""
        if not isinstance(rows, slice) or rows.start not in (None, 0) or rows.step not in (None, 1):
            raise BadData(f"labels are cut from their beginning, labels[:n], it was labels[{rows!r}]")
        n_rows = len(self.values[rows])
        values, ends = self.values[:n_rows].copy(), self.ends[:n_rows].copy()
        beyond = ends >= n_rows
        values[beyond] = np.nan
        ends[beyond] = np.flatnonzero(beyond)
        return Labels(name=self.name, kind=self.kind, horizon=self.horizon, values=values, ends=ends)


@declared
def forward_return(close: npt.ArrayLike, horizon: int = 1) -> Labels:
    """Give the logarithmic return over the next ``horizon`` rows in percent, ``100 * ln(close[i + h] / close[i])``.

    Percent, because a prediction is rounded to six decimals: a minute's return of 0.00001 would keep two digits.

    >>> forward_return([1.0, 2.0, 4.0]).values.round(4).tolist()
    [69.3147, 69.3147, nan]
    """
    prices, horizon = _prices(close), _horizon(horizon)
    values = np.full(len(prices), np.nan)
    if horizon < len(prices):
        values[:-horizon] = 100.0 * np.log(prices[horizon:] / prices[:-horizon])
    return _fixed(f"forward_return_pct({horizon})", "value", values, horizon)


@declared
def direction(close: npt.ArrayLike, horizon: int = 1, *, threshold_pct: float = 0.0) -> Labels:
    """Say whether the price will be higher (+1) or lower (-1) ``horizon`` rows on.

    Parameters
    ----------
    close : array_like, shape (n,)
        Positive prices.
    horizon : int
        Rows ahead.
    threshold_pct : float
        Absolute logarithmic return in percent at or below which the outcome is 0, "flat". With 0 an unchanged price is
        counted as -1, "not higher", so that there are two classes.

    >>> direction([1.0, 2.0, 1.0]).values.tolist()
    [1.0, -1.0, nan]
    """
    if not 0 <= threshold_pct < 1e6:
        raise BadData(f"threshold_pct must be a return in percent from 0, it was {threshold_pct!r}")
    ahead = forward_return(close, horizon).values
    if threshold_pct == 0.0:
        values = np.where(np.isnan(ahead), np.nan, np.where(ahead > 0, 1.0, -1.0))
        return _fixed(f"direction({horizon})", "direction", values, horizon)
    values = np.where(np.isnan(ahead), np.nan, np.where(np.abs(ahead) <= threshold_pct, 0.0, np.sign(ahead)))
    return _fixed(f"direction({horizon}, threshold_pct={threshold_pct:g})", "direction", values, horizon)


@declared
def volatility(close: npt.ArrayLike, horizon: int = 12) -> Labels:
    """Give the realised volatility of the next ``horizon`` rows in percent, the root mean square of returns.

    A row's standard deviation about zero, not brought to a year.

    >>> round(float(volatility([1.0, 1.01, 1.0, 1.01], horizon=2).values[0]), 6)
    0.995033
    """
    prices, horizon = _prices(close), _horizon(horizon)
    values = np.full(len(prices), np.nan)
    if horizon < len(prices):
        squares = np.lib.stride_tricks.sliding_window_view(np.diff(np.log(prices)) ** 2, horizon)
        values[:-horizon] = 100.0 * np.sqrt(squares.mean(axis=1))
    return _fixed(f"volatility_pct({horizon})", "value", values, horizon)


@declared
def momentum(close: npt.ArrayLike, horizon: int = 12, *, span: int = 48) -> Labels:
    """Give the return of the next ``horizon`` rows in units of what the past lets expect.

    ``ln(close[i + h] / close[i]) / (s[i] * sqrt(h))`` where ``s`` is the exponentially weighted root mean square of
    one-row returns up to row ``i`` with ``span``, RiskMetrics' volatility. NaN for the first ``span`` rows too.
    """
    prices, horizon, span = _prices(close), _horizon(horizon), _horizon(span)
    ahead = forward_return(prices, horizon).values / 100.0
    scale = past_volatility(prices, span) * np.sqrt(horizon)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(scale > 0, ahead / scale, np.nan)
    return _fixed(f"momentum({horizon}, span={span})", "value", values, horizon)


@declared
def outlook(close: npt.ArrayLike, horizon: int = 12, *, threshold_pct: float = 0.0, span: int = 48) -> Labels:
    """Join direction, volatility and momentum of the same horizon: what the networks learn at once.

    >>> outlook([1.0, 1.1, 1.0, 1.2, 1.1, 1.3], horizon=2, span=2).values.shape
    (6, 3)
    """
    parts = [
        direction(close, horizon, threshold_pct=threshold_pct),
        volatility(close, horizon),
        momentum(close, horizon, span=span),
    ]
    values = np.column_stack([each.values for each in parts])
    return Labels(name=f"outlook({horizon})", kind="outlook", horizon=parts[0].horizon, values=values,
                  ends=parts[0].ends)  # fmt: skip


@declared
def triple_barrier(
    close: npt.ArrayLike,
    horizon: int = 24,
    *,
    take: float = 2.0,
    stop: float = 2.0,
    span: int = 48,
    high: npt.ArrayLike | None = None,
    low: npt.ArrayLike | None = None,
) -> Labels:
    """Say which barrier the price touches first: the upper (+1), the lower (-1), or none within ``horizon`` rows (0).

    Parameters
    ----------
    close : array_like, shape (n,)
    horizon : int
        Rows to the vertical barrier.
    take, stop : float
        Distance of the upper and the lower barrier in units of the past volatility of one row
        (see :func:`momentum`), taken at the row itself.
    span : int
        Of that volatility.
    high, low : array_like or None
        Where given, barriers are touched by them and not by the close. A row that touches both counts as 0, because
        the order within it is not known.

    Returns
    -------
    Labels
        ``ends`` is the row of the touch. NaN where the volatility is not known yet, or where the last rows come
        before any barrier.
    """
    prices, horizon, span = _prices(close), _horizon(horizon), _horizon(span)
    if not (np.isfinite(take) and np.isfinite(stop) and take > 0 and stop > 0):
        raise BadData(f"take and stop must be positive, they were {take!r} and {stop!r}")
    tops = prices if high is None else _prices(high)
    bottoms = prices if low is None else _prices(low)
    if not len(tops) == len(bottoms) == len(prices):
        raise BadData(f"close, high and low must be equally long, they were {len(prices)}, {len(tops)}, {len(bottoms)}")
    n_rows = len(prices)
    width = past_volatility(prices, span)
    values, ends = np.full(n_rows, np.nan), np.arange(n_rows)
    upper, lower = prices * np.exp(take * width), prices * np.exp(-stop * width)
    is_open = np.isfinite(width) & (width > 0)
    for ahead in range(1, horizon + 1):
        rows = np.flatnonzero(is_open[: n_rows - ahead]) if ahead < n_rows else np.zeros(0, np.int64)
        then = rows + ahead
        above, below = tops[then] >= upper[rows], bottoms[then] <= lower[rows]
        touched = above | below
        values[rows[touched]] = above[touched].astype(float) - below[touched]
        ends[rows[touched]] = then[touched]
        is_open[rows[touched]] = False
    rows = np.flatnonzero(is_open[: max(n_rows - horizon, 0)])
    values[rows], ends[rows] = 0.0, rows + horizon
    name = f"triple_barrier({horizon}, take={take:g}, stop={stop:g})"
    return Labels(name=name, kind="direction", horizon=horizon, values=values, ends=ends)


def past_volatility(prices: Floats, span: int) -> Floats:
    """Exponentially weighted root mean square of one-row log returns; NaN for the first ``span`` rows."""
    squares = np.diff(np.log(prices)) ** 2
    shown = np.full(len(prices), np.nan)
    if len(squares) < span:
        return shown
    keep = 1.0 - 2.0 / (span + 1.0)
    variance = float(squares[:span].mean())
    shown[span] = np.sqrt(variance)
    for row in range(span, len(squares)):
        variance = keep * variance + (1.0 - keep) * squares[row]
        shown[row + 1] = np.sqrt(variance)
    return shown


def _fixed(name: str, kind: Kind, values: Floats, horizon: int) -> Labels:
    rows = np.arange(len(values))
    known = rows + horizon < len(values)
    return Labels(name=name, kind=kind, horizon=horizon, values=values, ends=np.where(known, rows + horizon, rows))


def _prices(close: npt.ArrayLike) -> Floats:
    prices = numbers(close, "prices")
    if prices.ndim != 1 or len(prices) < 2:
        raise BadData(f"prices must be one dimension of at least two, the shape was {prices.shape}")
    bad = np.flatnonzero(~(np.isfinite(prices) & (prices > 0)))
    if len(bad):
        raise BadData(f"prices must be finite and positive, row {bad[0]} was {float(prices[bad[0]])!r}")
    return prices


def _horizon(rows: int) -> int:
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or not 1 <= rows <= 100_000:
        raise BadData(f"a horizon or span must be a whole number of rows from 1 to 100000, it was {rows!r}")
    return int(rows)
