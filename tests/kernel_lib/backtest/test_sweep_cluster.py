"""Workers that die, hang or are interrupted: the sweep ends, what is done is kept, what is lost is named."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernel_lib.backtest import sweep_cluster
from kernel_lib.backtest.sweep import sweep
from kernel_lib.backtest.sweep_cluster import run_chunk
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import Strategy, load_strategy

# Kills the worker that loads it: once, where MARK names a file that is not there yet; always for the set DEADLY.
DEADLY = """
import os
import signal
from pathlib import Path
from kernel_lib import features as f
from kernel_lib.strategy import strategy

mark = Path("MARK")
if os.getpid() != PARENT and not mark.exists():
    mark.touch()
    os.kill(os.getpid(), signal.SIGKILL)

def made(p):
    if p.fast == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"fast": f.ema(p.fast), "slow": f.ema(p.slow)}

@strategy(on="tick", features=made, params={"fast": 5, "slow": 60})
def cross(x, position, p):
    return 1.0 if x.fast > x.slow else -1.0
"""


def walk(n_ticks: int = 1_500) -> Ticks:
    mid = np.round(1.1 + np.cumsum(np.random.default_rng(2).normal(0, 5e-5, n_ticks)), 5)
    return make_ticks(1_704_672_000 * 10**9 + np.arange(n_ticks) * 10**9, mid, mid + 2e-5)


def deadly(mark: Path) -> Strategy:
    return load_strategy(DEADLY.replace("MARK", str(mark)).replace("PARENT", str(os.getpid())), "cross")


def processes() -> Executor:
    starting = multiprocessing.get_context("forkserver")  # imports once for all workers
    starting.set_forkserver_preload([run_chunk.__module__])
    return ProcessPoolExecutor(1, mp_context=starting)


@pytest.mark.flow
def test_a_killed_process_costs_a_second_try_and_nothing_else(tmp_path: Path) -> None:
    grid, ticks = {"fast": [3, 5, 8], "slow": [30, 60]}, walk(100_000)  # more ticks than a pipe holds
    with processes() as pool:
        found = sweep(deadly(tmp_path / "died"), ticks, grid, progress=False, cluster=pool)
    assert (tmp_path / "died").exists()
    assert not found.partial
    assert (found.table["reason"] == "").all()
    here = sweep(deadly(tmp_path / "died"), ticks, grid, progress=False)
    assert found.table.equals(here.table)


@pytest.mark.flow
def test_a_set_that_kills_its_worker_each_time_is_named_and_takes_no_other_with_it(tmp_path: Path) -> None:
    (tmp_path / "died").touch()
    with processes() as pool:
        found = sweep(deadly(tmp_path / "died"), walk(), {"fast": [3, 13, 8]}, progress=False, cluster=pool)
    assert found.partial
    reasons = dict(zip(found.table["fast"], found.table["reason"], strict=True))
    assert "lost 3 times" in reasons[13]
    assert (reasons[3], reasons[8]) == ("", "")


class HangingExecutor:
    """Never answers the block number ``hangs`` (from 0), and counts what is submitted."""

    def __init__(self, hangs: int, *, interrupts: bool = False) -> None:
        self.hangs, self.interrupts, self.submitted = hangs, interrupts, 0

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "HangingExecutor.Answer":
        self.submitted += 1
        return self.Answer(self, self.submitted - 1, function, arguments)

    class Answer:
        def __init__(self, pool: "HangingExecutor", number: int, function: Any, arguments: Any) -> None:
            self._pool, self._number, self._work = pool, number, (function, arguments)

        def done(self) -> bool:
            if self._number != self._pool.hangs:
                return True
            if self._pool.interrupts:
                raise KeyboardInterrupt
            return False

        def result(self) -> Any:
            return self._work[0](*self._work[1])


def test_a_worker_that_hangs_is_given_up_and_its_block_run_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_cluster, "_PATIENCE_S", 0.1)
    cluster = HangingExecutor(hangs=1)
    found = sweep(ma_cross, walk(), {"fast": [3, 5, 8]}, progress=False, cluster=cluster)
    assert cluster.submitted == 3 + 1
    assert not found.partial


def test_ctrl_c_keeps_what_is_done_and_the_next_run_does_the_rest(tmp_path: Path) -> None:
    ticks, grid = walk(), {"fast": [3, 5, 8, 13]}
    kept = tmp_path / "rows.npz"
    cluster = HangingExecutor(hangs=2, interrupts=True)
    partial = sweep(ma_cross, ticks, grid, progress=False, cluster=cluster, resume=kept)
    assert partial.partial
    assert "interrupted" in partial.note
    again = HangingExecutor(hangs=-1)
    whole = sweep(ma_cross, ticks, grid, progress=False, cluster=again, resume=kept)
    assert 0 < again.submitted < 4
    assert whole.table.equals(sweep(ma_cross, ticks, grid, progress=False).table)


@pytest.mark.flow
@pytest.mark.filterwarnings("ignore")  # dask's own, while a worker of it dies
def test_a_dask_worker_that_dies_is_survived(tmp_path: Path) -> None:
    import distributed  # slow to load, and the other tests do without

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = sweep(
            deadly(tmp_path / "died"), walk(), {"fast": [3, 5, 8], "slow": [30, 60]}, progress=False, cluster=client
        )
    assert (tmp_path / "died").exists()
    assert not found.partial
