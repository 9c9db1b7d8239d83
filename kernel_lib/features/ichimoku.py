"""Ichimoku lines."""

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature, compiled, whole
from kernel_lib.features.window import delay_push, delay_size, extreme_push, extreme_size
from kernel_lib.market.bar import Bar

__all__ = ["ichimoku"]

_FAST, _SLOW, _LONG, _SHIFT, _COUNT, _FIRST = range(4, 10)


@compiled
def _update(s: npt.NDArray[np.float64], bar: Bar) -> None:
    fast = int(s[_FAST])
    slow = int(s[_SLOW])
    long = int(s[_LONG])
    shift = int(s[_SHIFT])
    fast_low = _FIRST + 2 * fast + 4
    slow_high = fast_low + 2 * fast + 4
    slow_low = slow_high + 2 * slow + 4
    long_high = slow_low + 2 * slow + 4
    long_low = long_high + 2 * long + 4
    a_at = long_low + 2 * long + 4
    b_at = a_at + shift + 2
    conversion = 0.5 * (
        extreme_push(s, _FIRST, fast, bar.high, 1.0) + extreme_push(s, fast_low, fast, bar.low, -1.0)
    )  # fmt: skip
    baseline = 0.5 * (
        extreme_push(s, slow_high, slow, bar.high, 1.0) + extreme_push(s, slow_low, slow, bar.low, -1.0)
    )  # fmt: skip
    slowest = 0.5 * (
        extreme_push(s, long_high, long, bar.high, 1.0) + extreme_push(s, long_low, long, bar.low, -1.0)
    )  # fmt: skip
    span_a = delay_push(s, a_at, shift, 0.5 * (conversion + baseline))
    span_b = delay_push(s, b_at, shift, slowest)
    if s[_COUNT] < long + shift - 1:
        s[_COUNT] += 1.0
        return
    s[0] = conversion
    s[1] = baseline
    s[2] = span_a
    s[3] = span_b


def ichimoku(
    conversion: int = 9, baseline: int = 26, span: int = 52, shift: int = 26, *, bars: str | None = None
) -> Feature:
    """Show the lines of an Ichimoku chart where they stand now.

    Each line is ``(highest high + lowest low) / 2`` of its window; ``span_a`` is the mean of conversion and base line
    as it was ``shift`` bars ago, ``span_b`` the long window's as it was then: the cloud that a chart draws under the
    newest bar (Hosoda 1969). The lagging line, today's close drawn in the past, is left out: it would tell the past
    about the future. Outputs ``conversion``, ``baseline``, ``span_a``, ``span_b``.

    Parameters
    ----------
    conversion, baseline, span : int
        Windows, each longer than the one before.
    shift : int
        Bars by which the cloud is drawn ahead, at least 1.
    bars : str or None
        Bar length; None runs it on ticks.

    >>> ichimoku(1, 2, 3, 1)([1.0, 2.0, 3.0, 4.0])["span_b"].tolist()
    [nan, nan, nan, 2.0]
    """
    fast, slow, long = whole("conversion", conversion), whole("baseline", baseline), whole("span", span)
    shift = whole("shift", shift)
    if not fast < slow < long:
        raise BadData(f"ichimoku: windows must grow from conversion to span, they were {fast}, {slow}, {long}")
    places = 2 * (extreme_size(fast) + extreme_size(slow) + extreme_size(long)) + 2 * delay_size(shift)
    return Feature(
        "ichimoku",
        {"conversion": fast, "baseline": slow, "span": long, "shift": shift},
        _update,
        [0.0, 0.0, 0.0, 0.0, fast, slow, long, shift, 0.0, *[0.0] * places],
        warmup=long + shift,
        bars=bars,
        outputs=("conversion", "baseline", "span_a", "span_b"),
    )
