"""What every agent in the catalogue must pass, unasked."""

import importlib
import math
import pkgutil

import msgspec
import pytest

from kernel_lib import agents, tiers
from kernel_lib import features as f
from kernel_lib.agents import CATALOGUE, GROUPS, Agent, Snapshot, Vote, panel_features
from kernel_lib.agents.inputs import INPUTS
from tests.kernel_lib.agents.moments import NOW, empty, fed_from_the_future, full, spoilt

ODD = {"nan": math.nan, "huge": 1e300, "-huge": -1e300, "inf": math.inf, "-inf": -math.inf, "large": 9e14, "zero": 0.0,
       "negative": -1.0, "tiny": 5e-324}  # fmt: skip
every_agent = pytest.mark.parametrize("key", CATALOGUE)
every_oddity = pytest.mark.parametrize("odd", ODD)


def made(key: str) -> Agent:
    return CATALOGUE[key]()


def with_votes(snapshot: Snapshot) -> Snapshot:
    """As the orchestrator hands it on: with what the groups before said of it."""
    votes: list[Vote] = []
    for key, agent in CATALOGUE.items():
        if agent.group in ("research", "learning"):
            votes.append(made(key).analyze(snapshot.with_votes(tuple(votes))))
    return snapshot.with_votes(tuple(votes))


def sound(vote: Vote, key: str) -> None:
    assert vote.agent == key
    assert -1.0 <= vote.direction <= 1.0
    assert 0.0 <= vote.confidence <= 1.0
    assert 0.0 <= vote.scale <= 1.0
    assert len(vote.reason) > 5
    assert vote.known_ns <= NOW
    assert vote.inputs
    assert all(number is None or math.isfinite(number) for _, number in vote.inputs)
    assert all(name for name, _ in vote.inputs)


@every_agent
def test_a_vote_is_in_range_and_says_what_it_rests_on(key: str) -> None:
    vote = made(key).analyze(with_votes(full()))
    sound(vote, key)
    assert vote.confidence > 0.0
    assert len(vote.inputs) >= 2
    assert "missing" not in vote.reason


@every_agent
def test_the_same_snapshot_gives_the_same_vote(key: str) -> None:
    first = made(key).analyze(with_votes(full()))
    again = made(key).analyze(with_votes(full()))
    assert msgspec.msgpack.encode(first) == msgspec.msgpack.encode(again)
    agent = made(key)
    agent.analyze(with_votes(spoilt(1.0)))
    assert agent.analyze(with_votes(full())) == first


@every_agent
def test_of_an_empty_snapshot_nothing_is_made_up(key: str) -> None:
    vote = made(key).analyze(empty())
    sound_but_blind(vote, key)


def sound_but_blind(vote: Vote, key: str) -> None:
    assert vote.agent == key
    assert (vote.direction, vote.confidence) == (0.0, 0.0)
    assert "missing" in vote.reason or "not known" in vote.reason
    assert all(number is None or number == 0.0 for _, number in vote.inputs)


@every_agent
@every_oddity
def test_odd_numbers_give_a_sound_vote(key: str, odd: str) -> None:
    for snapshot in (spoilt(ODD[odd]), with_votes(spoilt(ODD[odd]))):
        vote = made(key).analyze(snapshot)
        assert -1.0 <= vote.direction <= 1.0
        assert 0.0 <= vote.confidence <= 1.0
        assert 0.0 <= vote.scale <= 1.0
        assert vote.reason
        assert all(number is None or math.isfinite(number) for _, number in vote.inputs)


@every_agent
def test_what_is_not_known_yet_changes_nothing(key: str) -> None:
    assert made(key).analyze(with_votes(fed_from_the_future())) == made(key).analyze(with_votes(full()))


@every_agent
def test_each_group_keeps_to_its_rights(key: str) -> None:
    agent = CATALOGUE[key]
    assert agent.group in GROUPS
    snapshots = [full(), empty(), *map(spoilt, ODD.values())]
    for vote in (made(key).analyze(with_votes(each)) for each in snapshots):
        if agent.group != "decision":
            assert not vote.veto
        if agent.group in ("research", "learning"):
            assert vote.scale == 1.0
        if agent.group in ("learning", "monitoring"):
            assert vote.direction == 0.0


@every_agent
def test_what_it_reads_can_be_made_on_bars(key: str) -> None:
    assert set(CATALOGUE[key].reads) <= set(INPUTS)
    for each in panel_features(CATALOGUE[key].reads, "1m").values():
        feature = each[0] if isinstance(each, tuple) else each
        assert feature.name in f.CATALOGUE


@every_agent
def test_it_is_documented_and_a_tier_opens_it(key: str) -> None:
    assert len(CATALOGUE[key].__doc__ or "") > 100
    assert CATALOGUE[key].key == key
    assert tiers.lowest("agent", key) in ("free", "pro", "enterprise")


def test_every_agent_of_the_missions_list_is_there() -> None:
    assert list(CATALOGUE) == [
        "market_analysis", "news_sentiment", "technical_indicator", "fundamental_analysis", "strategy_formulation",
        "risk_assessment", "portfolio_optimization", "execution_timing", "performance_analysis", "model_improvement",
        "adaptation", "knowledge_synthesis", "data_quality", "model_drift", "execution_quality", "system_health",
    ]  # fmt: skip
    for held in tiers.TIERS.values():
        assert set(held.agents or ()) <= set(CATALOGUE)


def test_an_agent_without_its_line_in_the_catalogue_is_named() -> None:
    missing = []
    for found in pkgutil.iter_modules(agents.__path__, "kernel_lib.agents."):
        module = importlib.import_module(found.name)
        for thing in vars(module).values():
            if (
                isinstance(thing, type)
                and thing.__module__ == found.name
                and isinstance(getattr(thing, "key", None), str)
            ):
                missing += [] if CATALOGUE.get(thing.key) is thing else [thing.__name__]  # type: ignore[attr-defined]
    assert missing == []
