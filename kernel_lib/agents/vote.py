"""What one agent says about one snapshot."""

import html
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import msgspec

from kernel_lib.declared import shown
from kernel_lib.errors import BadData

__all__ = ["Inputs", "Vote"]

#: Names of what was looked at and the numbers found; None where nothing was known.
_TEXTS_TIME_AND_VETO = (str, str, int, bool)

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
        # Sixteen votes are made for one consensus, so that each field is looked at once and by hand.
        ranges: tuple[tuple[str, Any, float], ...] = (
            ("direction", self.direction, -1.0), ("confidence", self.confidence, 0.0), ("scale", self.scale, 0.0),
        )  # fmt: skip
        for name, given, lowest in ranges:
            if type(given) is not float:  # a numpy scalar or a whole number, which would be encoded otherwise
                if isinstance(given, bool) or not isinstance(given, Real):
                    raise BadData(f"{self.agent}: {name} must be a number, it was {shown(given)}")
                msgspec.structs.force_setattr(self, name, float(given))
            if not lowest <= given <= 1.0:  # NaN fails it too
                raise BadData(f"{self.agent}: {name} must be from {lowest:g} to 1, it was {given!r}")
        agent, reason, known_ns, veto = said = (self.agent, self.reason, self.known_ns, self.veto)
        if tuple(map(type, said)) != _TEXTS_TIME_AND_VETO and not _fits(agent, reason, known_ns, veto):
            raise BadData(
                "a vote must have agent and reason as texts, known_ns as whole nanoseconds, veto true or false; they "
                f"were {shown(agent)}, {shown(reason)}, {shown(known_ns)} and {shown(veto)}"
            )
        if not agent or not reason:
            raise BadData(f"a vote must say who gives it and why, it was {agent!r}: {reason!r}")
        # Pairs in a tuple are what a Reading made, and are not gone through again.
        if type(self.inputs) is not tuple or (self.inputs and type(self.inputs[0]) is not tuple):
            msgspec.structs.force_setattr(self, "inputs", _pairs(self.agent, self.inputs))

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


def _fits(agent: Any, reason: Any, known_ns: Any, veto: Any) -> bool:
    return (
        isinstance(agent, str) and isinstance(reason, str) and isinstance(veto, bool)
        and isinstance(known_ns, Integral) and not isinstance(known_ns, bool)
    )  # fmt: skip


def _pairs(agent: str, inputs: Any) -> Inputs:
    isfinite = math.isfinite
    try:
        named = inputs.items() if isinstance(inputs, Mapping) else [(str(name), number) for name, number in inputs]
        return tuple(
            (name, None if number is None or not isfinite(number) else float(number)) for name, number in named
        )
    except (TypeError, ValueError):
        raise BadData(f"{agent}: inputs must be names, each with a number or None, it was {shown(inputs)}") from None
