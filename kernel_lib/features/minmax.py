"""Rolling min-max scale."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import extreme_push, extreme_size
from kernel_lib.market.bar import Bar

__all__ = ["minmax"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    high = extreme_push(s, 3, n, bar.close, 1.0)
    low = extreme_push(s, 3 + 2 * n + 4, n, bar.close, -1.0)
    if s[2] < n - 1:
        s[2] += 1.0
        return
    s[0] = (bar.close - low) / (high - low) if high > low else 0.5


def minmax(window: int = 100, *, bars: str | None = None) -> Feature:
    """Scale the price to its own recent range: 0 at the lowest, 1 at the highest of the last ``window``.

    ``(x - min(x)) / (max(x) - min(x))`` with the newest price inside the window; a flat window gives a half.

    Parameters
    ----------
    window : int
        At least 2.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> minmax(3)([1.0, 5.0, 2.0]).tolist()
    [nan, nan, 0.25]
    """
    n = whole("window", window, least=2)
    state = [0.0, n, 0.0, *[0.0] * (2 * extreme_size(n))]
    return Feature("minmax", {"window": n}, _update, state, warmup=n, bars=bars)
