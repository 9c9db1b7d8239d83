"""What no reference library has: the docstring's formula, worked by pandas, NumPy, the zone database or by hand."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from kernel_lib import features as f
from kernel_lib.market.bar import BAR
from kernel_lib.market.tick import make_ticks

SECOND = 10**9


def walk(n_bars: int = 600, seed: int = 8) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 1.1 * np.exp(np.cumsum(random.normal(0, 1e-3, n_bars)))
    opened = np.r_[close[0], close[:-1]] + random.normal(0, 3e-4, n_bars)
    high = np.maximum(opened, close) + random.exponential(3e-4, n_bars)
    low = np.minimum(opened, close) - random.exponential(3e-4, n_bars)
    volume = random.integers(1, 50, n_bars).astype(float)
    return pd.DataFrame({"open": opened, "high": high, "low": low, "close": close, "volume": volume})


def near(ours: pd.Series, theirs: pd.Series) -> None:
    assert (ours.isna() == theirs.isna()).all()
    np.testing.assert_allclose(ours.to_numpy(), theirs.to_numpy(), rtol=1e-9, atol=1e-12)


def test_rank_is_that_of_pandas_with_ties_shared() -> None:
    prices = walk()["close"].round(3)
    assert prices.duplicated().any()
    near(f.rank(30)(prices), prices.rolling(30).rank(pct=True))


def test_minmax_scales_to_the_range_of_the_window() -> None:
    prices = walk()["close"]
    low, high = prices.rolling(30).min(), prices.rolling(30).max()
    near(f.minmax(30)(prices), (prices - low) / (high - low))


def test_tick_mean_weighs_by_volume() -> None:
    bars = walk()
    typical = (bars["high"] + bars["low"] + bars["close"]) / 3
    want = (typical * bars["volume"]).rolling(20).sum() / bars["volume"].rolling(20).sum()
    near(f.tick_mean(20)(bars), want)


def test_volatilities_are_their_formulas_over_the_window() -> None:
    bars = walk()
    squares = np.log(bars["close"]).diff() ** 2
    near(f.realised_volatility(20, 252.0)(bars), np.sqrt(252 * squares.rolling(20).mean()))
    reach = np.log(bars["high"] / bars["low"]) ** 2
    near(f.parkinson(20)(bars), np.sqrt(reach.rolling(20).mean() / (4 * math.log(2))))
    body = np.log(bars["close"] / bars["open"]) ** 2
    each = 0.5 * reach - (2 * math.log(2) - 1) * body
    near(f.garman_klass(20)(bars), np.sqrt(each.rolling(20).mean()))


@pytest.mark.parametrize("lag", [1, 3])
def test_autocorrelation_is_the_correlation_with_the_returns_before(lag: int) -> None:
    prices = walk()["close"]
    change = prices.pct_change()
    near(f.return_autocorrelation(50, lag)(prices), change.rolling(50).corr(change.shift(lag)))


def test_imbalance_is_the_mean_of_the_tick_rules_signs() -> None:
    prices = walk()["close"].round(3)
    signs = np.sign(prices.diff())
    signs = signs.mask(signs == 0).ffill().fillna(0.0).where(prices.diff().notna())
    near(f.tick_imbalance(25)(prices), signs.rolling(25).mean())


def test_ichimoku_shows_the_cloud_that_stands_under_the_newest_bar() -> None:
    bars = walk()

    def middle(n: int) -> pd.Series:
        return (bars["high"].rolling(n).max() + bars["low"].rolling(n).min()) / 2

    shown = f.ichimoku()(bars)
    warm = slice(f.ichimoku().warmup - 1, None)
    wanted = {
        "conversion": middle(9),
        "baseline": middle(26),
        "span_a": ((middle(9) + middle(26)) / 2).shift(26),
        "span_b": middle(52).shift(26),
    }
    for name, want in wanted.items():
        np.testing.assert_allclose(shown[name][warm], want[warm], rtol=1e-12)


def test_keltner_is_an_average_and_wilders_range_around_it() -> None:
    bars = walk()
    shown = f.keltner(20, 1.5, 10)(bars)
    middle, reach = f.ema(20)(bars), f.atr(10)(bars)
    np.testing.assert_allclose(shown["middle"][19:], middle[19:], rtol=1e-15)
    np.testing.assert_allclose(shown["upper"][19:], (middle + 1.5 * reach)[19:], rtol=1e-15)
    np.testing.assert_allclose(shown["lower"][19:], (middle - 1.5 * reach)[19:], rtol=1e-15)


def test_the_spread_to_another_is_scored_in_logarithms() -> None:
    mine, other = walk(seed=1)["close"], walk(seed=2)["close"]
    apart = np.log(mine) - 0.7 * np.log(other)
    want = (apart - apart.rolling(40).mean()) / apart.rolling(40).std(ddof=0)
    near(f.spread_zscore("GBPUSD", 40, 0.7)(mine, other), want)


def test_the_days_price_starts_anew_at_its_turn() -> None:
    times = np.array([0, 10, 23, 24, 25]) * 3600 * SECOND
    bars = np.zeros(5, BAR)
    bars["time_ns"] = times + 1_549_238_400 * SECOND  # midnight, 4 February 2019
    for name in ("open", "high", "low", "close"):
        bars[name] = [1.0, 2.0, 6.0, 10.0, 20.0]
    bars["volume"] = [1.0, 1.0, 2.0, 1.0, 3.0]
    np.testing.assert_allclose(f.vwap()(bars), [1.0, 1.5, 3.75, 10.0, 17.5])
    np.testing.assert_allclose(f.vwap(turn_hour=23)(bars), [1.0, 1.5, 6.0, 22 / 3, 82 / 6])


@pytest.mark.parametrize("seed", [1, 2])
def test_sessions_open_by_the_clock_on_each_citys_wall(seed: int) -> None:
    """Over twenty years, with every change to summer time, against the zone database itself."""
    seconds = np.sort(np.random.default_rng(seed).integers(1_000_000_000, 1_640_000_000, 3_000))
    shown = f.session()(make_ticks(seconds * SECOND, np.ones(3_000), np.ones(3_000)))
    hours = {
        "sydney": ("Australia/Sydney", 7, 16), "tokyo": ("Asia/Tokyo", 9, 18), "london": ("Europe/London", 8, 17),
        "new_york": ("America/New_York", 8, 17),
    }  # fmt: skip
    total = np.zeros(3_000)
    for city, (zone, opens, closes) in hours.items():
        walls = [datetime.fromtimestamp(int(second), ZoneInfo(zone)) for second in seconds]
        is_open = [wall.weekday() < 5 and opens <= wall.hour < closes for wall in walls]
        np.testing.assert_array_equal(shown[city], is_open)
        total += is_open
    np.testing.assert_array_equal(shown["value"], total)
    np.testing.assert_allclose(shown["hour"], seconds % 86400 / 3600)


def test_a_bar_shows_the_session_at_its_end() -> None:
    ticks = make_ticks(np.array([7 * 3600 + 1800, 8 * 3600]) * SECOND + 1_549_238_400 * SECOND, [1.0, 1.0], [1.0, 1.0])
    assert f.session(bars="1h")(ticks)["london"].tolist()[1:] == [1.0]


def test_minutes_to_a_release_fall_to_zero_and_below() -> None:
    ticks = make_ticks(np.array([0, 60, 600, 660]) * SECOND + SECOND, [1.0] * 4, [1.0] * 4)
    np.testing.assert_allclose(f.minutes_to_release()(ticks, other=[601.0] * 4), [10.0, 9.0, 0.0, -1.0])


def test_an_outside_value_fades_ages_and_is_forgotten() -> None:
    ticks = make_ticks(np.array([0, 10, 20, 25, 40]) * SECOND, [1.0] * 5, [1.0] * 5)
    known = [np.nan, 0.8, 0.8, 0.4, 0.4]
    shown = f.outside("news:EURUSD", max_age_s=12.0, half_life_s=10.0)(ticks, known)
    np.testing.assert_allclose(shown["value"], [np.nan, 0.8, 0.4, 0.4, np.nan])
    np.testing.assert_allclose(shown["age"], [np.nan, 0.0, 10.0, 0.0, np.nan])
    assert f.outside("news:EURUSD")(ticks, known)["value"].tolist()[1:] == known[1:]


@pytest.mark.parametrize(
    "bad",
    [
        lambda: f.kama(10, 30, 2), lambda: f.macd(26, 12), lambda: f.ichimoku(26, 9), lambda: f.bollinger(20, -1.0),
        lambda: f.bollinger(20, True), lambda: f.parabolic_sar(0.3, 0.2), lambda: f.vwap(24.0), lambda: f.vwap("0"),
        lambda: f.ultimate_oscillator(14, 7, 28), lambda: f.outside(""), lambda: f.outside("a", -1.0),
        lambda: f.correlation(7), lambda: f.correlation("GBPUSD", 2), lambda: f.candlesticks(1.0),
        lambda: f.spread_zscore("GBPUSD", 10, math.nan), lambda: f.realised_volatility(20, 0.0),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(bad) -> None:
    from kernel_lib.errors import BadData

    with pytest.raises(BadData, match=r"must|they were"):
        bad()
