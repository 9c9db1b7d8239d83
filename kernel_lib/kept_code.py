"""Machine code of what is composed at run time, kept on disk by the content of what it was made of.

numba keeps the code of functions that stand in a file, and looks at that file alone. A composed loop stands in no
file, and is made of a strategy's decision, features and ours; its code is kept under a digest of all of them, of the
types it was compiled for, of our sources and of the processor. A kept file lies beside the rest of the user's compiled
code and is only read by processes of that user: like numba's own, it holds a pickle. What is shipped lies within, and
is all that a sandbox is shown.
"""

import contextlib
import hashlib
import itertools
import os
import pickle
import tempfile
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import llvmlite  # type: ignore[import-untyped]
import numba
from numba.core import environment
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps, loads
from numba.core.types import BaseTuple

from kernel_lib.content import content_of
from kernel_lib.machine_code import source_digest

__all__ = ["keep", "kept_directory"]

_MOST_FILES = 500
_DIGEST_BYTES = 32
_UNUSABLE = (
    pickle.UnpicklingError,
    AttributeError,
    ImportError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    zlib.error,
)


def keep(compiled: Any) -> Any:
    """Let a numba function find its machine code on disk, and leave it there once compiled; gives the same function.

    It is not kept where the content of something that it is made of cannot be told, see
    :func:`~kernel_lib.content.content_of`.
    """
    compiled._cache = _Kept(compiled)
    return compiled


def kept_directory() -> Path | None:
    """Give where this process keeps such code; None where it keeps none."""
    parent = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    return Path(f"{parent}-composed") if parent else None


class _Kept(_Cache):
    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    @cached_property
    def _content(self) -> str | None:
        return content_of(self._compiled)

    @property
    def cache_path(self) -> str:
        return str(kept_directory() or "")

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        name = self._name(sig, target_context)
        if name is None:
            return None
        own = Path(self.cache_path) / name
        shipped = Path(numba.config.CACHE_DIR) / "composed" / name  # type: ignore[attr-defined]
        found = _loaded(own, target_context) or _loaded(shipped, target_context)
        with contextlib.suppress(OSError):
            os.utime(own)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        if data.lifted or data.objectmode or data.library.has_dynamic_globals:
            return
        name = self._name(sig, data.target_context)
        if name is None:
            return
        path = Path(self.cache_path) / name
        body = zlib.compress(dumps(_reduced(data)), 1)  # names of symbols, mostly: a twentieth is left
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, scratch = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            os.replace(scratch, path)
            _prune(path.parent)
        except OSError:  # a full disk, or nothing can be written: the code is in memory
            return

    def enable(self) -> None:
        """Nothing to do: it is on from the beginning."""

    def disable(self) -> None:
        """Nothing to do."""

    def flush(self) -> None:
        """Nothing to do: each form is a file of its own."""

    def _name(self, sig: Any, target_context: Any) -> str | None:
        if not numba.config.CACHE_DIR or self._content is None:  # type: ignore[attr-defined]
            return None
        made_for = [
            source_digest(),
            llvmlite.__version__,
            self._content,
            repr(target_context.codegen().magic_tuple()),
            *map(_text, sig),
        ]
        return f"{hashlib.sha256(chr(10).join(made_for).encode()).hexdigest()}.code"


def _loaded(path: Path, target_context: Any) -> Any:
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    body = raw[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != raw[:_DIGEST_BYTES]:
        return None
    try:
        return _restored(target_context, loads(zlib.decompress(body)))
    except _UNUSABLE:
        return None


def _text(kind: Any) -> str:
    """A type's name, with its fields: numba's own name of a tuple leaves them out."""
    inside = getattr(kind, "types", ()) if isinstance(kind, BaseTuple) else ()
    return f"{kind} {getattr(kind, 'fields', '')} {','.join(map(_text, inside))}"


def _reduced(result: Any) -> tuple[Any, ...]:
    # An environment names a module to be imported; a strategy's is none. Compiled code needs the constants alone.
    *front, referenced = result._reduce()
    code, description, own, *rest = front
    return code, description, (own.env_name, own.consts), *rest, [(each.env_name, each.consts) for each in referenced]


def _restored(target_context: Any, kept: tuple[Any, ...]) -> Any:
    code, description, own, *rest, referenced = kept
    target_context.refresh()
    environments = [_environment(*each) for each in referenced]
    rebuild: Any = CompileResult._rebuild
    return rebuild(target_context, code, description, _environment(*own), *rest, environments)


def _environment(name: str, constants: list[Any]) -> Any:
    found = environment.lookup_environment(name)
    if found is None:
        found = environment.Environment({"__name__": __name__})
        found.consts[:] = constants
        found.env_name = name
        environment.Environment._memo[name] = found
    return found


def _prune(directory: Path) -> None:
    """Delete the longest unused beyond so many."""
    files = list(directory.iterdir())
    if len(files) <= _MOST_FILES:
        return
    with contextlib.suppress(OSError):
        for each in sorted(files, key=lambda file: file.stat().st_mtime)[: len(files) - _MOST_FILES // 2]:
            each.unlink(missing_ok=True)


def _number_apart() -> None:
    """Let this process number its functions from a place of its own.

    numba tells functions of one name apart by a number, and the linker takes the first of two with equal names. Code
    of two processes that meet in a third must not share numbers.
    """
    FunctionIdentity._unique_ids = itertools.count(int.from_bytes(os.urandom(5), "little") << 16)


_number_apart()
os.register_at_fork(after_in_child=_number_apart)
