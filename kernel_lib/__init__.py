"""The library inside notebooks, backtests and the engine: market, features, strategy, step, replay.

Importing it costs nothing; import the parts you use: ``from kernel_lib import features as f``.
``kernel_lib.catalogue()`` shows what there is and what your tier opens.
"""

from typing import Any

__all__ = ["__version__", "catalogue"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "catalogue":
        from kernel_lib.listing import catalogue

        return catalogue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
