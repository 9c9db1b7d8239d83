"""The loop of the strategies' process, compiled: read a question, run the step, send the answer, no Python between.

It serves one strategy, for as long as every frame is a question to it; any other frame it hands back. An answer takes
a quarter of the time that the interpreter needs for it.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, typeof, types

from kernel_lib.kept_code import keep
from kernel_lib.machine_code import entry_point
from kernel_lib.strategy import Proposer
from kernel_lib.trading.record import VIEW
from live_engine import strategy_wire as wire
from live_engine.strategy_line import Line

__all__ = ["Server"]

_QUESTION_BYTES, _ANSWER_BYTES = wire.TICK_FRAME.size, wire.PROPOSAL_FRAME.size
_TICK, _PROPOSAL = wire.TICK, wire.PROPOSAL


def _system_call(name: str) -> Any:
    return types.ExternalFunction(name, types.int64(types.int32, types.voidptr, types.uint64))


_read, _write = _system_call("read"), _system_call("write")


class Server:
    """Serves one compiled strategy on a line.

    Parameters
    ----------
    proposer : Proposer
        Compiled, without evaluated features: see :meth:`can_serve`.
    slot : int
    line : Line
        Frames are read into its buffer; the last one, that this does not serve, stands there afterwards.
    """

    def __init__(self, proposer: Proposer, slot: int, line: Line) -> None:
        frame = np.frombuffer(line.buffer, np.uint8)
        head = frame[:_QUESTION_BYTES]
        answer = np.zeros(_ANSWER_BYTES // 8, np.int64)
        view = np.frombuffer(line.buffer, VIEW, 1, wire.TICK_HEAD.size)
        self._arguments: tuple[Any, ...] = (
            line.source, line.sink, slot, frame, head.view(np.int64), head.view(np.float64), answer,
            answer.view(np.float64), view,
            proposer.state, proposer.forming, proposer.memory, proposer.sizing, proposer.params,
        )  # fmt: skip
        loop = _loop_of(proposer.step.live)
        kinds = tuple(typeof(each) for each in (*self._arguments, 0))
        loop.compile(kinds)
        self._run = entry_point(loop, kinds)
        self._proposer = proposer

    @staticmethod
    def can_serve(proposer: Proposer) -> bool:
        """Whether nothing in this strategy needs Python."""
        return not proposer.evaluates and not proposer.plain_python

    def run(self, processor: int) -> int:
        """Answer until another frame comes; give its length, 0 at the end of the line.

        Parameters
        ----------
        processor : int
            Where this process is; a question from another one is handed back.

        Raises
        ------
        Exception
            Whatever the strategy raised; the question stands in the buffer.
        """
        try:
            return int(self._run(*self._arguments, processor))
        except Exception:
            self._proposer.fault()
            raise


@lru_cache(maxsize=64)
def _loop_of(live: Callable[..., Any]) -> Any:
    read, write = _read, _write

    @njit(nogil=True)
    def serve(  # type: ignore[no-untyped-def]
        source, sink, slot, frame, ints, floats, answer, answer_f, view, fs, forming, memory, sizing, p, processor
    ):
        while True:
            length = read(source, frame.ctypes, frame.size)
            if (
                length != _QUESTION_BYTES
                or frame[0] != _TICK
                or frame[2] + (frame[3] << 8) != slot
                or frame[16] != processor
            ):
                return length
            target, units, stop, take, status = live(
                fs, forming, memory, sizing, view, ints[3], floats[4], floats[5], p
            )
            answer[0] = (ints[0] & ~0xFF) | _PROPOSAL
            answer[1] = ints[1]
            answer_f[2] = target
            answer[3] = units
            answer[4] = stop
            answer[5] = take
            answer[6] = status
            write(sink, answer.ctypes, _ANSWER_BYTES)

    return keep(serve)
