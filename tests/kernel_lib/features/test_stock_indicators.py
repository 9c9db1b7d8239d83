"""Indicators against the published vectors of Stock.Indicators (502 daily bars, double precision)."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.errors import BadData
from kernel_lib.market.bar import BAR

# file, feature, {our output: their field}
CASES = [
    ("ema", f.ema(20), {"value": "ema"}),
    ("sma", f.sma(20), {"value": "sma"}),
    ("rsi", f.rsi(14), {"value": "rsi"}),
    ("macd", f.macd(12, 26, 9), {"value": "macd", "signal": "signal", "histogram": "histogram"}),
    ("bb", f.bollinger(20, 2.0), {"middle": "sma", "upper": "upperBand", "lower": "lowerBand"}),
    ("atr", f.atr(14), {"value": "atr"}),
    ("adx", f.adx(14), {"value": "adx", "plus": "pdi", "minus": "mdi"}),
    ("stoch", f.stochastic(14, 3, 3), {"value": "k", "signal": "d"}),
    ("bb", f.zscore(20), {"value": "zScore"}),
    ("bb", f.bollinger_width(20, 2.0), {"value": "width", "percent_b": "percentB"}),
    ("wma", f.wma(14), {"value": "wma"}),
    ("hma", f.hma(14), {"value": "hma"}),
    ("cci", f.cci(20), {"value": "cci"}),
    ("willr", f.williams_r(14), {"value": "williamsR"}),
    ("roc", f.roc(14), {"value": "roc"}),
    ("roc", f.momentum(14), {"value": "momentum"}),
    ("stdev", f.stdev(14), {"value": "stdDev"}),
    ("stdev", f.zscore(14), {"value": "zScore"}),
    ("obv", f.obv(), {"value": "obv"}),
    ("supertrend", f.supertrend(10, 3.0), {"value": "superTrend"}),
]


def quotes(data_dir: Path) -> np.ndarray:
    with (data_dir / "reference/skender_stock_indicators/quotes/default.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    bars = np.zeros(len(rows), BAR)
    for name in ("open", "high", "low", "close", "volume"):
        bars[name] = [float(row[name]) for row in rows]
    return bars


def published(data_dir: Path, file: str, field: str) -> np.ndarray:
    path = data_dir / "reference/skender_stock_indicators/results" / f"{file}.standard.json"
    rows = json.loads(path.read_text(encoding="utf-8-sig"))
    return np.array([row.get(field) if row.get(field) is not None else np.nan for row in rows], dtype=np.float64)


@pytest.mark.parametrize(("file", "feature", "fields"), CASES, ids=[f"{c[0]}-{c[1]!r}" for c in CASES])
def test_it_agrees_with_stock_indicators(data_dir: Path, file: str, feature: f.Feature, fields: dict[str, str]) -> None:
    shown = feature(quotes(data_dir))
    shown = shown if isinstance(shown, dict) else {"value": shown}
    for ours, theirs in fields.items():
        expected = published(data_dir, file, theirs)
        both = np.isfinite(expected) & np.isfinite(shown[ours])
        assert both.sum() >= len(expected) - feature.warmup
        np.testing.assert_allclose(shown[ours][both], expected[both], rtol=1e-9, atol=1e-9)


# What the library's own tests state for the last bar of the same quotes, to the digits that they give.
LAST = [
    (f.dema(20), (241.1677,)),
    (f.tema(20), (238.7690,)),
    (f.kama(10, 2, 30), (240.1138,)),
    (f.trix(20), (-0.230742,)),
    (f.keltner(20, 2.0, 10), (249.3519, 262.1873, 236.5165)),
    (f.ultimate_oscillator(7, 14, 28), (49.5257,)),
    (f.ichimoku(9, 26, 52, 26), (241.26, 251.505, 264.77, 269.82)),
    (f.stoch_rsi(14, 14, 1, 3), (97.5244, 89.8385)),
    (f.stoch_rsi(14, 14, 3, 3), (89.8385, 73.4176)),
    (f.linear_slope(20), (-1.689143,)),
]


@pytest.mark.parametrize(("feature", "expected"), LAST, ids=[repr(each) for each, _ in LAST])
def test_its_last_number_is_the_one_that_stock_indicators_states(
    data_dir: Path, feature: f.Feature, expected: tuple[float, ...]
) -> None:
    shown = feature(quotes(data_dir))
    last = [column[-1] for column in shown.values()] if isinstance(shown, dict) else [shown[-1]]
    np.testing.assert_allclose(last, expected, rtol=0, atol=5.1e-5)


# Its tests state more rows of these two (tests/indicators/.../StochRsi and Ichimoku of DaveSkender/Stock.Indicators);
# None is no number yet. Theirs too show the cloud under the newest bar: spans are read 26 bars after they were formed.
STATED = [
    (f.stoch_rsi(14, 14, 1, 3), {
        31: (93.3333, 97.7778), 152: (0.0, 0.0), 249: (36.5517, 27.3094), 501: (97.5244, 89.8385),
    }),
    (f.stoch_rsi(14, 14, 3, 3), {
        30: (None, None), 31: (97.7778, 99.2593), 152: (0.0, 20.0263), 249: (27.3094, 33.2716), 501: (89.8385, 73.4176),
    }),
    (f.ichimoku(9, 26, 52, 26), {
        76: (None, None, None, None), 249: (257.15, 253.085, 246.3125, 241.685),
        475: (265.575, 263.965, 274.9475, 274.95), 501: (241.26, 251.505, 264.77, 269.82),
    }),
]  # fmt: skip


@pytest.mark.parametrize(("feature", "rows"), STATED, ids=[repr(each) for each, _ in STATED])
def test_slow_stochastics_of_the_rsi_and_the_cloud_agree_row_by_row(
    data_dir: Path, feature: f.Feature, rows: dict[int, tuple[float | None, ...]]
) -> None:
    shown = feature(quotes(data_dir))
    assert isinstance(shown, dict)
    for row, numbers in rows.items():
        expected = [np.nan if number is None else number for number in numbers]
        np.testing.assert_allclose([column[row] for column in shown.values()], expected, rtol=0, atol=5.1e-5)
    first = {repr(f.stoch_rsi(14, 14, 3, 3)): 502 - 471, repr(f.ichimoku()): 502 - 425}.get(repr(feature))
    assert first in (None, feature.warmup - 1)  # how many numbers theirs have of the last line to begin


def test_aroon_differs_only_where_the_extreme_is_there_twice(data_dir: Path) -> None:
    """Theirs counts the oldest of equal extremes, ours the newest, as TA-Lib and Tulip do."""
    bars = quotes(data_dir)
    shown = f.aroon(25)(bars)
    for ours, theirs, prices in (("up", "aroonUp", bars["high"]), ("down", "aroonDown", -bars["low"])):
        expected = published(data_dir, "aroon", theirs)
        within = np.lib.stride_tricks.sliding_window_view(prices, 26)
        tied = np.r_[np.zeros(25, bool), (within == within.max(axis=1, keepdims=True)).sum(axis=1) > 1]
        assert 0 < tied.sum() < 30
        clear = np.isfinite(expected) & ~tied
        np.testing.assert_allclose(shown[ours][clear], expected[clear], rtol=1e-12)


def test_the_parabolic_stop_meets_the_published_one_after_the_first_turns(data_dir: Path) -> None:
    """Theirs shows nothing before its first turn, and lets a turning bar reach beyond the stop, unlike TA-Lib."""
    bars = quotes(data_dir)
    expected = published(data_dir, "psar", "sar")
    shown = f.parabolic_sar(0.02, 0.2)(bars)
    other = np.flatnonzero(~np.isclose(shown["value"], expected, rtol=1e-9, atol=0.0))
    assert other[other >= 40].tolist() == [250]
    assert shown["side"][250] == -shown["side"][249]
    assert shown["value"][250] == bars["low"][250] < expected[250]


def test_the_volume_weighted_price_of_one_long_day_is_the_published_one(data_dir: Path) -> None:
    np.testing.assert_allclose(f.vwap()(quotes(data_dir)), published(data_dir, "vwap", "vwap"), rtol=1e-12)


def test_donchian_holds_the_published_channel_one_bar_later(data_dir: Path) -> None:
    """Theirs leaves the newest bar out, ours has it in: so ours of yesterday is theirs of today."""
    path = data_dir / "reference/skender_stock_indicators/results/donchian.standard.json"
    published = json.loads(path.read_text(encoding="utf-8-sig"))
    shown = f.donchian(20)(quotes(data_dir))
    theirs = np.array([row["upperBand"] if row.get("upperBand") is not None else np.nan for row in published])
    np.testing.assert_allclose(shown["upper"][19:-1], theirs[20:])


def test_tick_rate_counts_events_by_their_own_time() -> None:
    bars = np.zeros(5, BAR)
    bars["time_ns"] = np.array([0, 1, 2, 3, 4]) * 500_000_000
    np.testing.assert_allclose(f.tick_rate(2)(bars), [np.nan, np.nan, 2.0, 2.0, 2.0])


def test_rolling_sums_do_not_drift_over_a_million_updates() -> None:
    prices = np.concatenate([np.full(10, 1e9), 1.1 + 0.01 * np.sin(np.arange(1_000_000))])
    window = prices[-50:]
    assert f.sma(50)(prices)[-1] == pytest.approx(window.mean(), abs=1e-12)
    assert f.bollinger(50)(prices)["upper"][-1] == pytest.approx(window.mean() + 2 * window.std(), abs=1e-9)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "5", 10**9])
def test_a_window_that_is_no_whole_number_is_refused(bad: object) -> None:
    with pytest.raises(BadData, match="span must be a whole number"):
        f.ema(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["x", "0m", "5", "-1m", "8d", "1.5h", 5, 300.0, b"5m"])
def test_a_bar_length_that_is_none_is_refused(bad: object) -> None:
    with pytest.raises(BadData):
        f.rsi(14, bars=bad)  # type: ignore[arg-type]


def test_a_series_without_a_close_is_refused() -> None:
    import pandas as pd

    with pytest.raises(BadData, match="'close' column"):
        f.sma(2)(pd.DataFrame({"price": [1.0]}))
    with pytest.raises(BadData, match="one dimension"):
        f.sma(2)(np.zeros((2, 2)))
