"""Parabolic stop and reverse."""

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, compiled, positive
from kernel_lib.market.bar import Bar

__all__ = ["parabolic_sar"]

_STEP, _MOST, _COUNT, _SIDE, _STOP, _EXTREME, _FACTOR, _HIGH, _LOW = range(2, 11)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    last_high = s[_HIGH]
    last_low = s[_LOW]
    s[_HIGH] = bar.high
    s[_LOW] = bar.low
    if s[_COUNT] < 2.0:
        s[_COUNT] += 1.0
        if s[_COUNT] == 1.0:
            return
        down = last_low - bar.low
        s[_SIDE] = -1.0 if down > 0.0 and down > bar.high - last_high else 1.0
        s[_EXTREME] = bar.high if s[_SIDE] > 0.0 else bar.low
        s[_STOP] = last_low if s[_SIDE] > 0.0 else last_high
        # The first stop is held against the bar that set the side, not against the one before.
        last_high = bar.high
        last_low = bar.low
    if s[_SIDE] > 0.0:
        if bar.low <= s[_STOP]:
            s[_SIDE] = -1.0
            s[_STOP] = max(s[_EXTREME], last_high, bar.high)
            s[0] = s[_STOP]
            s[_FACTOR] = s[_STEP]
            s[_EXTREME] = bar.low
        else:
            s[0] = s[_STOP]
            if bar.high > s[_EXTREME]:
                s[_EXTREME] = bar.high
                s[_FACTOR] = min(s[_FACTOR] + s[_STEP], s[_MOST])
    elif bar.high >= s[_STOP]:
        s[_SIDE] = 1.0
        s[_STOP] = min(s[_EXTREME], last_low, bar.low)
        s[0] = s[_STOP]
        s[_FACTOR] = s[_STEP]
        s[_EXTREME] = bar.high
    else:
        s[0] = s[_STOP]
        if bar.low < s[_EXTREME]:
            s[_EXTREME] = bar.low
            s[_FACTOR] = min(s[_FACTOR] + s[_STEP], s[_MOST])
    moved = s[_STOP] + s[_FACTOR] * (s[_EXTREME] - s[_STOP])
    s[_STOP] = min(moved, last_low, bar.low) if s[_SIDE] > 0.0 else max(moved, last_high, bar.high)
    s[1] = s[_SIDE]


def parabolic_sar(step: float = 0.02, most: float = 0.2, *, bars: str | None = None) -> Feature:
    """Trail a stop that closes in on the price the longer a trend makes new extremes.

    ``SAR = SAR + AF * (EP - SAR)``, held outside the last two bars; AF grows by ``step`` with each new extreme EP, up
    to ``most``. A bar that touches it turns the side (Wilder, New Concepts, 1978). The first side is the direction of
    the larger directional movement of the first two bars, as TA-Lib SAR has it. Outputs ``value`` (a price) and
    ``side`` (1 below a rise, -1 above a fall).

    Parameters
    ----------
    step, most : float
        First and largest acceleration factor.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> parabolic_sar()([1.0, 2.0, 3.0])["value"].round(6).tolist()
    [nan, 1.0, 1.02]
    """
    step, most = positive("step", step), positive("most", most)
    if step > most:
        raise BadData(f"parabolic_sar: step must not be above most, they were {step} and {most}")
    return Feature(
        "parabolic_sar",
        {"step": step, "most": most},
        _update,
        [0.0, 0.0, step, most, 0.0, 0.0, 0.0, 0.0, step, 0.0, 0.0],
        warmup=2,
        bars=bars,
        outputs=("value", "side"),
    )
