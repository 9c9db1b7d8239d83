"""Rolling percentile rank."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import delay_push, delay_size
from kernel_lib.market.bar import Bar

__all__ = ["rank"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    x = bar.close
    delay_push(s, 2, n, x)
    if s[2] < n:
        return
    below = 0
    equal = 0
    for k in range(n):
        below += s[4 + k] < x
        equal += s[4 + k] == x
    s[0] = (below + (equal + 1) * 0.5) / n


def rank(window: int = 100, *, bars: str | None = None) -> Feature:
    """Say which share of the last ``window`` prices the newest is at or above, from 1 / window to 1.

    ``(below + (equal + 1) / 2) / n`` with the newest inside the window: ties share the mean rank, as pandas'
    ``rolling(n).rank(pct=True)``. Each update walks the window, a few nanoseconds for ten prices.

    Parameters
    ----------
    window : int
        At least 2.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> rank(4)([1.0, 5.0, 2.0, 3.0]).tolist()
    [nan, nan, nan, 0.75]
    """
    n = whole("window", window, least=2)
    return Feature("rank", {"window": n}, _update, [0.0, n, *[0.0] * delay_size(n)], warmup=n, bars=bars)
