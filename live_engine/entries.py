"""What a desk writes into its journal, and its snapshot: the events of the sequence, and what came of them."""

import hashlib
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Broken
from kernel_lib.trading.record import EVENT
from live_engine.strategy_wire import Answer

__all__ = [
    "BLOCK",
    "CLOSED",
    "CONTROL",
    "FAULT",
    "INDEX",
    "OPENED",
    "OUTSIDE",
    "PROPOSAL",
    "PROPOSALS",
    "REPORT",
    "ROWS",
    "STARTED",
    "ControlEntry",
    "FaultEntry",
    "Inbound",
    "OpenedEntry",
    "SlotSnapshot",
    "Snapshot",
    "StartedEntry",
    "answers_in",
    "pack_inbound",
    "pack_proposals",
    "pack_rows",
    "read_snapshot",
    "unpack_inbound",
    "unpack_proposals",
    "unpack_rows",
    "write_snapshot",
]

#: Kinds of records: what came in ...
BLOCK, PROPOSALS, REPORT, CONTROL, OPENED, CLOSED, FAULT = 1, 2, 3, 4, 5, 6, 7
#: ... and what the books made of it.
ROWS = 8
#: ... and where in the bus's streams a new desk began.
STARTED = 9
#: A value from outside came in.
OUTSIDE = 10

#: One strategy's answer to one tick.
PROPOSAL = np.dtype(
    [("slot", "<i4"), ("status", "<i8"), ("target", "<f8"), ("units", "<i8"), ("stop", "<i8"), ("take", "<i8")]
)

_PROPOSAL = struct.Struct("<iqdqqq")
_INBOUND = struct.Struct("<qQQ")
INDEX = struct.Struct("<I")
_SNAPSHOT_VERSION = 3


class Inbound(NamedTuple):
    """A message of the bus with the time at which the desk took it."""

    received_ns: int
    entry_id: str
    raw: bytes


class OpenedEntry(msgspec.Struct, frozen=True):
    """A strategy was put on the desk, at ``since_ms``."""

    slot: int
    bundle: bytes
    approval: bytes
    since_ms: int = 0


class StartedEntry(msgspec.Struct, frozen=True):
    """The places in the streams behind which a new desk begins."""

    tick_id: str
    report_id: str
    outside_id: str = ""


class ControlEntry(msgspec.Struct, frozen=True):
    """Somebody paused, resumed or killed one strategy, or all (``slots`` lists those that were there).

    ``by_tier``: not a person, but the tenant's trades of the day; see :mod:`live_engine.day_trades`.
    """

    control: int
    slots: list[int]
    everything: bool
    by: str
    reason: str
    time_ns: int
    by_tier: bool = False


class FaultEntry(msgspec.Struct, frozen=True):
    """Why a strategy is out; its books got the fault with the PROPOSALS record before."""

    slot: int
    reason: str


class SlotSnapshot(msgspec.Struct, frozen=True):
    """One strategy as it stood."""

    slot: int
    bundle: bytes
    approval: bytes
    book: bytes
    proposer: bytes
    faulted: bool
    withdrawn: bool
    reason: str
    held: bool = False
    trades_day: int = -1
    trades: int = 0
    since_ms: int = 0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A desk between two blocks, after record ``seq``."""

    version: int = _SNAPSHOT_VERSION
    seq: int
    tick_id: str
    report_id: str
    report_seqs: dict[str, int]
    control: int
    control_reason: str
    slots: list[SlotSnapshot]
    n_ticks: int
    n_blocks: int
    n_lost: int
    n_doubled: int
    next_seqs: dict[str, int]
    outside_id: str = ""
    outside: dict[str, float] = {}
    sources: dict[str, tuple[str, int]] = {}
    report_times_ns: dict[str, int] = {}


def pack_inbound(inbound: Inbound) -> bytes:
    """Encode a BLOCK, REPORT or OUTSIDE record."""
    first, _, second = inbound.entry_id.partition("-")
    return _INBOUND.pack(inbound.received_ns, int(first), int(second)) + inbound.raw


def unpack_inbound(payload: bytes) -> Inbound:
    """Decode a BLOCK, REPORT or OUTSIDE record."""
    received_ns, first, second = _INBOUND.unpack_from(payload)
    return Inbound(received_ns, f"{first}-{second}", payload[_INBOUND.size :])


def pack_proposals(index: int, answers: Mapping[int, Answer]) -> bytes:
    """Encode the answers, by slot, to tick ``index`` of the last block."""
    packed = INDEX.pack(index)
    for slot, (target, units, stop, take, status) in answers.items():
        packed += _PROPOSAL.pack(slot, status, target, units, stop, take)
    return packed


def unpack_proposals(payload: bytes) -> tuple[int, npt.NDArray[np.void]]:
    """Decode a PROPOSALS record."""
    return INDEX.unpack_from(payload)[0], np.frombuffer(payload, PROPOSAL, offset=INDEX.size)


def answers_in(proposals: npt.NDArray[np.void]) -> dict[int, Answer]:
    """Give the answers, by slot, in rows of :data:`PROPOSAL`."""
    return {
        int(row["slot"]): Answer(
            float(row["target"]), int(row["units"]), int(row["stop"]), int(row["take"]), int(row["status"])
        )
        for row in proposals
    }


def pack_rows(slot: int, rows: bytes) -> bytes:
    """Encode what one book gave, bytes of EVENT records."""
    return INDEX.pack(slot) + rows


def unpack_rows(payload: bytes) -> tuple[int, npt.NDArray[np.void]]:
    """Decode a ROWS record."""
    return INDEX.unpack_from(payload)[0], np.frombuffer(payload, EVENT, offset=INDEX.size)


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot under its name only when it is whole and on disk."""
    content = msgspec.msgpack.encode(snapshot)
    draft = path.with_suffix(".draft")
    with open(draft, "wb") as file:
        file.write(hashlib.sha256(content).digest() + content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def read_snapshot(path: Path) -> Snapshot | None:
    """Read a snapshot; None when there is none.

    Raises
    ------
    Broken
        The file is damaged or of a newer platform; without it, the whole journal is read: move it away for that.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise Broken(
            f"{path}: a snapshot must match its checksum, it does not; move it away to rebuild from the journal"
        )
    try:
        snapshot = msgspec.msgpack.decode(content[32:], type=Snapshot)
    except msgspec.DecodeError as error:
        raise Broken(f"{path}: a snapshot must fit version {_SNAPSHOT_VERSION}: {error}; move it away") from error
    if snapshot.version != _SNAPSHOT_VERSION:
        raise Broken(
            f"{path}: a snapshot must have version {_SNAPSHOT_VERSION}, it has {snapshot.version}; move it away"
        )
    return snapshot
