"""Reads a symbol's ticks from the terminal, losing none and doubling none.

Several ticks may share a millisecond. "After the last millisecond" would lose those that came later within it, "from
the last millisecond" repeats those already read. So the cursor asks again from the last millisecond and takes away,
record by record, what it has seen of it.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Transient
from kernel_lib.market.tick import Ticks, make_ticks
from mt5_feed.server_time import server_ms_to_utc_ns
from mt5_feed.terminal import TICK_DTYPE, Terminal

__all__ = ["Mark", "TickCursor"]

_MOST = 1 << 20
Raw = npt.NDArray[np.void]


class Mark(msgspec.Struct, frozen=True):
    """Where reading goes on: the last millisecond seen, and its records (bid and ask, 16 bytes each)."""

    last_msc: int
    seen: bytes = b""


class TickCursor:
    """One symbol's place in the terminal's ticks.

    ``read`` does not move the cursor; ``advance`` does, once the ticks are safe.
    """

    def __init__(self, terminal: Terminal, symbol: str, zone: str, mark: Mark) -> None:
        self.symbol = symbol
        self.mark = mark
        self._terminal = terminal
        self._zone = zone

    def read(self, max_ticks: int) -> tuple[Ticks, Mark]:
        """Give up to ``max_ticks`` new ticks in UTC, and the mark after them.

        Raises
        ------
        Transient
            The terminal gave no answer; ask again later.
        """
        fresh, mark = self._fresh(max_ticks)
        utc_ns = server_ms_to_utc_ns(fresh["time_msc"], self._zone)
        return make_ticks(utc_ns, fresh["bid"], fresh["ask"]), mark

    def advance(self, mark: Mark) -> None:
        self.mark = mark

    def _fresh(self, max_ticks: int) -> tuple[Raw, Mark]:
        count = max_ticks + len(self.mark.seen) // 16
        while True:
            raw = self._ask(count)
            fresh = self._unseen(raw)
            if len(fresh) or len(raw) < count or count >= _MOST:
                break
            # The answer was full of what we know (a terminal that rounds the start down to a second): ask for more.
            count = min(count * 4, _MOST)
        fresh = fresh[:max_ticks]
        return fresh, self._mark_after(fresh)

    def _ask(self, count: int) -> Raw:
        raw = self._terminal.copy_ticks_from(
            self.symbol, self.mark.last_msc / 1000, count, self._terminal.COPY_TICKS_ALL
        )
        if raw is None:
            code, text = self._terminal.last_error()
            raise Transient(f"ticks of {self.symbol} must be readable, the terminal said {code} {text}")
        if raw.dtype != TICK_DTYPE:
            if len(raw):
                raise Transient(
                    f"ticks of {self.symbol} must have the fields {TICK_DTYPE.names}, they have {raw.dtype}"
                )
            return np.empty(0, dtype=TICK_DTYPE)  # an empty answer may come as a plain array
        return raw

    def _unseen(self, raw: Raw) -> Raw:
        raw = raw[raw["time_msc"] >= self.mark.last_msc]
        n_same = int(np.count_nonzero(raw["time_msc"] == self.mark.last_msc))
        if not n_same or not self.mark.seen:
            return raw
        same = _pairs(raw[:n_same])
        if same[: len(self.mark.seen)] == self.mark.seen:
            return raw[len(self.mark.seen) // 16 :]
        # The terminal has revised that millisecond: take away what we have seen of it, wherever it stands now.
        left = [self.mark.seen[at : at + 16] for at in range(0, len(self.mark.seen), 16)]
        keep = np.ones(len(raw), dtype=np.bool_)
        for index in range(n_same):
            record = same[16 * index : 16 * index + 16]
            if record in left:
                left.remove(record)
                keep[index] = False
        return raw[keep]

    def _mark_after(self, fresh: Raw) -> Mark:
        if not len(fresh):
            return self.mark
        last_msc = int(fresh["time_msc"][-1])
        seen = _pairs(fresh[fresh["time_msc"] == last_msc])
        return Mark(last_msc, self.mark.seen + seen if last_msc == self.mark.last_msc else seen)


def _pairs(raw: Raw) -> bytes:
    return np.stack([raw["bid"], raw["ask"]], axis=1).tobytes()
