"""What a strategy heard since its state was last kept: the frames themselves, to be sent again to a fresh process."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from live_engine import strategy_wire as wire
from live_engine.strategy_line import NOWHERE

__all__ = ["HEARD", "WORDS", "Heard", "Question", "Told"]

#: One TICK frame in words of eight bytes.
WORDS = wire.TICK_FRAME.size // 8
HEARD = np.dtype([("frames", "<i8"), ("room", "<i8"), ("count", "<i8")])
_FIRST_ROOM = 64


class Question(NamedTuple):
    """One tick for one strategy: what it may see."""

    slot: int
    time_ns: int
    bid: float
    ask: float
    view: bytes


class Told(NamedTuple):
    """What one of a strategy's channels shows from now on."""

    slot: int
    channel: int
    number: float


class Heard:
    """A strategy's questions and values from outside, in their order.

    Attributes
    ----------
    numbers : array
        One :data:`HEARD` record: where the frames are, a TICK or TELL frame in each :data:`WORDS` words, how many there
        is room for, and how many there are. Compiled code adds to them (:mod:`live_engine.turn`) and looks here each
        time: the frames move.
    """

    def __init__(self, heard: Iterable[Question | Told] = ()) -> None:
        self.numbers: npt.NDArray[np.void] = np.zeros(1, HEARD)
        self._frames: npt.NDArray[np.int64] = np.empty((0, WORDS), np.int64)
        self._hold(_FIRST_ROOM)
        for each in heard:
            self.add(each)

    def __len__(self) -> int:
        return int(self.numbers["count"][0])

    def add(self, heard: Question | Told) -> None:
        """Add one."""
        if isinstance(heard, Question):
            frame = wire.TICK_FRAME.pack(wire.TICK, heard.slot, 0, 0, NOWHERE, *heard[1:])
        else:
            frame = wire.TELL_FRAME.pack(wire.TELL, heard.slot, 0, 0, *heard[1:])
        self.make_room()
        words = np.frombuffer(frame, np.int64)
        self._frames[len(self), : len(words)] = words
        self.numbers["count"] += 1

    def make_room(self) -> None:
        """Have room for one more."""
        if len(self) == len(self._frames):
            self._hold(2 * len(self._frames))

    def clear(self) -> None:
        """Forget all."""
        self.numbers["count"] = 0
        self._hold(_FIRST_ROOM)

    def again(self, epoch: int, seq: int) -> Iterator[tuple[bytes, int]]:
        """Give each frame for another process, and the number of the question that it asks, 0 where it is none.

        Parameters
        ----------
        epoch : int
            Of that process.
        seq : int
            Questions are numbered from the next one on.
        """
        for row in self._frames[: len(self)]:
            frame = bytearray(row.tobytes())
            kind, slot, _, _ = wire.HEADER.unpack_from(frame)
            if kind == wire.TELL:
                wire.HEADER.pack_into(frame, 0, kind, slot, epoch, 0)
                yield bytes(frame[: wire.TELL_FRAME.size]), 0
                continue
            seq += 1
            wire.HEADER.pack_into(frame, 0, kind, slot, epoch, seq)
            frame[wire.HEADER.size] = NOWHERE
            yield bytes(frame), seq

    def _hold(self, room: int) -> None:
        frames = np.empty((room, WORDS), np.int64)
        frames[: len(self)] = self._frames[: len(self)]
        self._frames = frames
        self.numbers["frames"], self.numbers["room"] = frames.ctypes.data, room
