"""Where two results of one computation differ: by column, at the first row, with a tolerance for rounding only."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData

__all__ = ["Leak", "columns_of", "cut_rows", "difference", "n_rows"]


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """One place where the past changed.

    Parameters
    ----------
    where : str
        Name of the function, feature or variable.
    line : int
        Line of the file or cell at which the difference began; 0 where it cannot be told.
    source : str
        That line's text, or empty.
    variable : str
        What differed there; empty for the result itself.
    column : str
        Column of the result; empty for a series.
    row : int
        First row that changed, from 0.
    label : str
        Its index, such as its time; empty without one.
    cut : int
        Rows that were known when it changed.
    with_future, without : str
        The value with everything known, and with ``cut`` rows known.
    """

    where: str
    line: int = 0
    source: str = ""
    variable: str = ""
    column: str = ""
    row: int
    label: str = ""
    cut: int
    with_future: str
    without: str

    def __str__(self) -> str:
        at = f", line {self.line}" if self.line else ""
        code = f" ({self.source})" if self.source else ""
        column = f", column {self.column!r}" if self.column else ""
        label = f" ({self.label})" if self.label else ""
        return (
            f"{self.where}{at}{code}{column}: row {self.row}{label} was {self.with_future} with the future known, "
            f"{self.without} with {self.cut} rows known"
        )


def difference(where: str, whole: Any, part: Any, cut: int) -> Iterator[Leak]:
    """Give the first row of each column of ``part`` that differs from that of ``whole``."""
    before, after = dict(columns_of(whole)), dict(columns_of(part))
    index = _index(whole)
    for column, now in after.items():
        if column not in before:
            continue
        ours, places = _paired(whole, part, len(before[column]), len(now), cut)
        changed = _changed(before[column][places], now[ours])
        if changed.any():
            at = int(np.argmax(changed))
            row = int(places[at])
            yield Leak(
                where=where, column=column, row=row, label="" if index is None else _label(index[row]), cut=cut,
                with_future=_shown(before[column][row]), without=_shown(now[ours[at]]),
            )  # fmt: skip


def columns_of(result: Any) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Give the columns of a result by name; what has no rows gives none."""
    if isinstance(result, dict):
        for name, each in result.items():
            for inner, column in columns_of(each):
                yield f"{name}.{inner}" if inner else str(name), column
    elif hasattr(result, "columns") and hasattr(result, "iloc"):
        for place, name in enumerate(result.columns):
            yield str(name), np.asarray(result.iloc[:, place])
    elif isinstance(result, np.ndarray) and result.dtype.names and result.ndim == 1:
        for name in result.dtype.names:
            yield name, result[name]
    elif isinstance(result, np.ndarray) and result.ndim == 2:
        for place in range(result.shape[1]):
            yield str(place), result[:, place]
    elif isinstance(result, tuple) and any(np.ndim(each) for each in result if not isinstance(each, str)):
        for place, each in enumerate(result):
            for inner, column in columns_of(each):
                yield f"{place}.{inner}" if inner else str(place), column
    elif isinstance(result, list | np.ndarray) or hasattr(result, "to_numpy"):
        try:
            array = np.asarray(result)
        except ValueError:  # a ragged list has no columns
            return
        if array.ndim == 1:
            yield "", array


def n_rows(data: Any) -> int:
    """Give the number of rows of data."""
    if isinstance(data, dict):
        lengths = {len(each) for each in data.values()}
        if len(lengths) != 1:
            raise BadData(f"all arrays of the data must have one length, they had {sorted(lengths)}")
        return int(lengths.pop())
    try:
        return len(data)
    except TypeError:
        raise BadData(f"data must have rows, it was {type(data).__name__}") from None


def cut_rows(data: Any, stop: int) -> Any:
    """Give a copy of the first ``stop`` rows."""
    if isinstance(data, dict):
        return {name: cut_rows(each, stop) for name, each in data.items()}
    if hasattr(data, "iloc"):
        return data.iloc[:stop].copy()
    return data[:stop].copy() if hasattr(data, "copy") else data[:stop]


def _paired(whole: Any, part: Any, n_whole: int, n_part: int, cut: int) -> tuple[Any, Any]:
    """Give which rows of the two belong together: by index where both have one, else by place."""
    first, second = _index(whole), _index(part)
    if first is not None and second is not None and first.is_unique and second.is_unique:
        places = first.get_indexer(second)
        return np.flatnonzero(places >= 0), places[places >= 0]
    rows = np.arange(min(n_whole, n_part, cut))
    return rows, rows


def _index(thing: Any) -> Any:
    index = getattr(thing, "index", None)  # of a list it is a method
    return index if hasattr(index, "get_indexer") else None


def _changed(then: npt.NDArray[Any], now: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    numeric = then.dtype.kind in "fiub" and now.dtype.kind in "fiub"
    if not numeric:
        pairs = zip(then.tolist(), now.tolist(), strict=True)
        return np.array([not (a == b or (_missing(a) and _missing(b))) for a, b in pairs], bool)
    then, now = then.astype(np.float64), now.astype(np.float64)
    both = np.isfinite(then) & np.isfinite(now)
    scale = max(float(np.abs(then[both]).max(initial=0.0)), float(np.abs(now[both]).max(initial=0.0)))
    away = np.abs(np.where(both, then, 0.0) - np.where(both, now, 0.0)) > 1e-9 * scale
    same = (then == now) | (np.isnan(then) & np.isnan(now))
    changed: npt.NDArray[np.bool_] = np.where(both, away, ~same)
    return changed


def _missing(thing: Any) -> bool:
    # NaN, NaT and None, without importing pandas: the first two are unequal to themselves.
    return thing is None or bool(thing != thing)  # noqa: PLR0124


def _label(label: Any) -> str:
    return "" if isinstance(label, int | np.integer) else str(label)


def _shown(number: Any) -> str:
    return f"{number:.8g}" if isinstance(number, float | np.floating) else str(number)
