"""A backtest of a tenant's strategy that the platform runs: in a sandbox, for the code is not ours.

:class:`SandboxedBacktest` starts :mod:`live_engine.parity_child`, hands it strategy, ticks and what came from outside,
and reads what it answers, of which it believes no more than its shape.
"""

import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.parity_moment import Moment, Shown
from kernel_lib.backtest.parity_rerun import Event
from kernel_lib.errors import StrategyFault
from kernel_lib.market.tick import Ticks
from kernel_lib.passport import Passport
from kernel_lib.sandbox.programs import start_program
from kernel_lib.trading.account import Costs, RiskLimits
from kernel_lib.trading.record import EVENT

__all__ = ["SandboxedBacktest"]

_LENGTH = struct.Struct("<Q")
_MOST_BYTES = 1 << 30
_MOST_STATE = 1 << 26
_LOAD_S = 60.0
# Ten times what a tick takes where each is called from Python.
_TICK_S = 2e-4


class SandboxedBacktest:
    """One strategy's backtest in a sandbox; a context manager.

    Parameters
    ----------
    passport : Passport
    ticks : ndarray of TICK
    limits : RiskLimits
    costs : Costs or None
        None: fills come as events.
    events, ages_ns, follow, begins
        As in :class:`~kernel_lib.backtest.parity_rerun.Rerun`.
    uid : int
        Host user it runs as.
    trusted : bool
        Run it unisolated where the machine cannot isolate.

    Raises
    ------
    StrategyFault
        The source does not run, raises when it is loaded, or does not end.
    """

    def __init__(
        self, passport: Passport, ticks: Ticks, *, limits: RiskLimits, costs: Costs | None,
        events: Sequence[Event] = (), ages_ns: npt.NDArray[np.int64] | None = None,
        follow: Sequence[tuple[float, int, int, int, int]] = (), begins: tuple[bytes, bytes] = (b"", b""),
        uid: int = 52000, trusted: bool = False,
    ) -> None:  # fmt: skip
        self.fault = ""
        self._patience_s = _LOAD_S + _TICK_S * len(ticks)
        self._name = f"backtest-{os.getpid()}"
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                self._child = start_program(
                    self._name, Path(__file__).with_name("parity_child.py"), (theirs.fileno(),),
                    packages=("live_engine",), uid=uid, memory_bytes=2 * 1024**3, trusted=trusted,
                )  # fmt: skip
        except BaseException:
            self._line.close()
            raise
        builtins = msgspec.to_builtins
        try:
            self._ask(
                do="load", limits=builtins(limits), costs=None if costs is None else builtins(costs),
                ticks=np.ascontiguousarray(ticks).tobytes(), events=[builtins(each) for each in events],
                ages=b"" if ages_ns is None else ages_ns.tobytes(), follow=list(follow), begins=begins,
                load={
                    "name": passport.name, "source": passport.source, "entry": passport.entry,
                    "params": passport.params, "models": passport.models, "instrument": builtins(passport.instrument),
                    "account": builtins(passport.account),
                },
            )  # fmt: skip
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "SandboxedBacktest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rows(self) -> npt.NDArray[np.void]:
        """Run it all; every row, dtype EVENT. :attr:`fault` says what stopped the strategy."""
        answer = self._ask(do="finish")
        self.fault = str(answer["fault"])[:500]
        return np.frombuffer(answer["rows"], EVENT)

    def evening(self) -> bytes:
        """Run it all; the proposer's snapshot at the end."""
        answer = self._ask(do="evening")["proposer"]
        if not isinstance(answer, bytes) or len(answer) > _MOST_STATE:
            raise StrategyFault(f"a proposer's state must be at most {_MOST_STATE} bytes")
        return answer

    def tick_of(self, row: int) -> tuple[int, bool]:
        """As :func:`~kernel_lib.backtest.parity_rerun.tick_of_row`, after :meth:`rows`."""
        answer = self._ask(do="tick_of", row=row)
        return int(answer["tick"]), bool(answer["repeats"])

    def moment(self, tick: int) -> Moment:
        """What was known and answered at a tick."""
        return msgspec.convert(self._ask(do="moment", tick=tick)["moment"], Moment)

    def values(self, snapshot: bytes) -> list[Shown]:
        """Name the numbers of a snapshot that the engine's process gave of the same strategy."""
        return msgspec.convert(self._ask(do="values", snapshot=snapshot)["values"], list[Shown])

    def close(self) -> None:
        """End the sandbox."""
        self._line.close()
        self._child.remove()

    def _ask(self, **request: Any) -> dict[str, Any]:
        content = msgspec.msgpack.encode(request)
        self._line.settimeout(self._patience_s)
        try:
            self._line.sendall(_LENGTH.pack(len(content)) + content)
            (length,) = _LENGTH.unpack(self._receive(_LENGTH.size))
            if length > _MOST_BYTES:
                raise StrategyFault(f"a backtest must answer at most {_MOST_BYTES} bytes, it would answer {length}")
            answer = msgspec.msgpack.decode(self._receive(length), type=dict[str, Any])
        except TimeoutError:
            raise StrategyFault(f"the backtest must answer within {self._patience_s:.0f} s, it did not") from None
        except (OSError, msgspec.DecodeError) as error:
            raise StrategyFault(f"the backtest's process ended by itself or answered nonsense: {error}") from None
        if "error" in answer:
            raise StrategyFault(f"the backtest failed: {''.join(c for c in str(answer['error']) if c.isprintable())}")
        return answer

    def _receive(self, length: int) -> bytes:
        parts = []
        while length:
            part = self._line.recv(min(length, 1 << 20))
            if not part:
                raise ConnectionError("it closed its line")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)
