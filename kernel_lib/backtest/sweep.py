"""Sweep: many parameter sets of one strategy over the same ticks, compiled, in parallel, in bounded memory.

>>> from kernel_lib.strategies import ma_cross
>>> from kernel_lib.market.tick import make_ticks
>>> import numpy as np
>>> mid = 1.1 + 1e-3 * np.sin(np.arange(5000) / 200)
>>> ticks = make_ticks(1_704_672_000 * 10**9 + np.arange(5000) * 10**9, mid, mid + 1e-5)
>>> found = sweep(ma_cross, ticks, {"fast": [20, 50], "slow": [100, 200]}, progress=False)
>>> found.table[["fast", "slow", "trades_count"]].shape, found.partial
((4, 3), False)
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.grid import Grid, check_names, parameter_sets
from kernel_lib.backtest.sweep_engine import Engine, Lane, empty_totals
from kernel_lib.backtest.sweep_result import Sweep
from kernel_lib.errors import Misconfigured
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

if TYPE_CHECKING:
    from kernel_lib.backtest.sweep_price import Quota

__all__ = ["run_sets", "sweep"]

_LOOK_S = 0.1
_KEEP_S = 5.0


def sweep(
    strategy: Strategy,
    ticks: Ticks,
    grid: Grid,
    *,
    instrument: Instrument | str = "EURUSD",
    account: AccountConfig | None = None,
    limits: RiskLimits | None = None,
    costs: Costs | None = None,
    outside: Mapping[str, Any] | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    resume: str | Path | None = None,
    quota: "Quota | None" = None,
    cluster: Any = None,
) -> Sweep:
    """Run a strategy with each set of parameters over the same ticks.

    Parameters
    ----------
    strategy : Strategy
    ticks : ndarray of TICK, shape (n_ticks,)
    grid : mapping of str to values, or sequence of mappings
        Every combination, or the sets themselves; :func:`~kernel_lib.backtest.grid.random_sets` draws some.
    instrument, account, limits, costs, outside
        As for :func:`~kernel_lib.backtest.replay.replay`.
    threads : int or None
        None: as many as there are processors.
    progress : bool or None
        A bar with sets a second; None shows one at a terminal or in a notebook.
    resume : path or None
        A file that keeps finished rows, written as the sweep goes on and read when it is begun again.
    quota : Quota or None
        Refuses before the run where the price is not covered, and is charged as it runs.
    cluster : object with ``submit``, or None
        A ``dask.distributed.Client`` or a ``concurrent.futures`` executor: chunks of sets run there. The strategy
        travels as its source, which must run on its own.

    Returns
    -------
    Sweep
        The statistics of each set equal those of ``replay(...).report()``. A set that is out of range or whose
        strategy raises is a row with the reason. After an interruption what is done is kept, and ``partial`` is True.

    Raises
    ------
    Misconfigured, BadData
        What no set could run with: the configuration, the ticks, a name that is no parameter; a file of another
        sweep.
    Refused
        The quota does not cover it.
    """
    contract = known_instrument(instrument) if isinstance(instrument, str) else instrument
    sets = parameter_sets(grid)
    check_names(strategy, sets)
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise Misconfigured(f"threads must be a whole number from 1 on, it was {threads!r}")
    engine = Engine(
        strategy, ticks, contract, account or AccountConfig(), limits or RiskLimits(), costs or Costs(), outside
    )
    if quota is not None:
        from kernel_lib.backtest.sweep_price import price_of

        quota.require(price_of(engine, sets))
    totals, done, reasons = empty_totals(len(sets)), np.zeros(len(sets), bool), [""] * len(sets)
    kept = None
    if resume is not None:
        from kernel_lib.backtest.sweep_resume import Kept

        kept = Kept(Path(resume), engine, sets)
        kept.read(totals, done, reasons)
    bar = _bar(len(sets), int(done.sum()), progress, strategy.name)
    with bar:
        if cluster is not None:
            from kernel_lib.backtest.sweep_cluster import run_on_cluster

            note = run_on_cluster(cluster, engine, sets, totals, done, reasons, bar, kept, quota)
        else:
            note = run_sets(engine, sets, totals, done, reasons, threads=threads, bar=bar, kept=kept, quota=quota)
    if kept is not None:
        kept.write(totals, done, reasons)
    if engine.slow:
        note = "; ".join(filter(None, [note, f"each tick passed through Python, which is slower: {engine.slow}"]))
    return Sweep(strategy, sets, totals, done, reasons, engine.account.digits, note)


def run_sets(
    engine: Engine,
    sets: list[dict[str, Any]],
    totals: npt.NDArray[np.void],
    done: npt.NDArray[np.bool_],
    reasons: list[str],
    *,
    threads: int | None = None,
    bar: Any = None,
    kept: Any = None,
    quota: "Quota | None" = None,
) -> str:
    """Run on this machine's threads what is not ``done``, into the given arrays; give why it ended early, if so."""
    waiting = deque(np.flatnonzero(~done).tolist())
    engine.halt[0] = 0
    charged = totals["seconds"].sum()
    note = ""

    def lane() -> None:
        own = Lane(engine)
        while not engine.halt[0]:
            try:
                at = waiting.popleft()
            except IndexError:
                return
            reasons[at] = own.run(sets[at], totals[at : at + 1])
            if totals[at]["n_ticks"] < 0:  # halted within
                totals[at : at + 1] = 0
            else:
                done[at] = True

    n_lanes = max(1, min(threads or len(os.sched_getaffinity(0)), len(waiting)))
    with ThreadPoolExecutor(n_lanes, thread_name_prefix="sweep") as pool:
        lanes: list[Future[None]] = [pool.submit(lane) for _ in range(n_lanes)]
        try:
            since_kept = 0.0
            pending = set(lanes)
            while pending:
                _, pending = wait(pending, timeout=_LOOK_S)
                since_kept += _LOOK_S
                if bar is not None:
                    bar.update(int(done.sum()) - bar.n)
                if quota is not None:
                    spent = float(totals["seconds"].sum())
                    quota.charge(spent - charged)
                    charged = spent
                    if quota.left_s <= 0.0 and pending and not engine.halt[0]:
                        engine.halt[0] = 1
                        note = f"stopped: the quota of {quota.seconds:g} backtest-seconds is used up"
                if kept is not None and since_kept >= _KEEP_S:
                    kept.write(totals, done, reasons)
                    since_kept = 0.0
        except KeyboardInterrupt:
            note = "interrupted: what is done is kept"
        finally:
            engine.halt[0] = 1
    for each in lanes:
        each.result()
    return note if not done.all() else ""


def _bar(n_sets: int, n_done: int, wanted: bool | None, name: str) -> Any:
    from tqdm.auto import tqdm

    at_hand = threading.current_thread() is threading.main_thread()
    show = wanted if wanted is not None else at_hand and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    return tqdm(total=n_sets, initial=n_done, unit="set", desc=name, disable=not show, leave=False)
