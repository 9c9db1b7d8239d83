"""A numbered stream from this agent to the bridge, kept in a spool until it is acknowledged.

Numbers in the spool are the agent's own; on the wire they are shifted so that they follow what the bridge already
has of this agent. A spool that is new (another PC, a deleted folder) thereby goes on where the old one stopped.
"""

from collections.abc import Callable, Generator
from pathlib import Path

import msgspec
import structlog

from mt5_feed.spool import CHECKPOINT, ITEM, NOTE, Record, Spool, SpoolConfig

__all__ = ["Lane"]

log = structlog.get_logger("agent.lane")


class _Kept(msgspec.Struct, frozen=True):
    """The checkpoint: the shift (None before the first welcome) and the owner's state."""

    shift: int | None
    owner: bytes


class Lane:
    """Append, resume, acknowledge.

    Parameters
    ----------
    folder : Path
        Of the spool.
    owner_state : callable
        Gives the state of whoever writes this lane; comes back through ``recover``.
    """

    def __init__(self, name: str, folder: Path, owner_state: Callable[[], bytes], config: SpoolConfig) -> None:
        self.name = name
        self.shift: int | None = None
        self._owner_state = owner_state
        self._spool = Spool(folder, self._checkpoint, config)
        self._reader: Generator[Record | None] | None = None
        self._sent = 0

    @property
    def last(self) -> int:
        """The newest number, as on the wire."""
        return self._spool.last + (self.shift or 0)

    @property
    def acked(self) -> int:
        """The newest number that was acknowledged, as on the wire; 0 before the first welcome."""
        return 0 if self.shift is None else self._spool.acked + self.shift

    @property
    def n_unacked(self) -> int:
        return self._spool.last - self._spool.acked

    @property
    def n_bytes(self) -> int:
        return self._spool.n_bytes

    @property
    def n_in_flight(self) -> int:
        """Items sent and not yet acknowledged."""
        return max(0, self._sent - self._spool.acked)

    def recover(self, checkpoint: Callable[[bytes], None], record: Callable[[Record], None]) -> None:
        """Hand the owner its last checkpoint and what followed."""
        for each in self._spool.recovered:
            if each.kind == CHECKPOINT:
                kept = msgspec.msgpack.decode(each.payload, type=_Kept)
                self.shift = kept.shift
                checkpoint(kept.owner)
            elif each.kind == NOTE and each.payload.startswith(b"shift "):
                self.shift = int(each.payload[6:])
            else:
                record(each)
        self._spool.recovered = []

    def append(self, payload: bytes, count: int = 1, *, sync: bool = False) -> None:
        self._spool.append(payload, count, ITEM, sync=sync)

    def note(self, payload: bytes) -> None:
        """Keep something that is not sent; it survives a crash once this returns."""
        self._spool.append(payload, 0, NOTE, sync=True)

    def welcome(self, number: int) -> None:
        """The bridge says up to which wire number it has this lane: send what follows."""
        spool = self._spool
        known = None if self.shift is None else number - self.shift
        if known is None or not spool.acked <= known <= spool.last:
            if known is not None:
                # The bridge's memory or this folder was set back. What is kept here was not acknowledged by anyone.
                log.error("numbers_disagree", lane=self.name, bridge=number, expected=spool.acked + (self.shift or 0))
            self.shift = number - spool.acked
            self.note(b"shift %d" % self.shift)
            known = spool.acked
        spool.ack(known)
        self._sent = known
        self._end_reading()
        self._reader = spool.read(known)

    def ack(self, number: int) -> None:
        self._spool.ack(number - (self.shift or 0))

    def next(self) -> tuple[int, Record] | None:
        """Give the next unsent record and its wire number, or None."""
        if self._reader is None:
            return None
        record = next(self._reader)
        if record is None:
            return None
        self._sent = record.first + record.count - 1
        return record.first + (self.shift or 0), record

    def sync(self) -> None:
        self._spool.sync()

    def close(self) -> None:
        self._end_reading()
        self._spool.close()

    def _end_reading(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _checkpoint(self) -> bytes:
        return msgspec.msgpack.encode(_Kept(self.shift, self._owner_state()))
