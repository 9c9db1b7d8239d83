"""The shape of a feature: one small compiled update over its own slice of state.

A feature is defined once, as ``update(state, bar) -> None``, and is the same machine code in a notebook, in a
backtest and live. Its state is a slice of float64 whose first ``len(outputs)`` numbers are what it shows; the
rest is its own. All outputs are NaN until it is warm.

To add one: a file with a function that returns a :class:`Feature`, and a line in ``features/__init__.py``.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types

import kernel_lib.machine_code  # noqa: F401  (says where compiled code is kept)
from kernel_lib.errors import BadData
from kernel_lib.market.bar import BAR, Bar, bar_length_ns, bar_length_text
from kernel_lib.market.tick import TICK

__all__ = ["Feature", "compiled", "inlined", "positive", "whole"]

_COLUMNS = ("open", "high", "low", "close", "volume", "spread")

Update = Callable[[npt.NDArray[np.float64], Bar], None]

_BAR = types.NamedTuple([types.int64, *[types.float64] * 7], Bar)
_UPDATE = types.void(types.float64[::1], _BAR)

#: Compile an update once, with its explicit signature, and keep the machine code on disk.
compiled = njit(_UPDATE, cache=True, error_model="numpy", nogil=True, forceinline=True)
#: Compile a piece that several updates share.
inlined = njit(cache=True, error_model="numpy", nogil=True, forceinline=True)


class Feature:
    """One feature with its parameters, not yet running.

    Parameters
    ----------
    name : str
        As in the catalogue, ``"ema"``.
    params : mapping of str to float
        For its repr and for a passport.
    update : compiled function
        ``update(state, bar)``.
    state : array_like of float, shape (n,)
        Initial state; ``outputs`` come first.
    outputs : tuple of str
        Names of what it shows; the first is the feature's own value.
    warmup : int
        Number of updates after which all outputs are numbers.
    bars : str or None
        Length of the bars that it is updated with; None: on ticks.
    """

    __slots__ = ("bars", "name", "outputs", "params", "state", "update", "warmup")

    def __init__(
        self,
        name: str,
        params: Mapping[str, float],
        update: Update,
        state: npt.ArrayLike,
        *,
        warmup: int,
        bars: str | None,
        outputs: tuple[str, ...] = ("value",),
    ) -> None:
        self.name = name
        self.params = dict(params)
        self.update = update
        self.state = np.array(state, dtype=np.float64)
        self.state[: len(outputs)] = np.nan
        self.state.setflags(write=False)
        self.outputs = outputs
        self.warmup = warmup
        self.bars = None if bars is None else bar_length_text(bar_length_ns(bars))

    @property
    def bars_ns(self) -> int:
        """Bar length in nanoseconds, 0 on ticks."""
        return 0 if self.bars is None else bar_length_ns(self.bars)

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={number:g}" for key, number in self.params.items())
        if self.bars is not None:
            inside = f"{inside}, bars={self.bars!r}" if inside else f"bars={self.bars!r}"
        return f"{self.name}({inside})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feature) and repr(self) == repr(other) and self.update is other.update

    def __hash__(self) -> int:
        return hash(repr(self))

    def __call__(self, series: Any) -> Any:
        """Run the feature over recorded data, one update a row, as it runs live.

        Parameters
        ----------
        series : array of TICK or BAR, or pandas Series or DataFrame, or array_like of float, shape (n,)
            Plain numbers are taken as closing prices. A frame needs a ``close`` column; ``open``, ``high``,
            ``low``, ``volume`` and ``spread`` are used where they are there.

        Returns
        -------
        ndarray, shape (n,) or dict of str to ndarray
            One array, or one for each output where there are several. NaN until warm.

        Raises
        ------
        BadData
            The series has no recognised shape or column.
        """
        bars = _as_bars(series)
        shown = np.empty((len(bars), len(self.outputs)), dtype=np.float64)
        _array_form(self.update)(self.state.copy(), bars, shown)
        if len(self.outputs) == 1:
            return shown[:, 0]
        return {name: shown[:, index].copy() for index, name in enumerate(self.outputs)}


@lru_cache(maxsize=256)
def _array_form(update: Update) -> Callable[..., None]:
    @njit(error_model="numpy", nogil=True)
    def over(state, bars, shown):  # type: ignore[no-untyped-def]
        for row in range(bars.shape[0]):
            b = bars[row]
            update(state, Bar(b.time_ns, b.open, b.high, b.low, b.close, b.volume, b.spread, np.nan))
            for column in range(shown.shape[1]):
                shown[row, column] = state[column]

    form: Callable[..., None] = over
    return form


def _as_bars(series: Any) -> npt.NDArray[np.void]:
    if isinstance(series, np.ndarray) and series.dtype == BAR:
        return series
    if isinstance(series, np.ndarray) and series.dtype == TICK:
        mid = (series["bid"] + series["ask"]) * 0.5
        bars = _from_columns(len(series), {"close": mid})
        bars["time_ns"] = series["time_ns"]
        bars["spread"] = series["ask"] - series["bid"]
        return bars
    columns = getattr(series, "columns", None)
    if columns is not None:
        named = {
            str(name).lower(): np.asarray(series[name], dtype=np.float64)
            for name in columns
            if str(name).lower() in _COLUMNS
        }
        if "close" not in named:
            raise BadData(f"a frame must have a 'close' column, it has {list(columns)!r}")
        return _from_columns(len(series), named)
    try:
        close = np.asarray(series, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadData(
            f"a feature runs over ticks, bars, a frame or numbers, it was given {type(series).__name__}"
        ) from error
    if close.ndim != 1:
        raise BadData(f"a feature runs over one dimension, the array had shape {close.shape}")
    return _from_columns(len(close), {"close": close})


def _from_columns(n_rows: int, columns: Mapping[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.void]:
    bars = np.zeros(n_rows, dtype=BAR)
    for name in ("open", "high", "low"):
        bars[name] = columns.get(name, columns["close"])
    bars["close"] = columns["close"]
    bars["volume"] = columns.get("volume", 1.0)
    bars["spread"] = columns.get("spread", 0.0)
    return bars


def whole(name: str, number: float, least: int = 1, most: int = 100_000) -> int:
    """Check a window length: a whole number from ``least`` to ``most``."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not least <= number <= most:
        raise BadData(f"{name} must be a whole number from {least} to {most}, it was {number!r}")
    return int(number)


def positive(name: str, number: float) -> float:
    """Check a factor: finite and above zero."""
    if not np.isfinite(number) or number <= 0:
        raise BadData(f"{name} must be a positive number, it was {number!r}")
    return float(number)
