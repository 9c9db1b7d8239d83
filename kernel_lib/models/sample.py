"""The rows that a model learns from, checked once at the edge: numbers, order, names, and enough of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.models.labels import Kind, Labels
from kernel_lib.models.splits import fixed_ends

__all__ = ["LARGEST", "Sample", "as_rows", "make_sample", "rows_in_order"]

Floats = npt.NDArray[np.float64]
#: Larger numbers are no measurement of a market, and sums of them leave float32.
LARGEST = 1e30
_MOST_CELLS = 2**29


@dataclass(frozen=True)
class Sample:
    """Rows of features with their outcomes.

    Attributes
    ----------
    X : ndarray of float, shape (n_rows, n_features)
        float64 that hold float32 numbers, because a live model reads float32: what was learned is what is served.
    y : ndarray of float, shape (n_rows,) or (n_rows, 3) or None
        Outcomes, NaN where unknown; None for learners that need none.
    ends : ndarray of int, shape (n_rows,)
        Row at which an outcome is known.
    rows : ndarray of int
        The rows to learn from, in order: features complete, outcome known. The others are context only.
    names : tuple of str
    kind : str
        Of the labels; empty without labels.
    label, horizon
        Of the labels.
    classes : tuple of int
        Directions that occur, in order; empty for other kinds.
    times_ns : ndarray of int or None
    """

    X: Floats
    y: Floats | None
    ends: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    names: tuple[str, ...]
    kind: str = ""
    label: str = ""
    horizon: int = 0
    classes: tuple[int, ...] = ()
    times_ns: npt.NDArray[np.int64] | None = None

    def only(self, rows: npt.NDArray[np.int64]) -> "Sample":
        """Give the same sample, to learn from ``rows`` alone."""
        return replace(self, rows=rows)

    @property
    def inputs(self) -> Floats:
        """The features of the rows to learn from."""
        return self.X[self.rows]

    @property
    def outcomes(self) -> Floats:
        """The outcomes of the rows to learn from."""
        if self.y is None:
            raise BadData("this learner needs outcomes y, there were none; see kernel_lib.models.labels")
        return self.y[self.rows]


def as_rows(given_rows: Any, names: Sequence[str] | None, *, unknown: bool = False) -> tuple[Floats, tuple[str, ...]]:
    """Read a feature matrix from an array, a mapping of columns or a frame.

    With ``unknown``, infinite numbers and numbers beyond 1e30 become NaN and are no error.

    Raises
    ------
    BadData
        Not numbers, not two dimensions, names that do not fit, infinite numbers or numbers beyond 1e30.
    """
    columns = _columns(given_rows)
    if columns is not None:
        if names is None:
            names = list(columns)
        missing = [name for name in names if name not in columns]
        if missing:
            raise BadData(f"the columns {list(names)!r} must be there, {missing!r} are missing of {list(columns)!r}")
        chosen = [_column(name, columns[name]) for name in names]
        lengths = {len(each) for each in chosen}
        if len(lengths) > 1:
            raise BadData(f"all columns must be equally long, their lengths were {sorted(lengths)}")
        given_rows = np.column_stack(chosen) if chosen else np.empty((0, 0))
    given = np.asarray(given_rows)
    if given.ndim != 2 or given.shape[1] == 0:
        raise BadData(
            f"features must have the shape (n_rows, n_features), it was {given.shape}; give a DataFrame, a mapping of "
            "columns or an array of two dimensions (series.to_frame() makes a table of one column)"
        )
    if given.dtype.kind not in "fiub":
        raise BadData(f"features must be numbers, their dtype was {given.dtype}; turn them into float64 first")
    if given.size > _MOST_CELLS:
        raise BadData(f"a feature matrix must have at most {_MOST_CELLS:,} numbers, it had {given.size:,}; take less")
    if names is None:
        names = [f"feature_{k}" for k in range(given.shape[1])]
    if isinstance(names, str) or len(names) != given.shape[1] or not all(isinstance(n, str) and n for n in names):
        raise BadData(f"names must be one text for each of the {given.shape[1]} features, they were {names!r}")
    if len(set(names)) != len(names):
        raise BadData(f"every feature must have a name of its own, they were {list(names)!r}")
    rows = given.astype(np.float64)
    wrong: npt.NDArray[np.bool_] = np.greater(np.abs(rows), LARGEST)
    if unknown:
        rows[wrong] = np.nan
    elif wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise BadData(
            f"features must be finite and within 1e30, row {row} of {names[column]!r} was {float(rows[row, column])!r}"
        )
    return rows.astype(np.float32).astype(np.float64), tuple(names)


def rows_in_order(given: Any, names: Sequence[str] | None, expected: Sequence[str]) -> Floats:
    """Read the rows to predict; refuse them unless they hold the features of the training, in its order.

    Infinite numbers become NaN, because nothing can be said of such a row.

    Raises
    ------
    BadData
        Another number of features, names that are others or in another order, or a frame whose times go back.
    """
    if names is None and (columns := _columns(given)) is not None:
        names = list(columns)
    if names is not None and list(names) != list(expected):
        same = sorted(names) == sorted(expected)
        raise BadData(
            f"features must be those of the training in its order, {list(expected)!r}, they were {list(names)!r}"
            + ("; give them in that order" if same else "")
        )
    width = np.shape(given)[1] if _columns(given) is None and np.ndim(given) == 2 else len(expected)
    if width != len(expected):
        raise BadData(f"a row must have the {len(expected)} features {list(expected)!r}, it had {width}")
    rows = as_rows(given, names, unknown=True)[0]
    _times(_index_times(given), len(rows))
    return rows


def make_sample(
    given_rows: Any,
    outcomes: Any,
    *,
    names: Sequence[str] | None,
    times_ns: npt.ArrayLike | None,
    kinds: tuple[str, ...],
    least_rows: int,
) -> Sample:
    """Check what a learner is given.

    Parameters
    ----------
    given_rows : array_like (n_rows, n_features), mapping or frame
        NaN is allowed in the first rows only, while features warm up.
    outcomes : Labels, array_like or None
        A plain array is taken as known one row later.
    names : sequence of str or None
    times_ns : array_like of int or None
        Strictly increasing; None: the index of a frame, where that is of times.
    kinds : tuple of str
        Kinds of label that the learner takes; empty: none.
    least_rows : int

    Raises
    ------
    BadData
        Any rule is broken; the message names it, with the first row and feature that break it.
    """
    rows, names = as_rows(given_rows, names)
    n_rows = len(rows)
    if n_rows == 0:
        raise BadData(f"at least {least_rows} complete rows are needed, there were none")
    times = _times(_index_times(given_rows) if times_ns is None else times_ns, n_rows)
    _require_same_index(given_rows, outcomes)
    complete: npt.NDArray[np.bool_] = np.logical_not(np.isnan(rows).any(axis=1))
    first = int(np.argmax(complete)) if complete.any() else n_rows
    gaps = np.flatnonzero(~complete[first:])
    if len(gaps):
        row = first + int(gaps[0])
        column = int(np.argmax(np.isnan(rows[row])))
        raise BadData(
            f"features must be complete once they are warm, row {row} of {names[column]!r} was NaN after row {first} "
            "was whole; fill the gap or leave the row out"
        )
    labels = _labels(outcomes, n_rows, kinds)
    usable = complete
    if labels is not None:
        usable = complete & ~np.isnan(labels.values if labels.values.ndim == 1 else labels.values[:, 0])
    taken = np.flatnonzero(usable)
    if len(taken) < least_rows:
        raise BadData(
            f"at least {least_rows} complete rows with an outcome are needed, there were {len(taken)} of {n_rows}"
        )
    if labels is None:
        sample = Sample(rows, None, np.arange(n_rows), taken, names, times_ns=times)
    else:
        classes = _classes(labels, taken)
        if labels.kind == "value" and len(taken) and np.ptp(labels.values[taken]) == 0.0:
            same = float(labels.values[taken[0]])
            raise BadData(f"outcomes must vary to be learned, all {len(taken)} were {same!r}")
        sample = Sample(rows, labels.values, labels.ends, taken, names, labels.kind, labels.name, labels.horizon,
                        classes, times)  # fmt: skip
    spread = rows[taken].max(axis=0) - rows[taken].min(axis=0)
    if (spread == 0).any():
        column = int(np.argmin(spread))
        raise BadData(
            f"a feature must vary, {names[column]!r} was {float(rows[taken[0], column])!r} throughout; leave it out"
        )
    return sample


def _column(name: str, given: Any) -> npt.NDArray[Any]:
    column = np.asarray(given)
    if column.ndim != 1:
        raise BadData(f"the column {name!r} must have one dimension, its shape was {column.shape}")
    if column.dtype.kind not in "fiub":
        raise BadData(
            f"features must be numbers, the dtype of {name!r} was {column.dtype}; turn it into float64 or leave it out"
        )
    return column


def _require_same_index(rows: Any, outcomes: Any) -> None:
    """Refuse outcomes that are indexed by other rows: they would be paired by their place all the same."""
    mine, other = getattr(rows, "index", None), getattr(outcomes, "index", None)
    if not hasattr(mine, "equals") or not hasattr(other, "equals") or mine is None or other is None:
        return
    counted = [list(each[:1]) == [0] and getattr(each, "step", None) == 1 for each in (mine, other)]
    # An index that only counts says nothing of when a row was.
    if len(mine) == len(other) and not any(counted) and not mine.equals(other):
        row = int(np.flatnonzero(np.asarray(mine != other))[0])
        raise BadData(
            f"outcomes must be indexed like the features, at row {row} they have {other[row]} where the features have "
            f"{mine[row]}; say y.reindex(X.index), or give plain arrays"
        )


def _columns(given: Any) -> dict[str, Any] | None:
    if isinstance(given, Mapping):
        return {str(name): column for name, column in given.items()}
    frame_columns = getattr(given, "columns", None)
    if frame_columns is not None:
        if len({str(name) for name in frame_columns}) < len(frame_columns):
            raise BadData(f"every feature must have a name of its own, they were {[str(n) for n in frame_columns]}")
        return {str(name): given[name] for name in frame_columns}
    return None


def _index_times(given: Any) -> npt.NDArray[np.int64] | None:
    """Read the times that a frame is indexed by, UTC nanoseconds; None where it is indexed by something else."""
    index = getattr(given, "index", None)
    if not hasattr(index, "asi8") or not hasattr(index, "as_unit") or index is None:
        return None
    if index.hasnans:
        raise BadData("the times of a frame must all be known, its index has a NaT")
    stamps: npt.NDArray[np.int64] = index.as_unit("ns").asi8
    return stamps


def _times(times_ns: npt.ArrayLike | None, n_rows: int) -> npt.NDArray[np.int64] | None:
    if times_ns is None:
        return None
    times = np.asarray(times_ns)
    if times.dtype.kind == "M":
        times = times.astype("datetime64[ns]").astype(np.int64)
    if times.dtype.kind not in "iu" or times.shape != (n_rows,):
        raise BadData(f"times_ns must be {n_rows} whole nanoseconds, it was {times.dtype} of shape {times.shape}")
    times = times.astype(np.int64)
    back = np.flatnonzero(np.diff(times) <= 0)
    if len(back):
        row = int(back[0]) + 1
        raise BadData(f"times must increase strictly, row {row} has {times[row]} after {times[row - 1]}; sort them")
    return times


def _labels(y: Any, n_rows: int, kinds: tuple[str, ...]) -> Labels | None:
    if not kinds:
        return None
    if y is None:
        raise BadData("this learner needs outcomes y, there were none; see kernel_lib.models.labels")
    if isinstance(y, Labels):
        labels = y
    else:
        values = np.asarray(y)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.dtype.kind == "b" and "direction" in kinds:
            raise BadData("directions must be -1, 0 or +1, they were true and false; say np.where(y, 1, -1)")
        if values.dtype.kind not in "fiub" or values.ndim not in (1, 2):
            raise BadData(f"outcomes must be numbers, they were {values.dtype} of shape {values.shape}")
        values = values.astype(np.float64)
        kind: Kind = "outlook" if values.ndim == 2 else "direction" if "direction" in kinds else "value"
        labels = Labels(name="y", kind=kind, horizon=1, values=values, ends=fixed_ends(len(values), 1))
    if labels.kind not in kinds:
        raise BadData(f"this learner takes labels of kind {' or '.join(kinds)}, {labels.name} is of kind {labels.kind}")
    if len(labels) != n_rows:
        raise BadData(f"there must be one outcome a row, there were {len(labels)} for {n_rows} rows")
    if labels.kind == "outlook" and labels.values.shape != (n_rows, 3):
        raise BadData(f"an outlook has three columns, direction, volatility and momentum, it was {labels.values.shape}")
    infinite = np.flatnonzero(np.isinf(labels.values).reshape(n_rows, -1).any(axis=1))
    if len(infinite):
        raise BadData(f"outcomes must be finite or NaN, row {infinite[0]} was {labels.values[infinite[0]].tolist()!r}")
    return labels


def _classes(labels: Labels, rows: npt.NDArray[np.int64]) -> tuple[int, ...]:
    if labels.kind == "value":
        return ()
    seen = labels.values[rows] if labels.kind == "direction" else labels.values[rows, 0]
    found = np.unique(seen)
    if not np.isin(found, (-1.0, 0.0, 1.0)).all():
        raise BadData(f"directions must be -1, 0 or +1, there were {found[:5].tolist()}")
    if len(rows) and len(found) < 2:
        raise BadData(f"at least two directions must occur, all {len(rows)} outcomes were {found.tolist()}")
    return tuple(int(each) for each in found)
