"""Asks a tier's agents about one snapshot and forms their consensus.

One after the other: an agent takes some ten microseconds, less than it takes to hand it to a thread. One that raises
is left out and named, and the others go on; so is one that overruns its time, where a clock is given.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kernel_lib import tiers
from kernel_lib.agents.agent import GROUPS, Agent
from kernel_lib.agents.catalogue import CATALOGUE
from kernel_lib.agents.consensus import Consensus, agree, quorum_of
from kernel_lib.agents.snapshot import ModelReport, Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import declared, shown
from kernel_lib.errors import BadData

__all__ = ["Decision", "Orchestrator"]

_OF_AN_AGENT = ("key", "group", "reads", "analyze")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A consensus and how it was come by.

    Parameters
    ----------
    consensus : Consensus
    execution_time_ms : float
        NaN without a clock.
    warning : str
        Empty, or that it took too long.
    """

    consensus: Consensus
    execution_time_ms: float
    warning: str

    @property
    def votes(self) -> tuple[Vote, ...]:
        """Each agent's."""
        return self.consensus.votes

    def _repr_html_(self) -> str:
        return self.consensus._repr_html_()


class Orchestrator:
    """A panel of agents.

    Parameters
    ----------
    tier : str or None
        ``free``, ``pro`` or ``enterprise``; any other name is the free tier.
    agents : sequence of str
        Which of the catalogue; empty for all that the tier opens.
    extra : sequence of Agent
        Of your own.
    weights : mapping of str to float
        Learned, by agent or ``"model NAME"``; they change by :meth:`learn` alone, between sessions.
    muted : iterable of str
        Agents that are not asked, to see what the others would have said.
    quorum : int or None
        None: half of the research agents, see ``quorum_of``.
    clock_ns : callable or None
        Gives nanoseconds of a steady clock; without one nothing is timed and nobody is late.
    agent_budget_ms, warn_ms : float
        What one agent may take; beyond what a whole decision warns.
    keep : int
        How many decisions are kept by the snapshot's digest.

    Raises
    ------
    Refused
        Code ``tier``: the tier does not open one of ``agents``.
    BadData
        No such agent, or two of one name.

    >>> Orchestrator("free").decide(Snapshot(time_ns=0)).consensus.reason
    'no opinion: 0 of 1 needed agents can tell'
    """

    @declared
    def __init__(
        self,
        tier: str | None = None,
        *,
        agents: Sequence[str] = (),
        extra: Sequence[Agent] = (),
        weights: Mapping[str, float] | None = None,
        muted: Iterable[str] = (),
        quorum: int | None = None,
        clock_ns: Callable[[], int] | None = None,
        agent_budget_ms: float = 5.0,
        warn_ms: float = 15.0,
        keep: int = 256,
    ) -> None:
        held = tiers.tier(tier)
        strangers = [each for each in extra if not all(hasattr(each, name) for name in _OF_AN_AGENT)]
        if strangers:
            raise BadData(
                f"an agent must have key, group, reads and analyze(snapshot), {shown(strangers[0])} has not all"
            )
        muted = frozenset(muted)
        unknown = sorted({*agents, *(muted - {each.key for each in extra})} - set(CATALOGUE))
        if unknown:
            raise BadData(f"an agent must be one of {', '.join(CATALOGUE)}; it was {', '.join(unknown)}")
        tiers.require_agents(held, list(agents))
        names = [name for name in CATALOGUE if (name in agents if agents else tiers.opens(held, "agent", name))]
        made: list[Agent] = [CATALOGUE[name]() for name in names]
        together = sorted([*made, *extra], key=lambda each: GROUPS.index(each.group))
        keys = [each.key for each in together]
        if len(set(keys)) < len(keys):
            raise BadData(f"agents must have names of their own, they were {', '.join(keys)}")
        self.tier = held.name
        self.muted = muted
        self.agents = tuple(each for each in together if each.key not in self.muted)
        self.weights = _weights(weights or {})
        research = sum(each.group == "research" for each in self.agents)
        self.quorum = quorum_of(research) if quorum is None else quorum
        self._groups = {each.key: each.group for each in self.agents}
        self._left_out = tuple((key, "muted") for key in keys if key in self.muted)
        self._clock_ns = clock_ns
        self._budget_ms = agent_budget_ms
        self._warn_ms = warn_ms
        self._keep = keep
        self._kept: OrderedDict[str, Decision] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Orchestrator {self.tier}: {', '.join(each.key for each in self.agents)}>"

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels of the features that its agents look at."""
        return tuple(dict.fromkeys(label for each in self.agents for label in each.reads))

    def decide(self, snapshot: Snapshot) -> Decision:
        """Ask all agents and form the consensus; the same snapshot is not asked about twice."""
        given: Any = snapshot
        if not isinstance(given, Snapshot):
            raise BadData(f"agents look at a Snapshot(time_ns=..., features=...), it was {type(given).__name__}")
        if not self._keep:
            return self._decide(snapshot)
        known = self._kept.get(snapshot.digest)
        if known is not None:
            self._kept.move_to_end(snapshot.digest)
            return known
        decision = self._decide(snapshot)
        self._kept[snapshot.digest] = decision
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return decision

    def learn(self, decision: Decision) -> Mapping[str, float]:
        """Take over the weights that the learning agents proposed; call it between sessions.

        Knowledge synthesis is heard where it is in the panel, else performance analysis; without either nothing
        changes.
        """
        for key in ("knowledge_synthesis", "performance_analysis"):
            vote = decision.consensus.vote_of(key)
            if vote is not None:
                proposed = {
                    name.removeprefix("weight."): number
                    for name, number in vote.inputs if name.startswith("weight.") and number is not None
                }  # fmt: skip
                self.set_weights({**self.weights, **proposed})
                break
        return self.weights

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Begin a session with other weights; what was decided with the old ones is forgotten."""
        self.weights = _weights(weights)
        self._kept.clear()

    def _decide(self, snapshot: Snapshot) -> Decision:
        clock = self._clock_ns
        began = clock() if clock else 0
        votes: list[Vote] = []
        left_out = list(self._left_out)
        seen = self._with_model_weights(snapshot)
        group = ""
        for agent in self.agents:
            if agent.group != group or agent.key == "knowledge_synthesis":
                group = agent.group
                seen = seen.with_votes(tuple(votes))
            vote = self._ask(agent, seen, left_out)
            if vote is not None:
                votes.append(vote)
        consensus = agree(
            votes, now_ns=snapshot.time_ns, weights=self.weights, quorum=self.quorum, left_out=left_out,
            groups=self._groups,
        )  # fmt: skip
        took_ms = (clock() - began) * 1e-6 if clock else math.nan
        slow = f"a decision should take at most {self._warn_ms:g} ms, it took {took_ms:.1f}"
        return Decision(
            consensus=consensus, execution_time_ms=took_ms, warning=slow if took_ms > self._warn_ms else ""
        )  # fmt: skip

    def _ask(self, agent: Agent, snapshot: Snapshot, left_out: list[tuple[str, str]]) -> Vote | None:
        clock = self._clock_ns
        began = clock() if clock else 0
        try:
            vote = agent.analyze(snapshot)
        except Exception as error:  # one agent's failure must not fail the decision; it is named in the answer
            left_out.append((agent.key, f"failed: {type(error).__name__}: {error}"))
            return None
        if not isinstance(vote, Vote) or vote.agent != agent.key:
            left_out.append((agent.key, f"gave no vote of its own but {vote!r}"))
            return None
        took_ms = (clock() - began) * 1e-6 if clock else 0.0
        if took_ms > self._budget_ms:
            left_out.append((agent.key, f"late: {took_ms:.1f} ms of {self._budget_ms:g}"))
            return None
        return vote

    def _with_model_weights(self, snapshot: Snapshot) -> Snapshot:
        if not any(f"model {each.name}" in self.weights for each in snapshot.models):
            return snapshot
        models: tuple[ModelReport, ...] = tuple(
            msgspec.structs.replace(each, weight=self.weights.get(f"model {each.name}", each.weight))
            for each in snapshot.models
        )
        return msgspec.structs.replace(snapshot, models=models)


def _weights(given: Mapping[str, Any]) -> dict[str, float]:
    for name, weight in given.items():
        if isinstance(weight, bool | str) or not 0.0 <= weight < 1e6:
            raise BadData(f"a weight must be a number from 0, that of {name} was {weight!r}")
    return {name: float(weight) for name, weight in given.items()}
