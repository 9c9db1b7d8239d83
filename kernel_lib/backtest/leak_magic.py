"""``%%leakcheck``: run a notebook cell, then again with the future of its data cut off, and name what changed.

``%load_ext kernel_lib.backtest.leak_magic`` registers it. ``%%leakcheck`` cuts every array, Series and DataFrame that
the cell reads; ``%%leakcheck prices volume --cuts 20`` cuts the two named. The cell runs once as it stands, and then
once whole and once for each cut on copies of its data, so what it writes elsewhere it writes again. Variables that the
cell assigns, columns it adds, functions it defines and features it makes are checked.
"""

import ast
import contextlib
import io
import linecache
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from kernel_lib.backtest.leak_difference import columns_of, cut_rows, difference, n_rows
from kernel_lib.backtest.leak_trace import Step, recorded_file
from kernel_lib.backtest.leakcheck import Leak, LeakReport, leakcheck, placed
from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature
from kernel_lib.strategy import Strategy

__all__ = ["check_cell", "load_ipython_extension", "register"]

_LEAST_ROWS = 20
_CUTS = 8
# What a computation raises that is given too little or another kind of data; anything else is the cell's own fault.
_UNFIT = (ValueError, IndexError, KeyError, TypeError, AttributeError, ArithmeticError, BadData)

Done = tuple[ast.stmt, dict[str, Any], list[Step]]


def check_cell(
    source: str,
    namespace: Mapping[str, Any],
    *,
    data: Sequence[str] = (),
    n_cuts: int = _CUTS,
    seed: int = 1,
    filename: str = "<leakcheck cell>",
) -> LeakReport:
    """Run a cell's text again with the future of its data cut off.

    Parameters
    ----------
    source : str
        Python, as it stands in the cell.
    namespace : mapping
        What the cell sees; it is copied and not changed.
    data : sequence of str
        Names to cut; none: every array, Series and DataFrame of twenty rows or more that the cell reads. The longest
        sets the cuts; others are cut at its time where both have one, at its row where they are as long.
    n_cuts : int
    seed : int
    filename : str
        For line numbers and tracebacks.

    Returns
    -------
    LeakReport

    Raises
    ------
    BadData
        The cell reads no data, or a name is not there.

    >>> import numpy as np
    >>> report = check_cell("ahead = x - x.mean()", {"x": np.arange(50.0)})
    >>> report.leaks[0].line, report.leaks[0].variable
    (1, 'ahead')
    """
    tree = ast.parse(source, filename)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    given = {name: namespace[name] for name in (data or _read_data(tree, namespace)) if name in namespace}
    if not given or any(name not in namespace for name in data):
        raise BadData(
            "a cell is checked by cutting data that it reads: name arrays, Series or DataFrames that are there "
            f"(it was {', '.join(data) or 'none'})"
        )
    leader = max(given, key=lambda name: n_rows(given[name]))
    total = n_rows(given[leader])
    if total < 4:
        raise BadData(f"a leak check needs at least 4 rows, {leader} had {total}")
    unchecked = [f"{name} was not cut: neither as long as {leader} nor with times" for name in given
                 if _stop(given, leader, name, total - 1) is None]  # fmt: skip
    whole, after = _ran(tree, namespace, given, leader, None, filename)
    random = np.random.default_rng(seed)
    cuts = sorted({*random.integers(max(2, total // 4), total, n_cuts).tolist(), total - 1})
    found: dict[tuple[str, str], Leak] = {}
    for cut in cuts:
        try:
            part, _ = _ran(tree, namespace, given, leader, cut, filename)
        except _UNFIT as error:
            unchecked.append(f"the cell with {cut} rows: {type(error).__name__}: {error}")
            continue
        for leak in _leaks(whole, part, cut, filename):
            key = leak.variable, leak.column
            if key not in found or leak.row < found[key].row:
                found[key] = leak
    checked = [name for name in dict.fromkeys(_stored(tree)) if name in after]
    leaks = sorted(found.values(), key=lambda leak: leak.line)
    for name, compute in _uncalled(tree, after):
        try:
            report = leakcheck(compute, _fitting(compute, given, leader), n_cuts=n_cuts, seed=seed)
        except _UNFIT as error:
            unchecked.append(f"{name}: {type(error).__name__}: {error}")
            continue
        leaks += report.leaks
    return LeakReport(checked=tuple(checked), leaks=tuple(leaks), cuts=tuple(cuts), unchecked=tuple(unchecked))


def load_ipython_extension(shell: Any) -> None:
    """Register ``%%leakcheck``; IPython calls it on ``%load_ext kernel_lib.backtest.leak_magic``."""
    register(shell)


def register(shell: Any) -> None:
    """Give an IPython shell the cell magic."""

    def magic(line: str, cell: str) -> LeakReport | None:
        words = line.replace(",", " ").split()
        n_cuts = _CUTS
        if "--cuts" in words:
            at = words.index("--cuts")
            if at + 1 >= len(words) or not words[at + 1].isdigit():
                raise BadData("--cuts must be followed by a whole number, as in %%leakcheck prices --cuts 20")
            n_cuts = int(words[at + 1])
            words = words[:at] + words[at + 2 :]
        before = {name: _own(each) for name, each in shell.user_ns.items()}
        if not shell.run_cell(cell, store_history=False).success:
            return None
        return check_cell(shell.transform_cell(cell), before, data=words, n_cuts=n_cuts)

    shell.register_magic_function(magic, "cell", "leakcheck")


def _ran(
    tree: ast.Module,
    namespace: Mapping[str, Any],
    given: Mapping[str, Any],
    leader: str,
    cut: int | None,
    file: str,
) -> tuple[list[Done], dict[str, Any]]:
    """Run the statements one by one; give what each left behind."""
    inside = {name: _own(each) for name, each in namespace.items()}
    for name, each in given.items():
        stop = None if cut is None else _stop(given, leader, name, cut)
        inside[name] = cut_rows(each, n_rows(each) if stop is None else stop)
    watched = {*_stored(tree), *given}
    done: list[Done] = []
    with contextlib.redirect_stdout(io.StringIO()):
        for statement in tree.body:
            code = compile(ast.Module([statement], []), file, "exec")
            with recorded_file(file) as steps:
                exec(code, inside)  # noqa: S102  (the user's own cell, in the user's own process)
            held = {name: _own(inside[name]) for name in watched if name in inside and _has_rows(inside[name])}
            done.append((statement, held, steps))
    return done, inside


def _leaks(whole: list[Done], part: list[Done], cut: int, filename: str) -> Iterator[Leak]:
    tainted: dict[str, set[str]] = {}
    for (statement, before, steps), (_, after, cut_steps) in zip(whole, part, strict=True):
        line = statement.lineno
        inherits = _reads(statement, tainted, before)
        for name, now in after.items():
            for leak in difference(name, before.get(name), now, cut):
                if leak.column in tainted.get(name, ()):
                    continue
                tainted.setdefault(name, set()).add(leak.column)
                # What comes of a variable that leaks is not a leak of its own.
                if not inherits:
                    exact = placed(leak, filename, steps, cut_steps)
                    source = linecache.getline(filename, line).strip()
                    yield _with(exact or leak, name, leak.column, exact.line if exact else line,
                                exact.source if exact else source)  # fmt: skip


def _reads(statement: ast.stmt, tainted: Mapping[str, set[str]], held: Mapping[str, Any]) -> bool:
    """Say whether a statement reads what leaks: a variable, a leaking column of it, or all its columns."""
    nodes = list(ast.walk(statement))
    reads = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    named = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for name in reads & set(tainted):
        columns = {column for column, _ in columns_of(held.get(name))}
        if "" in tainted[name] or tainted[name] & named or not columns & named:
            return True
    return False


def _with(leak: Leak, variable: str, column: str, line: int, source: str) -> Leak:
    where = leak.where if leak.where == variable else f"{leak.where}, for {variable}"
    return msgspec.structs.replace(leak, where=where, variable=variable, column=column, line=line, source=source)


def _uncalled(tree: ast.Module, after: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the functions that the cell defines and does not call, its features, and those of its strategies."""
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name not in called:
            made = after.get(statement.name)
            if not isinstance(made, Feature | Strategy) and hasattr(made, "__code__"):
                yield statement.name, made
    for name in dict.fromkeys(
        [*_stored(tree), *(each.name for each in tree.body if isinstance(each, ast.FunctionDef))]
    ):
        made = after.get(name)
        if isinstance(made, Feature):
            yield name, made
        elif isinstance(made, Strategy):
            for inner, feature in made.features.items():
                yield f"{name}.{inner}", feature


def _fitting(compute: Any, given: Mapping[str, Any], leader: str) -> Any:
    """Choose the data for a function: those named as its parameter, else the longest."""
    code = getattr(compute, "__code__", None)
    if code is not None and code.co_argcount:
        return given.get(code.co_varnames[0], given[leader])
    return given[leader]


def _read_data(tree: ast.Module, namespace: Mapping[str, Any]) -> list[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {arg.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for arg in node.args}
    return sorted(name for name in names if name in namespace and _is_data(namespace[name]))


def _stored(tree: ast.Module) -> list[str]:
    """Names that statements outside functions assign, in order."""
    found = []
    for statement in tree.body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found += [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return found


def _stop(given: Mapping[str, Any], leader: str, name: str, cut: int) -> int | None:
    lead, other = given[leader], given[name]
    if n_rows(other) == n_rows(lead):
        return cut
    ours, theirs = _times(lead), _times(other)
    if ours is None or theirs is None:
        return None
    return int(np.searchsorted(theirs, ours[cut - 1], side="right"))


def _times(data: Any) -> Any:
    import pandas as pd

    index = getattr(data, "index", None)
    if isinstance(index, pd.DatetimeIndex):
        return index.as_unit("ns").asi8
    names = getattr(getattr(data, "dtype", None), "names", None)
    return data["time_ns"] if names and "time_ns" in names else None


def _is_data(thing: Any) -> bool:
    return _has_rows(thing) and np.ndim(thing) >= 1 and len(thing) >= _LEAST_ROWS


def _has_rows(thing: Any) -> bool:
    return (isinstance(thing, np.ndarray) and thing.ndim > 0) or (hasattr(thing, "iloc") and hasattr(thing, "to_numpy"))


def _own(thing: Any) -> Any:
    return thing.copy() if _has_rows(thing) else thing
