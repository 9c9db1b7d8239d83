"""The reference strategies, one per file: written as a quant would write them."""

from kernel_lib.strategies.breakout import breakout
from kernel_lib.strategies.consensus import consensus
from kernel_lib.strategies.ma_cross import ma_cross
from kernel_lib.strategies.rsi_reversion import rsi_reversion

__all__ = ["CATALOGUE", "breakout", "consensus", "ma_cross", "rsi_reversion"]

#: Strategies by name, as the command line knows them.
CATALOGUE = {each.name: each for each in (breakout, consensus, ma_cross, rsi_reversion)}
