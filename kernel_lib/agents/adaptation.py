"""Which agents do well in a market like this one."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading
from kernel_lib.agents.regimes import READS, regime_of
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.track_record import weight_of
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["Adaptation"]


class Adaptation(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tell the regime, and propose weights by how the agents did in it.

    ``weight.AGENT = 2 (hits + a) / (hits + misses + 2 a)`` over the outcomes in the present regime alone; the prior is
    smaller than that of all outcomes together, as a regime has fewer. Confidence is ``n / (n + 2 a)`` for the
    largest n.

    Parameters
    ----------
    prior : float
        a, outcomes of each kind that are taken as seen.
    """

    key: ClassVar[str] = "adaptation"
    group: ClassVar[Group] = "learning"
    reads: ClassVar[tuple[str, ...]] = READS
    prior: float = 25.0

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        regime, ratio = regime_of(reading)
        if regime == "unknown":
            return reading.without("the regime is not known")
        found: list[tuple[float, str]] = []
        most = 0.0
        for record in snapshot.records:
            if record.regime != regime or record.hits < 0.0 or record.misses < 0.0:
                continue
            total = reading.look(f"outcomes of {record.agent}", record.hits + record.misses)
            if total is not None:
                weight = weight_of(record.hits, record.misses, prior=self.prior)
                found.append((reading.note(f"weight.{record.agent}", weight), record.agent))
                most = max(most, total)
        if not found:
            reading.missing.append(f"outcomes in a {regime} market")
            return reading.without(f"{regime} market, nothing learned in it yet")
        best, worst = max(found), min(found)
        apart = f"; {best[1]} does best ({best[0]:.2f}), {worst[1]} worst ({worst[0]:.2f})" if len(found) > 1 else ""
        return reading.finish(
            f"{regime} market, volatility {ratio:.1f} times the usual{apart}",
            confidence=most / (most + 2.0 * self.prior),
        )
