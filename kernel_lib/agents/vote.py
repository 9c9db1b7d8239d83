"""What one agent says about one snapshot."""

import html
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from kernel_lib.errors import BadData

__all__ = ["Inputs", "Vote"]

#: Names of what was looked at and the numbers found; None where nothing was known.
Inputs = tuple[tuple[str, float | None], ...]


class Vote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One agent's opinion, with what it rests on.

    Parameters
    ----------
    agent : str
        Key in the catalogue.
    direction : float
        From -1 (sell) to 1 (buy); 0 for no opinion.
    confidence : float
        From 0 (nothing known) to 1.
    reason : str
        For a trader; never empty.
    inputs : tuple of (str, float or None), or a mapping
        What it looked at; None where that was not known. Of a mapping, NaN becomes None.
    known_ns : int
        When what it rests on was known, nanoseconds since 1970, UTC.
    veto : bool
        Nothing new may be entered. Heard of decision agents only.
    scale : float
        From 0 to 1: by how much to shrink the size. Heard of decision and monitoring agents only.

    Raises
    ------
    BadData
        A number is out of its range or not finite, or the reason is empty.

    >>> slope = {"slope": 2.0}
    >>> Vote(agent="market_analysis", direction=0.5, confidence=0.8, reason="it rises", inputs=slope, known_ns=0)
    <Vote market_analysis: buy +0.50, confidence 0.80: it rises>
    """

    agent: str
    direction: float
    confidence: float
    reason: str
    inputs: Inputs
    known_ns: int
    veto: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        ranges: tuple[tuple[str, Any, float], ...] = (
            ("direction", self.direction, -1.0), ("confidence", self.confidence, 0.0), ("scale", self.scale, 0.0),
        )  # fmt: skip
        for name, number, lowest in ranges:
            if isinstance(number, str) or not lowest <= number <= 1.0:  # NaN fails it too
                raise BadData(f"{self.agent}: {name} must be from {lowest:g} to 1, it was {number!r}")
            if type(number) is not float:  # a numpy scalar or a whole number, which would be encoded otherwise
                msgspec.structs.force_setattr(self, name, float(number))
        if not self.agent or not self.reason:
            raise BadData(f"a vote must say who gives it and why, it was {self.agent!r}: {self.reason!r}")
        if isinstance(self.inputs, Mapping):
            msgspec.structs.force_setattr(self, "inputs", _pairs(self.inputs))

    @property
    def number(self) -> dict[str, float | None]:
        """The inputs by name."""
        return dict(self.inputs)

    @property
    def side(self) -> str:
        """``buy``, ``sell`` or ``no side``."""
        return "buy" if self.direction > 0.0 else "sell" if self.direction < 0.0 else "no side"

    def __repr__(self) -> str:
        said = f"{self.side} {self.direction:+.2f}, confidence {self.confidence:.2f}"
        said += f", size x {self.scale:.2f}" if self.scale < 1.0 else ""
        return f"<Vote {self.agent}: {said}{', VETO' if self.veto else ''}: {self.reason}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td>"
            f"<td>{'not known' if number is None else f'{number:.6g}'}</td></tr>"
            for name, number in self.inputs
        )
        return f"<div><b>{html.escape(repr(self)[1:-1])}</b><table>{rows}</table></div>"


def _pairs(inputs: Mapping[str, float | None]) -> Inputs:
    isfinite = math.isfinite
    return tuple(
        (name, None if number is None or not isfinite(number) else float(number)) for name, number in inputs.items()
    )
