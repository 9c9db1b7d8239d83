"""What a quant writes: a decision over named features, once, for backtest and live alike."""

from kernel_lib.strategy.definition import Strategy, load_strategy, strategy
from kernel_lib.strategy.proposer import Proposer
from kernel_lib.strategy.sizing import FixedLots, RiskFraction, Sizing

__all__ = ["FixedLots", "Proposer", "RiskFraction", "Sizing", "Strategy", "load_strategy", "strategy"]
