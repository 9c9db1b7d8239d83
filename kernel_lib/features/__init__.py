"""Streaming features, one per file: each is one small compiled update over its own slice of state.

Use them as ``from kernel_lib import features as f; f.rsi(14, bars="1m")``; ``f.catalogue()`` lists them. To add one: a
file, and a line in ``catalogue.py``.
"""

from typing import TYPE_CHECKING, Any

from kernel_lib.declared import no_such
from kernel_lib.features.accumulation import accumulation
from kernel_lib.features.adx import adx
from kernel_lib.features.aroon import aroon
from kernel_lib.features.atr import atr
from kernel_lib.features.beta import beta
from kernel_lib.features.bollinger import bollinger, bollinger_width
from kernel_lib.features.candlesticks import candlesticks
from kernel_lib.features.catalogue import CATALOGUE, GROUPS, catalogue
from kernel_lib.features.cci import cci
from kernel_lib.features.correlation import correlation
from kernel_lib.features.custom import FeatureMaker, feature
from kernel_lib.features.dema import dema
from kernel_lib.features.donchian import donchian
from kernel_lib.features.ema import ema
from kernel_lib.features.explore import Explorer, explore
from kernel_lib.features.feature import Feature
from kernel_lib.features.fit_regime import fit_regime
from kernel_lib.features.garman_klass import garman_klass
from kernel_lib.features.hma import hma
from kernel_lib.features.ichimoku import ichimoku
from kernel_lib.features.kama import kama
from kernel_lib.features.keltner import keltner
from kernel_lib.features.linear_slope import linear_slope
from kernel_lib.features.macd import macd
from kernel_lib.features.minmax import minmax
from kernel_lib.features.minutes_to_release import minutes_to_release
from kernel_lib.features.momentum import momentum
from kernel_lib.features.obv import obv
from kernel_lib.features.outside import outside
from kernel_lib.features.parabolic_sar import parabolic_sar
from kernel_lib.features.parkinson import parkinson
from kernel_lib.features.price_change import price_change
from kernel_lib.features.rank import rank
from kernel_lib.features.realised_volatility import realised_volatility
from kernel_lib.features.regime import regime
from kernel_lib.features.return_autocorrelation import return_autocorrelation
from kernel_lib.features.roc import roc
from kernel_lib.features.rsi import rsi
from kernel_lib.features.session import session
from kernel_lib.features.sma import sma
from kernel_lib.features.spread import spread
from kernel_lib.features.spread_zscore import spread_zscore
from kernel_lib.features.stdev import stdev
from kernel_lib.features.stoch_rsi import stoch_rsi
from kernel_lib.features.stochastic import stochastic
from kernel_lib.features.supertrend import supertrend
from kernel_lib.features.tema import tema
from kernel_lib.features.tick_imbalance import tick_imbalance
from kernel_lib.features.tick_mean import tick_mean
from kernel_lib.features.tick_rate import tick_rate
from kernel_lib.features.trix import trix
from kernel_lib.features.ultimate_oscillator import ultimate_oscillator
from kernel_lib.features.vwap import vwap
from kernel_lib.features.williams_r import williams_r
from kernel_lib.features.wma import wma
from kernel_lib.features.zscore import zscore

__all__ = [
    "CATALOGUE",
    "GROUPS",
    "Explorer",
    "Feature",
    "FeatureMaker",
    "accumulation",
    "adx",
    "aroon",
    "atr",
    "beta",
    "bollinger",
    "bollinger_width",
    "candlesticks",
    "catalogue",
    "cci",
    "correlation",
    "dema",
    "donchian",
    "ema",
    "explore",
    "feature",
    "fit_regime",
    "garman_klass",
    "hma",
    "ichimoku",
    "kama",
    "keltner",
    "linear_slope",
    "macd",
    "minmax",
    "minutes_to_release",
    "momentum",
    "obv",
    "outside",
    "parabolic_sar",
    "parkinson",
    "price_change",
    "rank",
    "realised_volatility",
    "regime",
    "return_autocorrelation",
    "roc",
    "rsi",
    "session",
    "sma",
    "spread",
    "spread_zscore",
    "stdev",
    "stoch_rsi",
    "stochastic",
    "supertrend",
    "tema",
    "tick_imbalance",
    "tick_mean",
    "tick_rate",
    "trix",
    "ultimate_oscillator",
    "vwap",
    "williams_r",
    "wma",
    "zscore",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise no_such(__name__, name, __all__)


def __dir__() -> list[str]:
    """What a notebook completes: the features and what makes more, not the files they stand in."""
    return sorted(__all__)
