"""All sixteen agents and their consensus on one snapshot with everything in it; nothing is kept from call to call."""

import math
import time
from collections.abc import Callable

import msgspec
import numpy as np

from benchmarks.result import Figure, Outcome
from kernel_lib import agents
from kernel_lib.agents.inputs import INPUTS
from kernel_lib.strategy.position import Position, Seen

__all__ = ["measure"]

_NOW = 1_549_375_200 * 10**9
_HOUR = 3600 * 10**9


def measure(quick: bool) -> Outcome:
    """Milliseconds of a decision by every tier, of one agent, and of the consensus as a feature."""
    n_calls = 2_000 if quick else 20_000
    moments = [_moment(k) for k in range(64)]
    outcome = Outcome()
    whole = agents.Orchestrator("enterprise", keep=0)
    decision = whole.decide(moments[0])
    if len(decision.votes) != 16 or decision.consensus.left_out or decision.consensus.n_voters != 4:
        outcome.failures.append(f"all sixteen agents must be heard, it was {decision.consensus.explain()}")
    for tier, goals in (("enterprise", (0.5, 2.0)), ("pro", (None, None)), ("free", (None, None))):
        panel = agents.Orchestrator(tier, keep=0)
        taken = _timed(lambda k, panel=panel: panel.decide(moments[k % 64]), n_calls)  # type: ignore[misc]
        name = f"{len(panel.agents)} agents and consensus"
        outcome.figures += [
            Figure(name=name, value=float(np.median(taken)), unit="ms", best="low", goal=goals[0]),
            Figure(name=f"{name}, 99th percentile", value=float(np.percentile(taken, 99)), unit="ms", best="low",
                   goal=goals[1]),
        ]  # fmt: skip
    kept = agents.Orchestrator("enterprise")
    for each in moments:
        kept.decide(each)
    taken = _timed(lambda k: kept.decide(moments[k % 64]), n_calls)
    outcome.figures.append(
        Figure(name="16 agents, asked again", value=float(np.median(taken)), unit="ms", best="low", peer="asked anew",
               peer_value=outcome.figures[0].value)
    )  # fmt: skip
    feature = agents.consensus("enterprise", bars="1m", symbol="EURUSD")
    rows = np.random.default_rng(1).uniform(0.5, 1.5, (64, len(feature.inputs)))
    position = Position(0.0, 0.0, math.nan, 0.0, 0, 10_000.0)

    def step(k: int) -> None:
        seen = Seen(_NOW + k * 60 * 10**9, 1.1 + 1e-5 * (k % 7), 1.1001 + 1e-5 * (k % 7), position)
        feature.evaluator.restore(state[0])
        feature.answer(rows[k % 64], seen)
        state[0] = feature.evaluator.state()

    state = [feature.evaluator.state()]
    taken = _timed(step, n_calls)
    outcome.figures.append(Figure(name="consensus as a feature, one bar with its memory", value=float(np.median(taken)),
                                  unit="ms", best="low"))  # fmt: skip
    outcome.notes.append(
        "one thread; snapshots with 27 features, 2 models, 6 headlines, 4 releases, 40 trades, 250 returns"
    )
    return outcome


def _timed(call: Callable[[int], object], n_calls: int) -> np.ndarray:
    """Milliseconds of each call, the first tenth left out."""
    taken = np.empty(n_calls)
    for k in range(n_calls):
        began = time.perf_counter_ns()
        call(k)
        taken[k] = time.perf_counter_ns() - began
    return taken[n_calls // 10 :] * 1e-6


def _moment(k: int) -> agents.Snapshot:
    random = np.random.default_rng(k)
    features = dict(zip(INPUTS, random.uniform(0.5, 1.5, len(INPUTS)).tolist(), strict=True))
    features |= {"minutes_to_release": 95.0, "news": 0.3, "news_age": 600.0, "adx_14": 10.0 + k, "session": 2.0}
    texts = ("Euro rallies as ECB turns hawkish", "Dollar falls after weak retail sales", "German orders surge 3%",
             "No sign of recession, says Fed", "Euro inflation beats forecasts", "US claims rise")  # fmt: skip
    about = ("EUR", "USD", "EUR", "USD", "EUR", "USD")
    report = agents.ModelReport(name="a", direction=1.0, confidence=0.3, outcomes=200, hit_rate=0.55,
                                expected_hit_rate=0.56, brier=0.24, stability=0.05)  # fmt: skip
    held = agents.Portfolio(
        equity=10_150.0, peak_equity=10_300.0, day_start_equity=10_200.0, exposure=0.5,
        returns=tuple(random.normal(0, 0.004, 250).tolist()), weights=(("GBPUSD", 0.4), ("XAUUSD", -0.2)),
        correlations=(("GBPUSD", 0.7), ("XAUUSD", 0.3)),
        trades=tuple(agents.Trade(profit=12.0 if j % 5 < 3 else -10.0, known_ns=_NOW - j * _HOUR) for j in range(40)),
    )  # fmt: skip
    return agents.Snapshot(
        time_ns=_NOW + k, symbol="EURUSD", bid=1.1431, ask=1.14318, spread_median=7e-5, features=features,
        models=(report, msgspec.structs.replace(report, name="b", direction=-1.0, stability=0.2)), portfolio=held,
        headlines=tuple(
            agents.Headline(text=text, known_ns=_NOW - j * _HOUR // 2, about=(whom,))
            for j, (text, whom) in enumerate(zip(texts, about, strict=True))
        ),
        releases=tuple(
            agents.Release(time_ns=_NOW + j * 4 * _HOUR, currency="EUR" if j % 2 else "USD", name=f"release {j}",
                           actual=51.2, forecast=50.8, deviation=0.4) for j in (-3, -2, -1, 1)
        ),
        records=tuple(
            agents.AgentRecord(agent=agent, hits=60, misses=50, regime=regime)
            for agent in ("market_analysis", "technical_indicator", "news_sentiment", "fundamental_analysis")
            for regime in ("", "trend", "range", "drift", "storm")
        ),
        execution=agents.Execution(orders=40, rejected=1, slippage_points=1.5, expected_slippage_points=1.0,
                                   latency_ms=45.0, expected_latency_ms=40.0),
        quality=agents.Quality(ticks=5_000, refused=12, mean_quality=0.98, age_s=0.4),
        health=agents.Health(loop_delay_ms=3.0, memory_fraction=0.55, disk_fraction=0.6, clock_error_ms=8.0),
    )  # fmt: skip
