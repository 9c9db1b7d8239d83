"""Orders on their way to the bus, which may be away: kept in order, sent when it is back, rejected when too late.

The books are in the middle of an event when they give an order, so a bus that fails must not stop them there. What
lies here is journaled as an order; a desk that dies meanwhile asks the bus for it when it starts again.
"""

import time
from collections import deque
from collections.abc import Callable

from kernel_lib.errors import Transient
from kernel_lib.wire import OrderIntent, Report

__all__ = ["Outbox"]


class Outbox:
    """Hands intents over, each once.

    Parameters
    ----------
    append : callable
        Puts one intent on the bus; :class:`~kernel_lib.errors.Transient` where it may or may not have got there.
    was_sent : callable
        Whether an intent with this key is on the bus.
    reject : callable
        Takes the report on an intent that was not sent.
    clock : callable
        UTC nanoseconds.
    """

    def __init__(
        self, append: Callable[[OrderIntent], object], was_sent: Callable[[str], bool],
        reject: Callable[[Report], None], clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self._append = append
        self._was_sent = was_sent
        self._reject = reject
        self._clock = clock
        self._waiting: deque[OrderIntent] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def send(self, intent: OrderIntent) -> None:
        """Send it, or keep it where the bus is away; never raises."""
        if not self._waiting:
            try:
                self._append(intent)
            except Transient:
                pass
            else:
                return
        self._waiting.append(intent)

    def flush(self) -> None:
        """Send what waits, and reject what has expired; between two events of the books.

        Raises
        ------
        Transient
            The bus is still away.
        """
        while self._waiting:
            intent = self._waiting[0]
            if not self._was_sent(intent.key):  # the answer may have been lost, not the intent
                if 0 < intent.expires_ns <= self._clock():
                    self._reject(_late(intent, self._clock()))
                else:
                    self._append(intent)
            self._waiting.popleft()


def _late(intent: OrderIntent, now_ns: int) -> Report:
    return Report(
        agent=intent.agent, seq=1, kind="rejected", key=intent.key, time_ns=now_ns, symbol=intent.symbol,
        magic=intent.magic, side=intent.side, lots=intent.lots, origin="bridge",
        reason="the live bus was away until the intent had expired; it was never sent",
    )  # fmt: skip
