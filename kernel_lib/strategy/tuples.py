"""The classes of what a decision sees, one for each set of names, so that equal strategies share compiled code.

A class is found again by its qualified name, ``X,fast,slow``, in another process too: compiled code that is kept on
disk names it so.
"""

from collections import namedtuple
from typing import Any

__all__ = ["tuple_class"]

_classes: dict[str, Any] = {}


def tuple_class(name: str, fields: tuple[str, ...]) -> Any:
    """Give the one class of this name with these fields."""
    called = ",".join((name, *fields))
    if called not in _classes:
        made: Any = namedtuple(name, fields, module=__name__)  # type: ignore[misc]  # the fields are not literal
        made.__qualname__ = called
        _classes[called] = made
    return _classes[called]


def __getattr__(called: str) -> Any:
    name, *fields = called.split(",")
    if not fields:
        raise AttributeError(f"module {__name__!r} has no attribute {called!r}")
    return tuple_class(name, tuple(fields))
