"""Run a feature over recorded data: one update a row, or one a closed bar with the value that each tick would see.

The loops call the update through its address, so that they are compiled once for all features and a first call in a
notebook answers at once. Import this only when something runs: it loads machine code.
"""

import math
from typing import Any

import numpy as np
from numba import from_dtype, njit, types

from kernel_lib.errors import BadData
from kernel_lib.features.alongside import put_alongside
from kernel_lib.features.series import read_series
from kernel_lib.features.update import UPDATE, Updated
from kernel_lib.market.bar import BAR, Bar
from kernel_lib.market.tick import TICK

__all__ = ["run_over"]

_CALL = types.FunctionType(UPDATE)
_STATE = types.float64[::1]
_OTHER = types.Array(types.float64, 1, "C", readonly=True)
_SHOWN = types.float64[:, ::1]


def _rows_of(dtype: np.dtype[np.void]) -> Any:
    return types.Array(from_dtype(dtype), 1, "C", readonly=True)


def run_over(feature: Updated, series: Any, other: Any) -> Any:
    """Do what calling a :class:`~kernel_lib.features.feature.Feature` says."""
    rows = read_series(series)
    if feature.other is None and other is not None:
        raise BadData(f"{feature!r} reads nothing from outside; leave other= away")
    if feature.other is not None and other is None:
        raise BadData(f"{feature!r} reads {feature.other!r} from outside; give its values as other=...")
    beside = np.zeros(0) if other is None else put_alongside(rows, other, feature.bars_ns, repr(feature))
    shown = np.empty((len(rows.values), len(feature.outputs)), dtype=np.float64)
    state = feature.state.copy()
    if rows.values.dtype == TICK:
        _over_ticks(feature.update, state, rows.values, feature.bars_ns, beside, shown)
    else:
        rows.check_spacing(feature.bars_ns)
        _over_bars(feature.update, state, rows.values, beside, shown)
    return rows.give_back(shown, feature.outputs, repr(feature))


@njit(
    types.void(_CALL, _STATE, _rows_of(BAR), _OTHER, _SHOWN), cache=True, nogil=True, error_model="numpy"
)  # fmt: skip
def _over_bars(update, state, bars, other, shown):  # type: ignore[no-untyped-def]
    outside = math.nan
    for row in range(bars.shape[0]):
        b = bars[row]
        if not math.isfinite(b.open + b.high + b.low + b.close + b.volume + b.spread):
            shown[row, :] = math.nan
            continue
        if other.size > 0:
            outside = other[row]
        update(state, Bar(b.time_ns, b.open, b.high, b.low, b.close, b.volume, b.spread, outside))
        for column in range(shown.shape[1]):
            shown[row, column] = state[column]


@njit(
    types.void(_CALL, _STATE, _rows_of(TICK), types.int64, _OTHER, _SHOWN), cache=True, nogil=True, error_model="numpy"
)  # fmt: skip
def _over_ticks(update, state, ticks, length_ns, other, shown):  # type: ignore[no-untyped-def]
    """The forming of bars is that of the strategy's step, to the letter."""
    outside = math.nan
    end_ns = start_ns = 0
    first = high = low = close = volume = spread = 0.0
    for row in range(ticks.shape[0]):
        tick = ticks[row]
        if not math.isfinite(tick.bid + tick.ask):
            shown[row, :] = math.nan
            continue
        if other.size > 0:
            outside = other[row]
        if length_ns == 0:
            mid = (tick.bid + tick.ask) * 0.5
            update(state, Bar(tick.time_ns, mid, mid, mid, mid, 1.0, tick.ask - tick.bid, outside))
        else:
            bid = tick.bid
            if tick.time_ns >= end_ns:
                if volume > 0.0:
                    update(state, Bar(start_ns, first, high, low, close, volume, spread, outside))
                start_ns = tick.time_ns - tick.time_ns % length_ns
                end_ns = start_ns + length_ns
                first = high = low = bid
                volume = 0.0
            high = max(high, bid)
            low = min(low, bid)
            close = bid
            volume += 1.0
            spread = tick.ask - bid
        for column in range(shown.shape[1]):
            shown[row, column] = state[column]
