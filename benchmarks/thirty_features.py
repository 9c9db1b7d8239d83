"""Thirty features: a strategy replayed, one live call of the strategy's half, and beside other libraries."""

import time

import numpy as np

from benchmarks import cross, features
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib import features as f
from kernel_lib.market.instrument import EURUSD
from kernel_lib.strategy import FixedLots, Proposer, strategy
from kernel_lib.trading.record import VIEW

__all__ = ["measure"]

_ON_TICKS = {
    "ema_5": f.ema(5), "ema_10": f.ema(10), "ema_20": f.ema(20), "ema_50": f.ema(50), "ema_100": f.ema(100),
    "ema_200": f.ema(200), "sma_10": f.sma(10), "sma_50": f.sma(50), "sma_200": f.sma(200),
    "rsi_7": f.rsi(7), "rsi_14": f.rsi(14), "rsi_28": f.rsi(28), "macd": f.macd(), "macd_slow": f.macd(24, 52, 18),
    "bands": f.bollinger(20), "bands_slow": f.bollinger(100), "z_50": f.zscore(50), "z_200": f.zscore(200),
    "change_1": f.price_change(1), "change_10": f.price_change(10), "change_100": f.price_change(100),
    "rate": f.tick_rate(100), "width": f.spread(),
}  # fmt: skip
_ON_BARS = {
    "bar_ema": f.ema(20, bars="1m"), "bar_rsi": f.rsi(14, bars="1m"), "bar_atr": f.atr(14, bars="1m"),
    "bar_adx": f.adx(14, bars="1m"), "bar_range": f.donchian(20, bars="5m"), "bar_stoch": f.stochastic(bars="5m"),
    "bar_macd": f.macd(bars="5m"),
}  # fmt: skip


@strategy(on="tick", features={**_ON_TICKS, **_ON_BARS}, sizing=FixedLots(0.1))
def thirty(x, position, p):  # type: ignore[no-untyped-def]
    """Vote of trend and reversal."""
    trend = x.ema_10 - x.ema_100
    if trend > 0.0 and x.rsi_14 < 75.0 and x.bar_rsi < 75.0 and x.z_200 < 3.0:
        return 1.0
    if trend < 0.0 and x.rsi_14 > 25.0 and x.bar_rsi > 25.0 and x.z_200 > -3.0:
        return -1.0
    return position.exposure


def measure(quick: bool) -> Outcome:
    """Ticks a second of the replay, and microseconds of a call as the sandboxed child makes it."""
    ticks = walk(100_000 if quick else 500_000)
    runs = [cross.once(ticks, strategy=thirty) for _ in range(5 if quick else 30)]
    n_orders = runs[0].book.numbers["n_orders"]
    outcome = Outcome(notes=[f"30 features ({len(_ON_TICKS)} on ticks, {len(_ON_BARS)} on bars): {n_orders:,} orders"])
    if n_orders == 0:
        outcome.failures.append("the strategy with 30 features must trade, it did not")
    outcome.figures.append(
        Figure(name="replay, 30 features", value=len(ticks) / min(each.seconds for each in runs), unit="ticks/s",
               goal=4e6)
    )  # fmt: skip
    outcome.figures.append(
        Figure(name="one live call, 30 features", value=_live_call_us(20_000 if quick else 100_000), unit="us",
               best="low")
    )  # fmt: skip
    beside = features.stream(quick)
    outcome.figures += beside.figures
    outcome.failures += beside.failures
    return outcome


def _live_call_us(n_calls: int) -> float:
    proposer = Proposer(thirty, EURUSD)
    view = np.zeros(1, VIEW)
    view["entry_price"] = np.nan
    rows = walk(n_calls).tolist()
    for time_ns, bid, ask in rows[: n_calls // 2]:
        proposer.on_tick(time_ns, bid, ask, view)
    taken = []
    for time_ns, bid, ask in rows[n_calls // 2 :]:
        began = time.perf_counter_ns()
        proposer.on_tick(time_ns, bid, ask, view)
        taken.append(time.perf_counter_ns() - began)
    return float(np.median(taken)) / 1000.0
