"""Reads the terminal's ticks into the spool: each block with the cursor's mark beside it, written as one record."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import structlog

from kernel_lib.errors import Transient
from kernel_lib.wire import TickBlock
from mt5_feed.cursor import Mark, TickCursor
from mt5_feed.lane import Lane
from mt5_feed.server_time import server_ms_to_utc_ns, utc_ns_to_server_ms
from mt5_feed.spool import Record, SpoolConfig
from mt5_feed.terminal import Terminal

__all__ = ["TickFeed"]

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
    """

    def __init__(
        self, terminal: Terminal, agent: str, symbols: tuple[str, ...], zone: str, folder: Path, *,
        block_ticks: int, start_ns: int | None, spool: SpoolConfig, now_ns: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self.n_read = 0
        self._terminal = terminal
        self._agent = agent
        self._zone = zone
        self._block_ticks = block_ticks
        self._now_ns = now_ns
        self._marks: dict[str, Mark] = {}
        self._full = False
        self.lane = Lane("ticks", folder, self._state, spool)
        self.lane.recover(self._restore, self._replay)
        self._cursors = [
            TickCursor(terminal, symbol, zone, self._marks.get(symbol) or self._first_mark(symbol, start_ns))
            for symbol in symbols
        ]

    def poll(self) -> int:
        """Read once what each symbol has; give the number of ticks now safe in the spool.

        A terminal that does not answer and a full spool are logged and lose nothing: the cursor stays.
        """
        n_ticks = 0
        for cursor in self._cursors:
            try:
                ticks, mark = cursor.read(self._block_ticks)
                if not len(ticks):
                    continue
                read_ns = self._now_ns()
                block = _Block(cursor.symbol, int(ticks["time_ns"][-1]), read_ns, mark, ticks.tobytes())
                self.lane.append(msgspec.msgpack.encode(block), len(ticks))
            except Transient as error:
                if not self._full:
                    log.error("ticks_wait_in_the_terminal", symbol=cursor.symbol, reason=str(error))
                self._full = True
                continue
            self._full = False
            cursor.advance(mark)
            self._marks[cursor.symbol] = mark
            n_ticks += len(ticks)
        self.n_read += n_ticks
        return n_ticks

    def message(self, number: int, record: Record) -> TickBlock:
        """The wire form of a spooled record."""
        block = msgspec.msgpack.decode(record.payload, type=_Block)
        return TickBlock(
            agent=self._agent, symbol=block.symbol, seq_first=number, ticks=block.ticks,
            terminal_ns=block.terminal_ns, read_ns=block.read_ns,
        )  # fmt: skip

    @property
    def server_ms(self) -> int:
        """The newest server time read, milliseconds; 0 before the first tick."""
        return max((mark.last_msc for mark in self._marks.values()), default=0)

    def server_time_ns(self) -> int:
        """The newest server time read, as UTC."""
        return int(server_ms_to_utc_ns(np.array([self.server_ms]), self._zone)[0])

    def _first_mark(self, symbol: str, start_ns: int | None) -> Mark:
        if start_ns is not None:
            return Mark(utc_ns_to_server_ms(start_ns, self._zone))
        newest = self._terminal.symbol_info_tick(symbol)
        return Mark(newest.time_msc if newest is not None else 0)

    def _state(self) -> bytes:
        return msgspec.msgpack.encode(self._marks)

    def _restore(self, state: bytes) -> None:
        self._marks = msgspec.msgpack.decode(state, type=dict[str, Mark])

    def _replay(self, record: Record) -> None:
        block = msgspec.msgpack.decode(record.payload, type=_Block)
        self._marks[block.symbol] = block.mark
