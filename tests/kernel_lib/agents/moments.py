"""Snapshots that the agents' tests share: one with everything in it, and what can go wrong with it."""

import math

import msgspec

from kernel_lib.agents import (
    AgentRecord,
    Execution,
    Headline,
    Health,
    ModelReport,
    Portfolio,
    Quality,
    Release,
    Snapshot,
    Trade,
)
from kernel_lib.agents.inputs import INPUTS

#: Tuesday 5 February 2019, 14:00 UTC.
NOW = 1_549_375_200 * 10**9
MINUTE = 60 * 10**9
HOUR = 60 * MINUTE

FEATURES = {
    "slope_12": 2e-5, "slope_36": 1e-5, "slope_96": 1e-5, "volatility_20": 4e-4, "volatility_100": 5e-4,
    "autocorrelation_50": 0.05, "zscore_50": 1.2, "channel_48_upper": 1.146, "channel_48_lower": 1.136, "atr_14": 6e-4,
    "adx_14": 31.0, "adx_14_plus": 28.0, "adx_14_minus": 14.0, "rsi_14": 63.0, "macd_histogram": 5e-5,
    "stochastic_14": 78.0, "percent_b_20": 0.85, "ema_12": 1.1432, "ema_26": 1.1426, "aroon_25": 60.0, "cci_20": 110.0,
    "supertrend_side": 1.0, "tick_rate_100": 2.5, "session": 2.0, "minutes_to_release": 95.0, "news": 0.3,
    "news_age": 600.0,
}  # fmt: skip
RESEARCH = ("market_analysis", "technical_indicator", "news_sentiment", "fundamental_analysis")


def full() -> Snapshot:
    """Everything known, nothing wrong."""
    return Snapshot(
        time_ns=NOW, symbol="EURUSD", bid=1.14310, ask=1.14318, spread_median=7e-5, features=FEATURES,
        models=(
            ModelReport(name="direction", direction=1.0, confidence=0.3, outcomes=200, hit_rate=0.55,
                        expected_hit_rate=0.56, brier=0.24, stability=0.05),
            ModelReport(name="old", direction=-1.0, confidence=0.2, outcomes=150, hit_rate=0.44,
                        expected_hit_rate=0.56, brier=0.29, stability=0.2),
        ),
        portfolio=Portfolio(
            equity=10_150.0, peak_equity=10_300.0, day_start_equity=10_200.0, open_profit=20.0, exposure=0.5,
            returns=tuple(0.004 * math.sin(7.0 * k) for k in range(120)),
            weights=(("GBPUSD", 0.4), ("XAUUSD", -0.2)), correlations=(("GBPUSD", 0.7), ("XAUUSD", 0.3)),
            trades=tuple(Trade(profit=12.0 if k % 5 < 3 else -10.0, known_ns=NOW - k * HOUR) for k in range(40)),
        ),
        headlines=(
            Headline(text="Euro rallies as ECB turns hawkish", known_ns=NOW - HOUR, about=("EUR",)),
            Headline(text="Dollar falls after weak retail sales", known_ns=NOW - 3 * HOUR, about=("USD",)),
            Headline(text="Gold miner upgraded", known_ns=NOW - HOUR, about=("XAUUSD",)),
            Headline(text="German orders surge", known_ns=NOW - 2 * HOUR, about=("EUR",), score=0.8),
        ),
        releases=(
            Release(time_ns=NOW - 4 * HOUR, currency="EUR", name="PMI", actual=51.2, forecast=50.8, deviation=0.4),
            Release(time_ns=NOW - 20 * HOUR, currency="USD", name="Orders", impact="medium", actual=-0.6, forecast=0.3),
            Release(time_ns=NOW + 95 * MINUTE, currency="USD", name="ISM", forecast=57.0),
        ),
        records=tuple(
            AgentRecord(agent=agent, hits=60 + 10 * k, misses=50, regime=regime)
            for k, agent in enumerate(RESEARCH) for regime in ("", "trend")
        ),
        execution=Execution(orders=40, rejected=1, slippage_points=1.5, expected_slippage_points=1.0, latency_ms=45.0,
                            expected_latency_ms=40.0),
        quality=Quality(ticks=5_000, refused=12, mean_quality=0.98, age_s=0.4),
        health=Health(loop_delay_ms=3.0, memory_fraction=0.55, disk_fraction=0.6, clock_error_ms=8.0),
    )  # fmt: skip


def empty() -> Snapshot:
    """Nothing but the time."""
    return Snapshot(time_ns=NOW, symbol="EURUSD")


def spoilt(number: float) -> Snapshot:
    """All that is a float is this number."""

    def turn(held: object) -> object:
        if isinstance(held, float):
            return number
        if isinstance(held, tuple):
            return tuple(turn(each) for each in held)
        if isinstance(held, msgspec.Struct):
            return msgspec.structs.replace(
                held, **{name: turn(getattr(held, name)) for name in held.__struct_fields__ if name != "features"}
            )
        return held

    turned = turn(full())
    assert isinstance(turned, Snapshot)
    return msgspec.structs.replace(turned, features=dict.fromkeys([*FEATURES, *INPUTS], number))


def fed_from_the_future() -> Snapshot:
    """The full moment, with loud news, surprises and trades that are not known yet."""
    now = full()
    assert now.portfolio is not None
    later = NOW + MINUTE
    return msgspec.structs.replace(
        now,
        headlines=(
            *now.headlines,
            Headline(text="Euro crashes, collapse, crisis", known_ns=later, about=("EUR",), score=-1.0),
        ),
        releases=(
            *now.releases,
            Release(time_ns=later + 10 * HOUR, currency="EUR", name="GDP", impact="medium", actual=-9.0, deviation=0.1,
                    forecast=1.0),
            Release(time_ns=NOW - HOUR, known_ns=later, currency="EUR", name="told late", actual=-9.0, forecast=1.0),
        ),
        portfolio=msgspec.structs.replace(
            now.portfolio, trades=(*now.portfolio.trades, Trade(profit=-5_000.0, known_ns=later))
        ),
    )  # fmt: skip
