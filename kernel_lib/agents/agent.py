"""The shape of an agent: a frozen configuration with one pure method."""

from typing import ClassVar, Literal, Protocol

from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote

__all__ = ["GROUPS", "Agent", "Group"]

Group = Literal["research", "decision", "learning", "monitoring"]
#: In the order in which they are asked; a group sees the votes of those before it.
GROUPS: tuple[Group, ...] = ("research", "decision", "learning", "monitoring")


class Agent(Protocol):
    """One agent: same snapshot, same vote.

    Research agents have a side. Decision agents may veto or shrink. Learning agents propose weights (inputs named
    ``weight.AGENT``), which hold from the next session on. Monitoring agents can only shrink.

    Attributes
    ----------
    key : str
        Name in the catalogue.
    group : Group
    reads : tuple of str
        Features that it looks at, by their labels in ``agents/inputs.py``.
    """

    key: ClassVar[str]
    group: ClassVar[Group]
    reads: ClassVar[tuple[str, ...]]

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote; no clock, no I/O, no memory.

        Parameters
        ----------
        snapshot : Snapshot
            For agents after the first group with the votes of those before.
        """
