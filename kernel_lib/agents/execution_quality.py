"""Whether orders are carried out as expected."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["ExecutionQuality"]


class ExecutionQuality(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shrink the size by rejected orders, by slippage and by latency beyond what was expected.

    The least of: ``1 - rejected share / most_rejected``; ``allowed / slippage`` with ``allowed = expected +
    slack_points``; ``2 expected / latency``; each at most 1.

    Parameters
    ----------
    most_rejected : float
        Share of orders at which nothing is traded.
    slack_points : float
    least_orders : int
        With fewer, shares say nothing yet.
    """

    key: ClassVar[str] = "execution_quality"
    group: ClassVar[Group] = "monitoring"
    reads: ClassVar[tuple[str, ...]] = ()
    most_rejected: float = 0.5
    slack_points: float = 2.0
    least_orders: int = 5

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        done = snapshot.execution
        if done is None or done.orders <= 0:
            reading.missing.append("orders")
            return reading.without("no order yet to judge by")
        n = reading.note("orders", float(done.orders))
        parts: list[tuple[float, str]] = []
        rejected = reading.note("rejected", clip(done.rejected / n, 0.0, 1.0))
        if done.orders >= self.least_orders and rejected > 0.0:
            parts.append((clip(1.0 - rejected / self.most_rejected, 0.0, 1.0), f"{100 * rejected:.0f} % rejected"))
        slipped = reading.look("slippage, points", done.slippage_points)
        expected = reading.look("expected slippage, points", done.expected_slippage_points)
        if slipped is not None and expected is not None:
            allowed = max(0.0, expected) + self.slack_points
            if slipped > allowed:
                parts.append((allowed / slipped, f"slippage {slipped:.1f} points, expected {expected:.1f}"))
        took = reading.look("latency, ms", done.latency_ms)
        usual = reading.look("expected latency, ms", done.expected_latency_ms)
        if took is not None and usual is not None and 0.0 < 2.0 * usual < took:
            parts.append((2.0 * usual / took, f"latency {took:.0f} ms, expected {usual:.0f}"))
        scale, why = min(parts, default=(1.0, f"{done.orders} orders carried out as expected"))
        return reading.finish(why, confidence=n / (n + 10.0), scale=scale)
