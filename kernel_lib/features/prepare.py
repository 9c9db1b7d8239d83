"""Compile the whole catalogue at once, for an installation whose users cannot write its cache."""

import sys
from typing import Any

from numba.core.dispatcher import Dispatcher

from kernel_lib.features.catalogue import CATALOGUE
from kernel_lib.features.feature import UPDATE

__all__ = ["compile_catalogue"]


def compile_catalogue() -> int:
    """Compile every update and the loops over recorded data into the cache on disk; gives their number.

    Nothing is compiled twice: what is in the cache is only read.
    """
    import kernel_lib.features.over  # noqa: F401  (its loops compile as they are imported)

    modules = {sys.modules[make.__module__] for make in CATALOGUE.values()}
    updates: list[Any] = [
        each for module in modules for name, each in vars(module).items()
        if isinstance(each, Dispatcher) and name.startswith("_update")
    ]  # fmt: skip
    for update in updates:
        update.compile(UPDATE.args)
    return len(updates)
