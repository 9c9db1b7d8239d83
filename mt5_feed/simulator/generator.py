"""Ticks out of a seed: a random walk with the day's rhythm, closed at weekends, with bursts within a millisecond."""

from datetime import UTC, datetime

import numpy as np

from kernel_lib.market.instrument import Instrument, instrument
from kernel_lib.market.tick import Ticks, make_ticks

__all__ = ["GENERATOR_START_NS", "generate_ticks"]

#: Monday 2024-01-08 00:00 UTC.
GENERATOR_START_NS = int(datetime(2024, 1, 8, tzinfo=UTC).timestamp()) * 1_000_000_000

_DAY_MS = 86_400_000
_DAY_NS = 86_400_000_000_000
_PRICES = {"EURUSD": 1.095, "GBPUSD": 1.27, "USDJPY": 144.5, "XAUUSD": 2045.0, "AUDUSD": 0.67, "USDCHF": 0.85}
# Ticks by hour of the day, UTC, as shares: thin in the Asian night, thick when London and New York overlap.
_RHYTHM = np.array([4, 4, 3, 3, 3, 4, 6, 10, 12, 11, 10, 9, 11, 14, 15, 14, 11, 9, 7, 6, 5, 3, 2, 4], dtype=np.float64)
_BURST_SHARE = 0.05


def generate_ticks(
    symbol: str,
    days: int = 5,
    *,
    seed: int = 0,
    start_ns: int = GENERATOR_START_NS,
    ticks_per_day: int = 60_000,
    contract: Instrument | None = None,
) -> Ticks:
    """Make quotes of so many trading days; weekends (Saturday and Sunday, UTC) are left out.

    About one tick in twenty shares its millisecond with the one before. No tick repeats the quote before it.

    >>> generate_ticks("EURUSD", 1, seed=7, ticks_per_day=1000).shape
    (1000,)
    """
    contract = contract or instrument(symbol)
    random = np.random.default_rng([seed, *symbol.encode()])
    blocks: list[Ticks] = []
    price = _PRICES.get(symbol, 1.0) / contract.point
    day_ns = start_ns
    while len(blocks) < days:
        if (day_ns // _DAY_NS + 4) % 7 in (0, 6):  # 1970-01-01 was a Thursday
            day_ns += _DAY_NS - day_ns % _DAY_NS
            continue
        times = np.sort(_times(random, ticks_per_day))
        again = np.flatnonzero(random.random(ticks_per_day - 1) < _BURST_SHARE) + 1
        times[again] = times[again - 1]
        times.sort()
        steps = random.integers(1, 4, ticks_per_day) * random.choice((-1, 1), ticks_per_day)
        bid = np.maximum(np.round(price) + np.cumsum(steps), 1.0)
        price = float(bid[-1])
        hours = times // 3_600_000
        spread = 4 + np.round(120 / (_RHYTHM[hours] + 8)) + random.geometric(0.6, ticks_per_day)
        blocks.append(
            make_ticks(
                day_ns + times * 1_000_000,
                np.round(bid * contract.point, contract.digits),
                np.round((bid + spread) * contract.point, contract.digits),
            )
        )
        day_ns += _DAY_NS
    return np.concatenate(blocks)


def _times(random: np.random.Generator, n_ticks: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    hours = random.choice(24, n_ticks, p=_RHYTHM / _RHYTHM.sum())
    return hours * 3_600_000 + random.integers(0, 3_600_000, n_ticks)
