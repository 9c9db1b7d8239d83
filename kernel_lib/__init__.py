"""The library inside notebooks, backtests and the engine: market, features, strategy, step, replay.

Importing it costs nothing; import the parts you use: ``from kernel_lib import features as f``.
"""

__version__ = "0.1.0"
