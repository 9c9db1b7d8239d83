"""The features that agents look at, by label: one table, so that a label is the same feature for all of them."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kernel_lib.declared import declared
from kernel_lib.errors import BadData

if TYPE_CHECKING:
    from kernel_lib.features.feature import Feature

__all__ = ["INPUTS", "panel_features"]

#: By label: how it is made, given the module of features and the length of the bars. To add one: a line here.
INPUTS: dict[str, Callable[[Any, str], Any]] = {
    "slope_12": lambda f, bars: f.linear_slope(12, bars=bars),
    "slope_36": lambda f, bars: f.linear_slope(36, bars=bars),
    "slope_96": lambda f, bars: f.linear_slope(96, bars=bars),
    "volatility_20": lambda f, bars: f.realised_volatility(20, bars=bars),
    "volatility_100": lambda f, bars: f.realised_volatility(100, bars=bars),
    "autocorrelation_50": lambda f, bars: f.return_autocorrelation(50, bars=bars),
    "zscore_50": lambda f, bars: f.zscore(50, bars=bars),
    "channel_48_upper": lambda f, bars: (f.donchian(48, bars=bars), "upper"),
    "channel_48_lower": lambda f, bars: (f.donchian(48, bars=bars), "lower"),
    "atr_14": lambda f, bars: f.atr(14, bars=bars),
    "adx_14": lambda f, bars: f.adx(14, bars=bars),
    "adx_14_plus": lambda f, bars: (f.adx(14, bars=bars), "plus"),
    "adx_14_minus": lambda f, bars: (f.adx(14, bars=bars), "minus"),
    "rsi_14": lambda f, bars: f.rsi(14, bars=bars),
    "macd_histogram": lambda f, bars: (f.macd(bars=bars), "histogram"),
    "stochastic_14": lambda f, bars: f.stochastic(14, bars=bars),
    "percent_b_20": lambda f, bars: (f.bollinger_width(20, bars=bars), "percent_b"),
    "ema_12": lambda f, bars: f.ema(12, bars=bars),
    "ema_26": lambda f, bars: f.ema(26, bars=bars),
    "aroon_25": lambda f, bars: f.aroon(25, bars=bars),
    "cci_20": lambda f, bars: f.cci(20, bars=bars),
    "supertrend_side": lambda f, bars: (f.supertrend(10, bars=bars), "side"),
    "tick_rate_100": lambda f, bars: f.tick_rate(100),
    "session": lambda f, bars: f.session(bars=bars),
}


@declared
def panel_features(labels: Iterable[str], bars: str) -> "dict[str, Feature | tuple[Feature, str]]":
    """Make the features of these labels on bars of one length, in the table's order.

    Raises
    ------
    BadData
        No such label.

    >>> panel_features(["rsi_14", "macd_histogram"], "5m")["rsi_14"]
    rsi(window=14, bars='5m')
    """
    from kernel_lib import features

    wanted = set(labels)
    unknown = sorted(wanted - set(INPUTS))
    if unknown:
        raise BadData(f"an agent may read {', '.join(INPUTS)}; it also read {', '.join(unknown)}")
    return {label: make(features, bars) for label, make in INPUTS.items() if label in wanted}
