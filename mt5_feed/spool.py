"""What is not yet acknowledged, on disk: numbered records in append-only segments.

A record is a header (checksum, length, number, count, kind) and a payload. A segment begins with a checkpoint, the
owner's whole state at that moment, so that segments before it may go once they are acknowledged. A torn tail, left
by a crash in the middle of a write, is cut off on opening; damage anywhere else is :class:`Broken`.
"""

import errno
import os
import struct
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO

import msgspec

from kernel_lib.errors import Broken, Misconfigured, Transient

__all__ = ["CHECKPOINT", "ITEM", "NOTE", "Record", "Spool", "SpoolConfig", "SpoolFull"]

CHECKPOINT, ITEM, NOTE = 0, 1, 2
_HEADER = struct.Struct("<IIQII")


class SpoolFull(Transient):
    """Nothing more fits; nothing was written. The terminal keeps its ticks: stop reading and try again later."""


class SpoolConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much disk a spool may take.

    Parameters
    ----------
    max_bytes : int
        All segments together.
    segment_bytes : int
        A new segment begins beyond this.
    """

    max_bytes: int = 2 << 30
    segment_bytes: int = 4 << 20


class Record(msgspec.Struct, frozen=True):
    """One record: items are numbered ``first .. first + count - 1``; notes and checkpoints have count 0."""

    kind: int
    first: int
    count: int
    payload: bytes


class _Segment(msgspec.Struct):
    path: Path
    n_bytes: int = 0
    last: int = 0
    """Number of the last item in it, or before it."""


class Spool:
    """One numbered lane on disk.

    Parameters
    ----------
    folder : Path
        Private to this spool; created if absent.
    checkpoint : callable
        Gives the owner's state; called when a segment begins.
    config : SpoolConfig
        Limits.

    Attributes
    ----------
    last : int
        Number of the newest item; 0 before the first.
    recovered : list of Record
        The last checkpoint and what followed it, for the owner to rebuild its state; emptied by the owner.
    """

    def __init__(self, folder: Path, checkpoint: Callable[[], bytes], config: SpoolConfig | None = None) -> None:
        self.config = config or SpoolConfig()
        self.last = 0
        self.acked = 0
        self.recovered: list[Record] = []
        self._folder = folder
        self._checkpoint = checkpoint
        self._segments: list[_Segment] = []
        self._file: BinaryIO | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(folder / "lock")
            try:
                self._recover()
            except BaseException:
                self._lock.close()
                raise
        except OSError as error:
            raise Misconfigured(f"the spool must lie in a writable directory, {folder} is not: {error}") from error

    @property
    def n_bytes(self) -> int:
        return sum(each.n_bytes for each in self._segments)

    def append(self, payload: bytes, count: int = 1, kind: int = ITEM, *, sync: bool = False) -> int:
        """Write one record; give the number of its first item.

        Raises
        ------
        SpoolFull
            The limit or the disk is reached; the record was not written.
        """
        count = count if kind == ITEM else 0
        if self._file is None or self._segments[-1].n_bytes >= self.config.segment_bytes:
            self._begin_segment()
        first = self.last + 1
        self._write(kind, first, count, payload, sync=sync)
        self.last += count
        self._segments[-1].last = self.last
        return first

    def ack(self, number: int) -> None:
        """Forget items up to this number, as whole segments."""
        self.acked = max(self.acked, min(number, self.last))
        while len(self._segments) > 1 and self._segments[0].last <= self.acked:
            try:
                self._segments[0].path.unlink(missing_ok=True)
            except OSError:  # Windows: a reader holds it; the next ack tries again
                return
            self._segments.pop(0)

    def read(self, after: int) -> Generator[Record | None]:
        """Give items that hold numbers beyond ``after``, in order; None when there is none yet, then go on."""
        path, offset, file = None, 0, None
        try:
            while True:
                if path is None:
                    segment = next((each for each in self._segments if each.last > after), None)
                    if segment is None:
                        yield None
                        continue
                    path, offset = segment.path, 0
                    file = path.open("rb")
                segment = next((each for each in self._segments if each.path == path), None)
                if segment is None or offset >= segment.n_bytes:
                    if segment is not None and segment is self._segments[-1]:
                        yield None
                    else:
                        path = None
                        if file is not None:
                            file.close()
                        if after >= self.last:
                            yield None
                    continue
                assert file is not None
                file.seek(offset)
                record = _read_record(file)
                if record is None:
                    raise Broken(
                        f"spool segment {path} must hold a record at byte {offset}; it was changed from outside"
                    )
                offset = file.tell()
                if record.kind == ITEM and record.first + record.count - 1 > after:
                    after = record.first + record.count - 1
                    yield record
        finally:
            if file is not None:
                file.close()

    def sync(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None
        self._lock.close()

    def _recover(self) -> None:
        paths = sorted(self._folder.glob("*.seg"))
        for index, path in enumerate(paths):
            segment = _Segment(path=path, last=self.last)
            newest = index == len(paths) - 1
            records: list[Record] = []
            with path.open("rb") as file:
                while (record := _read_record(file)) is not None:
                    records.append(record)
                    segment.n_bytes = file.tell()
                    # A segment's first record says where the numbers stood when those before it were forgotten.
                    self.last = record.first + record.count - 1
                size = file.seek(0, os.SEEK_END)
            segment.last = self.last
            if size != segment.n_bytes and not newest:
                raise Broken(
                    f"spool segment {path} must be whole, it is damaged at byte {segment.n_bytes}; "
                    "set it aside to go on without what it held"
                )
            if not index and records:
                self.acked = records[0].first - 1
            if not records:  # a crash before the checkpoint was whole: the segment before still holds the state
                path.unlink()
                continue
            self.recovered = records
            self._segments.append(segment)
        if self._segments:
            newest_segment = self._segments[-1]
            self._file = newest_segment.path.open("r+b", buffering=0)
            assert self._file is not None
            self._file.truncate(newest_segment.n_bytes)
            self._file.seek(newest_segment.n_bytes)

    def _begin_segment(self) -> None:
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None
        path = self._folder / f"{self.last + 1:020d}-{len(self._segments):06d}.seg"
        while path.exists():
            path = path.with_name(f"{path.stem}x.seg")
        segment = _Segment(path=path, last=self.last)
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise SpoolFull(f"the spool must be able to begin a segment: {error}; free disk space") from error
        self._segments.append(segment)
        try:
            self._write(CHECKPOINT, self.last + 1, 0, self._checkpoint(), sync=False)
        except SpoolFull:
            self._segments.pop()
            assert self._file is not None
            self._file.close()
            self._file = None
            path.unlink()
            if self._segments:  # the segment before takes what still fits
                self._file = self._segments[-1].path.open("r+b", buffering=0)
                assert self._file is not None
                self._file.seek(self._segments[-1].n_bytes)
            raise
        self.ack(self.acked)

    def _write(self, kind: int, first: int, count: int, payload: bytes, *, sync: bool) -> None:
        segment = self._segments[-1]
        assert self._file is not None
        body = _HEADER.pack(0, len(payload), first, count, kind)[4:] + payload
        frame = zlib.crc32(body).to_bytes(4, "little") + body
        # Acknowledged segments are gone, so what counts here is what still waits.
        if self.n_bytes + len(frame) > self.config.max_bytes:
            raise SpoolFull(
                f"the spool may hold {self.config.max_bytes} bytes and is full; restore the link to the bridge"
            )
        try:
            written = 0
            while written < len(frame):
                written += self._file.write(frame[written:])
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(segment.n_bytes)
            self._file.seek(segment.n_bytes)
            what = "the disk is full" if error.errno == errno.ENOSPC else str(error)
            raise SpoolFull(f"the spool must be writable: {what}; free disk space") from error
        segment.n_bytes += len(frame)


def _read_record(file: BinaryIO) -> Record | None:
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return None
    checksum, length, first, count, kind = _HEADER.unpack(head)
    if length > 1 << 26:
        return None
    payload = file.read(length)
    if len(payload) < length or zlib.crc32(head[4:] + payload) != checksum:
        return None
    return Record(kind, first, count, payload)


def _lock(path: Path) -> BinaryIO:
    """Hold the spool against a second agent; the lock goes with the process."""
    file = path.open("a+b")
    try:
        import fcntl
    except ImportError:  # Windows: an open segment cannot be taken away there, and one terminal serves one agent
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Misconfigured(f"the spool {path.parent} must belong to one agent, another one holds it") from error
    return file
