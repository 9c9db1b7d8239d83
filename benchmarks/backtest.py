"""The standard backtest, warm and in a fresh interpreter; the moving-average cross beside a loop written for it alone.

The standard backtest is one strategy with three features on a million ticks of one symbol, all statistics computed.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from benchmarks import cross
from benchmarks.hftbacktest_peer import PeerRun
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import FixedLots, strategy

__all__ = ["measure"]

_FAST, _SLOW = 100, 500
_MINOR_A_POINT = 10  # cents, of a tenth of a lot
_DEPOSIT_MINOR = 1_000_000_000

_FRESH = """
import sys
import numpy as np
from benchmarks.backtest import standard
print(standard(np.load(sys.argv[1]))["trades_count"])
"""


@strategy(
    on="tick",
    features={"fast": f.ema(100), "slow": f.ema(500), "strength": f.rsi(14, bars="1m")},
    sizing=FixedLots(0.1),
)
def three_features(x, position, p):  # type: ignore[no-untyped-def]
    """Follow the trend unless it is spent."""
    if x.fast > x.slow and x.strength < 70.0:
        return 1.0
    if x.fast < x.slow and x.strength > 30.0:
        return -1.0
    return position.exposure


def standard(ticks: Ticks) -> dict[str, float]:
    """Run the standard backtest; give all its statistics."""
    found: dict[str, float] = replay(three_features, ticks, progress=False).report().statistics
    return found


@njit(nogil=True, inline="always")
def _averaged(average, total, i, span, mid):  # type: ignore[no-untyped-def]
    if i < span:
        total += mid
        return total / span, total
    return average + 2.0 / (span + 1.0) * (mid - average), total


@njit(nogil=True)
def _orders_alone(ticks, fast_span, slow_span, prices):  # type: ignore[no-untyped-def]
    """The cross's orders and fill prices and nothing else: no account."""
    fast = slow = fast_sum = slow_sum = 0.0
    side = n_orders = 0
    for i in range(ticks.size):
        tick = ticks[i]
        mid = 0.5 * (tick.bid + tick.ask)
        fast, fast_sum = _averaged(fast, fast_sum, i, fast_span, mid)
        slow, slow_sum = _averaged(slow, slow_sum, i, slow_span, mid)
        if i + 1 < slow_span:
            continue
        wanted = 1 if fast > slow else -1 if fast < slow else side
        if wanted != side:
            prices[n_orders] = tick.ask if wanted > side else tick.bid
            n_orders += 1
            side = wanted
    return n_orders, 0.0, 0.0


@njit(nogil=True)
def _with_account(ticks, fast_span, slow_span, prices):  # type: ignore[no-untyped-def]
    """The same with an account as anybody would write it for this strategy: worth and drawdown at every tick."""
    fast = slow = fast_sum = slow_sum = 0.0
    side = n_orders = 0
    entry: Any = 0
    balance: Any = _DEPOSIT_MINOR
    peak: Any = balance
    deepest = deepest_share = 0.0
    for i in range(ticks.size):
        tick = ticks[i]
        bid, ask = np.int64(tick.bid * 1e5 + 0.5), np.int64(tick.ask * 1e5 + 0.5)
        floating = _MINOR_A_POINT * (bid - entry if side > 0 else entry - ask if side < 0 else 0)
        equity = balance + floating
        if equity > peak:
            peak = equity
        else:
            deepest = max(deepest, peak - equity)
            if peak - equity > deepest_share * peak:
                deepest_share = (peak - equity) / peak
        mid = 0.5 * (tick.bid + tick.ask)
        fast, fast_sum = _averaged(fast, fast_sum, i, fast_span, mid)
        slow, slow_sum = _averaged(slow, slow_sum, i, slow_span, mid)
        if i + 1 < slow_span:
            continue
        wanted = 1 if fast > slow else -1 if fast < slow else side
        if wanted != side:
            balance += floating
            entry = ask if wanted > side else bid
            prices[n_orders] = entry / 1e5
            n_orders += 1
            side = wanted
    return n_orders, balance, deepest


def _hand_written(loop: Any, ticks: Ticks, repeats: int) -> tuple[PeerRun, float, float]:
    """Seconds of the fastest, orders and prices; balance and deepest fall in minor units."""
    prices = np.zeros(len(ticks))
    loop(ticks[:1000], _FAST, _SLOW, prices)
    seconds, found = [], (0, 0.0, 0.0)
    for _ in range(repeats):
        began = time.thread_time()
        found = loop(ticks, _FAST, _SLOW, prices)
        seconds.append(time.thread_time() - began)
    return PeerRun(min(seconds), found[0], prices[: found[0]].copy()), found[1], found[2]


def _beside_loops(ticks: Ticks, quick: bool, outcome: Outcome) -> None:
    ours = cross.fastest(ticks, _FAST, _SLOW, 3)
    loops = {"with an account": _with_account, "orders and fill prices only": _orders_alone}
    theirs: dict[str, PeerRun] = {}
    numbers = cross.once(ticks, _FAST, _SLOW).book.numbers
    for _ in range(4 if quick else 12):  # in turns, so that a busy moment of the machine meets all
        ours = min(ours, cross.fastest(ticks, _FAST, _SLOW, 2), key=lambda each: each.seconds)
        for name, loop in loops.items():
            found, balance, deepest = _hand_written(loop, ticks, 2)
            theirs[name] = min(theirs.get(name, found), found, key=lambda each: each.seconds)
            if loop is _with_account and (balance, deepest) != (numbers["balance_minor"], numbers["drawdown_minor"]):
                outcome.failures.append(
                    f"the hand-written account must come to ours, {numbers['balance_minor']} and "
                    f"{numbers['drawdown_minor']}, it came to {balance} and {deepest}"
                )
    speed = len(ticks) / ours.seconds
    outcome.figures.append(Figure(name="replay, cross of a million ticks", value=speed, unit="ticks/s", goal=25e6))
    for name, found in theirs.items():
        outcome.failures += cross.differences(f"the hand-written loop, {name},", ours, found)
        peer = f"single-purpose numba loop, {name}; same {found.orders:,} orders"
        goal = 1 / 3 if name == "with an account" else None
        outcome.figures.append(
            Figure(name=f"replay, beside a loop {name}", value=speed, unit="ticks/s", peer=peer,
                   peer_value=len(ticks) / found.seconds, goal=goal, of="ratio")
        )  # fmt: skip


def measure(quick: bool) -> Outcome:
    """Seconds on the clock for the standard backtest; ticks a second of one core's own time for the loops."""
    ticks = walk(100_000 if quick else 1_000_000)
    outcome = Outcome()
    statistics = standard(ticks)
    if not statistics["trades_count"]:
        outcome.failures.append("the standard backtest must trade, it did not")
    warm = []
    for _ in range(3 if quick else 15):
        began = time.perf_counter()
        again = standard(ticks)
        warm.append(time.perf_counter() - began)
        if repr(again) != repr(statistics):
            outcome.failures.append("two standard backtests must give the same statistics, they did not")
    outcome.figures.append(
        Figure(name="standard backtest, warm", value=float(np.median(warm)), unit="s", goal=0.2, best="low")
    )
    outcome.notes.append(
        f"standard backtest: {statistics['trades_count']:,.0f} trades, {len(statistics)} statistics; "
        f"fastest of {len(warm)} {min(warm):.3f} s"
    )
    outcome.figures.append(
        Figure(name="standard backtest, fresh interpreter", value=_fresh_s(ticks, 3 if quick else 5), unit="s",
               goal=3.0, best="low")
    )  # fmt: skip
    _beside_loops(ticks, quick, outcome)
    return outcome


def _fresh_s(ticks: Ticks, repeats: int) -> float:
    """Median seconds from the start of the interpreter to the statistics; the first of them, which may compile, out."""
    seconds = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "ticks.npy"
        np.save(path, ticks)
        for _ in range(repeats + 1):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", _FRESH, str(path)], check=True, capture_output=True)
            seconds.append(time.perf_counter() - began)
    return float(np.median(seconds[1:]))
