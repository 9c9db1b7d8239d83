"""Prices that did not happen: markets made of blocks of the recorded moves, and the same market with other spreads."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.bootstrap import block_length, stationary_rows
from kernel_lib.backtest.checked import check_ticks
from kernel_lib.errors import BadData
from kernel_lib.market.bar import BAR, Bars
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.risk.series import Floats

__all__ = ["resampled_bars", "resampled_ticks", "with_spread"]

#: Rows of the record that a block length is chosen from; beyond them the choice changes little and costs much.
_ROWS_FOR_BLOCK = 100_000


def resampled_ticks(
    ticks: Ticks, *, block: float | None = None, seed: Any = 1, digits: int | None = None
) -> tuple[Ticks, float]:
    """Make another market of blocks of the recorded one.

    The stationary bootstrap of the log changes of the mid, each with the spread that stood after it. Times stay, so
    that sessions, days and gaps are where they were.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n_ticks,)
    block : float or None
        Mean length of a block, in ticks. None: what the changes or their sizes ask for, whichever is longer, so that
        quiet and lively stretches stay together.
    seed : int or sequence of int
    digits : int or None
        Quotes are rounded to these; None leaves them.

    Returns
    -------
    (ndarray of TICK, float)
        The ticks, beginning at the recorded first mid, and the mean length of a block.

    Raises
    ------
    BadData
        What ``replay`` refuses, or fewer than three ticks.

    >>> ticks = make_ticks([0, 10**9, 2 * 10**9, 3 * 10**9], [1.0, 1.1, 1.0, 1.2], [1.1, 1.2, 1.1, 1.3])
    >>> drawn, block = resampled_ticks(ticks, block=2.0)
    >>> drawn["time_ns"].tolist() == ticks["time_ns"].tolist(), block
    (True, 2.0)
    """
    check_ticks(ticks)
    if len(ticks) < 3:
        raise BadData(f"another market needs at least 3 ticks to be made of, there were {len(ticks)}")
    mid = 0.5 * (ticks["bid"] + ticks["ask"])
    spread = ticks["ask"] - ticks["bid"]
    changes = np.diff(np.log(mid))
    length = _block(changes) if block is None else block
    rows = next(stationary_rows(len(changes), length, 1, seed))[0]
    drawn_mid = mid[0] * np.exp(np.concatenate([[0.0], np.cumsum(changes[rows])]))
    drawn_spread = np.concatenate([spread[:1], spread[1:][rows]])
    return _quoted(ticks["time_ns"], drawn_mid, drawn_spread, digits), float(length)


def resampled_bars(
    bars: Bars, *, block: float | None = None, seed: Any = 1, digits: int | None = None
) -> tuple[Bars, float]:
    """Make other bars of blocks of the recorded ones; see :func:`resampled_ticks`.

    A bar is drawn whole: its gap from the close before, its open, high, low and close to one another, its volume and
    spread. Times stay.

    Raises
    ------
    BadData
        Not bars, fewer than three, or a price that is not positive and finite.
    """
    if not isinstance(bars, np.ndarray) or bars.dtype != BAR or bars.ndim != 1:
        raise BadData("bars must be a one-dimensional array of dtype BAR (see kernel_lib.market.bar)")
    if len(bars) < 3:
        raise BadData(f"other bars need at least 3 to be made of, there were {len(bars)}")
    prices = np.stack([bars[name] for name in ("open", "high", "low", "close")])
    if not (np.isfinite(prices).all() and (prices > 0).all()):
        raise BadData("prices of bars must be positive and finite")
    logs = np.log(prices)
    changes = np.diff(logs[3])
    length = _block(changes) if block is None else block
    rows = next(stationary_rows(len(changes), length, 1, seed))[0]
    # Each bar seen from the close before it.
    seen = logs[:, 1:] - logs[3, :-1]
    closes = np.concatenate([[logs[3, 0]], logs[3, 0] + np.cumsum(seen[3, rows])])
    drawn = bars.copy()
    for place, name in enumerate(("open", "high", "low", "close")):
        drawn[name][1:] = np.exp(closes[:-1] + seen[place, rows])
        if digits is not None:
            drawn[name] = np.round(drawn[name], digits)
    drawn["volume"][1:], drawn["spread"][1:] = bars["volume"][1:][rows], bars["spread"][1:][rows]
    return drawn, float(length)


def with_spread(ticks: Ticks, multiplier: float, digits: int | None = None) -> Ticks:
    """Give the same mids with spreads ``multiplier`` times as wide.

    Parameters
    ----------
    multiplier : float
        0 removes the spread, 1 changes nothing.
    digits : int or None
        Quotes are rounded to these; a spread that is rounded keeps its width to within half a point.

    >>> ticks = make_ticks([0], [1.1000], [1.1002])
    >>> with_spread(ticks, 2.0, 5)[["bid", "ask"]].tolist()
    [(1.0999, 1.1003)]
    """
    if not (math.isfinite(multiplier) and multiplier >= 0.0):
        raise BadData(f"a spread is multiplied with 0 or more, it was {multiplier!r}")
    check_ticks(ticks)
    if multiplier == 1.0:
        return ticks
    spread = (ticks["ask"] - ticks["bid"]) * multiplier
    return _quoted(ticks["time_ns"], 0.5 * (ticks["bid"] + ticks["ask"]), spread, digits)


def _quoted(times: npt.NDArray[np.int64], mid: Floats, spread: Floats, digits: int | None) -> Ticks:
    bid, ask = mid - 0.5 * spread, mid + 0.5 * spread
    if digits is not None:
        bid = np.round(bid, digits)
        # The width is rounded by itself: two sides rounded apart would widen and narrow it by chance.
        ask = np.round(bid + np.round(spread, digits), digits)
    return make_ticks(times, bid, np.maximum(ask, bid))


def _block(changes: Floats) -> float:
    first = changes[:_ROWS_FOR_BLOCK]
    return max(block_length(first), block_length(np.abs(first)))
