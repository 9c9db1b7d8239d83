"""Where a hyper-parameter may lie: for a search to choose from, and for a check."""

import msgspec
import numpy as np

from kernel_lib.declared import Declared
from kernel_lib.errors import BadData

__all__ = ["Choice", "Range", "Space", "integer", "number"]


class Range(msgspec.Struct, metaclass=Declared, frozen=True):
    """Numbers from ``low`` to ``high``, both included; whole where both are whole; ``log`` searches by ratio."""

    low: float
    high: float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Choice(msgspec.Struct, metaclass=Declared, frozen=True):
    """One of some values."""

    of: tuple[str | int | float | bool, ...]


Space = dict[str, Range | Choice]


def integer(name: str, given: int, low: int, high: int) -> int:
    """Check a whole hyper-parameter."""
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or not low <= given <= high:
        raise BadData(f"{name} must be a whole number from {low} to {high}, it was {given!r}")
    return int(given)


def number(name: str, given: float, low: float, high: float) -> float:
    """Check a real hyper-parameter."""
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not low <= given <= high:
        raise BadData(f"{name} must be a number from {low:g} to {high:g}, it was {given!r}")
    return float(given)
