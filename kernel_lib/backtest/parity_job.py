"""What notebook and engine program hand one another for a parity run: files in a private directory.

``job`` and ``found`` are msgpack of the structs below; the arrays are numpy's npy, without objects. The program is
``python -m live_engine.parity DIRECTORY``; it says how far it is, one JSON object a line.
"""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Broken
from kernel_lib.trading.account import RiskLimits

__all__ = ["Found", "Job", "read_array", "read_struct", "write_array", "write_struct"]


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the engine is asked to run.

    Parameters
    ----------
    bundle : bytes
        The passport's canonical bytes.
    limits : RiskLimits
        What an approval would say.
    quoted : list of str
        Channels whose values are another instrument's prices: they go the way of ticks.
    seed : int
        Of the lengths of the blocks that the ticks are cut into.
    stop : int
        Stop behind so many ticks; 0: at the end.
    answer_s : float
        Deadline of one answer of the strategy.
    """

    bundle: bytes
    limits: RiskLimits
    quoted: list[str] = []
    seed: int = 1
    stop: int = 0
    answer_s: float = 2.0


class Found(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the engine made of it, beside the arrays ``rows``, ``row_ticks``, ``ticks`` and ``last_answer``.

    Parameters
    ----------
    loaded : bool
        The strategy's source ran in its process.
    reason : str
        Why the strategy is not active any more; empty while it is.
    isolated : bool
        Its process was sandboxed; else ``unisolated`` says why not.
    numbers : dict
        Of the book at the end, see :data:`~kernel_lib.trading.record.BOOK`.
    proposer : bytes
        The strategy's state at the end; empty when it was put out.
    machine_code : str
        Digest of the compiled sources.
    """

    loaded: bool
    reason: str
    isolated: bool
    unisolated: list[str]
    numbers: dict[str, float | int]
    proposer: bytes
    machine_code: str
    seconds: float


def write_struct(directory: Path, name: str, struct: msgspec.Struct) -> None:
    """Write ``job`` or ``found``."""
    (directory / f"{name}.msgpack").write_bytes(msgspec.msgpack.encode(struct))


def read_struct(directory: Path, name: str, kind: Any) -> Any:
    """Read ``job`` or ``found``.

    Raises
    ------
    Broken
        It is not there, or has another shape.
    """
    path = directory / f"{name}.msgpack"
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise Broken(f"{path} must hold a {kind.__name__}, it does not: {error}") from error


def write_array(directory: Path, name: str, array: npt.NDArray[Any]) -> None:
    """Write an array under its name."""
    np.save(directory / f"{name}.npy", array, allow_pickle=False)


def read_array(directory: Path, name: str) -> npt.NDArray[Any]:
    """Read an array by its name.

    Raises
    ------
    Broken
        It is not there, or no array.
    """
    path = directory / f"{name}.npy"
    try:
        found: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise Broken(f"{path} must hold an array, it does not: {error}") from error
    return found
