"""Data that a function of one's own reads beside its arguments: they lie there whole, with the future in them.

An update sees one bar at a time and cannot look ahead; but a function can read an array, Series or list of its cell,
and count along. So what is used for the first time is run twice, over the same rows, with that data whole and with it
cut off at some rows, as it would have been then: what an earlier row shows must not change. Functions that read no
data, nearly all, cost nothing; a clean answer is kept on disk by the text of the function and the bytes of the data.
"""

import builtins
import contextlib
import contextvars
import copy
import dis
import hashlib
import linecache
import math
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.machine_code import cache_dir

__all__ = ["Captured", "LeakUnchecked", "captured", "require_no_look_ahead", "times_among", "unchecked"]

# Fewer numbers are taken for parameters, such as the weights of a window.
_LEAST_ROWS = 200
_DEPTH = 3
_ADVICE = (
    "give it as other=, with the times at which it was known; a table of parameters passes within captured.unchecked()"
)
_CUTS = (0.31, 0.5, 0.67, 0.83)

_off: contextvars.ContextVar[bool] = contextvars.ContextVar("leaks_unchecked", default=False)


class LeakUnchecked(UserWarning):
    """A function that reads data was not checked for leaks, because somebody said so."""


class Captured(NamedTuple):
    """One reading of data: where it stands, and the data."""

    function: str
    filename: str
    line: int
    column: int
    name: str
    data: Any

    def __str__(self) -> str:
        source = linecache.getline(self.filename, self.line).strip()
        code = f" ({source})" if source else ""
        return f"{self.function}, {self.filename}, line {self.line}, column {self.column}{code}"


#: What was let through by :func:`unchecked`, for the report.
skipped: list[str] = []


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Use what reads data without the check; each such use warns, and the report says so.

    >>> with unchecked():
    ...     pass
    """
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)


def captured(thing: Any, depth: int = _DEPTH) -> list[Captured]:
    """Find the data that a function, a method or an object of the user's own reads beside its arguments.

    Parameters
    ----------
    thing : function, method, numba function, or object with attributes
    depth : int
        How far the functions that it calls are followed.

    >>> prices = np.arange(200.0)
    >>> def ahead(at):
    ...     return prices[at + 1]
    >>> [(each.name, each.column) for each in captured(ahead)]
    [('prices', 12)]
    """
    if depth == 0:
        return []
    function = _python_of(thing)
    if function is None:
        return [each for _, inner in _attributes(thing) for each in captured(inner, depth - 1)]
    found = []
    for step in dis.get_instructions(function.__code__):
        if step.opname not in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"):
            continue
        value = _value_of(function, str(step.argval))
        place = step.positions
        if _is_data(value):
            line, column = (place.lineno or 0, (place.col_offset or 0) + 1) if place is not None else (0, 0)
            found.append(
                Captured(function.__name__, function.__code__.co_filename, line, column, str(step.argval), value)
            )
        elif value is not function and _python_of(value) is not None and not _ours(value):
            found += captured(value, depth - 1)
    owner = getattr(thing, "__self__", None)
    if owner is not None and not _ours(owner):
        code = function.__code__
        for name, value in _attributes(owner):
            if _is_data(value):
                found.append(
                    Captured(function.__name__, code.co_filename, code.co_firstlineno, 1, f"self.{name}", value)
                )
            elif not isinstance(value, types.MethodType):
                found += captured(value, depth - 1)
    return found


def require_no_look_ahead(
    thing: Any, over: Callable[[Any], Iterator[Sequence[float]]], *, called: str, text: str = ""
) -> None:
    """Check a function or object of the user's own at its first use.

    Parameters
    ----------
    thing : function, method or object
    over : callable
        Runs a copy of ``thing`` over rows that are the same each time, and gives what each shows.
    called : str
        Its name, for messages.
    text : str
        Its source and parameters, for the key under which a clean answer is kept.

    Raises
    ------
    BadData
        An earlier row changes when the data is cut off behind it: names function, file or cell, line and column.
    """
    reads = captured(thing)
    if not reads:
        return
    if _off.get():
        skipped.append(called)
        warnings.warn(
            f"{called} reads {reads[0].name} at {reads[0]} and was not checked for leaks; its results may know the "
            "future",
            LeakUnchecked,
            stacklevel=4,
        )
        return
    kept = cache_dir().parent.parent / "leaks" / _key(reads, text)
    if kept.exists():
        return
    rows = max(len(each.data) for each in reads)
    try:
        whole = [tuple(each) for each in over(_rebuilt(thing, rows, {}, _DEPTH + 1))]
    except Exception:  # the user's code: what does not run in plain Python cannot be compared in it
        return
    for share in _CUTS:
        cut = max(2, int(min(rows, len(whole)) * share))
        _compare(whole, over(_rebuilt(thing, cut, {}, _DEPTH + 1)), cut, reads, called)
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch()


def times_among(thing: Any, n_rows: int) -> list[int] | None:
    """Give the first times that the data holds, in nanoseconds since 1970, so that a search by time finds its rows."""
    for each in captured(thing):
        index = getattr(each.data, "index", each.data)
        array = np.asarray(index if not callable(index) else each.data)
        if array.dtype.kind == "M":
            array = array.astype("datetime64[ns]").astype(np.int64)
        if array.ndim == 1 and array.dtype.kind == "i" and len(array) >= n_rows and int(array[0]) > 10**17:
            return [int(number) for number in array[:n_rows]]
    return None


def _compare(
    whole: list[tuple[float, ...]], part: Iterator[Sequence[float]], cut: int, reads: list[Captured], called: str
) -> None:
    known = "what is known must not depend on the future"
    for row in range(min(cut, len(whole))):
        try:
            shown = tuple(next(part))
        except StopIteration:
            return
        except (IndexError, KeyError) as error:
            place = _place_of(error, reads)
            raise BadData(
                f"{known}: {called} reads {place.name} beyond row {row} of its data, at {place}; {_ADVICE}"
            ) from error
        except Exception:  # the user's code stumbles over short data: nothing to compare
            return
        if any(not _same(one, two) for one, two in zip(whole[row], shown, strict=False)):
            place = reads[0]
            raise BadData(
                f"{known}: {called} shows {whole[row][0]:.8g} at row {row} with all of {place.name} known, "
                f"{shown[0]:.8g} with {cut} rows of it, which is read at {place}; {_ADVICE}"
            )


def _place_of(error: BaseException, reads: list[Captured]) -> Captured:
    """Give the reading whose line stands in the traceback."""
    trace = error.__traceback__
    lines = set()
    while trace is not None:
        lines.add((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return next((each for each in reads if (each.filename, each.line) in lines), reads[0])


def _rebuilt(thing: Any, cut: int, done: dict[int, Any], depth: int) -> Any:
    """Copy a function or object with the data that it reads cut off behind ``cut`` rows."""
    if id(thing) in done:
        return done[id(thing)]
    if _is_data(thing):
        return thing.iloc[:cut] if hasattr(thing, "iloc") else thing[:cut]
    if depth == 0 or _ours(thing):
        return thing
    function = _python_of(thing)
    if function is None:
        if not _attributes(thing):
            return thing
        fresh = done[id(thing)] = copy.copy(thing)
        for name, value in _attributes(thing):
            with contextlib.suppress(AttributeError, TypeError):
                object.__setattr__(fresh, name, _rebuilt(value, cut, done, depth - 1))
        return fresh
    space = dict(function.__globals__)
    code, closure = function.__code__, function.__closure__ or ()
    for name in code.co_names:
        if name in space and (_is_data(space[name]) or _python_of(space[name]) is not None):
            space[name] = _rebuilt(space[name], cut, done, depth - 1) if space[name] is not thing else thing
    cells = tuple(types.CellType(_rebuilt(each.cell_contents, cut, done, depth - 1)) for each in closure)
    made = types.FunctionType(code, space, function.__name__, function.__defaults__, cells or None)
    made.__kwdefaults__ = function.__kwdefaults__
    owner = getattr(thing, "__self__", None)
    return made if owner is None else types.MethodType(made, _rebuilt(owner, cut, done, depth - 1))


def _python_of(thing: Any) -> types.FunctionType | None:
    found = getattr(thing, "py_func", None) or getattr(thing, "__func__", thing)
    return found if isinstance(found, types.FunctionType) else None


def _value_of(function: types.FunctionType, name: str) -> Any:
    if name in function.__code__.co_freevars and function.__closure__:
        with contextlib.suppress(ValueError):
            return function.__closure__[function.__code__.co_freevars.index(name)].cell_contents
    return function.__globals__.get(name, getattr(builtins, name, None))


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    inner = getattr(thing, "__dict__", None)
    if not isinstance(inner, dict) or isinstance(thing, type | types.ModuleType) or _ours(thing):
        return []
    return list(inner.items())


def _ours(thing: Any) -> bool:
    """Say whether a library made it: the platform's own, or an installed one."""
    module = getattr(thing, "__module__", None) or getattr(type(thing), "__module__", None) or ""
    top = str(module).split(".")[0]
    return top in ("kernel_lib", "numpy", "pandas", "numba", "math", "builtins", "sklearn", "torch", "scipy")


def _is_data(thing: Any) -> bool:
    if isinstance(thing, np.ndarray) or (hasattr(thing, "iloc") and hasattr(thing, "to_numpy")):
        return np.ndim(thing) >= 1 and len(thing) >= _LEAST_ROWS
    return isinstance(thing, list | tuple) and len(thing) >= _LEAST_ROWS and isinstance(thing[0], int | float)


def _key(reads: list[Captured], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for each in reads:
        digest.update(f"{each.function}:{each.line}:{each.name}:".encode())
        for line in range(max(1, each.line - 3), each.line + 4):
            digest.update(linecache.getline(each.filename, line).encode())
        digest.update(np.ascontiguousarray(np.asarray(each.data)).tobytes() if _plain(each.data) else b"")
    return digest.hexdigest()


def _plain(data: Any) -> bool:
    return np.asarray(data).dtype.kind in "biufM"


def _same(one: float, two: float) -> bool:
    return one == two or (math.isnan(one) and math.isnan(two)) or math.isclose(one, two, rel_tol=1e-9)
