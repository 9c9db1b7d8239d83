"""A sweep's sets in blocks on other machines or processes; a block whose worker died is run again elsewhere.

Anything with ``submit(function, *arguments)`` that gives an object with ``result()`` will do: a
``dask.distributed.Client`` (whose ``scatter`` is used for the ticks) and the executors of ``concurrent.futures``.

No wait is without end: a block that is lost, or from which nothing is heard for far longer than it can take, is tried
again twice, the last time alone, so that a set that kills its worker takes no other with it; then it is named.
"""

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
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

Answer = tuple[npt.NDArray[np.void], list[str], str]

_CHUNKS = 16
_MOST_TRIES = 3  # the first, and twice again
_LOOK_S = 0.02
#: Nothing heard for so long, and for a hundred times as long as a block takes where it is compiled: it is lost.
_PATIENCE_S = 300.0
_PATIENCE_TICK_S = 5e-6


def run_chunk(
    source: str, entry: str, params: dict[str, Any], ticks: Ticks, setup: tuple[Any, ...], sets: list[dict[str, Any]]
) -> Answer:
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
    missing = np.flatnonzero(~done)
    parts = np.array_split(missing, min(_CHUNKS, max(1, len(missing))))
    chunks = [part.tolist() for part in parts if len(part)]

    def take(chunk: list[int], answer: Answer) -> None:
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

    why: dict[int, str] = {}
    with _Workers(cluster, engine) as workers:
        try:
            for attempt in range(_MOST_TRIES):
                alone = attempt == _MOST_TRIES - 1 and workers.renewable
                why = {}
                for group in [[each] for each in chunks] if alone else [chunks]:
                    workers.renew(alone=alone)
                    for chunk, answer, failed in _answers(workers, group, sets, len(engine.ticks)):
                        if answer is None:
                            why[chunk[0]] = failed
                        else:
                            take(chunk, answer)
                chunks = [chunk for chunk in chunks if chunk[0] in why]
                if not chunks:
                    return ""
        except KeyboardInterrupt:
            return "interrupted: what is done is kept"
    for chunk in chunks:
        for at in chunk:
            reasons[at] = f"not run: its worker was lost {_MOST_TRIES} times ({why[chunk[0]]})"
    return f"{sum(map(len, chunks)):,} sets were lost with their workers"


def _answers(
    workers: "_Workers", chunks: list[list[int]], sets: list[dict[str, Any]], n_ticks: int
) -> Iterator[tuple[list[int], Answer | None, str]]:
    """Submit blocks and give each one's answer when it comes, or None and how it was lost."""
    waiting: list[tuple[list[int], Any]] = []
    try:
        for chunk in chunks:
            future, failed = _tried(partial(workers.submit, [sets[k] for k in chunk]))
            if future is None:
                yield chunk, None, failed
            else:
                waiting.append((chunk, future))
        patience_s = _PATIENCE_S + _PATIENCE_TICK_S * n_ticks * max(map(len, chunks), default=0)
        heard, pause = time.monotonic(), threading.Event()
        while waiting:
            n_waiting = len(waiting)
            for pair in list(waiting):
                if getattr(pair[1], "done", lambda: True)():
                    waiting.remove(pair)
                    answer, failed = _tried(pair[1].result)
                    yield pair[0], answer, failed
                    heard = time.monotonic()
            if len(waiting) == n_waiting:
                if time.monotonic() - heard > patience_s:
                    for chunk, _ in waiting:
                        yield chunk, None, f"no answer within {patience_s:g} s"
                    return
                pause.wait(_LOOK_S)
    finally:
        for _, future in waiting:
            getattr(future, "cancel", lambda: None)()


class _Workers:
    """Where blocks are submitted: the caller's cluster, or a pool of our own once the caller's has broken.

    To processes of this machine ticks go as a file. A process pool sends what it submits through a pipe; when a worker
    dies while a long message is half written, Python before 3.12.1 waits for ever on shutting down.
    """

    def __init__(self, cluster: Any, engine: Engine) -> None:
        self._cluster, self._engine = cluster, engine
        self._own: ProcessPoolExecutor | None = None
        self._files = contextlib.ExitStack()
        self._task: tuple[Any, ...] = ()
        self.renewable = isinstance(cluster, ProcessPoolExecutor)

    def __enter__(self) -> "_Workers":
        strategy, engine = self._engine.strategy, self._engine
        setup = (engine.instrument, engine.account, engine.limits, engine.costs)
        if not self.renewable:
            self._task = (
                strategy.source,
                strategy.entry,
                dict(strategy.params),
                engine.ticks,
                (*setup, engine.outside),
            )
            return self
        folder = Path(self._files.enter_context(tempfile.TemporaryDirectory(prefix="tickhub-sweep-")))
        np.save(folder / "ticks.npy", engine.ticks, allow_pickle=False)
        np.save(folder / "told.npy", engine.told, allow_pickle=False)
        (folder / "source.py").write_text(strategy.source, encoding="utf-8")
        self._task = (str(folder), strategy.entry, dict(strategy.params), strategy.channels, setup)
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_own()
        self._files.close()

    def renew(self, *, alone: bool) -> None:
        """Begin a round: on workers that live; ``alone``, on one that no other block has."""
        if self.renewable:
            if not alone and not getattr(self._own or self._cluster, "_broken", False):
                return
            self._drop_own()
            n_workers = 1 if alone else getattr(self._cluster, "_max_workers", 1)
            self._own = ProcessPoolExecutor(n_workers, mp_context=getattr(self._cluster, "_mp_context", None))
        elif hasattr(self._cluster, "scatter"):
            # Again in each round: what lay with a worker that died is gone.
            scattered = self._cluster.scatter(self._engine.ticks, broadcast=True)
            self._task = (*self._task[:3], scattered, *self._task[4:])

    def submit(self, sets: list[dict[str, Any]]) -> Any:
        if self.renewable:
            pool: Any = self._own or self._cluster
            return pool.submit(_run_chunk_of, *self._task, sets)
        # A dask client gives the same call its old answer, also where that was a loss, unless it is called impure.
        impure = {"pure": False} if hasattr(self._cluster, "scatter") else {}
        return self._cluster.submit(run_chunk, *self._task, sets, **impure)

    def _drop_own(self) -> None:
        if self._own is not None:
            self._own.shutdown(wait=False, cancel_futures=True)
            for process in list((getattr(self._own, "_processes", None) or {}).values()):
                process.kill()
            self._own = None


def _run_chunk_of(
    folder: str, entry: str, params: dict[str, Any], channels: tuple[str, ...], setup: tuple[Any, ...],
    sets: list[dict[str, Any]],
) -> Answer:  # fmt: skip
    """Run some sets on what lies in a folder of this machine."""
    ticks = np.load(Path(folder) / "ticks.npy", allow_pickle=False)
    told = np.load(Path(folder) / "told.npy", allow_pickle=False)
    outside = {}
    for place, channel in enumerate(channels):
        mine = told[told["channel"] == place]
        outside[channel] = (mine["time_ns"].copy(), mine["number"].copy())
    source = (Path(folder) / "source.py").read_text(encoding="utf-8")
    return run_chunk(source, entry, params, ticks, (*setup, outside or None), sets)


def _tried(call: Callable[[], Any]) -> tuple[Any, str]:
    """Call; what fails is told as text, since a cluster may lose a worker in as many ways as it has exceptions."""
    try:
        return call(), ""
    except Exception as error:  # the edge of a process: the block goes elsewhere, or its rows say why not
        return None, f"{type(error).__name__}: {error}"
