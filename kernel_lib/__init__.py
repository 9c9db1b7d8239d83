"""The library inside notebooks, backtests and the engine: market, features, strategy, step, replay.

Importing it costs nothing; import the parts you use: ``from kernel_lib import features as f``.
``kernel_lib.catalogue()`` shows what there is and what your tier opens.
"""

from typing import Any

from kernel_lib.counter import Counter, offer

__all__ = ["__version__", "catalogue"]

#: What a notebook finds behind the dot, and what is loaded when it is asked for.
_PARTS = ("agents", "backtest", "client", "features", "importers", "market", "models", "risk", "strategies", "strategy")

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "catalogue":
        from kernel_lib.listing import catalogue

        return catalogue
    if name in _PARTS:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    from kernel_lib.declared import no_such

    raise no_such(__name__, name, (*_PARTS, *__all__))


def __dir__() -> list[str]:
    return sorted((*_PARTS, *__all__))


def _platform_counter() -> Counter | None:
    import os

    from kernel_lib.client_trials import counter_from

    return counter_from(os.environ)


offer(_platform_counter)
