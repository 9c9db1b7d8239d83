"""The engine's side of a parity run: its program is started on a private directory, fed, and read."""

import contextlib
import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.parity_job import Found, Job, read_array, read_struct, write_array, write_struct
from kernel_lib.backtest.parity_moment import Moment, moment_of, state_of, values_of
from kernel_lib.errors import Broken, Misconfigured, StrategyFault
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import Strategy
from kernel_lib.trading.record import VIEW

__all__ = ["PROGRAM", "EngineRun", "run_engine"]

PROGRAM = "live_engine.parity"
_PATIENCE_S = 20.0


class EngineRun(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine made of a job.

    Parameters
    ----------
    rows : ndarray of EVENT
        From its journal.
    row_ticks : ndarray of int64
        The tick that each row came of.
    ticks : ndarray of TICK
        From its journal too.
    last_answer : tuple
        To the last tick: target, lot steps, distances, status.
    """

    found: Found
    rows: npt.NDArray[np.void]
    row_ticks: npt.NDArray[np.int64]
    ticks: Ticks
    last_answer: tuple[float, int, int, int, int]

    def moment(self, strategy: Strategy) -> Moment:
        """Say what was known at the last tick; ``strategy`` is what the passport's source makes."""
        state = state_of(strategy, self.found.proposer)
        here = moment_of(
            strategy, len(self.ticks) - 1, strategy_state(strategy), np.zeros(1, VIEW)[0], self.last_answer
        )
        shown = [] if state is None else values_of(strategy, state)
        return msgspec.structs.replace(here, shown=shown, seen={})


def strategy_state(strategy: Strategy) -> npt.NDArray[np.float64]:
    """Give a strategy's state at the beginning."""
    from kernel_lib.strategy.compose import compose

    return compose(strategy).state


def run_engine(
    job: Job, ticks: Ticks, told: npt.NDArray[np.void], *, told_progress: Callable[[int], Any] = lambda n_ticks: None
) -> EngineRun:
    """Run the engine's program on ticks and values from outside.

    Parameters
    ----------
    job : Job
    ticks : ndarray of TICK
    told : ndarray of OUTSIDE
    told_progress : callable
        Takes the number of ticks done.

    Raises
    ------
    Misconfigured
        The engine is not installed here.
    StrategyFault
        The strategy's source does not run in its process.
    Broken
        The program failed; the message ends with what it said.
    """
    if importlib.util.find_spec("live_engine") is None:
        raise Misconfigured(
            "parity runs the engine's own program, which is not installed here; install tickhub[server], or run "
            "'tickhub parity' where the platform runs"
        )
    with tempfile.TemporaryDirectory(prefix="tickhub-parity-") as name:
        directory = Path(name)
        write_struct(directory, "job", job)
        write_array(directory, "ticks", np.ascontiguousarray(ticks))
        write_array(directory, "told", told)
        _run_program(directory, told_progress)
        found: Found = read_struct(directory, "found", Found)
        if not found.loaded:
            raise StrategyFault(
                f"the engine cannot load the strategy: {found.reason}; its file or cell must run on its own, with its "
                "imports and what it reads"
            )
        target, units, stop, take, status = read_array(directory, "last_answer")[0].item()
        return EngineRun(
            found=found, rows=read_array(directory, "rows"), row_ticks=read_array(directory, "row_ticks"),
            ticks=read_array(directory, "seen"), last_answer=(target, units, stop, take, status),
        )  # fmt: skip


def _run_program(directory: Path, told_progress: Callable[[int], Any]) -> None:
    with (directory / "said").open("w+b") as said:
        program = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, str(directory)], stdout=subprocess.PIPE, stderr=said, text=True
        )
        try:
            assert program.stdout is not None
            for line in program.stdout:
                with contextlib.suppress(ValueError):
                    told_progress(int(json.loads(line)["ticks"]))
            status = program.wait()
        except BaseException:
            # Asked first: it takes its sandbox with it.
            program.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(_PATIENCE_S)
            program.kill()
            program.wait()
            raise
        finally:
            if program.stdout is not None:
                program.stdout.close()
        if status != 0:
            said.seek(0)
            end = said.read().decode("utf-8", "replace").strip()[-1500:]
            raise Broken(f"the engine's program {PROGRAM} must end by itself, it failed with status {status}: {end}")
