"""One end of the socket pair between a desk and its tenant's strategies: one system call a frame, on one processor.

A question is answered in less time than another processor takes to wake up (60 microseconds against 12 for a round
trip here). So the process that answers keeps to the processor of the one that asks, which sleeps meanwhile; and the one
that asks stays where it is for a second at a time, for the kernel would move it with every answer.
"""

import ctypes
import os
import socket
import struct
import time
from collections.abc import Callable

__all__ = ["NOWHERE", "Line", "Place", "keep_to"]

#: No processor in particular.
NOWHERE = 255
_TIMEVAL = struct.Struct("@ll")


class Line:
    """Frames over a connected SEQPACKET socket, by one thread.

    Parameters
    ----------
    connected : socket
        Blocking; closed with the line.
    frame_bytes : int
        The longest frame that is read.

    Attributes
    ----------
    buffer : bytearray
        Where frames are read into.
    """

    def __init__(self, connected: socket.socket, frame_bytes: int) -> None:
        self._socket = connected
        self.buffer = bytearray(frame_bytes)
        self._seen = memoryview(self.buffer)
        self._timeout_s = 0.0

    def close(self) -> None:
        """Close it; the other side reads an end."""
        self._socket.close()

    def wait_at_most(self, timeout_s: float) -> None:
        """Set how long a call may block; 0, as at first, for as long as it takes."""
        if timeout_s != self._timeout_s:
            whole = int(timeout_s)
            packed = _TIMEVAL.pack(whole, int((timeout_s - whole) * 1e6))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)
            self._timeout_s = timeout_s

    def send(self, frame: bytes) -> None:
        """Send one frame.

        Raises
        ------
        TimeoutError
            The other side does not read.
        ConnectionError
            The other side is gone.
        """
        try:
            self._socket.send(frame)
        except BlockingIOError:
            raise TimeoutError(f"a frame must be read within {self._timeout_s} s, it was not") from None

    def receive(self) -> memoryview:
        """Read one frame, which stands until the next is read; an empty one says that the other side is gone.

        Raises
        ------
        TimeoutError
            None came in time.
        """
        try:
            return self._seen[: self._socket.recv_into(self.buffer)]
        except ConnectionError:
            return self._seen[:0]
        except BlockingIOError:
            raise TimeoutError(f"a frame must come within {self._timeout_s} s, none did") from None


class Place:
    """Keeps the calling thread on one processor, which the kernel chooses anew every second."""

    def __init__(self) -> None:
        self._all = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self._cpu = NOWHERE
        self._until_ns = 0

    def here(self) -> int:
        """Give the processor that this thread is on, and for the rest of the second stays on."""
        now_ns = time.monotonic_ns()
        if now_ns < self._until_ns:
            return self._cpu
        if self._cpu != NOWHERE:  # let go; wherever the thread next wakes up, it stays
            self.leave()
            return NOWHERE
        self._cpu = _processor()
        self._until_ns = now_ns + 10**9
        keep_to(self._cpu)
        return self._cpu

    def leave(self) -> None:
        """Let the kernel move this thread, and what it starts, as it likes."""
        if self._cpu != NOWHERE:
            os.sched_setaffinity(0, self._all)
            self._cpu, self._until_ns = NOWHERE, 0


def keep_to(cpu: int) -> None:
    """Run the calling thread on one processor; nothing happens where that is not allowed, or is :data:`NOWHERE`."""
    try:
        if cpu != NOWHERE:
            os.sched_setaffinity(0, {cpu})
    except (OSError, AttributeError):  # not this process's to use, or no Linux
        return


def _find_processor() -> Callable[[], int]:
    try:
        ask: Callable[[], int] = ctypes.CDLL(None).sched_getcpu
    except (OSError, AttributeError):
        return lambda: NOWHERE
    return lambda: min(max(ask(), 0), NOWHERE)


_processor = _find_processor()
