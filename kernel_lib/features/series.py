"""Read what a quant hands to a feature (ticks, bars, numbers, pandas, Arrow), and answer in the same form.

pandas in gives pandas out with the same index; Arrow in gives Arrow out, NaN staying NaN; everything else gives NumPy.
Times without a zone are UTC.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.market.bar import BAR, bar_length_text
from kernel_lib.market.tick import TICK, make_ticks

__all__ = ["Rows", "read_series", "times_of"]

_PRICES = ("open", "high", "low", "close")
_COLUMNS = (*_PRICES, "volume", "spread", "bid", "ask", "time_ns", "time")

GiveBack = Callable[[npt.NDArray[np.float64], tuple[str, ...], str], Any]
Times = npt.NDArray[np.int64]


class Rows:
    """Rows as an update takes them.

    Attributes
    ----------
    values : ndarray of TICK or BAR, shape (n,)
    timed : bool
        Whether ``values["time_ns"]`` holds times; plain numbers have none.
    are_bars : bool
        Whether the times are those of the openings of bars.
    aware : bool or None
        Whether the times came with a time zone; None where the form has no zones.
    give_back : callable
        ``give_back(shown, outputs, name)`` puts the results into the form of what came in.
    """

    def __init__(
        self, values: npt.NDArray[np.void], *, timed: bool, aware: bool | None, give_back: GiveBack, are_bars: bool
    ) -> None:
        self.values = np.ascontiguousarray(values)
        self.timed = timed
        self.are_bars = are_bars
        self.aware = aware
        self.give_back = give_back
        if timed:
            _check_times(self.values["time_ns"], strictly=are_bars)

    def check_spacing(self, length_ns: int) -> None:
        """Refuse rows that stand closer together than the bars that a feature asks for."""
        if not self.timed or not length_ns or len(self.values) < 2:
            return
        apart = np.diff(self.values["time_ns"])
        row = int(np.argmin(apart))
        if apart[row] < length_ns:
            raise BadData(
                f"rows must be bars of {bar_length_text(length_ns)}, rows {row} and {row + 1} are "
                f"{apart[row] / 1e9:g} s apart; give ticks (dtype TICK, or bid and ask), or leave bars= away"
            )


def read_series(series: Any) -> Rows:
    """Recognise the form of ``series``.

    Raises
    ------
    BadData
        Another shape, dtype or column than the forms that :class:`~kernel_lib.features.feature.Feature` names.
    """
    kind = type(series).__module__.partition(".")[0]
    if kind == "pandas":
        return _read_pandas(series)
    if kind == "pyarrow":
        return _read_arrow(series)
    if isinstance(series, np.ndarray) and series.dtype.names is not None:
        if series.dtype not in (BAR, TICK) or series.ndim != 1:
            raise BadData(f"records must be of dtype TICK or BAR in one dimension, they were {_shape(series)}")
        timed = bool(series["time_ns"].any())
        return Rows(series, timed=timed, aware=None, give_back=_give_numpy, are_bars=series.dtype == BAR)
    return Rows(_from_closes(_numbers(series)), timed=False, aware=None, give_back=_give_numpy, are_bars=False)


def times_of(index: Any) -> tuple[Times | None, bool | None]:
    """Read a pandas index as UTC nanoseconds, and whether it named a zone; None where it holds no times."""
    import pandas as pd

    if isinstance(index, pd.DatetimeIndex):
        if index.hasnans:
            raise BadData(f"times must all be there, row {int(np.argmax(index.isna()))} has none")
        utc = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
        return np.asarray(utc.as_unit("ns").asi8), index.tz is not None
    if index.dtype == object and len(index) and hasattr(index[0], "tzinfo"):
        raise BadData(
            "times must all be of one time zone, they are mixed; convert them with pd.to_datetime(..., utc=True)"
        )
    return None, None


def _read_pandas(series: Any) -> Rows:
    import pandas as pd

    times, aware = times_of(series.index)
    if isinstance(series, pd.Series):
        values = _with_times(_from_closes(_numbers(series)), times)
        return Rows(values, timed=times is not None, aware=aware, give_back=_give_pandas(series.index), are_bars=False)
    if not isinstance(series, pd.DataFrame):
        raise BadData(f"of pandas a feature takes a Series or a DataFrame, it was given a {type(series).__name__}")
    columns = _columns({name: series[name] for name in series.columns if _known(name)}, list(series.columns))
    return _from_columns(columns, len(series), times, aware, _give_pandas(series.index))


def _read_arrow(table: Any) -> Rows:
    import pyarrow as pa

    if isinstance(table, pa.Array | pa.ChunkedArray):
        closes = _from_closes(
            _numbers(table.to_numpy(zero_copy_only=False) if isinstance(table, pa.Array) else table.to_numpy())
        )
        return Rows(closes, timed=False, aware=None, give_back=_give_arrow, are_bars=False)
    if not isinstance(table, pa.Table | pa.RecordBatch):
        raise BadData(f"of Arrow a feature takes an array or a table, it was given a {type(table).__name__}")
    found = {name: table.column(name).to_pandas() for name in table.schema.names if _known(name)}
    return _from_columns(_columns(found, table.schema.names), table.num_rows, None, None, _give_arrow)


def _known(name: Any) -> bool:
    return str(name).lower() in _COLUMNS


def _columns(found: Mapping[Any, Any], names: list[Any]) -> dict[str, Any]:
    lower = {str(name).lower(): column for name, column in found.items()}
    if len(lower) < len(found) or any(getattr(column, "ndim", 1) != 1 for column in lower.values()):
        raise BadData(f"a table must have each column once, it has {names!r}")
    if "close" not in lower and not {"bid", "ask"} <= set(lower):
        raise BadData(f"a frame must have a 'close' column, or 'bid' and 'ask'; it has {names!r}")
    return lower


def _from_columns(
    columns: dict[str, Any], n_rows: int, times: Times | None, aware: bool | None, give_back: GiveBack
) -> Rows:
    if times is None and "time_ns" in columns:
        times = _whole_numbers(columns["time_ns"])
    elif times is None and "time" in columns:
        times, aware = _time_column(columns["time"])
    timed = times is not None
    if "close" not in columns:
        ticks = make_ticks(np.zeros(n_rows, np.int64), _numbers(columns["bid"]), _numbers(columns["ask"]))
        return Rows(_with_times(ticks, times), timed=timed, aware=aware, give_back=give_back, are_bars=False)
    close = _numbers(columns["close"])
    bars = _from_closes(close)
    for name in ("open", "high", "low", "volume", "spread"):
        if name in columns:
            bars[name] = _numbers(columns[name])
    are_bars = any(name in columns for name in ("open", "high", "low"))
    return Rows(_with_times(bars, times), timed=timed, aware=aware, give_back=give_back, are_bars=are_bars)


def _time_column(column: Any) -> tuple[Times, bool | None]:
    import pandas as pd

    if str(getattr(column, "dtype", "")) == "object":
        raise BadData(
            "the column 'time' must hold times of one time zone; convert it with pd.to_datetime(..., utc=True)"
        )
    times, aware = times_of(pd.Index(column))
    if times is None:
        raise BadData(f"the column 'time' must hold dates and times, it holds {column.dtype}; or name it 'time_ns'")
    return times, aware


def _from_closes(close: npt.NDArray[np.float64]) -> npt.NDArray[np.void]:
    bars = np.zeros(len(close), dtype=BAR)
    for name in _PRICES:
        bars[name] = close
    bars["volume"] = 1.0
    return bars


def _with_times(values: npt.NDArray[np.void], times: Times | None) -> npt.NDArray[np.void]:
    if times is not None:
        values["time_ns"] = times
    return values


def _numbers(column: Any) -> npt.NDArray[np.float64]:
    if isinstance(column, Mapping):
        raise BadData("a feature runs over ticks, bars, a frame or numbers, it was given a mapping: make a frame of it")
    try:
        raw = np.asarray(column)
        # NumPy would read text as numbers, and times as nanoseconds.
        if raw.dtype.kind in "SUMmbc" or (raw.dtype.kind == "O" and any(isinstance(each, str | bytes) for each in raw)):
            raise BadData(f"prices must be numbers, they were of type {raw.dtype}")
        if raw.dtype.kind == "O" and hasattr(column, "to_numpy"):
            numbers = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
        else:
            numbers = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadData(
            f"a feature runs over ticks, bars, a frame or numbers, it was given {type(column).__name__}: {error}"
        ) from error
    if numbers.ndim != 1:
        raise BadData(f"a feature runs over one dimension, the array had shape {numbers.shape}")
    return numbers


def _whole_numbers(column: Any) -> Times:
    times = np.asarray(column)
    if times.dtype.kind not in "iu":
        raise BadData(f"the column 'time_ns' must hold whole UTC nanoseconds, it holds {times.dtype}")
    return times.astype(np.int64)


def _check_times(times: Times, *, strictly: bool) -> None:
    apart = np.diff(times)
    if (apart < 0).any():
        row = int(np.argmax(apart < 0)) + 1
        raise BadData(f"times must not go back, row {row} does; sort by time first", source="series", line=row)
    if strictly and (apart == 0).any():
        row = int(np.argmax(apart == 0)) + 1
        raise BadData(
            f"each bar must have a time of its own, rows {row - 1} and {row} have the same; drop one of them",
            source="series", line=row,
        )  # fmt: skip


def _give_numpy(shown: npt.NDArray[np.float64], outputs: tuple[str, ...], name: str) -> Any:
    if len(outputs) == 1:
        return shown[:, 0].copy()
    return {output: shown[:, column].copy() for column, output in enumerate(outputs)}


def _give_pandas(index: Any) -> GiveBack:
    def give(shown: npt.NDArray[np.float64], outputs: tuple[str, ...], name: str) -> Any:
        import pandas as pd

        if len(outputs) == 1:
            return pd.Series(shown[:, 0], index=index, name=name)
        return pd.DataFrame(shown, index=index, columns=list(outputs))

    return give


def _give_arrow(shown: npt.NDArray[np.float64], outputs: tuple[str, ...], name: str) -> Any:
    import pyarrow as pa

    if len(outputs) == 1:
        return pa.array(shown[:, 0])
    return pa.table({output: shown[:, column].copy() for column, output in enumerate(outputs)})


def _shape(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"
