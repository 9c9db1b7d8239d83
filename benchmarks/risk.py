"""Risk mathematics: value at risk of a large portfolio, the verdict on an order, and a tick's full validation."""

import functools
import time
from collections.abc import Callable

import numpy as np

from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.quality import TickQuality
from kernel_lib.market.quality_config import LEVEL_RULES, Level
from kernel_lib.market.tick import Ticks
from kernel_lib.risk import PortfolioState, ProposedOrder, default_limits, expected_shortfall, judge, value_at_risk
from kernel_lib.tiers import TIERS

__all__ = ["measure"]

_N_DAYS, _N_INSTRUMENTS = 10_000, 50


def measure(quick: bool) -> Outcome:
    """Milliseconds of a historical value at risk, beside pandas; microseconds of a verdict."""
    import pandas as pd

    outcome = Outcome()
    rng = np.random.default_rng(1)
    returns = rng.standard_t(4, (_N_DAYS, _N_INSTRUMENTS)) / 100.0
    money = rng.normal(0.0, 1e5, _N_INSTRUMENTS)
    frame = pd.DataFrame(returns)
    runs = 20 if quick else 200
    theirs = -float(frame.mul(money).sum(axis=1).quantile(0.01))
    ours = value_at_risk(returns, money, confidence=0.99)
    if not np.isclose(ours, theirs, rtol=1e-9):
        outcome.failures.append(f"value at risk must be pandas' quantile {theirs}, it was {ours}")
    size = f"{_N_DAYS:,} days, {_N_INSTRUMENTS} instruments"
    peer_ms = _median_ms(lambda: frame.mul(money).sum(axis=1).quantile(0.01), runs)
    outcome.figures.append(
        Figure(name=f"historical value at risk, {size}", unit="ms", peer="pandas", peer_value=peer_ms, goal=4.0,
               value=_median_ms(lambda: value_at_risk(returns, money, confidence=0.99), runs), best="low")
    )  # fmt: skip
    outcome.figures.append(
        Figure(name=f"expected shortfall, {size}", unit="ms", goal=4.0, best="low",
               value=_median_ms(lambda: expected_shortfall(returns, money, confidence=0.99), runs))
    )  # fmt: skip
    outcome.figures.append(
        Figure(name="risk verdict on an order", unit="us", goal=5.0, best="low", value=_verdict_us(runs * 500))
    )
    ticks = walk(50_000 if quick else 500_000)
    for level in LEVEL_RULES:
        outcome.figures.append(
            Figure(name=f"a tick validated at {level}", unit="ns", best="low",
                   value=_median_ms(functools.partial(_validate, level, ticks), 5) / len(ticks) * 1e6)
        )  # fmt: skip
    return outcome


def _validate(level: Level, ticks: Ticks) -> None:
    TickQuality(level).check(ticks)


def _verdict_us(calls: int) -> float:
    order = ProposedOrder(instrument=EURUSD, lots=0.3, price=1.1, bid=1.0999, ask=1.1, stop_loss=1.095, atr=0.0008)
    state = PortfolioState(
        equity=10_000.0, day_start_equity=10_050.0, peak_equity=10_500.0, strategy_equity=5_000.0,
        strategy_peak_equity=5_100.0, lots=0.1, orders_last_minute=3,
    )  # fmt: skip
    limits = default_limits(TIERS["pro"])
    taken = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        judge(order, state, limits)
        taken.append(time.perf_counter_ns() - began)
    return float(np.median(taken)) / 1000.0


def _median_ms(call: Callable[[], object], runs: int) -> float:
    call()
    taken = []
    for _ in range(runs):
        began = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - began)
    return float(np.median(taken)) / 1e6
