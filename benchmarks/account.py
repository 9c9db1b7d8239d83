"""Five instruments in one account, beside five replays one after the other over the same ticks."""

import contextlib
import importlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import cross
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib.backtest import AccountReplay, Member, replay, replay_account
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.trading.account import AccountConfig

__all__ = ["measure"]

#: Symbol, level and digits; AUDJPY's yen and dollars are converted at the quotes of USDJPY and AUDUSD.
_SYMBOLS = (("EURUSD", 1.1, 5), ("GBPUSD", 1.3, 5), ("USDJPY", 110.0, 3), ("AUDUSD", 0.7, 5), ("AUDJPY", 80.0, 3))
_PARAMS = {"fast": 100, "slow": 500}
_RATES = AccountConfig(deposit=cross.ACCOUNT.deposit, rates={"JPY": 0.009, "AUD": 0.7})


def measure(quick: bool) -> Outcome:
    """Ticks a second of the account, its loop and the merging of its ticks, and of the single replays."""
    n_ticks = 100_000 if quick else 1_000_000
    ticks = {symbol: _quotes(n_ticks, seed, level, digits) for seed, (symbol, level, digits) in enumerate(_SYMBOLS, 1)}
    repeats = 2 if quick else 5
    together = [_together(ticks) for _ in range(repeats)]
    alone = [_alone(ticks) for _ in range(repeats)]
    seconds, singly = min(each.seconds for each in together), min(alone)
    n_orders = together[0].book.numbers["n_orders"]
    outcome = Outcome(notes=[
        f"EMA 100/500 on five instruments, {5 * n_ticks:,} ticks, {n_orders:,} orders; one of the five is converted at "
        "the quotes of two others; the merging of the ticks is counted"
    ])  # fmt: skip
    outcome.figures.append(
        Figure(name="five instruments in one account", value=5 * n_ticks / seconds, unit="ticks/s", goal=5e6,
               peer="five single replays, fixed rates", peer_value=5 * n_ticks / singly)
    )  # fmt: skip
    return outcome


def _together(ticks: dict[str, Ticks]) -> AccountReplay:
    members = [Member(ma_cross, symbol, params=_PARAMS) for symbol in ticks]
    with _own_seconds("kernel_lib.backtest.account_replay"):
        return replay_account(members, ticks, account=cross.ACCOUNT, limits=cross.WIDE, costs=cross.FREE)


def _alone(ticks: dict[str, Ticks]) -> float:
    with _own_seconds("kernel_lib.backtest.replay"):
        runs = [
            replay(ma_cross, each, instrument=symbol, account=_RATES, limits=cross.WIDE, costs=cross.FREE,
                   params=_PARAMS, progress=False)
            for symbol, each in ticks.items()
        ]  # fmt: skip
    return sum(each.seconds for each in runs)


@contextlib.contextmanager
def _own_seconds(name: str) -> Iterator[None]:
    """Have a run counted by its thread's own seconds: other programs share the machine."""
    module: Any = importlib.import_module(name)
    kept = module.time
    module.time = SimpleNamespace(perf_counter=time.thread_time)
    try:
        yield
    finally:
        module.time = kept


def _quotes(n_ticks: int, seed: int, level: float, digits: int) -> Ticks:
    ticks = walk(n_ticks, seed=seed)
    ticks["time_ns"][0] = walk(1)["time_ns"][0] - 10**9  # conversions are quoted from the first tick on
    bid = np.round(ticks["bid"] / 1.1 * level, digits)
    return make_ticks(ticks["time_ns"], bid, np.round(bid + 8 * 10.0**-digits, digits))
