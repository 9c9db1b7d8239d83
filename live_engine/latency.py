"""How long each stage takes: a histogram with logarithmic buckets, a few kilobytes, no samples kept."""

import math

__all__ = ["Histogram"]

_PER_OCTAVE = 8
_OCTAVES = 48


class Histogram:
    """Counts durations in buckets whose edges grow by 2 ** (1/8): percentiles are right to 9 percent.

    >>> histogram = Histogram()
    >>> for ns in (1_000, 2_000, 100_000):
    ...     histogram.add(ns)
    >>> histogram.n, histogram.max_ns
    (3, 100000)
    """

    __slots__ = ("_counts", "max_ns", "n")

    def __init__(self) -> None:
        self._counts = [0] * (_OCTAVES * _PER_OCTAVE)
        self.n = 0
        self.max_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count one duration; below one (two machines' clocks) counts as one nanosecond."""
        duration_ns = max(1, duration_ns)
        self._counts[min(int(math.log2(duration_ns) * _PER_OCTAVE), len(self._counts) - 1)] += 1
        self.n += 1
        self.max_ns = max(self.max_ns, duration_ns)

    def quantile_ns(self, share: float) -> float:
        """Give a duration below which ``share`` of all lie; 0 when there are none."""
        wanted = share * self.n
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return float(min(self.max_ns, 2.0 ** ((bucket + 1) / _PER_OCTAVE)))
        return 0.0

    def summary_us(self) -> dict[str, float]:
        """Give ``n``, ``p50``, ``p99``, ``max`` in microseconds."""
        return {
            "n": self.n,
            "p50": round(self.quantile_ns(0.5) / 1000, 1),
            "p99": round(self.quantile_ns(0.99) / 1000, 1),
            "max": round(self.max_ns / 1000, 1),
        }
