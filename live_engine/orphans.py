"""Positions at the broker's account that our platform opened and no strategy of the desk answers for any more.

An approval was withdrawn while the agent was away, the desk's home was lost, a strategy was put back on another
account: its stop-loss may still rest at the broker, but nothing here will ever close the position. It is never touched,
only named, until somebody has dealt with it. A position is taken for ours when its comment is a key of ours, or its
magic number that of a strategy which this desk knows; a person's trades, and another expert's, are nobody's business.
"""

import string
from collections.abc import Collection, Iterable

from kernel_lib.wire import AccountState, BrokerPosition
from live_engine.broker import is_key_of, magic_of
from live_engine.slot import Slot
from live_engine.state import OrphanState

__all__ = ["Orphans"]

#: An account may be told a moment before the fill that it follows from.
_LOOKS = 2


class Orphans:
    """What each agent's account showed last of such positions; begins anew with each desk."""

    def __init__(self) -> None:
        self._looks: dict[str, dict[int, int]] = {}
        self._found: dict[str, list[OrphanState]] = {}

    def look(self, account: AccountState, slots: Collection[Slot], refused: Iterable[str]) -> None:
        """Take one account state.

        Parameters
        ----------
        account : AccountState
        slots : collection of Slot
            All of the desk.
        refused : iterable of str
            Hashes of approved strategies that are not run.
        """
        known = {slot.magic for slot in slots}
        known |= {magic_of(each) for each in refused if len(each) > 8 and set(each) <= set(string.hexdigits)}
        theirs = [
            each
            for each in account.positions
            if (each.magic in known or is_key_of(each.comment, each.magic))
            and not any(_answers_for(slot, each, account.agent) for slot in slots)
        ]
        before = self._looks.get(account.agent, {})
        looks = self._looks[account.agent] = {each.ticket: before.get(each.ticket, 0) + 1 for each in theirs}
        self._found[account.agent] = [_told(each, account.agent) for each in theirs if looks[each.ticket] >= _LOOKS]

    @property
    def found(self) -> list[OrphanState]:
        """All of them, agent by agent."""
        return [each for told in self._found.values() for each in told]


def _answers_for(slot: Slot, held: BrokerPosition, agent: str) -> bool:
    if slot.paper or (slot.approval.agent, slot.magic, slot.passport.instrument.symbol) != (
        agent, held.magic, held.symbol
    ):  # fmt: skip
        return False
    # One that was taken off goes flat as long as its book holds anything; then it is asked nothing more.
    return not (slot.withdrawn and slot.is_flat)


def _told(held: BrokerPosition, agent: str) -> OrphanState:
    side = "long" if held.side > 0 else "short"
    return OrphanState(
        agent=agent, symbol=held.symbol, side=held.side, lots=held.lots, ticket=held.ticket, magic=held.magic,
        open_price=held.price, stop_loss=held.stop_loss, profit=held.profit,
        words=f"{held.symbol} {side} {held.lots:g} lots at agent {agent} (ticket {held.ticket}, magic {held.magic}) "
        "has no owner: no strategy on this desk will close it; close it in the terminal, or look after it there",
    )  # fmt: skip
