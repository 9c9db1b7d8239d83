"""A window of the last numbers that knows their median and spread: what a spike or a wide quote is measured against.

The window is a ring in time order and a copy in size order; a new number moves what lies between the places of the
oldest and its own. Median and median absolute deviation (MAD) come from the sorted copy.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

import kernel_lib.machine_code  # noqa: F401  (says where compiled code is kept)

__all__ = ["clear_window", "make_window", "push_window", "window_mad", "window_median"]

_compiled = njit(cache=True, error_model="numpy", nogil=True)


def make_window(length: int) -> npt.NDArray[np.float64]:
    """Give an empty window: the count, the next place, then ring and sorted copy."""
    return np.zeros(2 + 2 * length)


@_compiled
def clear_window(window):  # type: ignore[no-untyped-def]
    """Forget everything."""
    window[0] = 0.0
    window[1] = 0.0


@_compiled
def push_window(window, number):  # type: ignore[no-untyped-def]
    """Put a number in; the oldest leaves a full window."""
    length = (window.shape[0] - 2) // 2
    count, place = int(window[0]), int(window[1])
    ring, ordered = window[2 : 2 + length], window[2 + length :]
    hole = count
    if count == length:
        hole = np.searchsorted(ordered[:count], ring[place])
    else:
        window[0] = count + 1
    # Only what lies between the place that is left and the place that is taken has to move.
    while hole > 0 and ordered[hole - 1] > number:
        ordered[hole] = ordered[hole - 1]
        hole -= 1
    last = int(window[0]) - 1
    while hole < last and ordered[hole + 1] < number:
        ordered[hole] = ordered[hole + 1]
        hole += 1
    ordered[hole] = number
    ring[place] = number
    window[1] = (place + 1) % length


@_compiled
def window_median(window):  # type: ignore[no-untyped-def]
    """Give the median; NaN of nothing."""
    length = (window.shape[0] - 2) // 2
    count = int(window[0])
    if count == 0:
        return np.nan
    ordered = window[2 + length :]
    return 0.5 * (ordered[(count - 1) // 2] + ordered[count // 2])


@_compiled
def window_mad(window):  # type: ignore[no-untyped-def]
    """Give the median distance from the median; NaN of nothing."""
    length = (window.shape[0] - 2) // 2
    count = int(window[0])
    if count == 0:
        return np.nan
    ordered = window[2 + length :]
    median = window_median(window)
    # Distances grow to both sides of the median: two sorted lists, and the middle of both together is searched by
    # halves, as the number that is taken of the left one.
    right = np.searchsorted(ordered[:count], median)
    left = right
    wanted = (count - 1) // 2 + 1
    low, high = max(0, wanted - (count - right)), min(wanted, left)
    while low < high:
        taken = (low + high) // 2
        if median - ordered[left - 1 - taken] < ordered[right + wanted - taken - 1] - median:
            low = taken + 1
        else:
            high = taken
    rest = wanted - low
    middle = 0.0
    if low > 0:
        middle = median - ordered[left - low]
    if rest > 0:
        middle = max(middle, ordered[right + rest - 1] - median)
    if count % 2 == 1:
        return middle
    after = np.inf
    if low < left:
        after = median - ordered[left - 1 - low]
    if right + rest < count:
        after = min(after, ordered[right + rest] - median)
    return 0.5 * (middle + after)
