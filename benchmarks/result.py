"""One measured figure, and what a benchmark hands back."""

from typing import Literal

import msgspec

__all__ = ["Figure", "Outcome"]


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row of the table.

    Parameters
    ----------
    name : str
        What was measured.
    value : float or None
        The measurement; None when it could not be taken, and ``peer`` says why.
    unit : str
        Of ``value`` and ``peer_value``; ``goal`` is in it too, unless ``of`` is ``ratio``.
    peer : str
        What it is compared with, empty without a peer, or ``"NAME: not installed"``.
    peer_value : float or None
        The peer, measured in the same run.
    goal : float or None
        What is to be reached.
    best : {"high", "low"}
        Which way is better.
    of : {"value", "ratio"}
        What the goal speaks of.
    """

    name: str
    value: float | None
    unit: str
    peer: str = ""
    peer_value: float | None = None
    goal: float | None = None
    best: Literal["high", "low"] = "high"
    of: Literal["value", "ratio"] = "value"

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer, whichever way is better."""
        if not self.value or not self.peer_value:
            return None
        return self.value / self.peer_value if self.best == "high" else self.peer_value / self.value

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal or a measurement."""
        measured = self.value if self.of == "value" else self.ratio
        if self.goal is None or measured is None:
            return None
        return measured >= self.goal if self.of == "ratio" or self.best == "high" else measured <= self.goal


class Outcome(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What one benchmark gave: its figures, notes for the reader, and what makes the run a failure."""

    figures: list[Figure] = []
    notes: list[str] = []
    failures: list[str] = []
