"""Rolling mean of quotes, weighted by ticks."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import ring_push, ring_size
from kernel_lib.market.bar import Bar

__all__ = ["tick_mean"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    n = int(s[1])
    volume_at = 2 + n + 4
    ready = ring_push(s, 2, n, (bar.high + bar.low + bar.close) / 3.0 * bar.volume)
    ring_push(s, volume_at, n, bar.volume)
    if ready:
        s[0] = s[4] / s[volume_at + 2] if s[volume_at + 2] > 0.0 else bar.close


def tick_mean(window: int = 100, *, bars: str | None = None) -> Feature:
    """Average the typical prices of the last ``window`` updates, weighted by their volume.

    ``sum(T * volume) / sum(volume)`` with ``T = (high + low + close) / 3``. In foreign exchange nobody sees the traded
    volume; ``volume`` counts quotes, so that this is the rolling cousin of a volume-weighted price. On ticks each quote
    weighs the same. Without any volume it is the close.

    Parameters
    ----------
    window : int
        At least 1.
    bars : str or None
        Bar length; None runs it on ticks (mid price).

    >>> tick_mean(2)([1.0, 3.0]).tolist()
    [nan, 2.0]
    """
    n = whole("window", window)
    return Feature("tick_mean", {"window": n}, _update, [0.0, n, *[0.0] * (2 * ring_size(n))], warmup=n, bars=bars)
