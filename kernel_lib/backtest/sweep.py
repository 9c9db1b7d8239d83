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

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kernel_lib.backtest.bar_ticks import ticks_to_replay
from kernel_lib.backtest.counting import count_sets
from kernel_lib.backtest.grid import Grid, check_names, parameter_sets
from kernel_lib.backtest.sweep_engine import Engine, empty_totals
from kernel_lib.backtest.sweep_lanes import run_sets
from kernel_lib.backtest.sweep_result import Sweep
from kernel_lib.declared import declared
from kernel_lib.errors import Misconfigured
from kernel_lib.market.bar import Bars
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

if TYPE_CHECKING:
    from kernel_lib.backtest.sweep_price import Quota

__all__ = ["sweep"]


@declared
def sweep(
    strategy: Strategy,
    ticks: Ticks | Bars,
    grid: Grid,
    *,
    mode: Literal["ticks", "m1", "open"] = "ticks",
    spread_points: int | None = None,
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
    ticks : ndarray of TICK, shape (n_ticks,), or of BAR, shape (n_bars,)
    mode, spread_points
        How bars are run over, as for :func:`~kernel_lib.backtest.replay.replay`.
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
    ticks = ticks_to_replay(ticks, mode, contract, spread_points)
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
    from kernel_lib.backtest.sweep_price import day_quota

    quota = quota or day_quota(strategy.name)
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
    found = Sweep(strategy, sets, totals, done, reasons, engine.account.digits, note)
    count_sets(found, engine, told_s=getattr(quota, "told_s", 0.0))
    return found


def _bar(n_sets: int, n_done: int, wanted: bool | None, name: str) -> Any:
    from tqdm.auto import tqdm

    at_hand = threading.current_thread() is threading.main_thread()
    show = wanted if wanted is not None else at_hand and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    return tqdm(total=n_sets, initial=n_done, unit="set", desc=name, disable=not show, leave=False)
