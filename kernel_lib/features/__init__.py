"""Streaming features, one per file: each is one small compiled update over its own slice of state.

Use them as ``from kernel_lib import features as f; f.rsi(14, bars="1m")``. To add one: a file, and a line here.
"""

from kernel_lib.features.adx import adx
from kernel_lib.features.atr import atr
from kernel_lib.features.bollinger import bollinger
from kernel_lib.features.donchian import donchian
from kernel_lib.features.ema import ema
from kernel_lib.features.feature import Feature
from kernel_lib.features.macd import macd
from kernel_lib.features.price_change import price_change
from kernel_lib.features.rsi import rsi
from kernel_lib.features.sma import sma
from kernel_lib.features.spread import spread
from kernel_lib.features.stochastic import stochastic
from kernel_lib.features.tick_rate import tick_rate
from kernel_lib.features.zscore import zscore

__all__ = [
    "CATALOGUE",
    "Feature",
    "adx",
    "atr",
    "bollinger",
    "donchian",
    "ema",
    "macd",
    "price_change",
    "rsi",
    "sma",
    "spread",
    "stochastic",
    "tick_rate",
    "zscore",
]

#: Every feature by name, for help, for checks and for whoever builds one from text.
CATALOGUE = {
    each.__name__: each
    for each in (
        adx, atr, bollinger, donchian, ema, macd, price_change, rsi, sma, spread, stochastic, tick_rate, zscore,
    )
}  # fmt: skip
