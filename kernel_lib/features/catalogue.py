"""Every feature by group, for help, for checks, for the documentation, and for whoever builds one from text."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel_lib.features.accumulation import accumulation
from kernel_lib.features.adx import adx
from kernel_lib.features.aroon import aroon
from kernel_lib.features.atr import atr
from kernel_lib.features.beta import beta
from kernel_lib.features.bollinger import bollinger, bollinger_width
from kernel_lib.features.candlesticks import candlesticks
from kernel_lib.features.cci import cci
from kernel_lib.features.correlation import correlation
from kernel_lib.features.dema import dema
from kernel_lib.features.donchian import donchian
from kernel_lib.features.ema import ema
from kernel_lib.features.feature import Feature
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

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CATALOGUE", "GROUPS", "catalogue"]

#: What each feature is of. To add one: a file, and a line here.
GROUPS: dict[str, tuple[Callable[..., Feature], ...]] = {
    "trend": (
        sma, ema, wma, dema, tema, kama, hma, macd, adx, aroon, parabolic_sar, supertrend, ichimoku, linear_slope,
    ),
    "momentum": (
        rsi, stochastic, stoch_rsi, cci, williams_r, roc, momentum, price_change, trix, ultimate_oscillator,
    ),
    "volatility": (
        atr, bollinger, bollinger_width, keltner, donchian, stdev, realised_volatility, parkinson, garman_klass,
    ),
    "microstructure": (
        spread, tick_rate, tick_imbalance, return_autocorrelation, tick_mean, vwap, obv, accumulation,
    ),
    "calendar": (session, minutes_to_release),
    "other instruments and outside": (correlation, beta, spread_zscore, outside),
    "regimes": (regime,),
    "candlesticks": (candlesticks,),
    "normalisers": (zscore, minmax, rank),
}  # fmt: skip

#: Every feature by name.
CATALOGUE: dict[str, Callable[..., Feature]] = {make.__name__: make for group in GROUPS.values() for make in group}


def catalogue() -> "pd.DataFrame":
    """Give a table of every feature: its group, what it is for, its formula and its parameters.

    >>> catalogue().loc["rsi", "group"]
    'momentum'
    """
    import inspect

    import pandas as pd

    from kernel_lib.features.show import formula, purpose

    rows = {
        make.__name__: {
            "group": group,
            "for": purpose(make.__doc__ or ""),
            "formula": formula(make.__doc__ or ""),
            "parameters": str(inspect.signature(make).replace(return_annotation=inspect.Signature.empty)),
        }
        for group, makers in GROUPS.items()
        for make in makers
    }
    return pd.DataFrame.from_dict(rows, orient="index")
