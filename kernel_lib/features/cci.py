"""Commodity channel index."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["cci"]

# Below this share of the price a deviation is rounding, not movement.
_FLAT = 1e-12


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    typical = (bar.high + bar.low + bar.close) / 3.0
    if not ring_push(s, 2, n, typical):
        return
    mean = s[4]
    spread = 0.0
    for k in range(n):
        spread += abs(s[6 + k] - mean)
    spread /= n
    s[0] = (typical - mean) / (0.015 * spread) if spread > _FLAT * abs(mean) else 0.0


def cci(window: int = 20, *, bars: str | None = None) -> Feature:
    """Say how far the typical price stands from its mean, in mean absolute deviations; most lie within -100 to 100.

    ``(T - mean(T)) / (0.015 * mean(|T - mean(T)|))`` with ``T = (high + low + close) / 3`` (Lambert 1980; TA-Lib CCI).
    A flat window gives 0. Each update walks the window, as the mean moves under every deviation.

    Parameters
    ----------
    window : int
        At least 2.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> cci(2)([1.0, 2.0]).round(6).tolist()
    [nan, 66.666667]
    """
    n = whole("window", window, least=2)
    return Feature("cci", {"window": n}, _update, [0.0, n, *[0.0] * ring_size(n)], warmup=n, bars=bars)
