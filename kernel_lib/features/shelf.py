"""Model bundles by name, for strategies: what a notebook trained and kept, or what a passport carries."""

import contextlib
import re
from collections.abc import Iterator, Mapping

from kernel_lib.declared import declared
from kernel_lib.errors import BadData, Misconfigured

__all__ = ["holding", "keep", "kept", "names"]

_shelf: dict[str, bytes] = {}


@declared
def keep(name: str, bundle: bytes) -> None:
    """Keep a bundle under a name that a strategy's source may use, until the process ends.

    Parameters
    ----------
    name : str
        Letters, digits, ``-`` and ``_``, at most 64.
    bundle : bytes
        What ``model.bundle()`` gave; it is checked when it is used.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise BadData(f"a model's name must be 1 to 64 letters, digits, '-' or '_', it was {name[:80]!r}")
    if not isinstance(bundle, bytes):
        raise BadData(f"a model is kept as the bytes of model.bundle(), it was {type(bundle).__name__}")
    _shelf[name] = bundle


@declared
def kept(name: str) -> bytes:
    """Give a kept bundle.

    Raises
    ------
    Misconfigured
        Nothing is kept under this name.
    """
    if name not in _shelf:
        raise Misconfigured(
            f"no model is kept as {name!r} (there are: {', '.join(sorted(_shelf)) or 'none'}); train one and say "
            f"models.keep({name!r}, model.bundle())"
        )
    return _shelf[name]


def names() -> tuple[str, ...]:
    """Every name in use."""
    return tuple(sorted(_shelf))


@contextlib.contextmanager
def holding(bundles: Mapping[str, bytes]) -> Iterator[None]:
    """Hold just these bundles for a while: those that one strategy's passport carries."""
    before = dict(_shelf)
    _shelf.clear()
    try:
        for name, bundle in bundles.items():
            keep(name, bundle)
        yield
    finally:
        _shelf.clear()
        _shelf.update(before)
