"""Frames between a desk and the sandboxed process that runs its tenant's strategies.

One frame is one packet of fixed layout, little endian::

    header    kind u8, slot u16, epoch u32, seq u64
    TICK      header, processor u8 that the desk runs on, time_ns i64, bid f64, ask f64, the book's view (bytes of one
              VIEW record)
    TELL      header, channel i64, value f64: what one of the strategy's channels shows from now on; nothing is answered
    PROPOSAL  header, target f64, units i64, stop points i64, take points i64, status i64; what else the last three
              may hold is in kernel_lib.trading.terms
    FAULT     header, UTF-8 text: the strategy raised
    BLOB      header, what u8, total u32, offset u32, bytes: a part of a message too long for one frame; LOAD goes to
              the child so, SNAPSHOT and CODE (compiled code, before LOADED) come from it

The desk gives each child an ``epoch`` and each question a ``seq``; an answer counts only with both. Nothing here is
pickled, and everything that comes from the child is checked.
"""

import math
import struct
import time
from typing import NamedTuple

from kernel_lib.errors import StrategyFault
from kernel_lib.trading.record import VIEW
from kernel_lib.trading.terms import MAX_POINTS, terms_in_range
from live_engine.strategy_line import LONGEST_FRAME, Line

__all__ = [
    "BLOB",
    "CODE",
    "FAULT",
    "HEADER",
    "LOAD",
    "LOADED",
    "MAX_BLOB_BYTES",
    "MAX_UNITS",
    "PROPOSAL",
    "PROPOSAL_FRAME",
    "SNAPSHOT",
    "STOP",
    "TELL",
    "TELL_FRAME",
    "TICK",
    "TICK_FRAME",
    "TICK_HEAD",
    "UNLOAD",
    "VIEW_BYTES",
    "Answer",
    "Blobs",
    "checked_proposal",
    "receive_blob",
    "send_blob",
]

TICK, PROPOSAL, FAULT, BLOB, LOAD, LOADED, UNLOAD, SNAPSHOT, STOP, TELL, CODE = range(1, 12)
HEADER = struct.Struct("<BxHIQ")
VIEW_BYTES = VIEW.itemsize
TICK_HEAD = struct.Struct("<BxHIQB7xqdd")
TICK_FRAME = struct.Struct(f"{TICK_HEAD.format}{VIEW_BYTES}s")
TELL_FRAME = struct.Struct("<BxHIQqd")
PROPOSAL_FRAME = struct.Struct("<BxHIQdqqqq")
MAX_BLOB_BYTES = 16 * 1024**2
_BLOB = struct.Struct("<BxHIQBxxxII")
_PART_BYTES = LONGEST_FRAME - _BLOB.size
MAX_UNITS = 10**9
_HOLD, _DECIDED, _BAD = 0, 1, 2


class Answer(NamedTuple):
    """A proposal as the book takes it."""

    target: float
    units: int
    stop_points: int
    take_points: int
    status: int


def checked_proposal(frame: bytes | memoryview, slot: int, epoch: int, seq: int) -> Answer:
    """Read a PROPOSAL frame from a child that may be hostile.

    Raises
    ------
    StrategyFault
        Wrong length, another question's answer, or a number no honest step gives.
    """
    if len(frame) != PROPOSAL_FRAME.size:
        raise StrategyFault(f"an answer must have {PROPOSAL_FRAME.size} bytes, it had {len(frame)}")
    kind, got_slot, got_epoch, got_seq, target, units, stop, take, status = PROPOSAL_FRAME.unpack(frame)
    if (kind, got_slot, got_epoch, got_seq) != (PROPOSAL, slot, epoch, seq):
        raise StrategyFault("an answer must be to the question asked, it was to another")
    if status == _BAD:
        return Answer(math.nan if math.isnan(target) else target, 0, 0, 0, _BAD)
    if status == _HOLD:
        return Answer(0.0, 0, 0, 0, _HOLD)
    if status > _DECIDED or not -1.0 <= target <= 1.0:
        raise StrategyFault(f"an answer must have a target from -1 to 1, it was {target!r} with status {status}")
    plain = status == _DECIDED and 0 <= stop <= MAX_POINTS and 0 <= take <= MAX_POINTS
    if abs(units) > MAX_UNITS or not (plain or terms_in_range(stop, take, status)):
        raise StrategyFault(f"an answer's size and stops must be in range, they were {units}, {stop}, {take}")
    return Answer(target, units, stop, take, status)


def send_blob(line: Line, what: int, slot: int, epoch: int, seq: int, content: bytes) -> None:
    """Send a long message in parts."""
    for offset in range(0, max(1, len(content)), _PART_BYTES):
        part = content[offset : offset + _PART_BYTES]
        line.send(_BLOB.pack(BLOB, slot, epoch, seq, what, len(content), offset) + part)


def receive_blob(
    line: Line, what: int, slot: int, epoch: int, seq: int, *, within_s: float, frame: bytes | memoryview = b""
) -> bytes:
    """Read a long message from a child that may be hostile; ``frame`` is its first part, where that has come.

    Raises
    ------
    StrategyFault
        Parts that do not fit, or another message than was asked for.
    TimeoutError
        Not whole within so many seconds, however its parts drip.
    ConnectionError
        The other side is gone.
    """
    blobs, end_s = Blobs(), time.monotonic() + within_s
    line.wait_at_most(within_s)
    while True:
        frame = frame or line.receive()
        if not frame:
            raise ConnectionError("the other side of the line ended")
        whole = blobs.add(frame)
        if whole is not None:
            break
        if time.monotonic() > end_s:
            raise TimeoutError(f"a long message must come within {within_s} s, a part of it did")
        frame = b""
    if whole[:4] != (what, slot, epoch, seq):
        raise StrategyFault("a long message must be the one that was asked for, it was another")
    return whole[4]


class Blobs:
    """Puts the parts of one long message together, refusing any that do not fit."""

    def __init__(self) -> None:
        self._parts = bytearray()
        self._head: tuple[int, ...] | None = None

    def add(self, frame: bytes | memoryview) -> tuple[int, int, int, int, bytes] | None:
        """Take one BLOB frame; give ``(what, slot, epoch, seq, content)`` when it was the last.

        Raises
        ------
        StrategyFault
            The part does not follow the one before, or the message is too long.
        """
        if len(frame) < _BLOB.size:
            raise StrategyFault(f"a part of a long message must have at least {_BLOB.size} bytes, it had {len(frame)}")
        kind, slot, epoch, seq, what, total, offset = _BLOB.unpack_from(frame)
        head = (kind, slot, epoch, seq, what, total)
        part = frame[_BLOB.size :]
        if total > MAX_BLOB_BYTES or offset != len(self._parts) or (offset and head != self._head):
            raise StrategyFault(f"parts of a long message must follow each other within {MAX_BLOB_BYTES} bytes")
        if not part and total:
            raise StrategyFault("a part of a long message must not be empty")
        self._head = head
        self._parts += part
        if len(self._parts) > total:
            raise StrategyFault("a long message must not be longer than it says")
        if len(self._parts) < total:
            return None
        content = bytes(self._parts)
        self._parts.clear()
        self._head = None
        return what, slot, epoch, seq, content
