"""Momentum."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import delay_push, delay_size
from kernel_lib.market.bar import Bar

__all__ = ["momentum"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    s[0] = bar.close - delay_push(s, 2, int(s[1]), bar.close)


def momentum(window: int = 10, *, bars: str | None = None) -> Feature:
    """Subtract the price ``window`` updates ago from the newest, in quote currency.

    ``x - x[n]`` as TA-Lib MOM, under the chartist's name and with the usual window; ``price_change`` is the same for
    the last update.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> momentum(2)([1.0, 2.0, 4.0]).tolist()
    [nan, nan, 3.0]
    """
    n = whole("window", window)
    return Feature("momentum", {"window": n}, _update, [0.0, n, *[0.0] * delay_size(n)], warmup=n + 1, bars=bars)
