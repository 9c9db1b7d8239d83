"""Our side of the comparisons: the reference moving-average cross, with nothing in its way and no costs.

Speeds are of one core: a thread's own seconds are counted, for us and for every peer, because other programs share
the machine. On a quiet one they equal the clock on the wall.
"""

import contextlib
import importlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from benchmarks.hftbacktest_peer import PeerRun
from kernel_lib.backtest import Replay, replay
from kernel_lib.market.tick import Ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.record import Kind

__all__ = ["ACCOUNT", "FREE", "WIDE", "differences", "fastest", "once", "timed_parts"]

ACCOUNT = AccountConfig(deposit=10_000_000.0)
#: All limits are checked on every order, none binds.
WIDE = RiskLimits(daily_loss_fraction=1.0, orders_per_minute=256, max_spread_points=10**6)
FREE = Costs(latency_ms=0.0, commission_per_lot=0.0, swap=False)


def once(ticks: Ticks, fast: int = 100, slow: int = 500, strategy: Strategy = ma_cross) -> Replay:
    """Replay once; :attr:`Replay.seconds` is the loop alone."""
    params = {"fast": fast, "slow": slow} if strategy is ma_cross else None
    with _clocked([]):
        return replay(strategy, ticks, account=ACCOUNT, limits=WIDE, costs=FREE, params=params, progress=False)


def timed_parts(ticks: Ticks, fast: int, slow: int, n_parts: int) -> list[float]:
    """Replay once; give the seconds of each of ``n_parts`` equal parts of the run, in order."""
    readings: list[float] = []
    with _clocked(readings, chunk=-(-len(ticks) // n_parts)):
        replay(ma_cross, ticks, account=ACCOUNT, limits=WIDE, costs=FREE, params={"fast": fast, "slow": slow},
               progress=False)  # fmt: skip
    if len(readings) != 2 * n_parts:
        raise RuntimeError(f"a replay must take its {n_parts} parts in one go each, it took {len(readings) // 2}")
    return [readings[2 * k + 1] - readings[2 * k] for k in range(n_parts)]


@contextlib.contextmanager
def _clocked(readings: list[float], chunk: int = 0) -> Iterator[None]:
    # The replay reads a clock around each chunk of ticks; here it is the thread's own, and is listened to.
    module: Any = importlib.import_module("kernel_lib.backtest.replay")
    kept = module.time, module._CHUNK

    def read() -> float:
        readings.append(time.thread_time())
        return readings[-1]

    module.time, module._CHUNK = SimpleNamespace(perf_counter=read), chunk or module._CHUNK
    try:
        yield
    finally:
        module.time, module._CHUNK = kept


def fastest(ticks: Ticks, fast: int, slow: int, repeats: int) -> PeerRun:
    """Seconds of the fastest of ``repeats``, orders, and the prices they were filled at."""
    runs = [once(ticks, fast, slow) for _ in range(repeats)]
    events = runs[0].events
    fills = events[events["kind"] == int(Kind.FILL)]
    n_orders = runs[0].book.numbers["n_orders"]
    return PeerRun(min(each.seconds for each in runs), n_orders, fills["points"] * 1e-5)


def differences(what: str, ours: PeerRun, peer: PeerRun) -> list[str]:
    """Say where two runs on the same ticks differ: nothing when they did the same work."""
    if ours.orders != peer.orders:
        return [f"{what} must give the orders that we give: ours {ours.orders:,}, the peer's {peer.orders:,}"]
    if len(ours.prices) != len(peer.prices):
        return [f"{what} must give the fills that we give: ours {len(ours.prices):,}, the peer's {len(peer.prices):,}"]
    wrong = [k for k, (a, b) in enumerate(zip(ours.prices, peer.prices, strict=True)) if abs(a - b) > 1e-9]
    if wrong:
        k = wrong[0]
        return [f"{what} must fill at our prices: {len(wrong):,} differ, first {k}: {ours.prices[k]}, {peer.prices[k]}"]
    return []
