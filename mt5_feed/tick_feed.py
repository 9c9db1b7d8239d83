"""Reads the terminal's ticks into the spool: each block with the cursor's mark beside it, written as one record."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import structlog

from kernel_lib.errors import BadData, Transient
from kernel_lib.wire import TickBlock
from mt5_feed.cursor import Mark, TickCursor
from mt5_feed.lane import Lane
from mt5_feed.server_time import check_offset, server_ms_to_utc_ns, utc_ns_to_server_ms
from mt5_feed.spool import Record, SpoolConfig, SpoolFull
from mt5_feed.terminal import Terminal

__all__ = ["TickFeed"]

_SELECT_AGAIN_S = 1.0
_FEW = 20
_MOMENT_S = 2.0
log = structlog.get_logger("agent.ticks")


class _Block(msgspec.Struct, frozen=True, array_like=True):
    """One spooled block."""

    symbol: str
    terminal_ns: int
    read_ns: int
    mark: Mark
    ticks: bytes


class TickFeed:
    """All symbols of one terminal.

    Parameters
    ----------
    start_ns : int or None
        Where a symbol never read before begins, UTC; None is now (its newest tick).
    market : bool
        The terminal's market is the present one: ticks that waited, in the terminal or here, are told as old, and the
        server's clock is held against ours. False for a recording, which has a time of its own.
    now_ns : callable
        This PC's clock, UTC.
    platform_ns : callable
        The platform's, which is right.
    monotonic_s : callable

    Attributes
    ----------
    clock_fault : str
        Why times of this terminal cannot be trusted; empty when they can.
    """

    def __init__(
        self, terminal: Terminal, agent: str, symbols: tuple[str, ...], zone: str, folder: Path, *,
        block_ticks: int, start_ns: int | None, spool: SpoolConfig, market: bool = False,
        now_ns: Callable[[], int] = time.time_ns, platform_ns: Callable[[], int] = time.time_ns,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.n_read = 0
        self.clock_fault = ""
        self._terminal = terminal
        self._agent = agent
        self._zone = zone
        self._block_ticks = block_ticks
        self._start_ns = start_ns
        self._market = market
        self._now_ns = now_ns
        self._platform_ns = platform_ns
        self._monotonic_s = monotonic_s
        self._marks: dict[str, Mark] = {}
        self._silent: dict[str, float] = {}
        self._empty_s: dict[str, float] = {}
        self._full = False
        self.lane = Lane("ticks", folder, self._state, spool)
        self.lane.recover(self._restore, self._replay)
        self._cursors: dict[str, TickCursor | None] = dict.fromkeys(symbols)

    def poll(self) -> int:
        """Read once what each symbol has; give the number of ticks now safe in the spool.

        A terminal that does not answer and a full spool are logged and lose nothing: the cursor stays.
        """
        n_ticks = 0
        for symbol in self._cursors:
            try:
                n_ticks += self._poll(symbol)
            except SpoolFull as error:
                if not self._full:
                    log.error("ticks_wait_in_the_terminal", symbol=symbol, reason=str(error))
                self._full = True
            except Transient as error:
                self._is_silent(symbol, str(error))
        self.n_read += n_ticks
        return n_ticks

    def _poll(self, symbol: str) -> int:
        cursor = self._cursors[symbol] or self._begin(symbol)
        if cursor is None:
            return 0
        ticks, mark = cursor.read(self._block_ticks)
        if self._silent.pop(symbol, None) is not None:
            log.info("ticks_again", symbol=symbol)
        if not len(ticks):
            self._empty_s[symbol] = self._monotonic_s()
            return 0
        read_ns = self._now_ns()
        newest_ns = int(ticks["time_ns"][-1])
        if self._market:
            self._look_at_clock(symbol, mark, len(ticks))
            if len(ticks) == self._block_ticks:  # there is more, and what was read is as old as that is new
                newest_ns = max(newest_ns, self._newest_ns(symbol))
        block = _Block(symbol, newest_ns, read_ns, mark, ticks.tobytes())
        self.lane.append(msgspec.msgpack.encode(block), len(ticks))
        self._full = False
        cursor.advance(mark)
        self._marks[symbol] = mark
        return len(ticks)

    def message(self, number: int, record: Record) -> TickBlock:
        """The wire form of a spooled record."""
        block = msgspec.msgpack.decode(record.payload, type=_Block)
        waited_ns = max(0, self._now_ns() - block.read_ns) if self._market else 0
        return TickBlock(
            agent=self._agent, symbol=block.symbol, seq_first=number, ticks=block.ticks,
            terminal_ns=block.terminal_ns + waited_ns, read_ns=block.read_ns,
        )  # fmt: skip

    @property
    def server_ms(self) -> int:
        """The newest server time read, milliseconds; 0 before the first tick."""
        return max((mark.last_msc for mark in self._marks.values()), default=0)

    def server_time_ns(self) -> int:
        """The newest server time read, as UTC."""
        return int(server_ms_to_utc_ns(np.array([self.server_ms]), self._zone)[0])

    def _begin(self, symbol: str) -> TickCursor | None:
        """Give a symbol its cursor; None while the terminal has no tick of it: it must not be read from 1970 on."""
        mark = self._marks.get(symbol)
        if mark is None and self._start_ns is not None:
            mark = Mark(utc_ns_to_server_ms(self._start_ns, self._zone))
        if mark is None:
            newest = self._terminal.symbol_info_tick(symbol)
            if newest is None:
                code, text = self._terminal.last_error()
                raise Transient(f"ticks of {symbol} must be readable, the terminal said {code} {text}")
            if newest.time_msc <= 0:
                return None
            mark = Mark(int(newest.time_msc))
        cursor = self._cursors[symbol] = TickCursor(self._terminal, symbol, self._zone, mark)
        return cursor

    def _is_silent(self, symbol: str, reason: str) -> None:
        """Say so once, and put the symbol back into the market watch, which somebody may have cleared."""
        now_s = self._monotonic_s()
        if symbol not in self._silent:
            log.error("ticks_wait_in_the_terminal", symbol=symbol, reason=reason)
        if now_s - self._silent.get(symbol, float("-inf")) > _SELECT_AGAIN_S:
            self._silent[symbol] = now_s
            self._terminal.symbol_select(symbol, True)

    def _look_at_clock(self, symbol: str, mark: Mark, n_ticks: int) -> None:
        # Fresh for certain: a moment ago there was none, and they are few.
        was_empty_s = self._monotonic_s() - self._empty_s.pop(symbol, float("-inf"))
        if n_ticks > _FEW or was_empty_s > _MOMENT_S:
            return
        fault = ""
        try:
            check_offset(mark.last_msc, self._platform_ns(), self._zone)
        except BadData as error:
            fault = str(error)
        if fault and not self.clock_fault:
            log.error("server_clock_is_off", symbol=symbol, reason=fault)
        elif self.clock_fault and not fault:
            log.info("server_clock_is_right_again", symbol=symbol)
        self.clock_fault = fault

    def _newest_ns(self, symbol: str) -> int:
        newest = self._terminal.symbol_info_tick(symbol)
        if newest is None or newest.time_msc <= 0:
            return 0
        return int(server_ms_to_utc_ns(np.array([newest.time_msc], dtype=np.int64), self._zone)[0])

    def _state(self) -> bytes:
        return msgspec.msgpack.encode(self._marks)

    def _restore(self, state: bytes) -> None:
        self._marks = msgspec.msgpack.decode(state, type=dict[str, Mark])

    def _replay(self, record: Record) -> None:
        block = msgspec.msgpack.decode(record.payload, type=_Block)
        self._marks[block.symbol] = block.mark
