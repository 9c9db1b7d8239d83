"""Price change."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.market.bar import Bar

__all__ = ["price_change"]

_SHOWN, _WINDOW, _COUNT, _AT, _FIRST = range(5)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[_WINDOW])
    at = int(s[_AT])
    oldest = s[_FIRST + at]
    s[_FIRST + at] = bar.close
    s[_AT] = at + 1 if at + 1 < n else 0
    if s[_COUNT] < n:
        s[_COUNT] += 1.0
        return
    s[_SHOWN] = bar.close - oldest


def price_change(window: int = 1, *, bars: str | None = None) -> Feature:
    """Subtract the price ``window`` updates ago from the newest, in quote currency.

    ``x - x[n]``, as TA-Lib MOM.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> price_change(1)([1.0, 3.0, 2.0]).tolist()
    [nan, 2.0, -1.0]
    """
    n = whole("window", window)
    return Feature("price_change", {"window": n}, _update, [0.0, n, 0.0, 0.0, *[0.0] * n], warmup=n + 1, bars=bars)
