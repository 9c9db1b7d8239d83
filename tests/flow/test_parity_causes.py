"""``parity`` on the real engine: the same where nothing differs, and each cause of a gap found by a real difference."""

import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import EngineSide, Parity, parity
from kernel_lib.errors import BadData, StrategyFault
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.models import Facts, LogisticRegression, labels
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import Strategy, load_strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

pytestmark = pytest.mark.flow

BY_MODEL = """
from kernel_lib import features as f
from kernel_lib import models
from kernel_lib.strategy import strategy

@strategy(on="1m", features=dict(up=models.predicted("direction"), wide=f.spread()))
def by_model(x, position, p):
    return 1.0 if x.up_p_up > 0.5 else -1.0
"""

BY_AGENTS = """
from kernel_lib import agents
from kernel_lib.strategy import strategy

@strategy(on="1m", features=dict(panel=agents.consensus("free", bars="1m", muted=MUTED)))
def by_agents(x, position, p):
    return x.panel
"""

BY_EQUITY = """
from kernel_lib import features as f
from kernel_lib.strategy import FixedLots, RiskFraction, strategy

@strategy(on="1m", features=dict(rsi=f.rsi(9, bars="1m")), stop_loss_points=200, sizing=SIZING)
def by_equity(x, position, p):
    return 1.0 if x.rsi > 50.0 else -1.0
"""

BY_NEWS = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="tick", features=dict(news=f.outside("news:EURUSD"), pound=f.outside("GBPUSD")))
def by_news(x, position, p):
    return 1.0 if x.news * (x.pound - 1.3) > 0.0 else -1.0
"""

RAISES = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="tick", features=dict(wide=f.spread()))
def raises(x, position, p):
    if x.time_ns > 3_000 * 10**9:
        raise ValueError("no more")
    return 1.0
"""

NEVER_ENDS = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="tick", features=dict(wide=f.spread()))
def never_ends(x, position, p):
    while x.time_ns > 50 * 10**9:
        pass
    return 1.0
"""

REMEMBERS = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

CALLS = []

@strategy(on="1m", features=dict(wide=f.spread()))
def remembers(x, position, p):
    CALLS.append(x.mid)
    return 1.0 if len(CALLS) % 3 else -1.0
"""


@cache
def walk(n_ticks: int = 6_000) -> Ticks:
    random = np.random.default_rng(5)
    bid = np.round(1.1 + np.cumsum(random.normal(0, 4e-5, n_ticks)), 5)
    return make_ticks(np.arange(1, n_ticks + 1) * 10**9, bid, bid + 1e-5 * random.integers(4, 12, n_ticks))


@cache
def bundle(seed: int) -> bytes:
    made = {"rsi": f.rsi(9, bars="1m"), "slope": f.price_change(5, bars="1m")}
    random = np.random.default_rng(seed)
    columns = {"rsi": random.uniform(20, 80, 400), "slope": random.normal(0, 1e-3, 400)}
    outcome = labels.direction(1e6 + np.cumsum((columns["rsi"] - 50.0) * (1 if seed % 2 else -1)), 1)
    return (
        LogisticRegression()
        .fit(columns, outcome)
        .bundle(Facts(symbol="EURUSD", bars="1m", sources=tuple(map(repr, made.values()))))
    )


def by_model(seed: int) -> Strategy:
    return load_strategy(BY_MODEL, "by_model", models={"direction": bundle(seed)})


def by_agents(*muted: str) -> Strategy:
    return load_strategy(BY_AGENTS.replace("MUTED", repr(muted)), "by_agents")


def by_equity(sizing: str = "RiskFraction(0.01)") -> Strategy:
    return load_strategy(BY_EQUITY.replace("SIZING", sizing), "by_equity")


def one_tick_dearer() -> Ticks:
    ticks = walk().copy()
    ticks["ask"][700] += 1e-5
    return ticks


def test_where_nothing_differs_backtest_and_engine_are_identical() -> None:
    given = parity(ma_cross, walk(), costs=Costs(latency_jitter_ms=15, slippage_random_points=2))
    assert given.identical, given
    assert given.engine_events.tobytes() == given.backtest.events.tobytes()
    assert given.counts == given.engine_counts
    assert given.counts["ticks"] == 6_000
    assert given.counts["fills"] > 5
    assert "identical" in repr(given)
    assert "are identical" in given._repr_html_()
    assert given.require_identical() is given
    again = parity(ma_cross, walk(), costs=Costs(latency_jitter_ms=15, slippage_random_points=2), seed=9)
    assert given.certificate().encode() == again.certificate().encode()


CAUSES: dict[str, tuple[Callable[[], Strategy], Callable[[], EngineSide], str]] = {
    "data": (lambda: ma_cross, lambda: EngineSide(ticks=one_tick_dearer()), "tick 700 was"),
    "feature": (lambda: ma_cross, lambda: EngineSide(strategy=ma_cross.with_params(fast=90)), "fast was"),
    "model": (lambda: by_model(1), lambda: EngineSide(strategy=by_model(2)), "up_p_up was|up was"),
    "consensus": (by_agents, lambda: EngineSide(strategy=by_agents("market_analysis")), "panel"),
    "sizing": (by_equity, lambda: EngineSide(strategy=by_equity("FixedLots(0.3)")), "units was"),
    "risk": (lambda: ma_cross, lambda: EngineSide(limits=RiskLimits(max_spread_points=5)), "denied: max_spread"),
    "latency": (lambda: ma_cross, lambda: EngineSide(costs=Costs(latency_ms=1_500)), "filled .1,460.000 ms"),
    "fill": (lambda: ma_cross, lambda: EngineSide(costs=Costs(slippage_points=3)), "filled [+-]3 points"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_gap_is_attributed_to(cause: str) -> None:
    strategy, side, said = CAUSES[cause]
    given: Parity = parity(strategy(), walk(), engine=side())
    assert given.gap is not None
    assert given.gap.cause == cause, given
    assert re.search(said, given.gap.why), given
    assert not given.identical
    assert given.certificate().verdict == "gap"
    with pytest.raises(StrategyFault, match=cause):
        given.require_identical()


def test_another_deposit_is_found_in_the_size() -> None:
    given = parity(by_equity(), walk(), engine=EngineSide(account=AccountConfig(deposit=20_000.0)))
    assert given.gap is not None
    assert given.gap.cause == "sizing"


def test_state_outside_the_step_is_called_what_it_is() -> None:
    strategy = load_strategy(REMEMBERS, "remembers")
    strategy.decide(type("x", (), {"mid": 1.0})(), None, None)  # a notebook calls it once more than the engine
    given = parity(strategy, walk(), progress=False)
    assert given.gap is not None
    assert given.gap.cause == "decision"


def test_values_from_outside_reach_both_alike() -> None:
    ticks = walk(2_000)
    random = np.random.default_rng(8)
    pounds = make_ticks(ticks["time_ns"][5:1_500:7] - 5, *[1.3 + np.cumsum(random.normal(0, 1e-4, 214))] * 2)
    news = (ticks["time_ns"][::90].copy(), random.normal(0, 1, 23))
    strategy = load_strategy(BY_NEWS, "by_news")
    given = parity(strategy, ticks, outside={"GBPUSD": pounds, "news:EURUSD": news})
    assert given.identical, given
    assert given.counts["decisions"] > 5
    later = (news[0] + 1, news[1])
    parted = parity(
        strategy, ticks, outside={"GBPUSD": pounds, "news:EURUSD": news},
        engine=EngineSide(outside={"GBPUSD": pounds, "news:EURUSD": later}),
    )  # fmt: skip
    assert parted.gap is not None
    assert parted.gap.cause == "data"


def test_a_strategy_that_raises_is_stopped_alike_and_said_so() -> None:
    given = parity(load_strategy(RAISES, "raises"), walk())
    assert given.identical, given
    assert "no more" in given.fault


def test_a_decision_that_never_ends_is_an_error_and_not_a_hang() -> None:
    with pytest.raises(StrategyFault, match=r"must answer within 0.3 s, at 1970-01-01T00:00:51"):
        parity(load_strategy(NEVER_ENDS, "never_ends"), walk(200), answer_s=0.3)


def test_a_source_that_does_not_run_on_its_own_is_an_error() -> None:
    strategy = load_strategy(BY_EQUITY.replace("SIZING", "FixedLots(0.1)"), "by_equity")
    strategy.source = strategy.source.replace("50.0", "50.0").replace("f.rsi(9", "f.rsi(WINDOW")
    with pytest.raises(StrategyFault, match="name 'WINDOW' is not defined"):
        parity(strategy, walk(200))


def test_ticks_that_no_desk_can_get_are_refused() -> None:
    with pytest.raises(BadData, match="at least one tick"):
        parity(ma_cross, walk()[:0])
