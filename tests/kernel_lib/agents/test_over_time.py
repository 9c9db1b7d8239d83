"""The votes over recorded ticks are those that a strategy sees, and leave the panel as it was."""

import numpy as np
import pytest

from kernel_lib import agents
from kernel_lib.backtest import replay
from kernel_lib.errors import BadData
from kernel_lib.strategy import strategy
from tests.kernel_lib.agents.test_as_feature import evaluator, summed_up, walk
from tests.kernel_lib.backtest.test_outside import summed


def test_they_are_what_a_strategy_without_a_position_sees() -> None:
    ticks = walk(3_000)
    panel = agents.consensus("pro", bars="1m")
    before = panel.evaluator.state()
    shown = agents.votes_over_time(panel, ticks)
    assert panel.evaluator.state() == before
    seen = []

    @strategy(on="1m", features={"panel": panel})
    def idle(x, position, p):
        seen.append((x.time_ns, x.panel, x.panel_confidence, x.panel_scale))
        return 0.0

    assert replay(idle, ticks, progress=False).fault == ""
    ours = [(each.known_ns, *summed_up(each)) for each in shown]
    np.testing.assert_array_equal(ours, seen)
    assert len(shown) == len(shown.frame) > 100
    assert {"mid", "direction", "market_analysis", "risk_assessment"} <= set(shown.frame.columns)
    assert evaluator(panel).record.records()


def test_they_can_be_drawn_and_stepped_through() -> None:
    shown = agents.votes_over_time(agents.consensus("free", bars="1m"), walk(1_500))
    assert len(shown.plot().axes) == 2
    slider, words = shown.panel.children[1:]
    slider.value = 3
    assert words.value == shown.said[3]._repr_html_()
    assert repr(shown).startswith(f"<VotesOverTime: {len(shown)} closes from 2019-02-04 20:01 to ")
    assert shown.said[-1]._repr_html_() in shown._repr_html_()


def test_what_recorded_ticks_cannot_tell_is_refused() -> None:
    with pytest.raises(BadData, match="calendar"):
        agents.votes_over_time(agents.consensus("pro", calendar="calendar"), walk(100))
    with pytest.raises(BadData, match="reach over a bar"):
        agents.votes_over_time(agents.consensus("pro", bars="4h"), walk(10))
    with pytest.raises(BadData, match="votes are those of"):
        agents.votes_over_time(summed(), walk(100))


def test_cutting_off_the_future_changes_nothing() -> None:
    ticks = walk(1_500)
    whole = agents.votes_over_time(agents.consensus("enterprise", bars="1m"), ticks)
    part = agents.votes_over_time(agents.consensus("enterprise", bars="1m"), ticks[:900])
    assert part.said == whole.said[: len(part)]


def test_they_are_judged_by_what_the_price_did() -> None:
    shown = agents.votes_over_time(agents.consensus("free", bars="1m"), walk(1_500))
    report = shown.judged(2).report("consensus")
    moves = [
        (each.direction, shown.mids[at + 2] - shown.mids[at]) for at, each in enumerate(shown) if at + 2 < len(shown)
    ]
    bets = [(side, move) for side, move in moves if abs(side) >= 0.05 and move != 0.0]
    assert report.outcomes == len(bets) > 50
    assert report.hit_rate == sum(side * move > 0 for side, move in bets) / len(bets)
    assert report.hit_rate == shown.judged(2).report("market_analysis").hit_rate
