"""The library inside notebooks, backtests and the engine: market, features, strategy, step, replay.

Importing it costs nothing; import the parts you use: ``from kernel_lib import features as f``.
``kernel_lib.catalogue()`` shows what there is and what your tier opens.
"""

from typing import Any

from kernel_lib.counter import Counter, offer

__all__ = ["__version__", "catalogue"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "catalogue":
        from kernel_lib.listing import catalogue

        return catalogue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _platform_counter() -> Counter | None:
    import os

    from kernel_lib.client_trials import counter_from

    return counter_from(os.environ)


offer(_platform_counter)
