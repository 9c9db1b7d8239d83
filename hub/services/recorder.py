"""The recorder: every tenant's published ticks go into the ticks store, once each, from where it left off."""

import logging
import threading
import time
from collections.abc import Callable

from kernel_lib.errors import BadData, Transient
from kernel_lib.stores.live import LiveStore
from kernel_lib.stores.ticks import TickStore
from kernel_lib.wire import Quarantined, Streams, TickBlock, decode, encode

__all__ = ["Recorder"]

log = logging.getLogger("tickhub")
_READER = "recorder"
_BLOCKS = 2000
_TENANTS_EVERY_S = 5.0
_RAW_BYTES = 4096
# The store likes few large inserts: below a backlog of so many ticks, gather for a while.
_MANY_TICKS = 5_000
_GATHER_S = 0.5


class Recorder:
    """Reads ``Streams(tenant).ticks`` of every tenant and writes the ticks store.

    The place in a stream is saved after the ticks are; a crash between the two writes a block again, which the
    store keeps once. An entry that cannot be read goes to the tenant's quarantine.

    Parameters
    ----------
    tenants : callable
        Names the tenants; asked again every five seconds.
    """

    def __init__(self, live: LiveStore, store: TickStore, tenants: Callable[[], list[str]]) -> None:
        self._live = live
        self._store = store
        self._tenants = tenants
        self._positions: dict[str, str] = {}
        self._listed_s = float("-inf")
        self._stop = threading.Event()
        self.n_recorded = 0
        self.n_quarantined = 0

    def run(self) -> None:
        """Record until :meth:`stop`; a store that does not answer is tried again, more slowly."""
        pause_s = 0.1
        while not self._stop.is_set():
            try:
                n_ticks = self.step(block_ms=500)
                pause_s = 0.1
                if n_ticks < _MANY_TICKS:
                    self._stop.wait(_GATHER_S)
            except Transient as error:
                log.warning("recording waits %.1f s: %s", pause_s, error)
                self._stop.wait(pause_s)
                pause_s = min(pause_s * 2, 10.0)

    def stop(self) -> None:
        """Let :meth:`run` end after the step under way."""
        self._stop.set()

    def step(self, *, block_ms: int | None = None) -> int:
        """Record what has been published since the last step; give the number of ticks."""
        now_s = time.monotonic()
        if now_s - self._listed_s > _TENANTS_EVERY_S:
            for tenant in self._tenants():
                if tenant not in self._positions:
                    self._positions[tenant] = self._live.position(tenant, _READER)
            self._listed_s = now_s
        by_stream = {Streams(tenant).ticks: tenant for tenant in self._positions}
        if not by_stream:
            self._stop.wait((block_ms or 0) / 1000)
            return 0
        after = {stream: self._positions[tenant] for stream, tenant in by_stream.items()}
        n_ticks = 0
        for stream, entries in self._live.read(after, count=_BLOCKS, block_ms=block_ms).items():
            tenant = by_stream[stream]
            blocks = [block for _, message in entries if (block := self._block(tenant, message)) is not None]
            n_ticks += self._store.insert(tenant, blocks)
            self._positions[tenant] = entries[-1][0]
            self._live.set_position(tenant, _READER, entries[-1][0])
        self.n_recorded += n_ticks
        return n_ticks

    def _block(self, tenant: str, message: bytes) -> TickBlock | None:
        try:
            decoded = decode(message)
            if not isinstance(decoded, TickBlock):
                raise BadData(f"a ticks stream must hold tick blocks, one entry was {type(decoded).__name__}")
            decoded.array()
        except BadData as error:
            self.n_quarantined += 1
            log.error("tenant %s: an entry of the ticks stream is quarantined: %s", tenant, error)
            refused = Quarantined(agent=_READER, symbol="", seq=0, rule="unreadable_entry", tick=message[:_RAW_BYTES])
            self._live.append(Streams(tenant).quarantine, encode(refused))
            return None
        return decoded
