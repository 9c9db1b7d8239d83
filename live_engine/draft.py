"""Records of the journal that the kernel does not have yet, laid out as they will lie in the segment.

Python lays them, and compiled code: what comes of a tick is copied once, from a book into here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from kernel_lib.trading.by_address import array_at
from live_engine.segment import HEAD_BYTES, lay_record, record_bytes

__all__ = ["Draft", "lay"]

_ROOM_BYTES = 1 << 16
_NUMBERS = np.dtype([(name, "<i8") for name in ("address", "room", "n_bytes", "seq")])
_ROOM, _N_BYTES, _SEQ = 1, 2, 3


class Draft:
    """Records in a buffer, numbered one after the other.

    Parameters
    ----------
    seq : int
        The journal's last number so far.

    Attributes
    ----------
    numbers : array
        One record with the buffer's address, the bytes that may be used, those that are, and the last number; compiled
        code reads and writes them as well.
    """

    def __init__(self, seq: int) -> None:
        self.numbers: npt.NDArray[np.void] = np.zeros(1, _NUMBERS)
        # Plain numbers in the same memory: numpy takes twice as long for one.
        self._n = self.numbers.view(np.int64).data
        self._n[_SEQ] = seq
        self._buffer: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._seen = self._buffer.data
        self.begin(0)

    @property
    def seq(self) -> int:
        """Number of the last record."""
        return self._n[_SEQ]

    @property
    def n_bytes(self) -> int:
        """How long all records are together."""
        return self._n[_N_BYTES]

    def begin(self, most_bytes: int, *, needed: int = 0) -> None:
        """Forget what is there, and have room for ``needed`` bytes, or the usual, but not for more than so many."""
        length = needed if needed > _ROOM_BYTES else _ROOM_BYTES
        if len(self._buffer) != length:
            self._buffer = np.zeros(length, np.uint8)
            self._seen = self._buffer.data
            self.numbers["address"] = self._buffer.ctypes.data
        n = self._n
        n[_ROOM] = length if length < most_bytes else most_bytes
        n[_N_BYTES] = 0

    def drop(self, seq: int) -> None:
        """Forget what is there, as if number ``seq`` were the last."""
        self._n[_N_BYTES], self._n[_SEQ] = 0, seq

    def add(self, kind: int, payload: bytes) -> bool:
        """Lay a record; False when there is no room for it."""
        n = self._n
        at = n[_N_BYTES]
        if at + record_bytes(payload) > n[_ROOM]:
            return False
        n[_SEQ] += 1
        n[_N_BYTES] = lay_record(self._seen, at, n[_SEQ], kind, payload)
        return True

    def content(self) -> bytes:
        """Give all records."""
        return bytes(self._seen[: self._n[_N_BYTES]])


def _remainders() -> npt.NDArray[np.int64]:
    rest = np.arange(256, dtype=np.int64)
    for _ in range(8):
        rest = np.where(rest & 1, 0xEDB88320 ^ (rest >> 1), rest >> 1)
    return rest


_njit: Any = njit
_REMAINDERS = _remainders()
_WORD, _HALF, _BYTE = np.int64, np.uint32, np.uint8


@_njit(nogil=True, _nrt=False)
def lay(draft, kind, head, source, n):  # type: ignore[no-untyped-def]
    """Lay a record, for which there is room, whose payload is a number of four bytes and ``n`` bytes at an address."""
    at = draft.address + draft.n_bytes
    end = HEAD_BYTES + ((4 + n + 7) & ~7)
    draft.seq += 1
    words = array_at(at, 3, _WORD)
    words[0] = (4 + n) << 32
    words[1] = draft.seq
    words[2] = kind
    record, given = array_at(at, end, _BYTE), array_at(source, n, _BYTE)
    array_at(at + HEAD_BYTES, 1, _HALF)[0] = head
    for i in range(n):
        record[HEAD_BYTES + 4 + i] = given[i]
    for i in range(HEAD_BYTES + 4 + n, end):
        record[i] = 0
    # CRC-32 as zlib reckons it, a byte at a time: its tables for four at once are larger than what is laid here.
    rest = 0xFFFFFFFF
    for i in range(4, end):
        rest = _REMAINDERS[(rest ^ record[i]) & 0xFF] ^ (rest >> 8)
    array_at(at, 1, _HALF)[0] = rest ^ 0xFFFFFFFF
    draft.n_bytes += end
