"""One end of the two pipes between a desk and its tenant's strategies: a packet a frame, on one processor.

A packet pipe (``O_DIRECT``) keeps frames apart and takes two thirds of a socket's time. A question is answered in less
time than another processor takes to wake up (60 microseconds against 12 for a round trip here). So the process that
answers keeps to the processor of the one that asks, which sleeps meanwhile; and the one that asks stays where it is for
a second at a time, for the kernel would move it with every answer.
"""

import contextlib
import ctypes
import fcntl
import math
import os
import select
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["LONGEST_FRAME", "NOWHERE", "Line", "Place", "keep_to", "open_line"]

#: No processor in particular.
NOWHERE = 255
#: The most bytes that the kernel keeps together as one packet.
LONGEST_FRAME = 4096
_ROOM_BYTES = 1 << 20
_LOOK_S = 0.1


class Line:
    """Frames over two packet pipes, by one thread.

    Parameters
    ----------
    source, sink : int
        Descriptors of the pipe that is read and of the one that is written; closed with the line.

    Attributes
    ----------
    buffer : bytearray
        Where frames are read into.
    received : array of int64, shape (1,)
        Frames that were read; compiled code counts its own here.
    waiting : bool
        Somebody waits for a frame.
    """

    def __init__(self, source: int, sink: int) -> None:
        self.source, self.sink = source, sink
        self.buffer = bytearray(LONGEST_FRAME)
        self._seen = memoryview(self.buffer)
        self._buffers = [self.buffer]
        self.received: npt.NDArray[np.int64] = np.zeros(1, np.int64)
        self.waiting = False
        self._timeout_s = math.inf
        self._was_late = False
        self._closed = threading.Event()

    @property
    def frames_in_flight(self) -> int:
        """So many frames may be sent before one is read, and neither side ever waits for room."""
        return max(1, fcntl.fcntl(self.sink, fcntl.F_GETPIPE_SZ) // LONGEST_FRAME)

    def close(self) -> None:
        """Close it; the other side reads an end."""
        if not self._closed.is_set():
            self._closed.set()
            os.close(self.source)
            os.close(self.sink)

    def watch(self, end: Callable[[], None]) -> None:
        """Let a thread look out for a frame that does not come in time; ``end`` ends whoever should have sent it.

        Asking the kernel for each frame whether it is there yet took a fifth of the round trip.
        """
        os.set_blocking(self.sink, False)
        threading.Thread(target=self._look_out, args=(end,), name="line-watch", daemon=True).start()

    def wait_at_most(self, timeout_s: float) -> None:
        """Set how long a call may block on a line that is watched."""
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
        while True:
            try:
                os.write(self.sink, frame)
                return
            except BlockingIOError:
                room = select.poll()
                room.register(self.sink, select.POLLOUT)
                if not room.poll(self._timeout_s * 1000):
                    raise TimeoutError(f"a frame must be read within {self._timeout_s} s, it was not") from None

    def receive(self) -> memoryview:
        """Read one frame, which stands until the next is read; an empty one says that the other side is gone.

        Raises
        ------
        TimeoutError
            None came in time.
        """
        self.waiting = True
        length = os.readv(self.source, self._buffers)
        self.waiting = False
        self.received[0] += 1
        if not length and self._was_late:
            raise TimeoutError(f"a frame must come within {self._timeout_s} s, none did")
        return self._seen[:length]

    def last(self, n_bytes: int) -> memoryview:
        """Give the frame of so many bytes that compiled code read."""
        return self._seen[:n_bytes]

    def _look_out(self, end: Callable[[], None]) -> None:
        # Whoever waits reads no clock: late is who waited for one and the same frame all the time.
        before, since_s = -1, 0.0
        while not self._closed.wait(_LOOK_S):
            received = int(self.received[0])
            if not self.waiting:
                before = -1
            elif received != before:
                before, since_s = received, time.monotonic()
            elif time.monotonic() - since_s > self._timeout_s:
                self._was_late = True
                end()
                return


def open_line() -> tuple[Line, tuple[int, int]]:
    """Make two pipes; give our end, and the descriptors (source, sink) of the other, which the caller closes."""
    source, their_sink = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    try:
        their_source, sink = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    except OSError:
        os.close(source)
        os.close(their_sink)
        raise
    for each in (source, sink):
        with contextlib.suppress(OSError):  # a user with many pipes gets no more room
            fcntl.fcntl(each, fcntl.F_SETPIPE_SZ, _ROOM_BYTES)
    return Line(source, sink), (their_source, their_sink)


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
