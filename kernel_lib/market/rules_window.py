"""A window of the last numbers that knows their median and spread: what a spike or a wide quote is measured against.

The window is a ring in time order and a copy in size order; a new number moves at most the window's length. Median
and median absolute deviation (MAD) come from the sorted copy.
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
    if count == length:
        gone = ring[place]
        at = 0
        while ordered[at] != gone:
            at += 1
        for i in range(at, count - 1):
            ordered[i] = ordered[i + 1]
        count -= 1
    at = count
    while at > 0 and ordered[at - 1] > number:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = number
    ring[place] = number
    window[0] = count + 1
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
    # Distances grow to both sides of the median: walk outwards and take the nearer each time.
    high = 0
    while high < count and ordered[high] < median:
        high += 1
    low = high - 1
    first = 0.0
    for taken in range(count // 2 + 1):
        below = median - ordered[low] if low >= 0 else np.inf
        above = ordered[high] - median if high < count else np.inf
        if below <= above:
            now = below
            low -= 1
        else:
            now = above
            high += 1
        if taken == (count - 1) // 2:
            first = now
        if taken == count // 2:
            return 0.5 * (first + now)
    return np.nan
