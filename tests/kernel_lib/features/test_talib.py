"""Every indicator that TA-Lib has, against TA-Lib, on a random walk and on a year of EURUSD hours.

Equal means within 1e-9 of the number, or of the largest number of the series where it passes through zero. ``settled``
is the number of rows after which seeds of another kind are forgotten; docs/features.md says which and why.
"""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import talib

from kernel_lib import features as f
from kernel_lib.market.bar import BAR

Arrays = tuple[np.ndarray, ...]


class Quotes(NamedTuple):
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    other: np.ndarray


def returns(x: np.ndarray) -> np.ndarray:
    return x[1:] / x[:-1] - 1.0


def later(x: np.ndarray) -> np.ndarray:
    return np.r_[np.nan, x]


class Case(NamedTuple):
    feature: f.Feature
    theirs: Callable[[Quotes], Arrays]
    settled: int = 0


CASES = {
    "SMA": Case(f.sma(20), lambda q: (talib.SMA(q.close, 20),)),
    "EMA": Case(f.ema(20), lambda q: (talib.EMA(q.close, 20),)),
    "WMA": Case(f.wma(20), lambda q: (talib.WMA(q.close, 20),)),
    "DEMA": Case(f.dema(20), lambda q: (talib.DEMA(q.close, 20),)),
    "TEMA": Case(f.tema(20), lambda q: (talib.TEMA(q.close, 20),)),
    "KAMA": Case(f.kama(10), lambda q: (talib.KAMA(q.close, 10),)),
    "TRIX": Case(f.trix(15), lambda q: (talib.TRIX(q.close, 15),)),
    "MACD": Case(f.macd(12, 26, 9), lambda q: talib.MACD(q.close, 12, 26, 9), settled=400),
    "ADX": Case(
        f.adx(14),
        lambda q: (talib.ADX(*q[1:4], 14), talib.PLUS_DI(*q[1:4], 14), talib.MINUS_DI(*q[1:4], 14)),
        settled=500,
    ),
    "AROON": Case(f.aroon(25), lambda q: (talib.AROONOSC(*q[1:3], 25), *talib.AROON(*q[1:3], 25)[::-1])),
    "SAR": Case(f.parabolic_sar(0.02, 0.2), lambda q: (talib.SAR(*q[1:3], 0.02, 0.2),)),
    "SAR, other steps": Case(f.parabolic_sar(0.05, 0.07), lambda q: (talib.SAR(*q[1:3], 0.05, 0.07),)),
    "LINEARREG_SLOPE": Case(f.linear_slope(14), lambda q: (talib.LINEARREG_SLOPE(q.close, 14),)),
    "RSI": Case(f.rsi(14), lambda q: (talib.RSI(q.close, 14),)),
    "STOCH": Case(f.stochastic(14, 3, 3), lambda q: talib.STOCH(*q[1:4], 14, 3, 0, 3, 0)),
    "STOCHRSI": Case(f.stoch_rsi(14, 14, 1, 3), lambda q: talib.STOCHRSI(q.close, 14, 14, 3)),
    "STOCH of RSI, the slow STOCHRSI": Case(
        f.stoch_rsi(14, 14, 3, 3), lambda q: talib.STOCH(*[talib.RSI(q.close, 14)] * 3, 14, 3, 0, 3, 0)
    ),
    "CCI": Case(f.cci(20), lambda q: (talib.CCI(*q[1:4], 20),)),
    "WILLR": Case(f.williams_r(14), lambda q: (talib.WILLR(*q[1:4], 14),)),
    "ROC": Case(f.roc(10), lambda q: (talib.ROC(q.close, 10),)),
    "MOM": Case(f.momentum(10), lambda q: (talib.MOM(q.close, 10),)),
    "MOM of 3": Case(f.price_change(3), lambda q: (talib.MOM(q.close, 3),)),
    "ULTOSC": Case(f.ultimate_oscillator(7, 14, 28), lambda q: (talib.ULTOSC(*q[1:4], 7, 14, 28),)),
    "ATR": Case(f.atr(14), lambda q: (talib.ATR(*q[1:4], 14),)),
    "BBANDS": Case(f.bollinger(20, 2.0), lambda q: tuple(talib.BBANDS(q.close, 20, 2.0, 2.0)[k] for k in (1, 0, 2))),
    "STDDEV": Case(f.stdev(20), lambda q: (talib.STDDEV(q.close, 20, 1.0),)),
    "MAX, MIN": Case(
        f.donchian(20),
        lambda q: ((talib.MAX(q.high, 20) + talib.MIN(q.low, 20)) / 2, talib.MAX(q.high, 20), talib.MIN(q.low, 20)),
    ),
    "OBV, which starts at its volume": Case(f.obv(), lambda q: (talib.OBV(q.close, q.volume) - q.volume[0],)),
    "AD": Case(f.accumulation(), lambda q: (talib.AD(*q[1:5]),)),
    "CORREL of returns": Case(
        f.correlation("X", 50), lambda q: (later(talib.CORREL(returns(q.close), returns(q.other), 50)),)
    ),
    "BETA": Case(f.beta("X", 50), lambda q: (talib.BETA(q.other, q.close, 50),)),
}
CANDLES = {
    "doji": talib.CDLDOJI, "hammer": talib.CDLHAMMER, "hanging_man": talib.CDLHANGINGMAN,
    "shooting_star": talib.CDLSHOOTINGSTAR, "engulfing": talib.CDLENGULFING, "harami": talib.CDLHARAMI,
    "piercing": talib.CDLPIERCING, "morning_star": talib.CDLMORNINGSTAR, "evening_star": talib.CDLEVENINGSTAR,
    "three_white_soldiers": talib.CDL3WHITESOLDIERS, "three_black_crows": talib.CDL3BLACKCROWS,
    "marubozu": talib.CDLMARUBOZU,
}  # fmt: skip


@cache
def random_walk() -> np.ndarray:
    random = np.random.default_rng(3)
    n_bars = 20_000
    bars = np.zeros(n_bars, BAR)
    close = 1.1 * np.exp(np.cumsum(random.normal(0, 1e-3, n_bars)))
    bars["close"] = close
    bars["open"] = np.r_[close[0], close[:-1]] + random.normal(0, 3e-4, n_bars)
    bars["high"] = np.maximum(bars["open"], close) + random.exponential(3e-4, n_bars)
    bars["low"] = np.minimum(bars["open"], close) - random.exponential(3e-4, n_bars)
    bars["volume"] = random.integers(1, 50, n_bars)
    return bars


@cache
def eurusd_hours(path: Path) -> np.ndarray:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    bars = np.zeros(len(rows), BAR)
    for name in ("Open", "High", "Low", "Close", "Volume"):
        bars[name.lower()] = [float(row[name]) for row in rows]
    return bars


def quotes(bars: np.ndarray) -> Quotes:
    columns = [np.ascontiguousarray(bars[name]) for name in ("open", "high", "low", "close", "volume")]
    other = 1.3 + np.cumsum(np.random.default_rng(9).normal(0, 1e-3, len(bars))) * 0.1 + 0.5 * (columns[3] - 1.1)
    return Quotes(*columns, other)


def compare(case: Case, bars: np.ndarray) -> None:
    beside = quotes(bars)
    shown = case.feature(bars, beside.other) if case.feature.other else case.feature(bars)
    ours = list(shown.values()) if isinstance(shown, dict) else [shown]
    theirs = case.theirs(beside)
    start = max(case.feature.warmup - 1, case.settled)
    for mine, other in zip(ours, theirs, strict=False):
        assert np.isfinite(other[start:]).all()
        np.testing.assert_allclose(mine[start:], other[start:], rtol=1e-9, atol=1e-9 * np.abs(other[start:]).max())


@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_talib_on_a_random_walk(name: str) -> None:
    compare(CASES[name], random_walk())


@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_talib_on_recorded_hours(data_dir: Path, name: str) -> None:
    compare(CASES[name], eurusd_hours(data_dir / "bars" / "backtestingpy_EURUSD.csv"))


@pytest.mark.parametrize("name", CASES)
def test_it_shows_its_first_number_where_talib_does(name: str) -> None:
    case = CASES[name]
    first = max(int(np.argmax(np.isfinite(column))) for column in case.theirs(quotes(random_walk())))
    assert case.feature.warmup == first + 1


@pytest.mark.parametrize("name", CANDLES)
def test_a_candlestick_pattern_is_where_talib_sees_it(data_dir: Path, name: str) -> None:
    n_seen = 0
    for bars in (random_walk(), eurusd_hours(data_dir / "bars" / "backtestingpy_EURUSD.csv")):
        theirs = np.sign(CANDLES[name](*quotes(bars)[:4]))[12:]
        np.testing.assert_array_equal(f.candlesticks()(bars)[name][12:], theirs)
        n_seen += np.count_nonzero(theirs)
    assert n_seen >= 5
