"""What a quant writes: a decision over named features, once, for backtest and live alike."""

from kernel_lib.strategy.definition import Strategy, load_strategy, strategy
from kernel_lib.strategy.orders import EntryOrder, at_limit, at_stop, at_stop_limit, keep
from kernel_lib.strategy.proposer import Proposer
from kernel_lib.strategy.sizing import FixedLots, RiskFraction, Sizing

__all__ = [
    "EntryOrder",
    "FixedLots",
    "Proposer",
    "RiskFraction",
    "Sizing",
    "Strategy",
    "at_limit",
    "at_stop",
    "at_stop_limit",
    "keep",
    "load_strategy",
    "strategy",
]
