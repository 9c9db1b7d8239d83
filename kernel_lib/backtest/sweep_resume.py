"""The file in which a sweep keeps its finished rows, so that an interruption costs only what was under way."""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.counting import made_of
from kernel_lib.backtest.sweep_engine import Engine
from kernel_lib.backtest.sweep_totals import TOTALS
from kernel_lib.content import content_of
from kernel_lib.errors import Misconfigured
from kernel_lib.machine_code import cache_dir

__all__ = ["Kept", "sweep_key"]


def sweep_key(engine: Engine, sets: Sequence[dict[str, Any]]) -> str:
    """Give a digest of all that the rows follow from: strategy, sets, ticks, contract, costs, and our own code."""
    strategy = engine.strategy
    code = strategy.decide.__code__
    digest = hashlib.sha256()
    parts = (
        cache_dir().name, strategy.source, strategy.entry, repr(strategy), code.co_code.hex(), repr(code.co_consts[1:]),
        made_of(strategy), content_of(strategy.decide), [sorted(each.items()) for each in sets],
    )  # fmt: skip
    for part in parts:
        digest.update(repr(part).encode() + b"\0")
    for config in (engine.instrument, engine.account, engine.limits, engine.costs):
        digest.update(msgspec.json.encode(config) + b"\0")
    for rows in (engine.ticks, engine.told):
        digest.update(np.ascontiguousarray(rows).view(np.uint8).data)
    return digest.hexdigest()


class Kept:
    """The finished rows of one sweep in a file (numpy's npz, without objects).

    Parameters
    ----------
    path : Path
    engine : Engine
    sets : sequence of dict
    """

    def __init__(self, path: Path, engine: Engine, sets: Sequence[dict[str, Any]]) -> None:
        self.path = path
        self._key = sweep_key(engine, sets)

    def read(self, totals: npt.NDArray[np.void], done: npt.NDArray[np.bool_], reasons: list[str]) -> None:
        """Fill in what is finished; a file that is not there yet leaves all as it is.

        Raises
        ------
        Misconfigured
            The file is no file of rows, or another sweep's.
        """
        if not self.path.exists():
            return
        advice = "name another file, or remove this one"
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                key = str(kept["key"])
                rows, finished, words = kept["totals"], kept["done"], kept["reasons"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise Misconfigured(f"{self.path} must hold a sweep's rows, it does not ({error}); {advice}") from error
        if key != self._key or rows.shape != totals.shape or rows.dtype != TOTALS:
            raise Misconfigured(
                f"{self.path} must hold the rows of this sweep, they are of another one: strategy, grid, ticks, "
                f"contract, account, limits, costs or version differ; {advice}"
            )
        totals[finished] = rows[finished]
        done[:] = finished
        for at in np.flatnonzero(finished):
            reasons[at] = str(words[at])

    def write(self, totals: npt.NDArray[np.void], done: npt.NDArray[np.bool_], reasons: Sequence[str]) -> None:
        """Write what is finished; the file is whole at every moment."""
        finished = done.copy()  # before the rows: a row that is done while we write is not called finished
        fresh = self.path.with_name(self.path.name + ".part")
        with fresh.open("wb") as file:
            np.savez(file, key=np.array(self._key), totals=totals, done=finished, reasons=np.array(reasons, dtype=str))
        os.replace(fresh, self.path)
