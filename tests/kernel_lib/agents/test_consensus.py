"""The consensus by hand arithmetic: weights, quorum, veto, who was left out."""

import itertools
import math
from typing import ClassVar

import msgspec
import pytest

from kernel_lib.agents import CATALOGUE, Orchestrator, Quality, Snapshot, Vote, agree, should_trade
from kernel_lib.agents.agent import Group
from kernel_lib.errors import BadData, Refused
from tests.kernel_lib.agents.moments import NOW, empty, full


def vote(agent: str, direction: float = 0.0, confidence: float = 0.0, **more: object) -> Vote:
    return Vote(agent=agent, direction=direction, confidence=confidence, reason="because", inputs=(),
                known_ns=more.pop("known_ns", NOW), **more)  # type: ignore[arg-type]  # fmt: skip


UP = vote("market_analysis", 1.0, 0.6)
DOWN = vote("news_sentiment", -1.0, 0.2)
HALF = vote("technical_indicator", 0.5, 0.4)


class FailingAgent:
    key: ClassVar[str] = "failing"
    group: ClassVar[Group] = "research"
    reads: ClassVar[tuple[str, ...]] = ()

    def analyze(self, snapshot: Snapshot) -> Vote:
        raise ZeroDivisionError("no luck")


class FailingRisk(FailingAgent):
    key: ClassVar[str] = "risk_assessment"
    group: ClassVar[Group] = "decision"


class Clock:
    """Stands still but for what an agent takes."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


class SlowAgent:
    key: ClassVar[str] = "slow"
    group: ClassVar[Group] = "research"
    reads: ClassVar[tuple[str, ...]] = ()

    def __init__(self, clock: Clock, takes_ms: float) -> None:
        self.clock = clock
        self.takes_ns = int(takes_ms * 1e6)

    def analyze(self, snapshot: Snapshot) -> Vote:
        self.clock.now_ns += self.takes_ns
        return vote("slow", 1.0, 1.0)


def test_directions_are_weighed_by_confidence() -> None:
    said = agree([UP, DOWN, HALF], now_ns=NOW)
    # (0.6 - 0.2 + 0.4 * 0.5) / (0.6 + 0.2 + 0.4)
    assert said.direction == pytest.approx(0.6 / 1.2)
    # mean confidence 0.4, agreement 0.6 / (0.6 + 0.2 + 0.2)
    assert said.confidence == pytest.approx(0.4 * 0.6)
    assert (said.n_voters, said.scale, said.vetoed_by) == (3, 1.0, ())


def test_learned_weights_count() -> None:
    said = agree([UP, DOWN, HALF], now_ns=NOW, weights={"market_analysis": 0.5, "news_sentiment": 2.0})
    # (0.5 * 0.6 - 2 * 0.2 + 0.4 * 0.5) / (0.3 + 0.4 + 0.4)
    assert said.direction == pytest.approx(0.1 / 1.1)
    # (0.3 + 0.4 + 0.4) / 3.5 * 0.1 / (0.3 + 0.4 + 0.2)
    assert said.confidence == pytest.approx(1.1 / 3.5 * 0.1 / 0.9)
    assert agree([UP, DOWN], now_ns=NOW, weights={"news_sentiment": 0.0}).direction == 1.0


def test_who_knows_nothing_does_not_dilute_the_others() -> None:
    assert agree([UP, vote("fundamental_analysis")], now_ns=NOW).direction == 1.0
    assert agree([UP, vote("fundamental_analysis")], now_ns=NOW).n_voters == 1


def test_the_order_of_votes_changes_no_bit() -> None:
    keys = [key for key, agent in CATALOGUE.items() if agent.group == "research"]
    votes = [vote(key, 0.1 * k - 0.3, 0.07 * k + 0.01) for k, key in enumerate(keys)]
    first = agree(votes, now_ns=NOW)
    for turned in itertools.permutations(votes):
        assert msgspec.msgpack.encode(agree(turned, now_ns=NOW)) == msgspec.msgpack.encode(first)


def test_without_a_quorum_there_is_no_opinion() -> None:
    said = agree([UP, vote("news_sentiment")], now_ns=NOW, quorum=2)
    assert (said.direction, said.confidence, said.n_voters) == (0.0, 0.0, 1)
    assert said.reason == "no opinion: 1 of 2 needed agents can tell"


@pytest.mark.parametrize(
    ("tier", "quorum", "n"), [("free", 1, 1), ("pro", 1, 4), ("enterprise", 2, 16), ("gold", 1, 1)]
)
def test_each_tier_has_its_agents_and_its_quorum(tier: str, quorum: int, n: int) -> None:
    panel = Orchestrator(tier)
    assert (panel.quorum, len(panel.agents)) == (quorum, n)


def test_a_veto_of_a_decision_agent_takes_the_whole_size() -> None:
    said = agree([UP, vote("risk_assessment", veto=True, scale=0.3)], now_ns=NOW)
    assert (said.vetoed_by, said.scale, said.exposure) == (("risk_assessment",), 0.0, 0.0)
    assert said.direction == 1.0
    assert "vetoed by risk_assessment" in said.explain()


def test_only_decision_agents_may_veto_and_only_they_and_monitors_may_shrink() -> None:
    for key, agent in CATALOGUE.items():
        said = agree([UP, vote(key, veto=True, scale=0.5)] if key != UP.agent else [vote(key, veto=True, scale=0.5)],
                     now_ns=NOW)  # fmt: skip
        assert bool(said.vetoed_by) == (agent.group == "decision")
        assert said.scale == {"decision": 0.0, "monitoring": 0.5}.get(agent.group, 1.0)


def test_the_smallest_scale_holds() -> None:
    votes = [UP, vote("execution_timing", scale=0.7), vote("system_health", scale=0.4), vote("data_quality", scale=0.9)]
    assert agree(votes, now_ns=NOW).scale == 0.4


def test_decision_agents_sides_are_not_counted_again() -> None:
    assert agree([UP, vote("strategy_formulation", -1.0, 1.0)], now_ns=NOW).direction == 1.0


def test_a_vote_from_the_future_is_left_out_and_named() -> None:
    said = agree([UP, vote("news_sentiment", -1.0, 1.0, known_ns=NOW + 1)], now_ns=NOW)
    assert said.direction == 1.0
    assert said.left_out == (("news_sentiment", "its vote is dated later than the snapshot"),)


def test_two_votes_of_one_agent_a_stranger_and_a_bad_weight_are_refused() -> None:
    with pytest.raises(BadData, match="gave two"):
        agree([UP, UP], now_ns=NOW)
    with pytest.raises(BadData, match="in no group"):
        agree([vote("stranger", 1.0, 1.0)], now_ns=NOW)
    assert agree([vote("stranger", 1.0, 1.0)], now_ns=NOW, groups={"stranger": "research"}).direction == 1.0
    for weight in (-1.0, math.nan, math.inf):
        with pytest.raises(BadData, match="weight"):
            agree([UP], now_ns=NOW, weights={"market_analysis": weight})


def test_an_agent_that_fails_is_named_and_the_others_decide() -> None:
    alone = Orchestrator("pro").decide(full()).consensus
    said = Orchestrator("pro", extra=[FailingAgent()], quorum=1).decide(full()).consensus
    assert said.left_out == (("failing", "failed: ZeroDivisionError: no luck"),)
    assert (said.direction, said.confidence, said.scale) == (alone.direction, alone.confidence, alone.scale)
    assert "failing was left out" in said.explain()


def test_a_risk_assessment_that_fails_is_a_veto() -> None:
    panel = Orchestrator(None, extra=[FailingRisk()])
    said = panel.decide(full()).consensus
    assert said.vetoed_by == ("risk_assessment",)
    assert said.scale == 0.0
    assert not Orchestrator("pro", muted=["risk_assessment"]).decide(full()).consensus.vetoed_by


def test_an_agent_that_is_late_by_the_clock_is_left_out() -> None:
    clock = Clock()
    late = Orchestrator("free", extra=[SlowAgent(clock, 6.0)], clock_ns=clock, quorum=1).decide(full())
    assert late.consensus.left_out == (("slow", "late: 6.0 ms of 5"),)
    assert (late.execution_time_ms, late.warning) == (6.0, "")
    in_time = Orchestrator("free", extra=[SlowAgent(clock, 4.0)], clock_ns=clock, quorum=1).decide(full())
    assert in_time.consensus.vote_of("slow") is not None
    slow = Orchestrator("free", extra=[SlowAgent(clock, 20.0)], clock_ns=clock, quorum=1).decide(full())
    assert slow.warning == "a decision should take at most 15 ms, it took 20.0"


def test_without_a_clock_nothing_is_timed() -> None:
    decision = Orchestrator("free").decide(full())
    assert math.isnan(decision.execution_time_ms)
    assert decision.warning == ""


def test_the_same_snapshot_is_not_asked_about_twice() -> None:
    clock = Clock()
    panel = Orchestrator("free", extra=[SlowAgent(clock, 1.0)], clock_ns=clock)
    first = panel.decide(full())
    assert panel.decide(full()) is first
    assert clock.now_ns == 1_000_000
    panel.decide(empty())
    assert clock.now_ns == 2_000_000
    panel.set_weights({"slow": 0.5})
    assert dict(panel.decide(full()).consensus.weights)["slow"] == 0.5


def test_a_muted_agent_is_not_asked_and_named() -> None:
    said = Orchestrator("pro", muted=["technical_indicator"]).decide(full()).consensus
    assert said.left_out == (("technical_indicator", "muted"),)
    assert [agent for agent, _ in said.weights] == ["market_analysis"]


def test_what_a_tier_does_not_open_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="enterprise"):
        Orchestrator("free", agents=["technical_indicator", "news_sentiment"])
    assert len(Orchestrator("pro", agents=["market_analysis", "news_sentiment"]).agents) == 2  # the fifth place
    with pytest.raises(BadData, match="must be one of"):
        Orchestrator("pro", agents=["oracle"])


def test_between_sessions_the_learning_agents_weights_are_taken_over() -> None:
    panel = Orchestrator("enterprise")
    before = panel.decide(full())
    weights = panel.learn(before)
    # 90 hits and 50 misses of fundamental analysis earn 2 (90 + 50) / 240 and, in a trend, 2 (90 + 25) / 190.
    proposals = {140 / (140 + 30): 2 * 140 / 240, 140 / (140 + 50): 2 * 115 / 190}
    expected = math.exp(sum(c * math.log(w) for c, w in proposals.items()) / sum(proposals))
    assert weights["fundamental_analysis"] == pytest.approx(expected)
    assert weights["model old"] < 0.3 < weights["model direction"]
    after = panel.decide(full())
    assert dict(after.consensus.weights)["fundamental_analysis"] == weights["fundamental_analysis"]
    assert after.consensus.direction != before.consensus.direction
    technical = after.consensus.vote_of("technical_indicator")
    assert technical is not None
    assert technical.number["model old weight"] == weights["model old"]


def test_a_consensus_can_be_read() -> None:
    said = Orchestrator("enterprise").decide(full()).consensus
    assert all(key in said.explain() for key in CATALOGUE)
    assert said._repr_html_().count("<tr>") == 17
    assert repr(said).startswith("<Consensus +0.")


def test_it_is_acted_on_only_where_all_holds() -> None:
    said = Orchestrator("enterprise").decide(full()).consensus
    assert should_trade(said, full())
    replace = msgspec.structs.replace
    portfolio = full().portfolio
    assert portfolio is not None
    for wrong, why in (
        ({"ask": 1.1440}, "times the usual"),
        ({"spread_median": math.nan}, "not known"),
        ({"quality": None}, "age of the quote"),
        ({"quality": Quality(age_s=31.0)}, "31 s old"),
        ({"session_open": False}, "session"),
        ({"features": {}}, "session"),
        ({"portfolio": None}, "risk state"),
        ({"portfolio": replace(portfolio, risk_active=False)}, "risk state"),
        ({"time_ns": full().releases[-1].time_ns - 14 * 60 * 10**9}, "14 min ahead"),
    ):
        against = should_trade(said, replace(full(), **wrong)).against
        assert len(against) == 1
        assert why in against[0]
    weak = replace(said, direction=0.1)
    assert should_trade(weak, full()).against == ("the consensus of +0.10 is weaker than 0.2",)
    assert should_trade(replace(said, direction=math.nan), full()).against
    vetoed = agree([UP, vote("risk_assessment", veto=True)], now_ns=NOW)
    assert should_trade(vetoed, full()).against == ("vetoed by risk_assessment",)
