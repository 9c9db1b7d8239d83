"""Bars as ticks: one-minute bars walked through tick by tick, or their opening prices only.

``mode="m1"`` follows the tick generation of MetaTrader 5's strategy tester (MetaQuotes, "The Algorithm of Ticks'
Generation within the Strategy Tester", 2010, and the terminal's help on generated ticks). A bar of one tick is its
close, one of two its open and close. From three on the price walks over support points, at most eleven beside the open:
the shadow at the open, the range from one extreme to the other, the shadow at the close, in shares of 3-5-3 and,
with fewer ticks, 2-6-2, 2-5-2 and so on down to 1-1-1. A rising bar goes down first, a falling one up, a doji against
the bar before it; a shadow that is not there leaves its points to the range. The ticks that remain lie between the
support points, in a line where the way has room, else in a saw. Where MetaQuotes shows the places within a part as
pictures only, they are ours: a shadow goes to half its length, or in three points to three quarters and back to one;
the range is a wave whose backward legs are half as long as its forward ones.

``mode="open"`` gives one tick a bar, the open, which carries the rest of its bar: nothing trades within a bar, and
features see it whole when the next one opens.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from kernel_lib.backtest.checked import OPEN_TICK
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.bar import BAR, Bars, bar_length_ns
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import TICK, Ticks

__all__ = ["check_bars", "ticks_from_bars", "ticks_to_replay"]

_MINUTE_NS = 60 * 10**9
#: More than a market has ever quoted in a bar that is worth walking through; above it, it counts shares, not ticks.
_MAX_TICKS = 100_000
_SUPPORT = 11


def ticks_to_replay(
    ticks: Ticks | Bars, mode: Literal["ticks", "m1", "open"], instrument: Instrument, spread_points: int | None
) -> Ticks:
    """Give what a run in ``mode`` goes over: the ticks themselves, or what :func:`ticks_from_bars` makes of bars.

    Raises
    ------
    BadData
        Bars without a mode of bars, or what :func:`ticks_from_bars` refuses.
    """
    if mode != "ticks":
        return ticks_from_bars(ticks, mode, instrument=instrument, spread_points=spread_points)
    if isinstance(ticks, np.ndarray) and ticks.dtype == BAR:
        raise BadData('bars are replayed with mode="m1" or mode="open", it was "ticks"')
    return ticks


def ticks_from_bars(
    bars: Bars,
    mode: Literal["m1", "open"] = "m1",
    *,
    instrument: Instrument | str = "EURUSD",
    spread_points: int | None = None,
    length: str | None = None,
) -> Ticks:
    """Turn bars into what a replay runs over.

    Parameters
    ----------
    bars : ndarray of BAR, shape (n_bars,)
        Prices of the bid, in order of time; ``volume`` counts ticks (in mode ``"open"`` it may count anything).
    mode : {"m1", "open"}
        ``"m1"``: the bar's ticks as MetaTrader 5's tester makes them, see the module. ``"open"``: opening prices only.
    instrument : Instrument or str
        For the point.
    spread_points : int or None
        Spread of every tick, in points. None: each bar's own.
    length : str or None
        Length of a bar, over which its ticks are spread evenly; None: the least distance of two bars.

    Returns
    -------
    ndarray of TICK, shape (n_ticks,), or of OPEN_TICK, shape (n_bars,)
        In mode ``"m1"``, bars formed of the ticks are the bars that came in. A bar whose volume is too small for its
        shape gets the ticks that it takes to reach its extremes.

    Raises
    ------
    BadData
        Not bars, none, prices that are not finite, positive, ordered and on the instrument's grid, times that do not
        go forward, a volume that is no number of ticks, or no spread; with the row.
    Misconfigured
        Another mode.

    >>> bars = np.array([(0, 1.0000, 1.0004, 0.9998, 1.0002, 4, 0.0001)], BAR)
    >>> ticks_from_bars(bars)[["time_ns", "bid"]].tolist()
    [(0, 1.0), (15000000000, 0.9998), (30000000000, 1.0004), (45000000000, 1.0002)]
    """
    contract = known_instrument(instrument) if isinstance(instrument, str) else instrument
    if mode not in ("m1", "open"):
        raise Misconfigured(f'bars are replayed in mode "m1" or "open", it was {mode!r}')
    check_bars(bars)
    spread = _spread(bars, spread_points, contract)
    if mode == "open":
        opens = np.zeros(len(bars), OPEN_TICK)
        opens["time_ns"], opens["bid"] = bars["time_ns"], bars["open"]
        opens["ask"] = np.round(bars["open"] + spread, contract.digits)
        for name in ("high", "low", "close", "volume"):
            opens[name] = bars[name]
        opens["spread"] = spread
        return opens
    whole = (bars["volume"] >= 1) & (bars["volume"] <= _MAX_TICKS) & (bars["volume"] % 1 == 0)
    _require(
        whole, bars, f'volume must count ticks, a whole number from 1 to {_MAX_TICKS:,}, in mode "m1"; or use "open"'
    )
    points = np.stack([_points(bars, name, contract) for name in ("open", "high", "low", "close")], axis=1)
    n_ticks = np.maximum(bars["volume"].astype(np.int64), _least_ticks(points))
    length_ns = _length(bars, length)
    prices = np.empty(int(n_ticks.sum()), np.int64)
    times = np.empty(len(prices), np.int64)
    _walk(bars["time_ns"].astype(np.int64), points, n_ticks, length_ns, times, prices)
    ticks = np.empty(len(prices), TICK)
    scale = 10.0**contract.digits
    ticks["time_ns"] = times
    ticks["bid"] = prices / scale
    ticks["ask"] = (prices + np.repeat(np.round(spread * scale).astype(np.int64), n_ticks)) / scale
    return ticks


def check_bars(bars: Any) -> None:
    """Refuse what is no history of bars; the message names the first row that is wrong.

    Raises
    ------
    BadData
    """
    if not isinstance(bars, np.ndarray) or bars.dtype != BAR or bars.ndim != 1:
        got = f"{bars.dtype} {bars.shape}" if isinstance(bars, np.ndarray) else type(bars).__name__
        raise BadData(f"bars must be a one-dimensional array of dtype BAR (see kernel_lib.market.bar), it was {got}")
    if len(bars) == 0:
        raise BadData("a replay needs at least one bar, it was given none")
    prices = np.stack([bars[name] for name in ("open", "high", "low", "close")])
    _require(np.isfinite(prices).all(axis=0) & (prices > 0).all(axis=0), bars, "prices must be finite and positive")
    top, bottom = np.maximum(bars["open"], bars["close"]), np.minimum(bars["open"], bars["close"])
    _require((bars["high"] >= top) & (bars["low"] <= bottom), bars, "open and close must lie within low and high")
    forward = np.concatenate([[True], np.diff(bars["time_ns"]) > 0])
    _require(forward, bars, "times must go forward; sort by time_ns and drop what is there twice")


def _require(good: npt.NDArray[np.bool_], bars: Bars, what: str) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise BadData(f"{what}; bar {row} is {bars[row]}", source="bars", line=row)


def _points(bars: Bars, name: str, contract: Instrument) -> npt.NDArray[np.int64]:
    scaled = bars[name] * 10.0**contract.digits
    points = np.round(scaled)
    _require(np.abs(scaled - points) < 1e-3, bars, f"{contract.symbol} has {contract.digits} digits, {name} has more")
    return points.astype(np.int64)


def _spread(bars: Bars, given: int | None, contract: Instrument) -> npt.NDArray[np.float64]:
    if given is not None:
        if given < 0:
            raise BadData(f"spread_points must be at least 0, it was {given}")
        return np.full(len(bars), given * contract.point)
    spread: npt.NDArray[np.float64] = bars["spread"]
    if np.isnan(spread).all() or not (spread != 0).any():
        raise BadData("the bars carry no spread; say what to reckon with, spread_points=12 (0 for none)")
    _require(np.isfinite(spread) & (spread >= 0), bars, "a spread must be finite and not negative")
    return spread


def _length(bars: Bars, length: str | None) -> int:
    if length is not None:
        length_ns = bar_length_ns(length)
    else:
        length_ns = int(np.diff(bars["time_ns"]).min()) if len(bars) > 1 else _MINUTE_NS
    close = np.concatenate([np.diff(bars["time_ns"]) >= length_ns, [True]])
    _require(close, bars, f"a bar of {length} must be over when the next one begins")
    return length_ns


def _least_ticks(points: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ticks that it takes to touch the four prices: one for each that is not touched already."""
    first, high, low, last = points.T
    inner = (high > np.maximum(first, last)).astype(np.int64) + (low < np.minimum(first, last))
    return 1 + inner + ((first != last) | (inner > 0))


@njit(cache=True, nogil=True)
def _walk(opened: Any, points: Any, n_ticks: Any, length_ns: int, times: Any, prices: Any) -> None:
    at = 0
    rose = True
    supports = np.empty(_SUPPORT + 1, np.int64)
    for k in range(opened.size):
        n = n_ticks[k]
        first, high, low, last = points[k, 0], points[k, 1], points[k, 2], points[k, 3]
        rises = last > first or (last == first and not rose)
        for j in range(n):
            times[at + j] = opened[k] + j * length_ns // n
        bar = prices[at : at + n]
        if n == 1:
            bar[0] = last
        else:
            bar[0] = first
            bar[n - 1] = last
        if n == 3:  # one tick between: the extreme that is no end, the first on the way where neither is
            near, far = (low, high) if rises else (high, low)
            bar[1] = near if near not in (first, last) else far
        elif n > 3 and high == low:
            bar[:] = first
        elif n > 3:
            count = _supports(first, high, low, last, rises, min(n - 1, _SUPPORT), supports)
            _between(supports, count, low, high, bar)
        at += n
        rose = rises


@njit(cache=True, nogil=True)
def _supports(first: int, high: int, low: int, last: int, rises: bool, count: int, out: Any) -> int:
    """Write the open and the support points; give how many were written."""
    near, far = (low, high) if rises else (high, low)
    shadow = 3 if count == 11 else 2 if count >= 7 else 1
    head = shadow if near != first else 0
    tail = shadow if far != last else 0
    middle = count - head - tail
    if middle % 2 == 0 and head != tail and middle > 1:
        middle -= 1  # a wave that came to a shadow's points has an odd number of legs again
    out[0] = first
    at = _leg(first, near, head, out, 1)
    if middle % 2 == 0 and middle > 0:
        forward = (middle + 1) // 2 + 1
        out[at] = near + (far - near) // forward
        at += 1
        middle -= 1
    ups = (middle + 1) // 2
    for leg in range(middle):
        # Forward legs of 2/(ups+1) of the range, backward ones half as long.
        reached = (leg // 2 + 2) if leg % 2 == 0 else (leg // 2 + 1)
        out[at] = near + (far - near) * reached // (ups + 1)
        at += 1
    if middle > 0:
        out[at - 1] = far
    return _leg(far, last, tail, out, at)


@njit(cache=True, nogil=True)
def _leg(start: int, end: int, count: int, out: Any, at: int) -> int:
    """Write a shadow of ``count`` points."""
    way = end - start
    if count == 3:
        out[at], out[at + 1] = start + way * 3 // 4, start + way // 4
    elif count == 2:
        out[at] = start + way // 2
    if count > 0:
        out[at + count - 1] = end
    return at + count


@njit(cache=True, nogil=True)
def _between(supports: Any, count: int, low: int, high: int, bar: Any) -> None:
    """Lay the ticks that remain between the support points, by the length of the way."""
    total = 0
    for j in range(1, count):
        total += abs(supports[j] - supports[j - 1])
    left = bar.size - count
    way = 0
    given = 0
    at = 0
    bar[0] = supports[0]
    for j in range(1, count):
        start, end = supports[j - 1], supports[j]
        way += abs(end - start)
        share = left * way // total if total > 0 else left * j // (count - 1)
        inner = share - given
        given = share
        step = 1 if end > start or (end == start and start < high) else -1
        for i in range(1, inner + 1):
            price = start + (end - start) * i // (inner + 1)
            if inner >= abs(end - start) and i % 2 == 1:
                price += step
            bar[at + i] = min(max(price, low), high)
        at += inner + 1
        bar[at] = end
