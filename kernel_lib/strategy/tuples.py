"""The classes of what a decision sees, one for each set of names, so that equal strategies share compiled code.

A class is found again by its qualified name, ``X,fast,slow``, in another process too: compiled code that is kept on
disk names it so.
"""

from collections import namedtuple
from typing import Any

from kernel_lib.declared import meant

__all__ = ["no_field", "tuple_class"]

_classes: dict[str, Any] = {}
_WRITTEN = {"X": ("x", "feature"), "Params": ("p", "parameter"), "Position": ("position", "field")}


def tuple_class(name: str, fields: tuple[str, ...]) -> Any:
    """Give the one class of this name with these fields."""
    called = ",".join((name, *fields))
    if called not in _classes:
        made: Any = namedtuple(name, fields, module=__name__)  # type: ignore[misc]  # the fields are not literal
        made.__qualname__ = called
        made.__getattr__ = no_field  # type: ignore[attr-defined]
        _classes[called] = made
    return _classes[called]


def no_field(seen: Any, name: str) -> Any:
    """Raise the error of a name that ``x``, ``p`` or ``position`` does not have, with the one that was meant.

    Python asks for it in a decision that is not compiled; one with such a name cannot be.

    >>> tuple_class("X", ("fast", "slow"))(1.0, 2.0).fats
    Traceback (most recent call last):
    AttributeError: x has no feature 'fats' (did you mean x.fast?); it has fast, slow
    """
    if name.startswith("_"):
        raise AttributeError(name)
    written, kind = _WRITTEN[type(seen).__name__]
    near = meant(name, seen._fields).replace("did you mean ", f"did you mean {written}.")
    raise AttributeError(
        f"{written} has no {kind} {name!r}{near}; it has {', '.join(seen._fields) or 'none'}", name=name
    )


def __getattr__(called: str) -> Any:
    name, *fields = called.split(",")
    if not fields:
        raise AttributeError(f"module {__name__!r} has no attribute {called!r}")
    return tuple_class(name, tuple(fields))
