"""A sweep of the moving-average cross: beside vectorbt, statistics included on both sides, and over a million ticks;
and what a sweep costs beside the price that was named before.

Both sides run in processes of their own, one after the other, and tell the seconds of their own processors, because
other programs share the machine; ours are divided by the threads that the work was spread over, as on a quiet machine.
Memory is what the peak grew by over what was there when the libraries were imported.
"""

import json
import subprocess
import sys

from benchmarks.result import Figure, Outcome

__all__ = ["measure"]

_SHARED = """
import json, resource, sys, time, warnings
import numpy as np
from benchmarks.market import walk
n_bars, n_sets, step_s = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
ticks = walk(n_bars, step_ns=step_s * 10**9)
pairs = [(fast, slow) for fast in range(5, 45) for slow in range(50, 300, 10)][:n_sets]
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def told(go, threads):
    base = peak()
    go()
    seconds, wall = [], []
    for _ in range(3):
        began, clock = time.process_time(), time.perf_counter()
        go()
        seconds.append(time.process_time() - began)
        wall.append(time.perf_counter() - clock)
    print(json.dumps({"seconds": min(seconds) / threads, "wall": min(wall), "mib": peak() - base}))
"""

_OURS = """
from kernel_lib.backtest.sweep import sweep
from kernel_lib.strategies import ma_cross
sets = [{"fast": fast, "slow": slow} for fast, slow in pairs]
import pandas
threads = int(sys.argv[3])
def go(): assert len(sweep(ma_cross, ticks, sets, progress=False, threads=threads).table) == len(sets)
told(go, threads)
"""

_VECTORBT = """
import pandas as pd
import vectorbt as vbt
warnings.simplefilter("ignore")
price = pd.Series((ticks["bid"] + ticks["ask"]) / 2, index=pd.to_datetime(ticks["time_ns"]))
def go():
    fast = vbt.MA.run(price, [a for a, _ in pairs], short_name="fast", ewm=True)
    slow = vbt.MA.run(price, [b for _, b in pairs], short_name="slow", ewm=True)
    entries, exits = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
    run = vbt.Portfolio.from_signals(
        price, entries, short_entries=exits, freq="1min", fees=3.5e-5, size=1e4, init_cash=1e4)
    assert len(run.total_return()) == len(run.sharpe_ratio()) == len(run.max_drawdown()) == len(pairs)
told(go, 1)
"""


_PRICE = """
from statistics import median
from kernel_lib.backtest.sweep import sweep
from kernel_lib.backtest.sweep_price import price
from kernel_lib.strategies import breakout, ma_cross, rsi_reversion
grids = [
    (ma_cross, {"fast": [3, 10, 30, 90], "slow": [100, 200, 500]}), (rsi_reversion, {"window": range(5, 17)}),
    (breakout, {"window": [3, 12, 40], "margin": [0.05, 0.1, 0.2, 0.4]}),
]
def off(strategy, grid):
    asked, ran = price(strategy, ticks, grid).seconds, sweep(strategy, ticks, grid, progress=False).seconds
    return max(asked / ran, ran / asked)
print(json.dumps({"off": max(median(off(*each) for _ in range(n_sets)) for each in grids)}))
"""


def measure(quick: bool) -> Outcome:
    """Seconds and MiB of 1,000 sets on 10,000 bars beside vectorbt; of 100 on a million ticks; what a price is off."""
    outcome = Outcome()
    n_sets = 100 if quick else 1_000
    ours = _run(_OURS, 10_000, n_sets, 2, 30)
    theirs = _run(_VECTORBT, 10_000, n_sets, 1, 30)
    peer = "vectorbt: not installed" if theirs is None else "vectorbt, warm, three statistics"
    if ours is None:
        outcome.failures.append("the sweep did not run")
        return outcome
    what = f"{n_sets:,} sets on 10,000 bars"
    seconds, memory = ours["seconds"], max(ours["mib"], 0.1)
    outcome.figures += [
        Figure(
            name=f"{what}, two cores", value=seconds, unit="s", peer=peer, goal=20.0, best="low", of="ratio",
            peer_value=None if theirs is None else theirs["seconds"],
        ),
        Figure(
            name=f"{what}, memory", value=memory, unit="MiB", peer=peer, goal=10.0, best="low", of="ratio",
            peer_value=None if theirs is None else theirs["mib"],
        ),
    ]  # fmt: skip
    long = _run(_OURS, 100_000 if quick else 1_000_000, 100, 2, 1)
    if long is not None:
        name = f"100 sets on {'100,000' if quick else 'a million'} ticks, two cores"
        outcome.figures.append(Figure(name=name, value=long["seconds"], unit="s", goal=10.0, best="low"))
    priced = _run(_PRICE, 400_000, 5, 1, 2)
    if priced is not None:
        name = "price of a sweep before it starts, how far off, worst of three strategies"
        outcome.figures.append(Figure(name=name, value=priced["off"], unit="times", goal=2.0, best="low"))
    outcome.notes.append(f"on the clock: ours {ours['wall']:.3f} s, vectorbt {theirs['wall'] if theirs else 0:.3f} s")
    return outcome


def _run(program: str, *arguments: int) -> dict[str, float] | None:
    command = [sys.executable, "-c", _SHARED + program, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if ended.returncode != 0:
        if "No module named 'vectorbt'" in ended.stderr:
            return None
        raise RuntimeError(f"a side of the sweep must run, it gave: {ended.stderr[-2000:]}")
    answer: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return answer
