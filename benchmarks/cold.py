"""A fresh interpreter with the machine code cached: import, and the first backtest of a million ticks."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.market import walk
from benchmarks.result import Figure, Outcome

__all__ = ["measure"]

_FIRST_BACKTEST = """
import sys
import numpy as np
from kernel_lib.backtest import replay
from kernel_lib.strategies import ma_cross
result = replay(ma_cross, np.load(sys.argv[1]), progress=False)
print(result.book.numbers["n_orders"])
"""


def measure(quick: bool) -> Outcome:
    """Seconds from the start of the interpreter to the result, reading the ticks included; median of several."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "ticks.npy"
        np.save(path, walk(100_000 if quick else 1_000_000))
        command = [sys.executable, "-c", _FIRST_BACKTEST, str(path)]
        seconds = []
        for _ in range(3 if quick else 6):
            began = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds.append(time.perf_counter() - began)
    outcome = Outcome()
    if int(done.stdout) == 0:
        outcome.failures.append("the first backtest must trade, it did not")
    # The first of them fills the cache, should it be empty; it is not counted.
    value = float(np.median(seconds[1:]))
    outcome.figures.append(
        Figure(name="first backtest in a fresh interpreter", value=value, unit="s", goal=4.0, best="low")
    )
    return outcome
