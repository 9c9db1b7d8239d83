"""Market regimes: a model fitted once over the past, filtered forward update by update."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, Param, compiled, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["observations", "regime"]

_STATES = 3
_N_OUT = 4
_WINDOW, _STARTED, _LAST = range(_N_OUT, _N_OUT + 3)
_START = _LAST + 1
_TRANSITION = _START + _STATES
_MEANS = _TRANSITION + _STATES * _STATES
_DEVIATIONS = _MEANS + 2 * _STATES
_BELIEF = _DEVIATIONS + 2 * _STATES
_NEXT = _BELIEF + _STATES
_RING = _NEXT + _STATES

# A quiet stretch must not make the logarithm of its volatility minus infinity.
_LEAST_VOLATILITY = 1e-9


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[_WINDOW])
    last = s[_LAST]
    s[_LAST] = bar.close
    if not (bar.close > 0.0 and last > 0.0):
        return
    change = math.log(bar.close / last)
    if not ring_push(s, _RING, n, change):
        return
    drift = s[_RING + 2]
    noise = math.log(max(math.sqrt(max(s[_RING + 3], 0.0) / n), _LEAST_VOLATILITY))
    best = -math.inf
    for k in range(_STATES):
        if s[_STARTED] == 0.0:
            prior = s[_START + k]
        else:
            prior = 0.0
            for j in range(_STATES):
                prior += s[_BELIEF + j] * s[_TRANSITION + _STATES * j + k]
        a = (drift - s[_MEANS + 2 * k]) / s[_DEVIATIONS + 2 * k]
        fit = -0.5 * a * a - math.log(s[_DEVIATIONS + 2 * k])
        if n > 1:
            b = (noise - s[_MEANS + 2 * k + 1]) / s[_DEVIATIONS + 2 * k + 1]
            fit -= 0.5 * b * b + math.log(s[_DEVIATIONS + 2 * k + 1])
        s[_NEXT + k] = fit + (math.log(prior) if prior > 0.0 else -math.inf)
        best = max(best, s[_NEXT + k])
    total = 0.0
    for k in range(_STATES):
        s[_NEXT + k] = math.exp(s[_NEXT + k] - best)
        total += s[_NEXT + k]
    likely = 0
    for k in range(_STATES):
        s[_BELIEF + k] = s[_NEXT + k] / total
        s[1 + k] = s[_BELIEF + k]
        if s[_BELIEF + k] > s[_BELIEF + likely]:
            likely = k
    s[_STARTED] = 1.0
    s[0] = likely - 1.0


def regime(
    means: Any, deviations: Any, transition: Any, start: Any, window: int = 20, *, bars: str | None = None
) -> Feature:
    """Give the probabilities that the market is in a bear, sideways or bull regime, by what is known so far.

    The forward pass ``belief[k] ~ N(o; means[k], deviations[k]) * sum(belief_last[j] * transition[j, k])`` of a
    Gaussian hidden Markov model (Hamilton 1989; Rabiner 1989), or of a mixture, whose transition rows are its
    weights. What it observes is the mean and the logarithm of the population deviation of the last ``window``
    logarithmic returns; with a window of 1 the return alone. It is never smoothed: smoothed probabilities read the
    future. ``fit_regime`` finds the numbers. Outputs ``value`` (-1 bear, 0 sideways, 1 bull: the likeliest),
    ``bear``, ``sideways``, ``bull``.

    Parameters
    ----------
    means, deviations : array_like of float, shape (3, 2), or (3, 1) with a window of 1
        Of the observations in each regime, from the lowest mean return to the highest.
    transition : array_like of float, shape (3, 3)
        Probability of going from one (row) to another; rows sum to 1.
    start : array_like of float, shape (3,)
        Probabilities before the first observation; they sum to 1.
    window : int
        Returns in one observation.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> calm = regime([[-1.0], [0.0], [1.0]], [[1.0]] * 3, [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]],
    ...               [0.25, 0.5, 0.25], window=1)
    >>> calm([1.0, 1.0])["sideways"].round(6).tolist()
    [nan, 0.622459]
    """
    n = whole("window", window)
    shape = (_STATES, 1 if n == 1 else 2)
    centre = _table("means", means, shape)
    width = _table("deviations", deviations, shape)
    moves = _table("transition", transition, (_STATES, _STATES))
    first = _table("start", start, (_STATES,))
    if not (width > 0.0).all():
        raise BadData(f"deviations must be above 0, they were {width.tolist()}")
    for name, table in (("transition", moves), ("start", first)):
        if (table < 0.0).any() or not np.allclose(table.sum(axis=-1), 1.0, rtol=0.0, atol=1e-6):
            raise BadData(f"{name} must be probabilities that sum to 1, they were {table.tolist()}")
    if (np.diff(centre[:, 0]) < 0.0).any():
        raise BadData(f"means must rise from bear to bull in their first column, they were {centre[:, 0].tolist()}")
    pad = np.zeros((_STATES, 2 - shape[1]))
    return Feature(
        "regime",
        {
            "means": _tuple(centre),
            "deviations": _tuple(width),
            "transition": _tuple(moves),
            "start": _tuple(first),
            "window": n,
        },
        _update,
        [
            *[0.0] * _N_OUT, n, 0.0, np.nan, *first, *moves.ravel(), *np.hstack([centre, pad]).ravel(),
            *np.hstack([width, pad + 1.0]).ravel(), *[0.0] * (2 * _STATES), *[0.0] * ring_size(n),
        ],
        warmup=n + 1,
        bars=bars,
        outputs=("value", "bear", "sideways", "bull"),
    )  # fmt: skip


def observations(close: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Give what the filter observes over closing prices, shape (n_closes - window, 1 or 2)."""
    changes = np.diff(np.log(close))
    each = np.lib.stride_tricks.sliding_window_view(changes, window)
    drift = each.mean(axis=1)
    if window == 1:
        return drift[:, None]
    noise = np.log(np.maximum(each.std(axis=1), _LEAST_VOLATILITY))
    return np.column_stack([drift, noise])


def _table(name: str, numbers: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    try:
        table = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadData(f"{name} must be numbers of shape {shape}: {error}") from error
    if table.shape != shape or not np.isfinite(table).all():
        raise BadData(f"{name} must be finite numbers of shape {shape}, its shape was {table.shape}")
    return table


def _tuple(table: npt.NDArray[np.float64]) -> Param:
    if table.ndim == 1:
        return tuple(float(number) for number in table)
    return tuple(_tuple(row) for row in table)
