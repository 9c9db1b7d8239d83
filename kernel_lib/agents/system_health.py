"""Whether the machine can be relied on."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["SystemHealth"]


class SystemHealth(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shrink the size as the machine nears one of its ends; nothing while a link is down.

    Each measure is fine until its mark and bears nothing at its end, straight between; the worst decides.

    Parameters
    ----------
    delay_ms, clock_ms : tuple of float
        Mark and end of the loop's delay and of the clock's error.
    memory, disk : tuple of float
        The same for the shares in use.
    """

    key: ClassVar[str] = "system_health"
    group: ClassVar[Group] = "monitoring"
    reads: ClassVar[tuple[str, ...]] = ()
    delay_ms: tuple[float, float] = (50.0, 1000.0)
    clock_ms: tuple[float, float] = (100.0, 2000.0)
    memory: tuple[float, float] = (0.85, 0.98)
    disk: tuple[float, float] = (0.90, 0.99)

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        health = snapshot.health
        if health is None:
            reading.missing.append("measures of the machine")
            return reading.without("the machine's state is not known")
        down = reading.note("links down", float(len(health.links_down)))
        measures = (
            ("loop delay, ms", health.loop_delay_ms, self.delay_ms),
            ("clock error, ms", abs(health.clock_error_ms), self.clock_ms),
            ("memory in use", health.memory_fraction, self.memory),
            ("disk in use", health.disk_fraction, self.disk),
        )
        parts: list[tuple[float, str]] = []
        n_known = 0
        for name, number, (mark, end) in measures:
            known = reading.look(name, number)
            if known is not None:
                n_known += 1
                if known > mark:
                    parts.append((clip((end - known) / (end - mark), 0.0, 1.0), f"{name}: {known:.4g}"))
        if down:
            return reading.finish(f"down: {', '.join(health.links_down)}", confidence=1.0, scale=0.0)
        if n_known == 0:
            return reading.without("the machine's state is not known")
        scale, why = min(parts, default=(1.0, "links up, machine at ease"))
        return reading.finish(why, confidence=n_known / len(measures), scale=scale)
