"""A sweep's sets in chunks on other machines or processes; a chunk whose worker died is run again elsewhere.

Anything with ``submit(function, *arguments)`` that gives an object with ``result()`` will do: a
``dask.distributed.Client`` (whose ``scatter`` is used for the ticks) and the executors of ``concurrent.futures``.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.sweep_engine import Engine, empty_totals
from kernel_lib.backtest.sweep_lanes import run_sets
from kernel_lib.errors import Misconfigured
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import load_strategy

if TYPE_CHECKING:
    from kernel_lib.backtest.sweep_price import Quota

__all__ = ["run_chunk", "run_on_cluster"]

_CHUNKS = 16
_MOST_TRIES = 3  # the first, and twice again


def run_chunk(
    source: str, entry: str, params: dict[str, Any], ticks: Ticks, setup: tuple[Any, ...], sets: list[dict[str, Any]]
) -> tuple[npt.NDArray[np.void], list[str], str]:
    """Run some sets in a worker's process; give their totals, the reasons against them, and why it was slow."""
    engine = Engine(load_strategy(source, entry, params=params), ticks, *setup)
    totals, done, reasons = empty_totals(len(sets)), np.zeros(len(sets), bool), [""] * len(sets)
    run_sets(engine, sets, totals, done, reasons, threads=1)
    return totals, reasons, engine.slow


def run_on_cluster(
    cluster: Any,
    engine: Engine,
    sets: list[dict[str, Any]],
    totals: npt.NDArray[np.void],
    done: npt.NDArray[np.bool_],
    reasons: list[str],
    bar: Any,
    kept: Any,
    quota: "Quota | None",
) -> str:
    """Run on a cluster what is not ``done``, into the given arrays; give why it ended early, if so."""
    if not callable(getattr(cluster, "submit", None)):
        raise Misconfigured(
            f"cluster must have submit(function, *arguments), as a dask Client or an executor, it was {cluster!r}"
        )
    strategy = engine.strategy
    if not strategy.source:
        raise Misconfigured(f"{strategy.name} must have a source to travel to a cluster; write it in a file or a cell")
    ticks = cluster.scatter(engine.ticks, broadcast=True) if hasattr(cluster, "scatter") else engine.ticks
    setup = (engine.instrument, engine.account, engine.limits, engine.costs, engine.outside)

    def submit(chunk: list[int]) -> Callable[[], Any]:
        future = cluster.submit(
            run_chunk, strategy.source, strategy.entry, dict(strategy.params), ticks, setup, [sets[k] for k in chunk]
        )
        result: Callable[[], Any] = future.result
        return result

    missing = np.flatnonzero(~done)
    parts = np.array_split(missing, min(_CHUNKS, max(1, len(missing))))
    chunks = [part.tolist() for part in parts if len(part)]
    lost = ""
    for _ in range(_MOST_TRIES):
        again: list[list[int]] = []
        try:
            answers = [(chunk, _tried(partial(submit, chunk))) for chunk in chunks]
            for chunk, (result, why) in answers:
                answer, failed = _tried(result) if result is not None else (None, why)
                if answer is None:
                    lost = failed
                    again.append(chunk)
                    continue
                rows, words, slow = answer
                totals[chunk], done[chunk] = rows, True
                engine.slow = engine.slow or slow
                for at, word in zip(chunk, words, strict=True):
                    reasons[at] = word
                bar.update(len(chunk))
                if kept is not None:
                    kept.write(totals, done, reasons)
                if quota is not None:
                    quota.charge(float(rows["seconds"].sum()))
        except KeyboardInterrupt:
            return "interrupted: what is done is kept"
        if not again:
            return ""
        chunks = again
    for chunk in chunks:
        for at in chunk:
            reasons[at] = f"not run: its worker was lost {_MOST_TRIES} times ({lost})"
    return f"{sum(map(len, chunks)):,} sets were lost with their workers"


def _tried(call: Callable[[], Any]) -> tuple[Any, str]:
    """Call; what fails is told as text, since a cluster may lose a worker in as many ways as it has exceptions."""
    try:
        return call(), ""
    except Exception as error:  # the edge of a process: the chunk goes elsewhere, or its rows say why not
        return None, f"{type(error).__name__}: {error}"
