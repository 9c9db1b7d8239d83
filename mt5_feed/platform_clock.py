"""The platform's clock on a trader's PC, whose own may be wrong and may jump."""

import time
from collections.abc import Callable

__all__ = ["PlatformClock"]

_JUMP_NS = 2 * 10**9


class PlatformClock:
    """Goes on from what the bridge last said.

    Two clocks carry it: the PC's own, which is right again after a sleep, and the monotonic one, which nobody sets.
    Where they disagree, the later one holds: an order may then be refused as too old, and never sent too late.

    >>> wall, steady = [100 * 10**9], [7 * 10**9]
    >>> clock = PlatformClock(lambda: wall[0], lambda: steady[0])
    >>> clock.set(5_000 * 10**9)
    >>> wall[0] -= 3_600 * 10**9  # somebody sets the PC's clock back by an hour
    >>> steady[0] += 10**9
    >>> clock.now_ns() // 10**9, clock.jumped
    (5001, True)
    """

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._after_wall: int | None = None
        self._after_monotonic = 0

    def set(self, now_ns: int) -> None:
        """Take the platform's time, as the bridge has just told it."""
        self._after_wall = now_ns - self._wall_ns()
        self._after_monotonic = now_ns - self._monotonic_ns()

    def now_ns(self) -> int:
        """UTC nanoseconds; the PC's own before the bridge has said anything."""
        if self._after_wall is None:
            return self._wall_ns()
        return max(self._wall_ns() + self._after_wall, self._monotonic_ns() + self._after_monotonic)

    @property
    def behind_ns(self) -> int:
        """How far the PC's own clock was behind the platform's when it was last told; negative: ahead."""
        return self._after_wall or 0

    @property
    def jumped(self) -> bool:
        """The PC's clock was set, or the PC slept, since then: ask the bridge again."""
        if self._after_wall is None:
            return False
        apart = self._wall_ns() + self._after_wall - self._monotonic_ns() - self._after_monotonic
        return abs(apart) > _JUMP_NS
