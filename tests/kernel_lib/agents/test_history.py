"""The votes that a notebook looks at are those that a strategy acts on."""

import numpy as np
import pytest

from kernel_lib import agents
from kernel_lib.backtest import replay
from kernel_lib.errors import BadData, Refused
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import strategy


def market(n_ticks: int = 30_000) -> np.ndarray:
    random = np.random.default_rng(9)
    mid = 1.1 + np.cumsum(random.normal(2e-7, 1e-5, n_ticks))
    return make_ticks(1_700_000_040 * 10**9 + np.arange(n_ticks) * 10**9, np.round(mid, 5), np.round(mid + 1e-4, 5))


def test_a_history_says_what_a_strategy_sees() -> None:
    ticks = market()
    history = agents.votes_over(ticks, "pro", bars="1m")
    feature = agents.consensus("pro", bars="1m")
    seen: list[tuple[float, ...]] = []

    @strategy(on="1m", features={"panel": feature})
    def only_looks(x, position, p):
        seen.append((x.panel, x.panel_confidence, x.panel_scale))
        return 0.0

    run = replay(only_looks, ticks, progress=False)
    assert not run.fault
    theirs = history.frame[["direction", "confidence", "scale"]].to_numpy()
    assert len(seen) > 300
    np.testing.assert_allclose(theirs[-len(seen) :], seen, atol=1e-6)
    assert set(history.agents) == {"market_analysis", "technical_indicator", "risk_assessment", "strategy_formulation"}


def test_a_history_can_be_drawn_and_walked_through() -> None:
    history = agents.votes_over(market(5_000), "free", bars="1m", symbol="EURUSD")
    assert len(history) == len(history.frame) == 83
    assert len(history.plot().axes) >= 3
    panel = history.explore()
    slider, words = panel.children
    last = words.value
    slider.value = 0
    assert words.value != last
    assert "market_analysis" in words.value.replace(" ", "_")


def test_too_few_ticks_and_closed_agents_are_refused() -> None:
    with pytest.raises(BadData, match="no bar of 5m closes"):
        agents.votes_over(market(20))
    with pytest.raises(BadData, match="dtype TICK"):
        agents.votes_over(np.arange(5.0))
    with pytest.raises(Refused, match="enterprise"):
        agents.votes_over(market(1000), "free", agents=("news_sentiment",), bars="1m")
