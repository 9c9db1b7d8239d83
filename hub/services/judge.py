"""The judge: ``python -m hub.services.judge FOLDER`` runs one strategy over the sealed hold-out and prints the verdict.

As live, the strategy runs in a sandbox and is asked tick by tick, and orders, fills and money are this process's own
(:class:`~kernel_lib.trading.book.Book`). So it cannot look ahead, and cannot write its own verdict. A strategy that
decides when a bar closes is asked then, with all ticks since; in between its answer is to hold. Ticks before the
hold-out warm its features up, and it cannot trade on them.

FOLDER holds ``bundle`` (a passport), ``ticks.npy`` and ``task.json`` (a :class:`Task`). Nothing that the strategy says
is printed: the verdict is made of figures and of this platform's words.
"""

import os
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.hold_out import Verdict, stopped_verdict, verdict_on
from kernel_lib.backtest.loop import EQUITY
from kernel_lib.errors import Misconfigured, TickhubError
from kernel_lib.market.bar import bar_length_ns
from kernel_lib.market.tick import Ticks
from kernel_lib.passport import Passport, decode_passport
from kernel_lib.sandbox.programs import start_program
from kernel_lib.strategy.position import Proposal
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import EVENT, VIEW, Status
from kernel_lib.trading.terms import terms_in_range

__all__ = ["Judged", "Limits", "Task", "judge"]

_CHILD = Path(__file__).with_name("judged.py")
_LENGTH = struct.Struct("<I")
_ANSWER_BYTES = 512
_HOUR_NS = 3_600 * 10**9
_MOST_TICKS = 256
_ASKED = np.dtype([("time_ns", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("view", VIEW)])
_HOLD = (0.0, *(0 for _ in Proposal._fields[1:-1]), int(Status.HOLD))
_KINDS = tuple(Proposal.__annotations__[name] for name in Proposal._fields[1:-1])
_MOST = 10**9


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one run may use; seconds, bytes."""

    load_s: float = 60.0
    answer_s: float = 2.0
    whole_s: float = 900.0
    memory_bytes: int = 1024**3
    processes: int = 64


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to judge.

    Parameters
    ----------
    name : str
        The sandbox's; whatever runs under it is killed first.
    begin_ns : int
        Where the hold-out begins; earlier ticks warm up.
    n_looks : int
        This look's number on the instrument.
    uid : int
        Host user inside the sandbox.
    trusted : bool
        Run unisolated where the machine cannot isolate.
    """

    name: str
    begin_ns: int
    n_looks: int = 1
    uid: int = 58_000
    trusted: bool = False
    limits: Limits = Limits()


class Judged:
    """What the platform's own book gave; a :class:`~kernel_lib.backtest.performance.Run`."""

    def __init__(self, passport: Passport, book: Book, span_ns: tuple[int, int], n_ticks: int) -> None:
        self.strategy: Any = None
        self.instrument = passport.instrument
        self.book = book
        self.events: npt.NDArray[np.void] = np.zeros(0, EVENT)
        self.equity: npt.NDArray[np.void] = np.zeros(0, EQUITY)
        self.span_ns = span_ns
        self.n_ticks = n_ticks
        self.fault = ""

    @property
    def trades(self) -> Any:
        from kernel_lib.backtest.report import trades_frame

        return trades_frame(self.events, self.book)


class _Stopped(Exception):
    """The run is over; ``why`` is a word of :func:`~kernel_lib.backtest.hold_out.stopped_verdict`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def judge(passport: Passport, ticks: Ticks, task: Task) -> tuple[Verdict, Judged | None]:
    """Run a strategy over ticks and judge it on those from ``task.begin_ns`` on.

    Raises
    ------
    Misconfigured
        This machine cannot isolate, and the task does not say that tenants are trusted.
    """
    try:
        line = _Line(passport, task)
    except _Stopped as stop:
        return stopped_verdict(stop.why), None
    try:
        run = _run(passport, ticks, task, line)
    except _Stopped as stop:
        return stopped_verdict(stop.why), None
    finally:
        line.close()
    return verdict_on(run, task.n_looks), run


def _run(passport: Passport, ticks: Ticks, task: Task, line: "_Line") -> Judged:
    book = Book(passport.instrument, passport.account, passport.limits, passport.costs)
    times = ticks["time_ns"]
    asked = np.ones(len(ticks), bool)
    if passport.on != "tick":
        bars = times // bar_length_ns(passport.on)
        asked = np.append(True, bars[1:] != bars[:-1])
    first = int(np.searchsorted(times, task.begin_ns))
    if first == len(ticks):
        raise Misconfigured("a hold-out must have ticks, there are none after its beginning")
    hours = times // _HOUR_NS
    closes = np.append(hours[1:] != hours[:-1], True)
    frame = np.zeros(_MOST_TICKS, _ASKED)
    rows: list[npt.NDArray[np.void]] = []
    points: list[tuple[int, int, float, float, int]] = []
    n_waiting = 0
    for at, (time_ns, bid, ask) in enumerate(ticks[["time_ns", "bid", "ask"]].tolist()):
        view = book.on_tick(time_ns, bid, ask)
        one = frame[n_waiting]
        one["time_ns"], one["bid"], one["ask"], one["view"] = time_ns, bid, ask, view[0]
        n_waiting += 1
        answer: tuple[Any, ...] = _HOLD
        if asked[at] or n_waiting == _MOST_TICKS:
            given = line.ask(frame[:n_waiting].tobytes())
            n_waiting = 0
            if asked[at] and at >= first:
                answer = given
        book.on_target(*answer)
        if book.has_rows:
            rows.append(book.drain())
        if closes[at] and at >= first:
            row = book.arrays.book[0]
            equity = float(row["equity_minor"])
            points.append((time_ns, int(row["balance_minor"]), equity, equity, 0))
    run = Judged(passport, book, (int(times[first]), int(times[-1])), len(ticks) - first)
    run.events = np.concatenate([run.events, *rows])
    run.equity = np.array(points, EQUITY)
    return run


class _Line:
    """The sandboxed strategy and the socket to it; trusted in nothing."""

    def __init__(self, passport: Passport, task: Task) -> None:
        self._limits = task.limits
        self._until = time.monotonic() + task.limits.whole_s
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._child = start_program(
                    task.name, _CHILD, (theirs.fileno(),), uid=task.uid, memory_bytes=task.limits.memory_bytes,
                    processes=task.limits.processes, trusted=task.trusted,
                )  # fmt: skip
            except BaseException:
                self._socket.close()
                raise
        load = {
            "source": passport.source, "entry": passport.entry, "params": passport.params, "models": passport.models,
            "instrument": msgspec.to_builtins(passport.instrument), "account": msgspec.to_builtins(passport.account),
        }  # fmt: skip
        try:
            if self._exchange(msgspec.msgpack.encode(load), task.limits.load_s) != b"L":
                raise _Stopped("not_loaded")
        except BaseException:
            self.close()
            raise

    def ask(self, frame: bytes) -> tuple[Any, ...]:
        """Hand in ticks; give the checked proposal to the last."""
        answer = self._exchange(frame, self._limits.answer_s)
        if answer == b"F":
            raise _Stopped("raised")
        try:
            given = msgspec.msgpack.decode(answer, type=list[float | int])
        except msgspec.DecodeError:
            raise _Stopped("bad_answer") from None
        return _checked(given)

    def close(self) -> None:
        self._socket.close()
        self._child.remove()

    def _exchange(self, content: bytes, within_s: float) -> bytes:
        left = self._until - time.monotonic()
        if left <= 0.0:
            raise _Stopped("time")
        deadline = time.monotonic() + min(within_s, left)
        try:
            self._wait_until(deadline)
            self._socket.sendall(_LENGTH.pack(len(content)) + content)
            length = _LENGTH.unpack(self._receive(_LENGTH.size, deadline))[0]
            if length > _ANSWER_BYTES:
                raise _Stopped("bad_answer")
            return self._receive(length, deadline)
        except TimeoutError:
            raise _Stopped("time" if within_s >= left else "no_answer") from None
        except OSError:
            raise _Stopped("ended") from None

    def _receive(self, n_bytes: int, deadline: float) -> bytes:
        parts = b""
        while len(parts) < n_bytes:
            self._wait_until(deadline)
            part = self._socket.recv(n_bytes - len(parts))
            if not part:
                raise _Stopped("ended")
            parts += part
        return parts

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        self._socket.settimeout(left)


def _checked(given: list[float | int]) -> tuple[Any, ...]:
    if len(given) != len(Proposal._fields) or not isinstance(given[-1], int):
        raise _Stopped("bad_answer")
    target, numbers, status = float(given[0]), given[1:-1], given[-1]
    if status == int(Status.HOLD):
        return _HOLD
    if status > int(Status.DECIDED) or not -1.0 <= target <= 1.0:
        raise _Stopped("bad_answer")
    # The book's machine code takes each number as the type it was compiled for.
    if not all(isinstance(each, kind) for each, kind in zip(numbers, _KINDS, strict=True)):
        raise _Stopped("bad_answer")
    units, stop, take = (int(each) for each in numbers)
    if abs(units) > _MOST or not terms_in_range(stop, take, status):
        raise _Stopped("bad_answer")
    return (target, *numbers, status)


def main() -> None:
    """Judge what lies in the folder named on the command line."""
    os.nice(10)  # the recorder beside it goes first
    folder = Path(sys.argv[1])
    task = msgspec.json.decode((folder / "task.json").read_bytes(), type=Task)
    passport = decode_passport((folder / "bundle").read_bytes())
    try:
        verdict, _ = judge(passport, np.load(folder / "ticks.npy", allow_pickle=False), task)
    except TickhubError as error:
        sys.exit(f"tickhub: {type(error).__name__}: {error}")
    sys.stdout.write(msgspec.json.encode(verdict).decode() + "\n")


if __name__ == "__main__":
    main()
