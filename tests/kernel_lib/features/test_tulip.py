"""Indicators against the vectors of Tulip Indicators, which are printed to three decimals.

Some of them begin otherwise and fifteen rows are too few to forget it (docs/features.md): where an average starts from
the first price, or the first bar counts as a range, bars that stand still at the first close go before. Left out: dema,
tema and trix (the second average starts from its first input), di and adx (seeded with one change less), psar (another
first side), volatility (a deviation around the mean, for a year of 252 days).
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.market.bar import BAR

# Tulip's name: our feature, our outputs in the order of its rows, what its numbers are multiplied by, and how many bars
# that stand still go before.
CASES = {
    "sma 5": (f.sma(5), ("value",), 1.0, 0),
    "wma 5": (f.wma(5), ("value",), 1.0, 0),
    "hma 5": (f.hma(5), ("value",), 1.0, 0),
    "kama 5": (f.kama(5), ("value",), 1.0, 0),
    "linregslope 5": (f.linear_slope(5), ("value",), 1.0, 0),
    "aroon 5": (f.aroon(5), ("down", "up"), 1.0, 0),
    "aroonosc 5": (f.aroon(5), ("value",), 1.0, 0),
    "rsi 5": (f.rsi(5), ("value",), 1.0, 0),
    "stoch 5 3 3": (f.stochastic(5, 3, 3), ("value", "signal"), 1.0, 0),
    "stochrsi 5": (f.stoch_rsi(5, 5, 1, 1), ("value",), 100.0, 0),
    "cci 5": (f.cci(5), ("value",), 1.0, 0),
    "willr 5": (f.williams_r(5), ("value",), 1.0, 0),
    "roc 5": (f.roc(5), ("value",), 100.0, 0),
    "mom 5": (f.momentum(5), ("value",), 1.0, 0),
    "ultosc 2 3 5": (f.ultimate_oscillator(2, 3, 5), ("value",), 1.0, 0),
    "bbands 5 2": (f.bollinger(5, 2.0), ("lower", "middle", "upper"), 1.0, 0),
    "stddev 5": (f.stdev(5), ("value",), 1.0, 0),
    "obv": (f.obv(), ("value",), 1.0, 0),
    "ad": (f.accumulation(), ("value",), 1.0, 0),
    "ema 5": (f.ema(5), ("value",), 1.0, 20),
    "macd 2 5 9": (f.macd(2, 5, 1), ("value",), 1.0, 20),
    "atr 5": (f.atr(5), ("value",), 1.0, 1),
    "vwma 5": (f.tick_mean(5), ("value",), 1.0, 0),
}
INPUTS = {
    "aroon": ("high", "low"), "aroonosc": ("high", "low"), "stoch": ("high", "low", "close"),
    "cci": ("high", "low", "close"), "willr": ("high", "low", "close"), "ultosc": ("high", "low", "close"),
    "atr": ("high", "low", "close"),
    "obv": ("close", "volume"), "ad": ("high", "low", "close", "volume"), "vwma": ("close", "volume"),
}  # fmt: skip


@cache
def vectors(path: Path) -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {}
    for block in path.read_text().split("\n\n"):
        lines = [line for line in block.strip().splitlines() if not line.startswith("#")]
        if len(lines) > 2:
            rows = [re.findall(r"-?[0-9.]+", line) for line in lines[1:]]
            found[lines[0].strip()] = [np.array(row, dtype=np.float64) for row in rows]
    return found


@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_tulip(data_dir: Path, name: str) -> None:
    feature, outputs, factor, n_before = CASES[name]
    rows = vectors(data_dir / "reference" / "tulipindicators" / "untest.txt")[name]
    inputs = INPUTS.get(name.partition(" ")[0], ("close",))
    bars = np.zeros(len(rows[0]), BAR)
    bars["volume"] = 1.0
    for column in ("open", "high", "low", "close"):
        bars[column] = rows[inputs.index("close")] if "close" in inputs else rows[0]
    for column, numbers in zip(inputs, rows, strict=False):
        bars[column] = numbers
    still = np.zeros(n_before, BAR)
    for price in ("open", "high", "low", "close"):
        still[price] = bars["close"][0]
    shown = feature(np.concatenate([still, bars]))
    shown = shown if isinstance(shown, dict) else {"value": shown}
    n_compared = 0
    for output, expected in zip(outputs, rows[len(inputs) :], strict=False):
        ours = shown[output][-len(expected) :]
        both = np.isfinite(ours)
        n_compared += both.sum()
        np.testing.assert_allclose(ours[both], expected[both] * factor, rtol=0, atol=0.000501 * factor)
    assert n_compared >= 6
