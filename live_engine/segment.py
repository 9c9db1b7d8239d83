"""Segment files of the journal: how a record lies on disk, where the tail is, and reading it all back."""

import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kernel_lib.errors import Broken

__all__ = [
    "CHAIN_BYTES",
    "CHAIN_KIND",
    "FIRST_RECORD",
    "HEAD_BYTES",
    "Record",
    "Tail",
    "encode_record",
    "find_tail",
    "lay_record",
    "make_segment",
    "open_segment",
    "read_journal",
    "record_bytes",
    "segments_behind",
]

CHAIN_KIND = 255
FIRST_RECORD = 64
_MAGIC, _VERSION = b"TICKHUBJ", 3
_HEADER = struct.Struct("<8sIIQ32s")
_CRC = struct.Struct("<I")
_BODY = struct.Struct("<IQB7x")
HEAD_BYTES = _CRC.size + _BODY.size
CHAIN_BYTES = HEAD_BYTES + 32
_ZEROS = bytes(1 << 20)
_PADDING = [bytes(n) for n in range(8)]


class Record(NamedTuple):
    """One entry: ``seq`` counts from 1 without gaps; ``kind`` is the writer's, 0 to 254."""

    seq: int
    kind: int
    payload: bytes


class Tail(NamedTuple):
    """Where a journal ends: offset behind the last whole record, and the bytes that no CHAIN record covers yet."""

    segment: int
    offset: int
    seq: int
    chain: bytes
    unchained: bytes


class _Walk:
    # State of reading one segment forward.
    def __init__(self, path: Path, content: bytes, seq: int, chain: bytes) -> None:
        self.path, self.content, self.seq, self.chain = path, content, seq, chain
        self.at = self.chained_at = FIRST_RECORD
        self.hash = hashlib.sha256(chain)

    def records(self) -> Iterator[Record]:
        """Give whole records up to the first that is none; check every CHAIN on the way."""
        while (found := _record_at(self.content, self.at)) is not None:
            record, size = found
            raw = self.content[self.at : self.at + size]
            if record.kind == CHAIN_KIND:
                if record.seq != self.seq or record.payload != self.hash.digest():
                    raise self.broken("the hash chain must hold, it does not")
                self.chain = record.payload
                self.hash = hashlib.sha256(self.chain)
                self.at = self.chained_at = self.at + size
                continue
            if record.seq != self.seq + 1:
                raise self.broken(f"record {self.seq + 1} must come here, it is {record.seq}")
            self.hash.update(raw)
            self.seq = record.seq
            self.at += size
            yield record

    def broken(self, what: str) -> Broken:
        return Broken(
            f"{self.path}:{self.at}: {what}; the journal is damaged: keep the file, restore it from a copy, and "
            "reconcile positions with the broker before trading on"
        )

    def check_rest(self, *, last: bool) -> None:
        """Refuse damage that is not a torn tail."""
        rest = self.content[self.at :].rstrip(b"\0")
        if not rest:
            return
        if not last:
            raise self.broken("only the last segment may end in a torn record, this is not the last")
        for at in range(self.at, self.at + len(rest), 8):
            found = _record_at(self.content, at)
            if found is not None and found[0].kind == CHAIN_KIND and found[0].seq >= self.seq:
                raise self.broken("a record must be whole, it is not, and a synced group lies behind it")


def encode_record(seq: int, kind: int, payload: bytes) -> bytes:
    """Give a record's bytes, padded to a multiple of 8."""
    record = bytearray(record_bytes(payload))
    lay_record(memoryview(record), 0, seq, kind, payload)
    return bytes(record)


def lay_record(buffer: memoryview, at: int, seq: int, kind: int, payload: bytes) -> int:
    """Write a record into a buffer from ``at`` on; give where it ends."""
    begin = at + HEAD_BYTES
    stop = begin + len(payload)
    end = stop + -len(payload) % 8
    _BODY.pack_into(buffer, at + _CRC.size, len(payload), seq, kind)
    buffer[begin:stop] = payload
    buffer[stop:end] = _PADDING[end - stop]
    _CRC.pack_into(buffer, at, zlib.crc32(buffer[at + _CRC.size : end]))
    return end


def record_bytes(payload: bytes) -> int:
    """Give how long a record with this payload is."""
    return HEAD_BYTES + len(payload) + -len(payload) % 8


def make_segment(directory: Path, number: int, *, first_seq: int, chain: bytes, n_bytes: int) -> None:
    """Write a segment at its full length, durable, under its name only when it is complete."""
    path = _path(directory, number)
    draft = path.with_suffix(".draft")
    try:
        with open(draft, "wb", buffering=0) as file:
            head = _HEADER.pack(_MAGIC, _VERSION, 0, first_seq, chain)
            head += _CRC.pack(zlib.crc32(head))
            _write_all(file.fileno(), head)
            left = n_bytes - len(head)
            while left > 0:
                left -= _write_all(file.fileno(), _ZEROS[:left])
            os.fsync(file.fileno())
        draft.rename(path)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def open_segment(directory: Path, tail: Tail, n_bytes: int) -> int:
    """Open the last segment for writing; cut what is torn behind its tail, so that it is never read as a record."""
    fd = os.open(_path(directory, tail.segment), os.O_RDWR)
    try:
        length = os.fstat(fd).st_size
        rest = os.pread(fd, max(0, length - tail.offset), tail.offset)
        n_torn = len(rest.rstrip(b"\0"))
        if n_torn or length < n_bytes:
            os.pwrite(fd, bytes(n_torn), tail.offset)
            at = length
            while at < n_bytes:
                at += os.pwrite(fd, _ZEROS[: n_bytes - at], at)
            os.fsync(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def find_tail(directory: Path) -> Tail | None:
    """Find where the journal ends, reading its last segment; None when there is no journal yet.

    Raises
    ------
    Broken
        Damage that is not a torn tail.
    """
    for draft in directory.glob("*.draft"):
        draft.unlink()
    numbers = _numbers(directory)
    if not numbers:
        return None
    walk = _open_walk(directory, numbers[-1])
    for _ in walk.records():
        pass
    walk.check_rest(last=True)
    return Tail(numbers[-1], walk.at, walk.seq, walk.chain, walk.content[walk.chained_at : walk.at])


def read_journal(directory: Path, after: int = 0) -> Iterator[Record]:
    """Give the records behind number ``after``, checking every one on the way.

    Raises
    ------
    Broken
        A record, the chain or a segment is damaged or missing; the message names file and offset.
    """
    numbers = _numbers(directory)
    heads = [_open_head(_path(directory, number)) for number in numbers]
    start = _start(heads, after)
    expected: tuple[int, bytes] | None = None
    if numbers and heads[start][0] > after + 1:
        raise Broken(f"{directory}: record {after + 1} must be there, the journal starts at {heads[start][0]}")
    for index in range(start, len(numbers)):
        if expected is not None and heads[index] != expected:
            raise Broken(f"{_path(directory, numbers[index])}: must continue at record {expected[0]} with its chain")
        walk = _open_walk(directory, numbers[index])
        for record in walk.records():
            if record.seq > after:
                yield record
        walk.check_rest(last=index == len(numbers) - 1)
        expected = walk.seq + 1, walk.chain


def segments_behind(directory: Path, after: int) -> list[Path]:
    """Give the files that hold the records behind number ``after``, in order.

    Raises
    ------
    Broken
        A segment is damaged or missing.
    """
    numbers = _numbers(directory)
    heads = [_open_head(_path(directory, number)) for number in numbers]
    return [_path(directory, number) for number in numbers[_start(heads, after) :]]


def _start(heads: list[tuple[int, bytes]], after: int) -> int:
    return max((index for index, (first_seq, _) in enumerate(heads) if first_seq <= after + 1), default=0)


def _record_at(content: bytes, at: int) -> tuple[Record, int] | None:
    if at + HEAD_BYTES > len(content):
        return None
    (crc,) = _CRC.unpack_from(content, at)
    length, seq, kind = _BODY.unpack_from(content, at + 4)
    size = HEAD_BYTES + length + -length % 8
    if seq == 0 or at + size > len(content) or zlib.crc32(memoryview(content)[at + 4 : at + size]) != crc:
        return None
    return Record(seq, kind, content[at + HEAD_BYTES : at + HEAD_BYTES + length]), size


def _open_walk(directory: Path, number: int) -> _Walk:
    path = _path(directory, number)
    first_seq, chain = _open_head(path)
    return _Walk(path, path.read_bytes(), first_seq - 1, chain)


def _open_head(path: Path) -> tuple[int, bytes]:
    with open(path, "rb") as file:
        head = file.read(_HEADER.size + _CRC.size)
    if len(head) == _HEADER.size + _CRC.size:
        magic, version, _, first_seq, chain = _HEADER.unpack_from(head)
        (crc,) = _CRC.unpack_from(head, _HEADER.size)
        if magic == _MAGIC and crc == zlib.crc32(head[: _HEADER.size]):
            if version != _VERSION:
                raise Broken(
                    f"{path}: a journal of version {_VERSION} is needed, it has {version} of another release; go flat "
                    "with that one, then move the desk's directory away"
                )
            return first_seq, chain
    raise Broken(f"{path}:0: a segment must begin with a whole header, it does not; restore the file from a copy")


def _numbers(directory: Path) -> list[int]:
    numbers = sorted(int(path.stem) for path in directory.glob("*.wal") if path.stem.isdigit())
    if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Broken(f"{directory}: segments must be numbered without a gap, they are {numbers}")
    return numbers


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:08d}.wal"


def _write_all(fd: int, content: bytes) -> int:
    written = 0
    while written < len(content):
        written += os.write(fd, content[written:])
    return written
