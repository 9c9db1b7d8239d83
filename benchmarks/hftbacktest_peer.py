"""hftbacktest on the same ticks: the same averages, market orders at the quote, one nanosecond of latency."""

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from kernel_lib.market.tick import Ticks

__all__ = ["PeerRun", "installed", "run"]

_LOT_UNITS = 10_000.0
_DEEP = 1e9
_POINTS = 100_000.0
GTC = 0
MARKET = 1


class PeerRun(NamedTuple):
    """Seconds of the fastest repeat, number of orders, and each order's fill price where the peer tells it."""

    seconds: float
    orders: int
    prices: npt.NDArray[np.float64]


def installed() -> str:
    """Give name and version, or an empty string."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"hftbacktest {version('hftbacktest')}"
    except PackageNotFoundError:
        return ""


def run(ticks: Ticks, fast: int, slow: int, repeats: int) -> PeerRun:
    """Run the moving-average cross; compiled before it is timed."""
    events = _events(ticks)
    _cross(_backtest(_events(ticks[:10])), ticks["time_ns"][:10].copy(), fast, slow, np.zeros(16))
    seconds = []
    for _ in range(repeats):
        prices = np.zeros(len(ticks))
        backtest = _backtest(events)
        began = time.thread_time()
        n_orders = _cross(backtest, ticks["time_ns"].copy(), fast, slow, prices)
        seconds.append(time.thread_time() - began)
    return PeerRun(min(seconds), int(n_orders), prices[:n_orders])


def _events(ticks: Ticks) -> npt.NDArray[np.void]:
    """Quotes as book updates: a side that moves leaves its old price and takes the new one; one that stands is not
    told again, which is in the peer's favour."""
    from hftbacktest.types import BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, LOCAL_EVENT, SELL_EVENT, event_dtype

    events = np.zeros((len(ticks), 4), event_dtype)
    wanted = np.zeros((len(ticks), 4), bool)
    for side, (flag, name) in enumerate(((BUY_EVENT, "bid"), (SELL_EVENT, "ask"))):
        price = ticks[name]
        moved = np.concatenate([[True], price[1:] != price[:-1]])
        events["ev"][:, side] = events["ev"][:, side + 2] = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT | flag
        events["px"][1:, side], events["px"][:, side + 2] = price[:-1], price
        events["qty"][:, side + 2] = _DEEP
        wanted[1:, side], wanted[:, side + 2] = moved[1:], moved
    events["exch_ts"] = events["local_ts"] = ticks["time_ns"][:, None]
    return np.ascontiguousarray(events[wanted])


def _backtest(events: npt.NDArray[np.void]) -> Any:
    from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest

    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(1, 1)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.00001)
        .lot_size(1.0)
    )
    return HashMapMarketDepthBacktest([asset])


@njit
def _cross(hbt, times, fast_span, slow_span, prices):  # type: ignore[no-untyped-def]
    fast = slow = fast_sum = slow_sum = 0.0
    fast_weight, slow_weight = 2.0 / (fast_span + 1.0), 2.0 / (slow_span + 1.0)
    held = 0
    n_orders = waiting = 0
    for i in range(times.size):
        # Both sides of a quote have one time: one step takes them, and what became of the order before.
        hbt.elapse(times[i] - times[i - 1] if i > 0 else 0)
        if waiting:
            prices[waiting - 1] = hbt.orders(0).get(waiting).exec_price
            hbt.clear_inactive_orders(0)
            waiting = 0
        depth = hbt.depth(0)
        mid = (depth.best_bid_tick / _POINTS + depth.best_ask_tick / _POINTS) * 0.5
        if i < fast_span:
            fast_sum += mid
            fast = fast_sum / fast_span
        else:
            fast += fast_weight * (mid - fast)
        if i < slow_span:
            slow_sum += mid
            slow = slow_sum / slow_span
        else:
            slow += slow_weight * (mid - slow)
        if i + 1 < slow_span:
            continue
        wanted = 1 if fast > slow else -1 if fast < slow else held
        if wanted == held:
            continue
        lots = abs(wanted - held) * _LOT_UNITS
        n_orders += 1
        waiting = n_orders
        if wanted > held:
            hbt.submit_buy_order(0, n_orders, depth.best_ask, lots, GTC, MARKET, False)
        else:
            hbt.submit_sell_order(0, n_orders, depth.best_bid, lots, GTC, MARKET, False)
        held = wanted
    if waiting:
        hbt.elapse(10)
        prices[waiting - 1] = hbt.orders(0).get(waiting).exec_price
    return n_orders
