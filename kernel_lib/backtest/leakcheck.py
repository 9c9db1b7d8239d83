"""The leak tripwire: what a computation said of the past must not change when the future is cut off.

``leakcheck(compute, data)`` computes on everything and again on data cut off at random rows. Where an earlier row of
the result differs, the computation has seen the future: the first row, its column, and of a Python function the line
at which its variables began to differ are named. In a notebook ``%load_ext kernel_lib.backtest.leak_magic`` gives the
cell magic ``%%leakcheck``, see :mod:`kernel_lib.backtest.leak_magic`.
"""

import linecache
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from kernel_lib.backtest.leak_difference import Leak, columns_of, cut_rows, difference, n_rows
from kernel_lib.backtest.leak_trace import Step, recorded
from kernel_lib.errors import BadData
from kernel_lib.risk.shown import rows_html

__all__ = ["Leak", "LeakReport", "leakcheck", "placed"]

_TOO_SHORT = (ValueError, IndexError, KeyError, ArithmeticError, BadData)


class LeakReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found.

    Parameters
    ----------
    checked : tuple of str
        What was computed again.
    leaks : tuple of Leak
        The earliest row of each column that leaks.
    cuts : tuple of int
        Rows known in each recomputation.
    unchecked : tuple of str
        What could not be computed again, and why.
    """

    checked: tuple[str, ...]
    leaks: tuple[Leak, ...]
    cuts: tuple[int, ...]
    unchecked: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Nothing of what was checked has seen the future."""
        return not self.leaks

    def require_clean(self) -> "LeakReport":
        """Give the report itself, or raise.

        Raises
        ------
        BadData
            Something leaks; the message names the first place.
        """
        if self.leaks:
            more = f" (and {len(self.leaks) - 1} more)" if len(self.leaks) > 1 else ""
            raise BadData(f"what is known must not depend on the future: {self.leaks[0]}{more}")
        return self

    def __repr__(self) -> str:
        lines = [f"leak: {each}" for each in self.leaks] + [f"not checked: {each}" for each in self.unchecked]
        if not self.leaks:
            lines.insert(0, f"no leak in {', '.join(self.checked) or 'nothing'} at {len(self.cuts)} cuts")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [[str(each)] for each in self.leaks] + [[f"not checked: {each}"] for each in self.unchecked]
        title = f"{len(self.leaks)} leaks" if self.leaks else f"No leak in {', '.join(self.checked) or 'nothing'}"
        return rows_html(f"{title}, {len(self.cuts)} cuts", (), rows)


def leakcheck(compute: Callable[[Any], Any], data: Any, *, n_cuts: int = 20, seed: int = 1) -> LeakReport:
    """Check that a computation does not see the future.

    Parameters
    ----------
    compute : callable
        A function or feature: from data to an array, Series, DataFrame, or mapping of names to arrays, a row of result
        for each row of data from the first. Results with an index are compared by index.
    data : ndarray (also of BAR or TICK), Series, DataFrame, list, or mapping of names to arrays of one length
        In order of time, at least 4 rows; it is copied, so that ``compute`` cannot change it.
    n_cuts : int
        Random rows at which the future is cut off. The last row, and rows after gaps (where filling backward shows),
        are tried besides.
    seed : int

    Returns
    -------
    LeakReport

    Raises
    ------
    BadData
        Fewer than 4 rows, or a result that is a single number.

    Notes
    -----
    Equal means equal to a billionth of the column's largest number, so that sums in another order pass. A check at
    random cuts cannot prove that there is no leak; what leaks at one row in ten is missed by twenty cuts in one case of
    eight.

    >>> import numpy as np
    >>> prices = np.cumsum(np.random.default_rng(1).normal(size=100))
    >>> leakcheck(np.cumsum, prices).clean
    True
    >>> leakcheck(lambda x: x - x.mean(), prices).leaks[0].row
    0
    """
    total = n_rows(data)
    if total < 4:
        raise BadData(f"a leak check needs at least 4 rows, there were {total}")
    name = _name(compute)
    filename = getattr(getattr(compute, "__code__", None), "co_filename", "")
    with recorded(compute) as whole_trace:
        whole = compute(cut_rows(data, total))
    _columns_required(whole, name)
    found: dict[str, Leak] = {}
    tried, unchecked = [], []
    for cut in _cuts(data, total, n_cuts, seed):
        try:
            with recorded(compute) as cut_trace:
                part = compute(cut_rows(data, cut))
        except _TOO_SHORT as error:
            unchecked.append(f"{name} with {cut} rows: {type(error).__name__}: {error}")
            continue
        tried.append(cut)
        for leak in difference(name, whole, part, cut):
            known = found.get(leak.column)
            if known is None or leak.row < known.row:
                exact = placed(leak, filename, whole_trace, cut_trace)
                found[leak.column] = exact or _at_definition(leak, compute)
    if not tried:
        raise BadData(f"{name} could not be computed on any part of the data; the first: {unchecked[0]}")
    return LeakReport(
        checked=(name,), leaks=tuple(found.values()), cuts=tuple(sorted(tried)), unchecked=tuple(unchecked[:3])
    )


def _cuts(data: Any, total: int, n_cuts: int, seed: int) -> list[int]:
    if isinstance(n_cuts, bool) or not isinstance(n_cuts, int) or n_cuts < 1:
        raise BadData(f"the number of cuts must be at least 1, it was {n_cuts!r}")
    random = np.random.default_rng(seed)
    # From a quarter on, so that most windows are warm.
    chosen = random.integers(max(2, total // 4), total, n_cuts).tolist()
    gaps = np.zeros(total, bool)
    for _, column in columns_of(data):
        if column.dtype.kind == "f" and len(column) == total:
            gaps |= np.isnan(column)
    after_gaps = np.flatnonzero(gaps) + 1
    after_gaps = after_gaps[(after_gaps >= 2) & (after_gaps < total)]
    if len(after_gaps):
        chosen += random.choice(after_gaps, min(len(after_gaps), n_cuts), replace=False).tolist()
    return sorted({*(int(each) for each in chosen), total - 1})


def placed(leak: Leak, filename: str, whole: list[Step], part: list[Step]) -> Leak | None:
    """Name the line at which the variables of two runs began to differ, where that can be told."""
    for (function, line, before), (other, other_line, after) in zip(whole, part, strict=False):
        if (function, line) != (other, other_line):
            return None
        for name, now in after.items():
            for first in difference(leak.where, before.get(name), now, leak.cut):
                source = linecache.getline(filename, line).strip()
                variable = f"{name}.{first.column}" if first.column else name
                return msgspec.structs.replace(leak, where=function, line=line, source=source, variable=variable)
    return None


def _at_definition(leak: Leak, compute: Any) -> Leak:
    code = getattr(compute, "__code__", None)
    return leak if code is None else msgspec.structs.replace(leak, line=code.co_firstlineno)


def _columns_required(result: Any, name: str) -> None:
    if not any(True for _ in columns_of(result)):
        raise BadData(f"{name} must give a row for each row of data, it gave {type(result).__name__}")


def _name(compute: Any) -> str:
    name = getattr(compute, "__name__", None)
    return str(name) if name else repr(compute)
