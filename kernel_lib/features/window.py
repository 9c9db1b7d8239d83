"""Rolling windows inside a feature's state: rings of values with exact sums, and a falling queue for extremes.

A ring of ``n`` numbers at ``base`` takes ``n + 4`` places: count, next, mean, sum of squared deviations, values.
The sums are recomputed whenever the ring comes round, so rounding does not pile up and the cost stays flat.
"""

import math

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import inlined

__all__ = [
    "delay_push", "delay_size", "extreme_age", "extreme_push", "extreme_size", "pair_push", "pair_size", "ring_push",
    "ring_size", "weighted_push",
]  # fmt: skip


def ring_size(n: int) -> int:
    """Places in the state for a ring of ``n``, weighted or not."""
    return n + 4


def delay_size(n: int) -> int:
    """Places in the state for a delay of ``n``."""
    return n + 2


def pair_size(n: int) -> int:
    """Places in the state for a ring of ``n`` pairs."""
    return 2 * n + 9


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


@inlined
def delay_push(s: npt.NDArray[np.float64], base: int, n: int, x: float) -> float:
    """Add ``x`` and give the number that came ``n`` pushes ago, NaN while there is none."""
    count = s[base]
    at = int(s[base + 1])
    place = base + 2 + at
    old = s[place] if count >= n else math.nan
    s[place] = x
    s[base] = min(count + 1.0, float(n))
    s[base + 1] = at + 1 if at + 1 < n else 0
    return old


@inlined
def extreme_age(s: npt.NDArray[np.float64], base: int) -> float:
    """Say how many pushes ago the extreme of :func:`extreme_push` came; the newest of equals counts."""
    return s[base] - 1.0 - s[base + 4 + int(s[base + 1])]


@inlined
def weighted_push(s: npt.NDArray[np.float64], base: int, n: int, x: float) -> bool:
    """Add ``x``; ``s[base + 2]`` is then the sum and ``s[base + 3]`` the sum weighted 1 (oldest) to ``n`` (newest).

    Returns True once ``n`` numbers are inside.
    """
    count = int(s[base])
    at = int(s[base + 1])
    values = base + 4
    if count < n:
        count += 1
        s[base] = count
        s[base + 2] += x
        s[base + 3] += count * x
    else:
        s[base + 3] += n * x - s[base + 2]
        s[base + 2] += x - s[values + at]
    s[values + at] = x
    at += 1
    if at == n:
        at = 0
        total = 0.0
        weighted = 0.0
        for k in range(n):
            total += s[values + k]
            weighted += (k + 1.0) * s[values + k]
        s[base + 2] = total
        s[base + 3] = weighted
    s[base + 1] = at
    return count == n


@inlined
def pair_push(s: npt.NDArray[np.float64], base: int, n: int, x: float, y: float) -> bool:
    """Add a pair; afterwards ``s[base + 2:base + 7]`` are both means and the sums of squares xx, yy and products xy.

    Sums are of deviations from the means, and exactly 0 where a side stood still: what rounding would leave there, a
    correlation would blow up to one. Returns True once ``n`` pairs are inside.
    """
    count = int(s[base])
    at = int(s[base + 1])
    xs = base + 7
    ys = xs + n
    mean_x = s[base + 2]
    mean_y = s[base + 3]
    if count < n:
        count += 1
        s[base] = count
        dx = x - mean_x
        dy = y - mean_y
        s[base + 2] = mean_x + dx / count
        s[base + 3] = mean_y + dy / count
        s[base + 4] += dx * (x - s[base + 2])
        s[base + 5] += dy * (y - s[base + 3])
        s[base + 6] += dx * (y - s[base + 3])
    else:
        old_x = s[xs + at]
        old_y = s[ys + at]
        after_x = mean_x + (x - old_x) / n
        after_y = mean_y + (y - old_y) / n
        s[base + 2] = after_x
        s[base + 3] = after_y
        s[base + 4] += (x - old_x) * (x - after_x + old_x - mean_x)
        s[base + 5] += (y - old_y) * (y - after_y + old_y - mean_y)
        s[base + 6] += (x - after_x) * (y - mean_y) - (old_x - after_x) * (old_y - mean_y)
    before = at - 1 if at > 0 else n - 1
    still = ys + n
    s[still] = s[still] + 1.0 if x == s[xs + before] else 1.0
    s[still + 1] = s[still + 1] + 1.0 if y == s[ys + before] else 1.0
    s[xs + at] = x
    s[ys + at] = y
    at += 1
    if at == n:
        at = 0
        _pair_afresh(s, base, n)
    s[base + 1] = at
    if s[still] >= n:
        s[base + 4] = 0.0
        s[base + 6] = 0.0
    if s[still + 1] >= n:
        s[base + 5] = 0.0
        s[base + 6] = 0.0
    return count == n


@inlined
def _pair_afresh(s: npt.NDArray[np.float64], base: int, n: int) -> None:
    xs = base + 7
    ys = xs + n
    mean_x = 0.0
    mean_y = 0.0
    for k in range(n):
        mean_x += s[xs + k]
        mean_y += s[ys + k]
    mean_x /= n
    mean_y /= n
    xx = 0.0
    yy = 0.0
    xy = 0.0
    for k in range(n):
        dx = s[xs + k] - mean_x
        dy = s[ys + k] - mean_y
        xx += dx * dx
        yy += dy * dy
        xy += dx * dy
    s[base + 2] = mean_x
    s[base + 3] = mean_y
    s[base + 4] = xx
    s[base + 5] = yy
    s[base + 6] = xy
