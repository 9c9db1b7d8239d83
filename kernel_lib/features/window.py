"""Rolling windows inside a feature's state: a ring of values with exact sums, and a falling queue for extremes.

A ring of ``n`` numbers at ``base`` takes ``n + 4`` places: count, next, mean, sum of squared deviations, values.
The sums are recomputed whenever the ring comes round, so rounding does not pile up and the cost stays flat.
"""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import inlined

__all__ = ["extreme_push", "extreme_size", "ring_push", "ring_size"]


def ring_size(n: int) -> int:
    """Places in the state for a ring of ``n``."""
    return n + 4


def extreme_size(n: int) -> int:
    """Places in the state for a rolling extreme of ``n``."""
    return 2 * n + 4


@inlined
def ring_push(s: npt.NDArray[np.float64], base: int, n: int, x: float) -> bool:
    """Add ``x``; afterwards ``s[base + 2]`` is the mean and ``s[base + 3]`` the sum of squared deviations.

    Returns True once ``n`` numbers are inside.
    """
    count = int(s[base])
    at = int(s[base + 1])
    values = base + 4
    if count < n:
        s[values + at] = x
        count += 1
        s[base] = count
        delta = x - s[base + 2]
        s[base + 2] += delta / count
        s[base + 3] += delta * (x - s[base + 2])
    else:
        old = s[values + at]
        s[values + at] = x
        before = s[base + 2]
        after = before + (x - old) / n
        s[base + 2] = after
        s[base + 3] += (x - old) * (x - after + old - before)
    at += 1
    if at == n:
        at = 0
        if count == n:
            total = 0.0
            for k in range(n):
                total += s[values + k]
            mean = total / n
            squares = 0.0
            for k in range(n):
                d = s[values + k] - mean
                squares += d * d
            s[base + 2] = mean
            s[base + 3] = squares
    s[base + 1] = at
    return count == n


@inlined
def extreme_push(s: npt.NDArray[np.float64], base: int, n: int, x: float, sign: float) -> float:
    """Add ``x`` and give the highest (``sign`` 1) or lowest (``sign`` -1) of the last ``n``.

    A queue whose values fall (times ``sign``): ``seen, head, length``, then ``n`` positions and ``n`` values.
    """
    seen = s[base]
    head = int(s[base + 1])
    length = int(s[base + 2])
    places = base + 4
    values = base + 4 + n
    if length > 0 and s[places + head] <= seen - n:
        head += 1
        if head == n:
            head = 0
        length -= 1
    while length > 0:
        tail = head + length - 1
        if tail >= n:
            tail -= n
        if (s[values + tail] - x) * sign > 0.0:
            break
        length -= 1
    tail = head + length
    if tail >= n:
        tail -= n
    s[places + tail] = seen
    s[values + tail] = x
    length += 1
    s[base] = seen + 1.0
    s[base + 1] = head
    s[base + 2] = length
    return s[values + head]
