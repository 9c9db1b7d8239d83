"""Ticks that a replay can believe."""

import numpy as np

from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.bar import bar_length_text
from kernel_lib.market.tick import TICK, Ticks

__all__ = ["OPEN_TICK", "check_lengths", "check_ticks"]

#: A tick at the open of a bar, and the rest of that bar, which is known when the next one opens; ``spread`` in quote
#: currency.
OPEN_TICK = np.dtype(
    [("time_ns", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"),
     ("volume", "<f8"), ("spread", "<f8")]
)  # fmt: skip


def check_ticks(ticks: Ticks, source: str = "ticks") -> None:
    """Refuse an array that a replay cannot believe; the message names the first row that is wrong.

    Parameters
    ----------
    ticks : ndarray of TICK or OPEN_TICK
    source : str
        What messages call them.
    """
    if not isinstance(ticks, np.ndarray) or ticks.dtype not in (TICK, OPEN_TICK) or ticks.ndim != 1:
        got = f"{ticks.dtype} {ticks.shape}" if isinstance(ticks, np.ndarray) else type(ticks).__name__
        raise BadData(
            "ticks must be a one-dimensional array of dtype TICK, as kernel_lib.market.tick.make_ticks(times_ns, bid, "
            f"ask) makes one, it was {got}", source="" if source == "ticks" else source,
        )  # fmt: skip
    if len(ticks) == 0:
        raise BadData("a replay needs at least one tick, it was given none", source="" if source == "ticks" else source)
    bid, ask = ticks["bid"], ticks["ask"]
    wrong = ~(np.isfinite(bid) & np.isfinite(ask) & (bid > 0) & (ask >= bid))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadData(
            f"quotes must be finite, positive and not crossed, tick {row} is {ticks[row]}", source=source, line=row
        )
    back = np.diff(ticks["time_ns"]) < 0
    if back.any():
        row = int(np.argmax(back)) + 1
        raise BadData(f"times must not go back, tick {row} does; sort by time_ns first", source=source, line=row)


def check_lengths(ticks: Ticks, lengths: list[int]) -> None:
    """Refuse a strategy whose bars are shorter than those that ticks at their opens stand for.

    Parameters
    ----------
    ticks : ndarray of TICK or OPEN_TICK
    lengths : list of int
        Of the strategy's bars, nanoseconds.

    Raises
    ------
    Misconfigured
    """
    if ticks.dtype != OPEN_TICK or len(ticks) < 2 or not lengths:
        return
    length_ns = int(np.diff(ticks["time_ns"]).min())
    if min(lengths) < length_ns or any(each % length_ns for each in lengths):
        wrong = next(bar_length_text(each) for each in sorted(lengths) if each < length_ns or each % length_ns)
        raise Misconfigured(
            f"bars of {wrong} cannot be formed of bars of {length_ns / 1e9:g} s; give the strategy whole multiples, or "
            "shorter bars"
        )
