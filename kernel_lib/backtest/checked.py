"""Ticks that a replay can believe."""

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.market.tick import TICK, Ticks

__all__ = ["check_ticks"]


def check_ticks(ticks: Ticks) -> None:
    """Refuse an array that a replay cannot believe; the message names the first row that is wrong."""
    if not isinstance(ticks, np.ndarray) or ticks.dtype != TICK or ticks.ndim != 1:
        got = f"{ticks.dtype} {ticks.shape}" if isinstance(ticks, np.ndarray) else type(ticks).__name__
        raise BadData(f"ticks must be a one-dimensional array of dtype TICK (see kernel_lib.market.tick), it was {got}")
    if len(ticks) == 0:
        raise BadData("a replay needs at least one tick, it was given none")
    bid, ask = ticks["bid"], ticks["ask"]
    wrong = ~(np.isfinite(bid) & np.isfinite(ask) & (bid > 0) & (ask >= bid))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadData(
            f"quotes must be finite, positive and not crossed, tick {row} is {ticks[row]}", source="ticks", line=row
        )
    back = np.diff(ticks["time_ns"]) < 0
    if back.any():
        row = int(np.argmax(back)) + 1
        raise BadData(f"times must not go back, tick {row} does; sort by time_ns first", source="ticks", line=row)
