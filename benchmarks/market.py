"""The ticks that every benchmark and every peer gets: a seeded walk, at least a second between two ticks."""

import numpy as np

from kernel_lib.market.tick import Ticks, make_ticks

__all__ = ["START_NS", "walk"]

#: Monday 2024-01-08 00:00 UTC.
START_NS = 1_704_672_000_000_000_000
_SECOND_NS = 1_000_000_000


def walk(n_ticks: int, *, seed: int = 1, step_ns: int = _SECOND_NS) -> Ticks:
    """Make ``n_ticks`` quotes of EURUSD around 1.1, with spreads of 2 to 12 points.

    Times are whole milliseconds, ``step_ns`` to three times that apart, so that no limit on orders a minute binds.

    >>> walk(3)["bid"].round(5).tolist() == walk(3)["bid"].tolist()
    True
    """
    random = np.random.default_rng(seed)
    points = 110_000 + np.cumsum(random.integers(-3, 4, n_ticks))
    points = np.where(points < 20_000, 40_000 - points, points)  # reflected, so that a long walk stays a price
    times = START_NS + np.cumsum(random.integers(1000, 3001, n_ticks) * (step_ns // 1000))
    spread = random.integers(2, 13, n_ticks)
    return make_ticks(times, np.round(points * 1e-5, 5), np.round((points + spread) * 1e-5, 5))
