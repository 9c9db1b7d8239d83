"""Spread."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, compiled
from kernel_lib.market.bar import Bar

__all__ = ["spread"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    s[0] = bar.spread


def spread(*, bars: str | None = None) -> Feature:
    """Show the distance from bid to ask, in quote currency; on bars the last one of the bar.

    ``ask - bid``. Plain numbers have none, and show 0.

    Parameters
    ----------
    bars : str or None
        Bar length; None updates it on every tick.

    >>> from kernel_lib.market.tick import make_ticks
    >>> spread()(make_ticks([1], [1.0], [1.5])).tolist()
    [0.5]
    """
    return Feature("spread", {}, _update, [0.0], warmup=1, bars=bars)
