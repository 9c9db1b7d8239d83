"""Votes meet their outcomes, and earn weights."""

import numpy as np
import pytest
from scipy.stats import beta
from statsmodels.stats.proportion import proportion_confint

from kernel_lib.agents import TrackRecord, Vote, earned_weight
from kernel_lib.agents.track_record import wilson
from kernel_lib.errors import BadData


def vote(agent: str, direction: float, confidence: float = 0.5) -> Vote:
    return Vote(agent=agent, direction=direction, confidence=confidence, reason="because", inputs=(), known_ns=0)


@pytest.mark.parametrize(("wins", "n"), [(0, 10), (8, 10), (10, 10), (503, 1000)])
def test_the_interval_of_a_hit_rate_is_wilsons(wins: int, n: int) -> None:
    assert wilson(wins, n) == pytest.approx(proportion_confint(wins, n, method="wilson"), abs=1e-12)


@pytest.mark.parametrize(("hits", "misses", "prior"), [(0, 0, 50.0), (30, 10, 50.0), (700, 300, 5.0)])
def test_a_weight_is_twice_the_mean_of_the_beta_posterior(hits: int, misses: int, prior: float) -> None:
    assert earned_weight(hits, misses, prior=prior) == pytest.approx(2 * beta(hits + prior, misses + prior).mean())


def test_a_weight_needs_numbers_from_zero() -> None:
    for hits, misses, prior in ((-1.0, 0.0, 1.0), (0.0, float("nan"), 1.0), (0.0, 0.0, 0.0)):
        with pytest.raises(BadData, match="must be numbers"):
            earned_weight(hits, misses, prior=prior)


def test_a_vote_is_judged_at_its_horizon_and_not_before() -> None:
    record = TrackRecord(horizon=3)
    record.see(1.0, [vote("a", 1.0), vote("b", -0.2), vote("c", 0.01), vote("d", 1.0, 0.0)], "trend")
    record.see(0.9)
    record.see(0.8)
    assert record.records() == ()
    record.see(1.1)
    found = {(each.agent, each.regime): (each.hits, each.misses) for each in record.records()}
    # c has no side to speak of, d no confidence
    assert found == {("a", ""): (1, 0), ("a", "trend"): (1, 0), ("b", ""): (0, 1), ("b", "trend"): (0, 1)}


def test_the_brier_score_takes_a_confidence_of_zero_for_a_coin() -> None:
    record = TrackRecord(horizon=1)
    for mid in (1.0, 1.1, 1.0):
        record.see(mid, [vote("a", 1.0, 0.6)])
    # probability 0.8: one hit, one miss
    assert record.report("a").brier == pytest.approx((0.2**2 + 0.8**2) / 2)
    assert record.report("a").hit_rate == 0.5
    assert np.isnan(record.report("never seen").hit_rate)


def test_a_price_that_did_not_move_or_is_missing_decides_nothing() -> None:
    record = TrackRecord(horizon=1)
    for mid in (1.0, 1.0, float("nan"), -1.0):
        record.see(mid, [vote("a", 1.0)])
    assert record.records() == ()
    assert record.seen == 2


def test_it_goes_through_json_in_the_middle() -> None:
    random = np.random.default_rng(3)
    mids = 1.0 + np.cumsum(random.normal(0, 1e-3, 200))
    sides = random.uniform(-1, 1, (200, 2))
    one, other = TrackRecord(horizon=4), TrackRecord(horizon=4)
    for row, mid in enumerate(mids):
        votes = [vote("a", sides[row, 0]), vote("b", sides[row, 1], 0.2)]
        one.see(mid, votes, "range" if row % 3 else "storm")
        other.see(mid, votes, "range" if row % 3 else "storm")
        other = TrackRecord.of_state(other.state())
    assert other.state() == one.state()
    assert one.weights()["a"] == other.report("a").weight
    assert "hit rate" in one._repr_html_()
    with pytest.raises(BadData, match="track record"):
        TrackRecord.of_state(b'{"horizon": "many"}')
    with pytest.raises(BadData, match="horizon"):
        TrackRecord(horizon=0)
