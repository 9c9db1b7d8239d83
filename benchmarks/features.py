"""Thirty indicators a tick, one tick at a time: one call of our compiled step beside TA-Lib, talipp and river."""

import importlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.market.instrument import EURUSD
from kernel_lib.strategy import Proposer, strategy
from kernel_lib.trading.record import VIEW

__all__ = ["stream"]

#: Rows before the first that is measured, for what must look back.
_HISTORY = 500

_CHART = {
    **{f"ema_{n}": f.ema(n) for n in (5, 10, 20, 50, 100, 200)},
    **{f"sma_{n}": f.sma(n) for n in (10, 20, 50, 200)},
    **{f"wma_{n}": f.wma(n) for n in (10, 30)},
    **{f"rsi_{n}": f.rsi(n) for n in (7, 14, 21, 28)},
    "macd": f.macd(12, 26, 9), "macd_slow": f.macd(24, 52, 18),
    "bands": f.bollinger(20), "bands_slow": f.bollinger(100),
    "stdev_20": f.stdev(20), "stdev_50": f.stdev(50),
    **{f"roc_{n}": f.roc(n) for n in (1, 10, 100)},
    "kama": f.kama(10), "dema": f.dema(20), "trix": f.trix(15), "atr": f.atr(14), "adx": f.adx(14),
}  # fmt: skip
_MOMENTS = {
    **{f"ema_{n}": f.ema(n) for n in (5, 8, 10, 15, 20, 30, 40, 50, 80, 100, 150, 200)},
    **{f"sma_{n}": f.sma(n) for n in (5, 10, 20, 30, 50, 80, 100, 200)},
    **{f"stdev_{n}": f.stdev(n) for n in (10, 20, 30, 50, 100, 200)},
    **{f"scale_{n}": f.minmax(n) for n in (10, 20, 50, 100)},
}


@strategy(on="tick", features=_CHART)
def chart(x, position, p):  # type: ignore[no-untyped-def]
    """Only look."""
    return 0.0


@strategy(on="tick", features=_MOMENTS)
def moments(x, position, p):  # type: ignore[no-untyped-def]
    """Only look."""
    return 0.0


def stream(quick: bool) -> Outcome:
    """Microseconds a tick, the median over single ticks; all in this process, one after the other."""
    ticks = walk(4_000 if quick else 10_000)
    many = walk(200_000 if quick else 1_000_000)
    outcome = Outcome()
    for ours, peers in ((chart, (_talib_handles, _talib, _talipp)), (moments, (_river,))):
        array = min(replay(ours, many, progress=False).seconds for _ in range(3)) / len(many) * 1e6
        # A median of some milliseconds would say how the machine was just then.
        call, _ = _ours(ours, many[: 20 * len(ticks)])
        _, shown = _ours(ours, ticks)
        outcome.figures += [
            Figure(name=f"30 indicators ({ours.name}), array", value=array, unit="us/tick", best="low", goal=0.25),
            Figure(name=f"30 indicators ({ours.name}), one call", value=call, unit="us/tick", best="low", goal=1.5),
        ]
        for peer in peers:
            name, goal, value, theirs = peer(ticks)
            # A peer costs the same for a recorded tick as for a live one; ours is asked both ways.
            for way, ours_us, wanted in (("array", array, goal), ("one call", call, None)):
                outcome.figures.append(
                    Figure(name=f"30 indicators ({ours.name}), {way}", value=ours_us, unit="us/tick", best="low",
                           peer=name, peer_value=value, goal=wanted, of="value" if wanted is None else "ratio")
                )  # fmt: skip
            outcome.failures += [
                f"{name}'s {key} must be ours, it is {number} and ours {shown[key]}"
                for key, number in theirs.items()
                if not math.isclose(number, shown[key], rel_tol=1e-6)
            ]
    return outcome


def _ours(ours: Any, ticks: npt.NDArray[np.void]) -> tuple[float, dict[str, float]]:
    proposer = Proposer(ours, EURUSD)
    view = np.zeros(1, VIEW)
    view["entry_price"] = np.nan
    median = _median_us(lambda row: proposer.on_tick(row[0], row[1], row[2], view), ticks.tolist())
    shown = {}
    at = 0
    for name, feature in ours.features.items():
        shown[name] = float(proposer.features[at])
        at += feature.state.size
    return median, shown


def _median_us(step: Callable[[Any], Any], rows: Sequence[Any]) -> float:
    """The first half warms up, the second is timed."""
    half = len(rows) // 2
    for row in rows[:half]:
        step(row)
    taken = []
    for row in rows[half:]:
        began = time.perf_counter_ns()
        step(row)
        taken.append(time.perf_counter_ns() - began)
    return float(np.median(taken)) / 1000.0


def _imported(name: str) -> Any:
    """A peer's module, None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


Measured = tuple[str, float | None, float, dict[str, float]]


def _mids(ticks: npt.NDArray[np.void]) -> npt.NDArray[np.float64]:
    return np.ascontiguousarray((ticks["bid"] + ticks["ask"]) * 0.5)


#: TA-Lib's function, its parameters, and ours; on ticks high, low and close are the price.
_TALIB: list[tuple[str, tuple[float, ...], str]] = [
    *[("EMA", (n,), f"ema_{n}") for n in (5, 10, 20, 50, 100, 200)],
    *[("SMA", (n,), f"sma_{n}") for n in (10, 20, 50, 200)],
    *[("WMA", (n,), f"wma_{n}") for n in (10, 30)],
    *[("RSI", (n,), f"rsi_{n}") for n in (7, 14, 21, 28)],
    ("MACD", (12, 26, 9), "macd"), ("MACD", (24, 52, 18), "macd_slow"),
    ("BBANDS", (20, 2.0, 2.0), "bands"), ("BBANDS", (100, 2.0, 2.0), "bands_slow"),
    ("STDDEV", (20, 1.0), "stdev_20"), ("STDDEV", (50, 1.0), "stdev_50"),
    *[("ROC", (n,), f"roc_{n}") for n in (1, 10, 100)],
    ("KAMA", (10,), "kama"), ("DEMA", (20,), "dema"), ("TRIX", (15,), "trix"), ("ATR", (14,), "atr"),
    ("ADX", (14,), "adx"),
]  # fmt: skip
_N_PRICES = {"ATR": 3, "ADX": 3}


def _talib(ticks: npt.NDArray[np.void]) -> Measured:
    """The form of its stream functions up to 0.6: each call computes its last value over as many rows as it needs."""
    talib, abstract = _imported("talib"), _imported("talib.abstract")
    if talib is None or abstract is None:
        return "TA-Lib: not installed", None, math.nan, {}
    mids = _mids(ticks)
    calls = []
    for name, params, key in _TALIB:
        made = abstract.Function(name)
        made.parameters = dict(zip(made.parameters, params, strict=False))
        calls.append((getattr(talib, name), params, made.lookback + 1, _N_PRICES.get(name, 1), key))
    last: dict[str, Any] = {}

    def step(row: int) -> None:
        for function, params, n_rows, n_prices, key in calls:
            x = mids[row - n_rows + 1 : row + 1]
            last[key] = function(*(x,) * n_prices, *params)

    median = _median_us(step, range(_HISTORY, len(mids)))
    same = ("sma_10", "sma_20", "sma_50", "sma_200", "wma_10", "wma_30", "stdev_50", "roc_100")
    return "TA-Lib, a call over the last rows", 100.0, median, {key: float(last[key][-1]) for key in same}


def _talib_handles(ticks: npt.NDArray[np.void]) -> Measured:
    """The stateful handles that TA-Lib has since 0.8, each in C and of flat cost."""
    stream = _imported("talib.stream")
    if stream is None or not hasattr(stream, "Stream"):
        return "TA-Lib handles: need TA-Lib 0.8", None, math.nan, {}
    mids = _mids(ticks)
    past = mids[:_HISTORY].copy()
    alone: list[Any] = []
    barred: list[Any] = []
    named = {}
    for name, params, key in _TALIB:
        n_prices = _N_PRICES.get(name, 1)
        handle = getattr(stream, name)(*(past,) * n_prices, *params)
        named[key] = handle
        (alone if n_prices == 1 else barred).append(handle.update)

    def step(price: float) -> None:
        for update in alone:
            update(price)
        for update in barred:
            update(price, price, price)

    median = _median_us(step, mids[_HISTORY:].tolist())
    same = ("sma_10", "sma_50", "sma_200", "wma_30", "stdev_50", "roc_100", "rsi_14", "ema_200", "dema", "trix")
    return "TA-Lib's stream handles", None, median, {key: float(named[key].value) for key in same}


def _talipp(ticks: npt.NDArray[np.void]) -> Measured:
    tp, ohlcv = _imported("talipp.indicators"), _imported("talipp.ohlcv")
    if tp is None or ohlcv is None:
        return "talipp: not installed", None, math.nan, {}
    named = {
        **{f"ema_{n}": tp.EMA(n) for n in (5, 10, 20, 50, 100, 200)},
        **{f"sma_{n}": tp.SMA(n) for n in (10, 20, 50, 200)},
        **{f"wma_{n}": tp.WMA(n) for n in (10, 30)},
        **{f"rsi_{n}": tp.RSI(n) for n in (7, 14, 21, 28)},
        "macd": tp.MACD(12, 26, 9), "macd_slow": tp.MACD(24, 52, 18), "bands": tp.BB(20, 2.0),
        "bands_slow": tp.BB(100, 2.0), "stdev_20": tp.StdDev(20), "stdev_50": tp.StdDev(50),
        **{f"roc_{n}": tp.ROC(n) for n in (1, 10, 100)},
        "kama": tp.KAMA(10, 2, 30), "dema": tp.DEMA(20), "trix": tp.TRIX(15),
    }  # fmt: skip
    on_bars = (tp.ATR(14), tp.ADX(14, 14))
    on_prices = tuple(named.values())

    def step(price: float) -> None:
        for each in on_prices:
            each.add(price)
        bar = ohlcv.OHLCV(price, price, price, price)
        for each in on_bars:
            each.add(bar)

    median = _median_us(step, _mids(ticks).tolist())
    same = ("sma_10", "sma_20", "sma_50", "sma_200", "wma_10", "wma_30", "ema_5", "ema_200", "rsi_14", "stdev_50")
    return "talipp", 100.0, median, {name: float(named[name][-1]) for name in same}


def _river(ticks: npt.NDArray[np.void]) -> Measured:
    stats, utils = _imported("river.stats"), _imported("river.utils")
    if stats is None or utils is None:
        return "river: not installed", None, math.nan, {}
    averages = {f"ema_{n}": stats.EWMean(2.0 / (n + 1.0)) for n in (5, 8, 10, 15, 20, 30, 40, 50, 80, 100, 150, 200)}
    means = {f"sma_{n}": utils.Rolling(stats.Mean(), n) for n in (5, 10, 20, 30, 50, 80, 100, 200)}
    variances = {f"stdev_{n}": utils.Rolling(stats.Var(ddof=0), n) for n in (10, 20, 30, 50, 100, 200)}
    ranges = [stats.RollingPeakToPeak(n) for n in (10, 20, 50, 100)]
    every = (*averages.values(), *means.values(), *variances.values(), *ranges)

    def step(price: float) -> None:
        for each in every:
            each.update(price)
            each.get()

    median = _median_us(step, _mids(ticks).tolist())
    shown = {name: each.get() for name, each in {**averages, **means}.items()}
    return "river", 10.0, median, shown
