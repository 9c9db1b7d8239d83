"""How each agent's votes did, and the weights that this earns them.

A vote with a side is a bet on the next move of the price. It is a hit where the price moved that way by its horizon; a
price that did not move decides nothing.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec

from kernel_lib.agents.snapshot import AgentRecord
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared, declared
from kernel_lib.errors import BadData

__all__ = ["AgentReport", "TrackRecord", "earned_weight", "wilson"]

#: A side weaker than this is none, and is not judged.
_LEAST_SIDE = 0.05
_Z95 = 1.959963984540054


@declared
def earned_weight(hits: float, misses: float, *, prior: float = 50.0) -> float:
    """Give the weight of an agent: twice the mean of a Beta posterior of its hit rate.

    ``w = 2 (hits + a) / (hits + misses + 2 a)``: 1 before anything is known and for a coin, 2 for one who is always
    right, 0 for one who is always wrong, and near 1 as long as outcomes are few beside the prior a (the shrinkage).

    Parameters
    ----------
    hits, misses : float
        From 0 on.
    prior : float
        a, above 0.

    >>> earned_weight(0, 0), earned_weight(60, 40, prior=50.0), earned_weight(0, 100, prior=50.0)
    (1.0, 1.1, 0.5)
    """
    return weight_of(hits, misses, prior)


def weight_of(hits: float, misses: float, prior: float = 50.0) -> float:
    """Give :func:`earned_weight` of numbers that are numbers."""
    if not (hits >= 0.0 and misses >= 0.0 and prior > 0.0 and math.isfinite(hits + misses + prior)):
        raise BadData(f"hits and misses must be numbers from 0, the prior above 0, they were {hits}, {misses}, {prior}")
    return 2.0 * (hits + prior) / (hits + misses + 2.0 * prior)


def wilson(wins: float, n: float) -> tuple[float, float]:
    """Give Wilson's 95 % interval of a share (1927); (0, 1) for no outcomes.

    >>> [round(each, 4) for each in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if n <= 0:
        return 0.0, 1.0
    p = wins / n
    middle = (p + _Z95**2 / (2 * n)) / (1 + _Z95**2 / n)
    half = _Z95 / (1 + _Z95**2 / n) * math.sqrt(p * (1 - p) / n + _Z95**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


class _Count(msgspec.Struct):
    hits: int = 0
    misses: int = 0
    squares: float = 0.0


class _Open(msgspec.Struct, frozen=True):
    due: int
    mid: float
    regime: str
    sides: dict[str, tuple[float, float]]


class AgentReport(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """One agent's record: outcomes, hit rate with its 95 % interval, Brier score of its confidence; NaN without any."""

    agent: str
    outcomes: int
    hit_rate: float
    low: float
    high: float
    brier: float
    weight: float


class TrackRecord(msgspec.Struct, metaclass=Declared, kw_only=True):
    """A running account of votes and their outcomes, by agent and by regime.

    Parameters
    ----------
    horizon : int
        After how many further prices a vote is judged, from 1 on.

    >>> record = TrackRecord(horizon=1)
    >>> for mid in (1.0, 1.1, 1.2, 1.1):
    ...     record.see(mid, [Vote(agent="a", direction=1.0, confidence=0.5, reason="up", inputs=(), known_ns=0)])
    >>> record.report("a").outcomes, round(record.report("a").hit_rate, 3)
    (3, 0.667)
    """

    horizon: int = 6
    seen: int = 0
    waiting: list[_Open] = []
    counts: dict[str, dict[str, _Count]] = {}

    def __post_init__(self) -> None:
        if isinstance(self.horizon, bool) or not isinstance(self.horizon, int) or not 1 <= self.horizon <= 10_000:
            raise BadData(f"a horizon must be a whole number of prices from 1 to 10000, it was {self.horizon!r}")

    @declared
    def see(self, mid: float, votes: Iterable[Vote] = (), regime: str = "") -> None:
        """Judge the votes that are due at this price, and note new ones.

        Parameters
        ----------
        mid : float
            A price that is missing (NaN, or not above 0) is left out.
        votes : iterable of Vote
            Those with a side and a confidence are noted.
        regime : str
            In which they were given.
        """
        if not 0.0 < mid < math.inf:
            return
        mid = float(mid)
        self.seen += 1
        while self.waiting and self.waiting[0].due <= self.seen:
            self._judge(self.waiting.pop(0), mid)
        sides = {
            each.agent: (each.direction, each.confidence)
            for each in votes if abs(each.direction) >= _LEAST_SIDE and each.confidence > 0.0
        }  # fmt: skip
        if sides:
            self.waiting.append(_Open(self.seen + self.horizon, mid, regime, sides))

    @declared
    def report(self, agent: str) -> AgentReport:
        """Sum up one agent over all regimes; one that was never judged has no rate."""
        count = self.counts.get(agent, {}).get("", _Count())
        n = count.hits + count.misses
        low, high = wilson(count.hits, n)
        return AgentReport(
            agent=agent, outcomes=n, hit_rate=count.hits / n if n else math.nan, low=low, high=high,
            brier=count.squares / n if n else math.nan, weight=weight_of(count.hits, count.misses),
        )  # fmt: skip

    def records(self) -> tuple[AgentRecord, ...]:
        """Give what the learning agents read."""
        return tuple(
            AgentRecord(agent=agent, hits=count.hits, misses=count.misses, regime=regime)
            for agent, regimes in sorted(self.counts.items())
            for regime, count in sorted(regimes.items())
        )

    @declared
    def weights(self, *, prior: float = 50.0) -> Mapping[str, float]:
        """Give each judged agent's weight by :func:`earned_weight`."""
        return {
            agent: weight_of(regimes[""].hits, regimes[""].misses, prior=prior)
            for agent, regimes in sorted(self.counts.items())
        }

    def state(self) -> bytes:
        """Give all of it as JSON."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    @declared
    def of_state(cls, state: bytes) -> "TrackRecord":
        """Make it again.

        Raises
        ------
        BadData
            The state is damaged.
        """
        try:
            return msgspec.json.decode(state, type=cls)
        except msgspec.DecodeError as error:
            raise BadData(f"a track record must be what state() gave: {error}") from error

    def _judge(self, said: _Open, mid: float) -> None:
        move = mid - said.mid
        if move == 0.0:
            return
        for agent, (direction, confidence) in said.sides.items():
            hit = direction * move > 0.0
            # A confidence of 0 is a coin, one of 1 is certainty.
            square = (0.5 + 0.5 * confidence - hit) ** 2
            for regime in ("", said.regime) if said.regime else ("",):
                count = self.counts.setdefault(agent, {}).setdefault(regime, _Count())
                count.hits += hit
                count.misses += not hit
                count.squares += square

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{each.agent}</td><td>{each.outcomes}</td><td>{each.hit_rate:.3f}</td>"
            f"<td>{each.low:.3f} to {each.high:.3f}</td><td>{each.brier:.3f}</td><td>{each.weight:.2f}</td></tr>"
            for each in map(self.report, sorted(self.counts))
        )
        head = "<tr><th>agent</th><th>outcomes</th><th>hit rate</th><th>95 %</th><th>Brier</th><th>weight</th></tr>"
        return f"<table>{head}{rows}</table>"
