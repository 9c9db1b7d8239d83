"""A block of ticks as the desk takes it from the bus: checked when it is opened, counted so that a gap shows."""

import math
import struct

import msgspec

from kernel_lib.errors import BadData
from kernel_lib.wire import TickBlock, decode_published
from live_engine.entries import Inbound, Snapshot
from live_engine.proposers import Quote

__all__ = ["OpenBlock", "Sources", "TickCounts", "open_block"]

#: One TICK record; three times as quick as an array for a block of a few.
_TICK = struct.Struct("<qdd")
_INFINITE = math.inf
_SILENT_NS = 60 * 10**9


class OpenBlock(msgspec.Struct):
    """A block on its way through the books.

    Parameters
    ----------
    ticks : list
        Time in nanoseconds, bid and ask of each.
    done : int
        So many of them went through.
    stands : bool
        Its agent's quotes of the symbol stand for those who name no agent, see :class:`Sources`.
    """

    block: TickBlock
    ticks: list[tuple[int, float, float]]
    inbound: Inbound
    done: int = 0
    stands: bool = True

    def quote(self, index: int) -> Quote:
        """Give a tick with its two ages.

        To the broker it is as old as it was when the desk took it, by the clocks of terminal and engine. The simulated
        broker lives in the time of the events: there it is as old as the block was at the terminal.
        """
        block = self.block
        tick = self.ticks[index]
        waited = block.terminal_ns - tick[0]
        travelled = self.inbound.received_ns - (block.bridge_ns or block.read_ns)
        age_ns = (waited if waited > 0 else 0) + (travelled if travelled > 0 else 0)
        paper = block.terminal_ns - self.ticks[-1][0]
        return index, *tick, age_ns, paper if paper > 0 else 0


def open_block(inbound: Inbound) -> OpenBlock:
    """Decode and check one message of the tick stream.

    Raises
    ------
    BadData
        It is no tick block, or a tick in it was not validated.
    """
    block = decode_published(inbound.raw)
    try:
        ticks: list[tuple[int, float, float]] = list(_TICK.iter_unpack(block.ticks))
    except struct.error:
        raise BadData(f"a tick block must be a multiple of {_TICK.size} bytes, it was {len(block.ticks)}") from None
    for _, bid, ask in ticks:
        if not 0.0 < bid <= ask < _INFINITE:
            raise BadData(f"ticks of the bus must be validated, one was not: bid {bid}, ask {ask}")
    return OpenBlock(block, ticks, inbound)


class Sources:
    """Whose quotes of a symbol stand where several agents send it: the first one's, for as long as it is heard.

    Two brokers' quotes in turn are no market: a strategy on paper would trade the difference.
    """

    def __init__(self) -> None:
        self.held: dict[str, tuple[str, int]] = {}

    def take(self, block: TickBlock, received_ns: int) -> bool:
        """Say whether this block's quotes stand."""
        agent, heard_ns = self.held.get(block.symbol, (block.agent, 0))
        if agent != block.agent and received_ns - heard_ns <= _SILENT_NS:
            return False
        self.held[block.symbol] = block.agent, received_ns
        return True


class TickCounts:
    """What came over the bus: the bridge sees to it that no tick is lost or doubled; the desk counts, to prove it."""

    def __init__(self) -> None:
        self.ticks = self.blocks = self.refused_blocks = self.lost = self.doubled = 0
        self.next_seqs: dict[str, int] = {}

    def restore(self, kept: Snapshot) -> None:
        """Go on where a snapshot was taken."""
        self.ticks, self.blocks, self.lost, self.doubled = kept.n_ticks, kept.n_blocks, kept.n_lost, kept.n_doubled
        self.next_seqs = dict(kept.next_seqs)

    def add_block(self, block: TickBlock, n_ticks: int) -> str:
        """Count a block against the one before it; say what does not fit, else nothing."""
        expected = self.next_seqs.get(block.agent, block.seq_first)
        if block.seq_first > expected:
            self.lost += block.seq_first - expected
        elif block.seq_first < expected:
            self.doubled += min(expected - block.seq_first, n_ticks)
        self.next_seqs[block.agent] = block.seq_first + max(block.n_received, n_ticks)
        if block.seq_first != expected:
            return f"ticks of {block.agent} must go on at {expected}, they did at {block.seq_first}"
        return ""
