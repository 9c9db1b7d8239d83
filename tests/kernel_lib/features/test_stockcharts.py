"""Indicators against the sheets of StockCharts, as bukosabino/ta carries them.

docs/features.md says where a sheet begins otherwise, and why.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.market.bar import BAR

# Sheet: our feature, {our output: their column}, half a unit of their last digit, and how many bars that stand still at
# the first close go before. They give our averages the start that the sheet gives its own: the first price, no gain and
# no loss, or a first range of high less low.
CASES = {
    "accum": (f.accumulation(), {"value": "ADLine"}, 5e-4, 0),
    "adx": (f.adx(14), {"value": "ADX", "plus": "+DI14", "minus": "-DI14"}, 5e-4, 0),
    "bbands": (f.bollinger(20, 2.0), {"middle": "MiddleBand", "upper": "HighBand", "lower": "LowBand"}, 5e-6, 0),
    "cci": (f.cci(20), {"value": "CCI"}, 5e-3, 0),
    "percentr": (f.williams_r(14), {"value": "Williams_%R"}, 5e-6, 0),
    "roc": (f.roc(12), {"value": "ROC"}, 5e-6, 0),
    "soo": (f.stochastic(14, 1, 3), {"value": "SO", "signal": "SO_SIG"}, 5e-6, 0),
    "vwap": (f.tick_mean(14), {"value": "vwap"}, 5e-9, 0),
    "wma": (f.wma(9), {"value": "WMA"}, 5e-5, 0),
    "dc": (f.donchian(20), {"middle": "middle_band", "upper": "upper_band", "lower": "lower_band"}, 5e-3, 0),
    "obv": (f.obv(), {"value": "OBV"}, 1e-9, 0),
    "rsi": (f.rsi(14), {"value": "RSI"}, 5e-6, 30),
    "macd": (f.macd(12, 26, 1), {"value": "MACD_line"}, 5e-9, 60),
    "atr": (f.atr(14), {"value": "ATR"}, 5e-9, 1),
    "kc": (f.keltner(20, 2.0, 10), {"middle": "middle_band"}, 5e-9, 30),
}


def sheet(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return [{str(name).strip(): text for name, text in row.items()} for row in csv.DictReader(file)]


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) if row.get(name, "").strip() else np.nan for row in rows])


def as_bars(rows: list[dict[str, str]]) -> np.ndarray:
    names = {name.lower(): name for name in rows[0]}
    bars = np.zeros(len(rows), BAR)
    close = column(rows, names["close"])
    if np.isnan(close).any():  # two sheets leave out the closes that they do not need
        close = np.where(np.isnan(close), column(rows, names["low"]), close)
    bars["close"] = close
    for name in ("open", "high", "low"):
        bars[name] = column(rows, names[name]) if name in names else close
    bars["volume"] = np.nan_to_num(column(rows, names["volume"])) if "volume" in names else 1.0
    return bars


@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_the_sheet(data_dir: Path, name: str) -> None:
    feature, fields, half_unit, n_before = CASES[name]
    rows = sheet(data_dir / "reference" / "ta_stockcharts" / f"cs-{name}.csv")
    bars = as_bars(rows)
    still = np.zeros(n_before, BAR)
    for price in ("open", "high", "low", "close"):
        still[price] = bars["close"][0]
    shown = feature(np.concatenate([still, bars]))
    shown = shown if isinstance(shown, dict) else {"value": shown}
    for ours, theirs in fields.items():
        expected = column(rows, theirs)
        mine = shown[ours][n_before:]
        both = np.isfinite(mine) & np.isfinite(expected) & (expected != 0.0)
        assert both.sum() >= 5
        np.testing.assert_allclose(mine[both], expected[both], rtol=1e-9, atol=half_unit)
