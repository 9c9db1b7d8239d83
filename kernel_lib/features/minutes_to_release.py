"""Minutes to the next economic release."""

import numpy as np
import numpy.typing as npt

from kernel_lib.features.feature import Feature, channel, compiled, length_s
from kernel_lib.market.bar import Bar

__all__ = ["minutes_to_release"]


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    # Microseconds since 1970 are exact in a float64 until the year 2255.
    now_s = float(bar.time_ns // 1000) * 1e-6 + s[1]
    s[0] = (bar.other - now_s) / 60.0


def minutes_to_release(channel_name: str = "calendar", *, bars: str | None = None) -> Feature:
    """Count the minutes to the next economic release; below 0 since one that is past, until the next is told.

    ``(release - now) / 60``, where the calendar's channel holds the time of the next release in seconds since 1970. NaN
    while the calendar is silent: a decision is then not called, as what is coming is not known. On bars ``now`` is the
    bar's end.

    Parameters
    ----------
    channel_name : str
        Where the calendar comes in, such as ``"calendar"`` or ``"calendar:USD"``.
    bars : str or None
        Bar length; None updates it on every tick.

    >>> minutes_to_release()([1.1], other=[600.0]).tolist()
    [10.0]
    """
    name = channel("channel_name", channel_name)
    state = [0.0, length_s(bars)]
    return Feature("minutes_to_release", {"channel_name": name}, _update, state, warmup=1, bars=bars, other=name)
