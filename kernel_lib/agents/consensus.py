"""One opinion out of many votes.

Research agents vote: ``direction = sum(w c d) / sum(w c)`` over those with a confidence c above 0, w their learned
weights.
``confidence = sum(w c) / sum(w) * |sum(w c d)| / sum(w c |d|)``: how sure they are, times how far they agree. Decision
agents may veto or shrink the size, monitoring agents only shrink it; the smallest scale holds. A risk assessment that
failed or was late is a veto. Fewer voters than the
quorum have no opinion together. Votes are summed in the order of their agents' names, so that the same votes give
the same bits in whatever order they came.
"""

import html
from collections.abc import Iterable, Mapping
from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.catalogue import CATALOGUE
from kernel_lib.agents.reading import lean
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import declared
from kernel_lib.errors import BadData

__all__ = ["Consensus", "agree", "quorum_of"]

_MAY_VETO = ("decision",)
_MAY_SHRINK = ("decision", "monitoring")
#: An unknown risk is not a small one: where this agent failed or was late, nothing new is entered.
_FAILS_CLOSED = "risk_assessment"


class Consensus(msgspec.Struct, frozen=True, kw_only=True):
    """What the panel says together.

    Parameters
    ----------
    direction : float
        From -1 to 1; 0 without a quorum.
    confidence : float
        From 0 to 1.
    scale : float
        From 0 to 1: by how much to shrink the size; 0 under a veto.
    votes : tuple of Vote
        By agent's name.
    left_out : tuple of (str, str)
        Who was not heard, and why.
    vetoed_by : tuple of str
    n_voters, quorum : int
        Research votes with a confidence; how many are needed.
    weights : tuple of (str, float)
        Of the voters.
    reason : str
    known_ns : int
    """

    comes_from: ClassVar[str] = "as in agents.Orchestrator(tier).decide(snapshot).consensus"

    direction: float
    confidence: float
    scale: float
    votes: tuple[Vote, ...]
    left_out: tuple[tuple[str, str], ...]
    vetoed_by: tuple[str, ...]
    n_voters: int
    quorum: int
    weights: tuple[tuple[str, float], ...]
    reason: str
    known_ns: int

    @property
    def exposure(self) -> float:
        """Direction times scale: what a strategy may hold by it."""
        return self.direction * self.scale

    def vote_of(self, agent: str) -> Vote | None:
        """Give one agent's vote, None where it was not heard."""
        return next((each for each in self.votes if each.agent == agent), None)

    def explain(self) -> str:
        """Say in plain words how it came about."""
        weights = dict(self.weights)
        lines = [self.reason]
        for each in self.votes:
            mark = "VETO" if each.veto and each.agent in self.vetoed_by else "" if each.agent in weights else "heard"
            said = f"{each.direction:+.2f} at {each.confidence:.2f}" if each.agent in weights else mark
            size = f", size x {each.scale:.2f}" if each.scale < 1.0 else ""
            lines.append(f"  {each.agent} ({said}{size}): {each.reason}")
        lines += [f"  {agent} was left out: {why}" for agent, why in self.left_out]
        return "\n".join(lines)

    def __repr__(self) -> str:
        said = f"{self.direction:+.2f}, confidence {self.confidence:.2f}, size x {self.scale:.2f}"
        return f"<Consensus {said}: {self.reason}>"

    def _repr_html_(self) -> str:
        weights = dict(self.weights)
        rows = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(text)}</td>" for text in (
                each.agent, f"{each.direction:+.2f}", f"{each.confidence:.2f}",
                f"{weights[each.agent]:.2f}" if each.agent in weights else "",
                "veto" if each.agent in self.vetoed_by else f"{each.scale:.2f}" if each.scale < 1.0 else "",
                each.reason,
            )) + "</tr>"
            for each in self.votes
        )  # fmt: skip
        rows += "".join(
            f"<tr><td style='text-align:left'>{html.escape(agent)}</td><td colspan='4'>left out</td>"
            f"<td style='text-align:left'>{html.escape(why)}</td></tr>"
            for agent, why in self.left_out
        )
        names = ("agent", "side", "confidence", "weight", "size", "why")
        head = "".join(f"<th style='text-align:left'>{each}</th>" for each in names)
        return f"<div><b>{html.escape(self.reason)}</b><table><tr>{head}</tr>{rows}</table></div>"


@declared
def quorum_of(n_research: int) -> int:
    """Give how many of a panel's research agents must have an opinion: at least half, and one.

    Free has one research agent and needs 1, pro two and needs 1, enterprise four and needs 2.

    >>> [quorum_of(n) for n in (1, 2, 3, 4)]
    [1, 1, 2, 2]
    """
    return max(1, -(-n_research // 2))


@declared
def agree(
    votes: Iterable[Vote],
    *,
    now_ns: int,
    weights: Mapping[str, float] | None = None,
    quorum: int = 1,
    left_out: Iterable[tuple[str, str]] = (),
    groups: Mapping[str, Group] | None = None,
) -> Consensus:
    """Form the consensus; see the module for the formula.

    Parameters
    ----------
    votes : iterable of Vote
        One of each agent. One that is dated later than ``now_ns`` is left out.
    now_ns : int
    weights : mapping of str to float
        Learned, by agent, from 0 on; 1 for who is not named.
    quorum : int
    left_out : iterable of (str, str)
        Who failed or was late, and why.
    groups : mapping of str to Group
        Of agents that are not in the catalogue.

    Raises
    ------
    BadData
        Two votes of one agent, an agent of no group, a weight below 0.

    >>> up = Vote(agent="market_analysis", direction=1.0, confidence=0.6, reason="up", inputs=(), known_ns=0)
    >>> down = Vote(agent="news_sentiment", direction=-1.0, confidence=0.2, reason="bad news", inputs=(), known_ns=0)
    >>> both = agree([up, down], now_ns=0)
    >>> round(both.direction, 6), round(both.confidence, 6)
    (0.5, 0.2)
    """
    weights = weights or {}
    known_groups = {name: each.group for name, each in CATALOGUE.items()}
    known_groups.update(groups or {})
    missing = list(left_out)
    heard: list[Vote] = []
    for each in sorted(votes, key=_by_agent):
        if heard and heard[-1].agent == each.agent:
            raise BadData(f"each agent has one vote, {each.agent} gave two")
        if each.known_ns > now_ns:
            missing.append((each.agent, "its vote is dated later than the snapshot"))
        else:
            heard.append(each)
    pull = force = sure = weighed = 0.0
    scale = 1.0
    vetoed_by: list[str] = []
    used: list[tuple[str, float]] = []
    for each in heard:
        group = known_groups.get(each.agent)
        if group is None:
            raise BadData(f"{each.agent} is in no group; give groups={{{each.agent!r}: ...}}")
        if group == "research" and each.confidence > 0.0:
            weight = weights.get(each.agent, 1.0)
            if not 0.0 <= weight < 1e6:
                raise BadData(f"a weight must be a number from 0, that of {each.agent} was {weight!r}")
            if weight > 0.0:
                used.append((each.agent, weight))
                pull += weight * each.confidence * each.direction
                force += weight * each.confidence * abs(each.direction)
                sure += weight * each.confidence
                weighed += weight
        if group in _MAY_SHRINK:
            scale = min(scale, each.scale)
        if group in _MAY_VETO and each.veto:
            vetoed_by.append(each.agent)
    enough = len(used) >= quorum and weighed > 0.0
    direction = min(1.0, max(-1.0, pull / sure)) if enough else 0.0
    confidence = min(1.0, sure / weighed * (abs(pull) / force if force > 0.0 else 0.0)) if enough else 0.0
    if any(agent == _FAILS_CLOSED and why != "muted" for agent, why in missing):
        vetoed_by.append(_FAILS_CLOSED)
    if vetoed_by:
        scale = 0.0
    return Consensus(
        direction=direction, confidence=confidence, scale=scale, votes=tuple(heard), left_out=tuple(sorted(missing)),
        vetoed_by=tuple(vetoed_by), n_voters=len(used), quorum=quorum, weights=tuple(used), known_ns=now_ns,
        reason=_words(direction, confidence, scale, len(used), quorum, vetoed_by),
    )  # fmt: skip


def _by_agent(vote: Vote) -> str:
    return vote.agent


def _words(direction: float, confidence: float, scale: float, n: int, quorum: int, vetoed_by: list[str]) -> str:
    if n < quorum:
        said = f"no opinion: {n} of {quorum} needed agents can tell"
    else:
        said = f"{lean(direction)} ({direction:+.2f}, confidence {confidence:.2f}) by {n} agent{'s' * (n != 1)}"
    if vetoed_by:
        return f"{said}; vetoed by {', '.join(vetoed_by)}"
    return f"{said}; {100.0 * scale:.0f} % of the size" if scale < 1.0 else said
