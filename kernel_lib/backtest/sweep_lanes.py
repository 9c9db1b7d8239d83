"""The sets of a sweep on this machine's processors: one lane a thread, each with its own book, until none is left."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.sweep_engine import Engine, Lane

if TYPE_CHECKING:
    from kernel_lib.backtest.sweep_price import Quota

__all__ = ["run_sets"]

_LOOK_S = 0.02
_KEEP_S = 5.0


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
