"""The content of a function: equal for two functions that numba makes the same machine code of.

What a compiled function reads of its module and of the functions around it becomes constants of its machine code. So
its content is its bytecode and all that the bytecode names, as deep as that goes.
"""

import builtins
import dis
import enum
import hashlib
import sys
from collections.abc import Iterable
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic as Intrinsic
from numba.core.types import ExternalFunction, Number

__all__ = ["content_of"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
_MODULES = ("math", "cmath", "numpy", "numba", "builtins")
#: Packages whose sources the place of all kept machine code names already, see :mod:`kernel_lib.machine_code`.
_COVERED = (
    "kernel_lib.features.", "kernel_lib.market.", "kernel_lib.strategy.", "kernel_lib.trading.",
    "kernel_lib.compiler_hints.",
)  # fmt: skip
_MOST_BYTES = 1 << 20


class _Unknown(Exception):
    """Something whose content cannot be told."""


def content_of(*things: Any) -> str | None:
    """Give a digest of functions, compiled functions, numbers, texts and tuples of them.

    Parameters
    ----------
    *things
        Their order counts.

    Returns
    -------
    str or None
        64 hexadecimal digits; None where something is named whose content cannot be told, such as a dictionary, an
        object with state of its own, or a function of another package.

    >>> content_of(lambda x: 2 * x) == content_of(lambda x: 2 * x)
    True
    >>> content_of(lambda x: 2 * x) == content_of(lambda x: 3 * x)
    False
    >>> content_of({}) is None
    True
    """
    reader = _Reader()
    try:
        for each in things:
            reader.read(each)
    except _Unknown:
        return None
    return reader.digest.hexdigest()


class _Reader:
    def __init__(self) -> None:
        self.digest = hashlib.sha256(np.__version__.encode())
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []

    def read(self, thing: Any) -> None:
        if isinstance(thing, enum.Enum):
            self._say("enum", type(thing).__module__, type(thing).__qualname__, thing.name, repr(thing.value))
        elif type(thing) in _PLAIN:
            self._say(type(thing).__name__, repr(thing))
        elif isinstance(thing, tuple):
            self._say("tuple", *(getattr(type(thing), "_fields", ())))
            self._all(thing)
        elif isinstance(thing, frozenset):
            self._say("set", *sorted(f"{type(each).__name__} {each!r}" for each in thing))
            if not all(type(each) in _PLAIN for each in thing):
                raise _Unknown
        elif isinstance(thing, np.ndarray | np.generic):
            self._array(np.asarray(thing))
        elif isinstance(thing, Dispatcher):
            options = sorted((name, repr(value)) for name, value in thing.targetoptions.items())
            compiler: Any = vars(thing)["_compiler"]
            pipeline = compiler.pipeline_class
            self._say("compiled", repr(options), repr(thing.locals), pipeline.__module__, pipeline.__qualname__)
            self.read(thing.py_func)
        elif isinstance(thing, FunctionType):
            self._function(thing)
        elif isinstance(thing, CodeType):
            self._code(thing)
        else:
            self._named(thing)

    def _say(self, *words: str) -> None:
        for word in words:
            raw = word.encode("utf-8", "surrogatepass")
            self.digest.update(len(raw).to_bytes(8, "little"))
            self.digest.update(raw)

    def _all(self, things: Iterable[Any]) -> None:
        each = list(things)
        self._say(str(len(each)))
        for one in each:
            self.read(one)

    def _array(self, array: Any) -> None:
        if array.dtype.hasobject or array.nbytes > _MOST_BYTES:
            raise _Unknown
        self._say("array", repr(array.dtype), repr(array.shape), repr(array.flags.f_contiguous))
        self.digest.update(array.tobytes())

    def _code(self, code: CodeType) -> None:
        self._say(
            "code", code.co_name, code.co_code.hex(), repr(list(code.co_lines())), code.co_exceptiontable.hex(),
            repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags)),
            repr((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)),
        )  # fmt: skip
        self._all(code.co_consts)

    def _function(self, function: FunctionType) -> None:
        if id(function) in self._met:
            self._say("again", str(self._met[id(function)]))
            return
        self._met[id(function)] = len(self._met)
        self._kept.append(function)
        if _covered(function):
            self._say("ours", function.__module__, function.__qualname__)
            return
        self._say("function")
        self._code(function.__code__)
        self.read(function.__defaults__ or ())
        self._all(sorted((function.__kwdefaults__ or {}).items()))
        for cell in function.__closure__ or ():
            try:
                self.read(cell.cell_contents)
            except ValueError:  # an empty cell
                raise _Unknown from None
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                self._say("global", name)
                self.read(function.__globals__[name])
            elif hasattr(builtins, name):
                self._say("builtin", name)

    def _named(self, thing: Any) -> None:
        """Take what stands for itself by its name: a module, a type, a function of Python's or NumPy's own."""
        module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        if isinstance(thing, ModuleType):
            if thing.__name__.partition(".")[0] not in _MODULES:
                raise _Unknown
            self._say("module", thing.__name__)
        elif isinstance(thing, np.dtype) and not thing.hasobject:
            self._say("dtype", repr(thing))
        elif isinstance(thing, np.ufunc):
            self._say("ufunc", thing.__name__)
        elif isinstance(thing, Number):
            self._say("number", str(thing))
        elif isinstance(thing, ExternalFunction):
            self._say("external", thing.symbol, str(thing.sig))
        elif isinstance(thing, Intrinsic) and _covered(thing):
            self._say("ours", str(module), str(name))
        elif isinstance(thing, type | BuiltinFunctionType) and module and name:
            if module.partition(".")[0] not in _MODULES and not _covered(thing):
                raise _Unknown
            self._say("named", module, name)
        else:
            raise _Unknown


def _covered(thing: Any) -> bool:
    """Say whether it is what its name says in a module of ours."""
    module, name = thing.__module__ or "", thing.__qualname__
    if not f"{module}.".startswith(_COVERED):
        return False
    found = getattr(sys.modules.get(module), name, None)
    return found is thing or getattr(found, "py_func", None) is thing


def _names(code: CodeType) -> set[str]:
    """Give what it reads of its module; an attribute may have the name of something there, and is not it."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            names |= _names(each)
    return names
