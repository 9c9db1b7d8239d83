"""The write-ahead journal of one desk: what happened, in order, before anything was done about it.

A journal is a directory of segment files ``NUMBER.wal``, each written at full length first, so that a sync
moves no metadata. A segment is a header, then records, then zeros::

    header  magic 8s, version u32, reserved u32, first seq u64, chain 32s (hash of everything before), crc u32
    record  crc u32, length u32, seq u64, kind u8, 7 zero bytes, payload, padding to 8

The crc covers all of the record behind it. Every synced group ends with a CHAIN record (it carries the number of
the record before it) whose payload is the SHA-256 of the previous chain and the group's bytes: a record cannot be
changed, dropped or put in without breaking it.

``append`` hands the record to the kernel and returns, so that a killed process loses nothing that it acted upon
(records from which nothing followed yet may wait for the next one); a thread syncs groups to the disk, and who must
know a record to be there syncs it himself. What a crash tears off at the end is cut at the next open, for nobody was
told that it was durable; damage with a whole group behind it is :class:`~kernel_lib.errors.Broken`.
"""

import contextlib
import errno
import hashlib
import os
import threading
from pathlib import Path

import msgspec

from kernel_lib.errors import Broken, Misconfigured
from live_engine.draft import Draft
from live_engine.segment import (
    CHAIN_BYTES,
    CHAIN_KIND,
    FIRST_RECORD,
    Record,
    Tail,
    encode_record,
    find_tail,
    make_segment,
    open_segment,
    record_bytes,
)

__all__ = ["Journal", "JournalConfig", "Record"]


class JournalConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a journal is kept.

    Parameters
    ----------
    segment_bytes : int
        Length of a segment file.
    sync_interval_ms : float
        A group is synced at the latest so long after its first record.
    """

    segment_bytes: int = 16 * 1024**2
    sync_interval_ms: float = 20.0


class Journal:
    """Open for appending, by one thread of one process (the engine's lock sees to that).

    Raises
    ------
    Broken
        A record before the end is damaged; the message names file and offset.
    Misconfigured
        The directory cannot be written, or there is no room for a segment.
    """

    def __init__(self, directory: Path, config: JournalConfig | None = None) -> None:
        self.directory = directory
        self.config = config or JournalConfig()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            tail = find_tail(directory)
            if tail is None:
                tail = Tail(segment=1, offset=FIRST_RECORD, seq=0, chain=bytes(32), unchained=b"")
                make_segment(directory, 1, first_seq=1, chain=tail.chain, n_bytes=self.config.segment_bytes)
            self._fd = open_segment(directory, tail, self.config.segment_bytes)
        except OSError as error:
            raise Misconfigured(f"a journal needs room to write in {directory}: {error}") from error
        self._segment = tail.segment
        self._at = tail.offset
        self._chain = tail.chain
        self._hash = hashlib.sha256(tail.chain)
        self._hash.update(tail.unchained)
        self.draft = Draft(tail.seq)  # of the appending thread alone
        self._begin_draft()
        self._unhashed: list[bytes] = []
        self.durable_seq = self._written_seq = tail.seq
        self._chained_seq = tail.seq if not tail.unchained else tail.seq - 1
        self._failure: OSError | None = None
        self._disk = threading.Lock()  # held while syncing; taken before the other
        self._lock = threading.Lock()  # guards everything above, held for microseconds
        self._work = threading.Event()
        self._asleep = False
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync_loop, name="journal-sync", daemon=True)
        self._syncer.start()

    def append(self, kind: int, payload: bytes, *, hold: bool = False) -> int:
        """Add a record and give its number at once; it is durable when :meth:`wait_durable` returns.

        Parameters
        ----------
        kind : int
            The writer's, 0 to 254.
        hold : bool
            Keep it in this process until the next :meth:`flush`: nothing may be done about it before.

        Raises
        ------
        Broken
            The disk is full or failing: nothing can be recorded any more, so nothing may be done.
        """
        if self._failure is not None:
            raise self._failed()
        draft = self.draft
        while not draft.add(kind, payload):
            self._make_room(record_bytes(payload))
        if not hold:
            self.flush()
        return draft.seq

    def flush(self) -> None:
        """Hand all held records to the kernel, with one write.

        Raises
        ------
        Broken
            As :meth:`append`.
        """
        draft = self.draft
        if not draft.n_bytes:
            return
        if self._failure is not None:
            raise self._failed()
        records = draft.content()
        with self._lock:
            try:
                _write(self._fd, records, self._at)
            except OSError as error:
                self._failure = error
                draft.drop(self._written_seq)  # what was held is nowhere
                raise self._failed() from error
            self._unhashed.append(records)
            self._at += len(records)
            self._written_seq = draft.seq
            self._begin_draft()
        if self._asleep:
            self._work.set()

    def wait_durable(self, seq: int, timeout_s: float = 30.0) -> None:
        """Put record ``seq`` on disk, with all before it; a disk that does not answer holds the caller.

        Raises
        ------
        Broken
            It did not get there: the disk fails, or a sync before it does not end in time.
        """
        if self.durable_seq >= seq:
            return
        self.flush()
        # Synced by the caller: waking the thread and being woken by it took longer than the sync.
        if not self._disk.acquire(timeout=timeout_s):
            raise Broken(f"the disk must take the journal within {timeout_s} s, it did not; entries are halted")
        try:
            self._sync_locked()
        finally:
            self._disk.release()
        if self.durable_seq < seq:
            raise self._failed()

    @property
    def last_seq(self) -> int:
        """Number of the last record, be it held or written."""
        return self.draft.seq

    @property
    def failed(self) -> bool:
        """The disk failed; nothing more is taken."""
        return self._failure is not None

    def close(self) -> None:
        """Sync and close; silent about a failure that was told before."""
        if self._closing.is_set():
            return
        with contextlib.suppress(Broken):
            self.flush()
        self._closing.set()
        self._work.set()
        self._syncer.join()
        self._sync()
        os.close(self._fd)

    def _begin_draft(self, needed: int = 0) -> None:
        # A sync may close what was written before, and another what is drafted now.
        self.draft.begin(self.config.segment_bytes - self._at - 2 * CHAIN_BYTES, needed=needed)

    def _make_room(self, needed: int) -> None:
        if FIRST_RECORD + needed + 2 * CHAIN_BYTES > self.config.segment_bytes:
            raise Broken(f"a record must fit a segment of {self.config.segment_bytes} bytes, one needs {needed}")
        self.flush()
        if self._at + needed + 2 * CHAIN_BYTES > self.config.segment_bytes:
            self._rotate()
        with self._lock:
            self._begin_draft(needed)

    def _rotate(self) -> None:
        with self._disk:
            self._sync_locked()
            if self._failure is not None:
                raise self._failed()
            with self._lock:
                try:
                    number = self._segment + 1
                    make_segment(
                        self.directory, number, first_seq=self.last_seq + 1, chain=self._chain,
                        n_bytes=self.config.segment_bytes,
                    )  # fmt: skip
                    tail = Tail(number, FIRST_RECORD, self.last_seq, self._chain, b"")
                    fd = open_segment(self.directory, tail, self.config.segment_bytes)
                except OSError as error:
                    self._failure = error
                    raise self._failed() from error
                os.close(self._fd)
                self._fd, self._segment, self._at = fd, number, FIRST_RECORD

    def _sync_loop(self) -> None:
        # By the clock while there is work: a writer that wakes a thread with each record is held up by it.
        pause_s = self.config.sync_interval_ms / 1000
        while not self._closing.wait(pause_s) and self._failure is None:
            if self._written_seq != self._chained_seq:
                self._sync()
                continue
            self._work.clear()
            self._asleep = True
            # Asked again: a record, or the end, may have come in between.
            if self._written_seq == self._chained_seq and not self._closing.is_set():
                self._work.wait()
            self._asleep = False

    def _sync(self) -> None:
        with self._disk:
            self._sync_locked()

    def _sync_locked(self) -> None:
        with self._lock:
            seq = self._written_seq
            if self._failure is not None or seq == self._chained_seq:
                return
            self._hash.update(b"".join(self._unhashed))
            self._unhashed.clear()
            try:
                self._chain = self._hash.digest()
                record = encode_record(seq, CHAIN_KIND, self._chain)
                _write(self._fd, record, self._at)
            except OSError as error:
                self._failure = error
                return
            self._at += len(record)
            self._chained_seq = seq
            self._hash = hashlib.sha256(self._chain)
        failure = None
        try:
            os.fdatasync(self._fd)
        except OSError as error:  # after a failed sync the kernel may have dropped the pages: never try again
            failure = error
        with self._lock:
            if failure is None:
                self.durable_seq = seq
            else:
                self._failure = failure

    def _failed(self) -> Broken:
        return Broken(
            f"the journal in {self.directory} must be writable, it failed: {self._failure}; entries are halted; make "
            "room or replace the disk, then restart the engine"
        )


def _write(fd: int, record: bytes, at: int) -> None:
    if os.pwrite(fd, record, at) != len(record):  # a disk that fills up takes a part without a word
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
