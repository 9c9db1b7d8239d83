"""The trades a day that a tenant's tier allows: entries are paused when they are used up, until the broker's midnight.

A trade is a fill that opens or turns a position. They are counted over all of the tenant's strategies, in the books'
own order of events, so that a desk that starts again counts the same. The look is between two blocks of ticks: orders
that were on their way then still fill. Open positions are managed on; what a person paused stays paused.
"""

from typing import Protocol

from kernel_lib.trading.record import State
from live_engine.books import Books
from live_engine.slot import Slot

__all__ = ["keep_to_tier"]


class _Desk(Protocol):
    books: Books

    def hold(self, slots: list[Slot], reason: str, *, release: bool = False) -> None: ...


def keep_to_tier(desk: _Desk, daily_trades: int | None) -> None:
    """Pause what is active when the day's trades are used up; resume what was so paused when they no longer are.

    Parameters
    ----------
    desk : Desk
    daily_trades : int or None
        From the one table of limits, :mod:`kernel_lib.tiers`; None: no limit.
    """
    slots = list(desk.books.slots.values())
    if daily_trades is not None and sum(slot.trades_today for slot in slots) >= daily_trades:
        active = [slot for slot in slots if slot.book.state is State.ACTIVE and not slot.withdrawn]
        if active:
            desk.hold(active, f"{daily_trades} trades a day are what it allows; entries go on at the broker's midnight")
    elif held := [slot for slot in slots if slot.held and not slot.faulted and not slot.withdrawn]:
        desk.hold(held, "a new day, or another tier", release=True)
