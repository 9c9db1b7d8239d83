"""Whether the broker's account is as the books think: where it stays another, the strategy enters nothing more.

A position that a book does not know of, or that the broker does not have, is nobody's decision: a person traded by
hand, a fill came too late, somebody restored an old account. The strategy is paused, with both numbers as the reason,
until a person has put it right and resumed it. One look is not enough: an account is told a moment before or after
the fill it follows from. So too where the broker holds a position without the stop-loss that was sent with its order:
some servers drop it in silence, and nothing here closes in its place.

An order of which nobody says what became of it holds its strategy up for ever, since nothing more is sent until it is
known. It is named after a minute.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import msgspec

from kernel_lib.trading.record import Control, State
from kernel_lib.wire import AccountState
from live_engine.slot import Slot

__all__ = ["Agreement"]

_LOOKS = 3
_LASTS_S = 8.0
_SILENT_S = 30.0
_OWED_S = 60.0


class _Desk(Protocol):
    @property
    def slots(self) -> Mapping[int, Slot]: ...

    def control(self, control: Control, *, by: str, reason: str, strategy: str = "") -> list[str]: ...

    def warn(self, text: str) -> None: ...

    def no_longer(self, texts: Collection[str]) -> None: ...


class _Doubt(msgspec.Struct):
    since_s: float
    fills: tuple[int, int]
    looks: int = 1


class Agreement:
    """Watches the account states of a desk's agents.

    Parameters
    ----------
    desk : Desk
    monotonic_s : callable
    """

    def __init__(self, desk: _Desk, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._monotonic_s = monotonic_s
        self._doubts: dict[int, _Doubt] = {}
        self._heard_s: dict[str, float] = {}
        self._sent_s: dict[str, float] = {}
        self._named: dict[str, str] = {}

    def on_account(self, state: AccountState) -> None:
        """Compare one account state with the books of its agent; between two events."""
        now_s = self._monotonic_s()
        self._heard_s[state.agent] = now_s
        for slot in list(self._desk.slots.values()):
            if slot.paper or slot.approval.agent != state.agent:
                continue
            if not state.trade_allowed:
                self._desk.warn(
                    f"the terminal of agent {state.agent} allows no trading: press its AutoTrading button, or ask the "
                    "broker; orders are rejected until then"
                )
            self._compare(slot, slot.differs_from(state) or _unguarded(slot, state), now_s)

    def look_for_silence(self) -> None:
        """Say which agents of strategies on this desk have not told their account for long."""
        now_s = self._monotonic_s()
        for slot in self._desk.slots.values():
            if not slot.paper and now_s - self._heard_s.setdefault(slot.approval.agent, now_s) > _SILENT_S:
                self._desk.warn(
                    f"agent {slot.approval.agent} has not told its account for {_SILENT_S:.0f} s: its link or its "
                    "terminal is away; stops that rest at the broker hold, orders do not get there"
                )

    def look_for_orders(self) -> None:
        """Say which orders have been on their way to a broker for long."""
        now_s = self._monotonic_s()
        orders = [order for slot in self._desk.slots.values() if not slot.paper for order in slot.orders()]
        self._sent_s = {order.key: self._sent_s.get(order.key, now_s) for order in orders}
        over = [key for key in self._named if key not in self._sent_s]
        self._desk.no_longer([self._named.pop(key) for key in over])
        for order in orders:
            if now_s - self._sent_s[order.key] > _OWED_S:
                self._named[order.key] = (
                    f"order {order.key} of {order.strategy} has been on its way for over a minute, and the strategy "
                    "sends nothing more until its end is told: look in the terminal for that comment; where nothing "
                    "comes any more, take the strategy off and approve it anew"
                )
                self._desk.warn(self._named[order.key])

    def _compare(self, slot: Slot, differs: str, now_s: float) -> None:
        numbers = slot.book.numbers
        fills = numbers["n_fills"], numbers["n_stopped"]
        doubt = self._doubts.get(slot.number)
        if not differs:
            self._doubts.pop(slot.number, None)
        elif doubt is None or doubt.fills != fills:
            self._doubts[slot.number] = _Doubt(now_s, fills)
        else:
            doubt.looks += 1
            lasts = doubt.looks >= _LOOKS and now_s - doubt.since_s >= _LASTS_S
            # One that the tier holds would be let go at midnight.
            trades = slot.book.state is State.ACTIVE or slot.held
            if lasts and trades and not slot.withdrawn:
                self._desk.control(
                    Control.PAUSE, by="the broker's account", reason=f"{differs}, then resume", strategy=slot.hash
                )


def _unguarded(slot: Slot, account: AccountState) -> str:
    """Say which position the broker holds without any stop-loss, though it was sent with one, else nothing."""
    if len(slot.book.working):
        return ""
    for ours in slot.positions():
        for theirs in account.positions:
            same = theirs.ticket == ours.position_id if slot.passport.account.hedging else theirs.symbol == ours.symbol
            if same and theirs.magic == slot.magic and ours.stop_loss > 0 and theirs.stop_loss <= 0:
                return (
                    f"{slot.passport.name}: the broker holds {theirs.lots:g} lots of {ours.symbol} without their "
                    f"stop-loss; set it in the terminal, at {ours.stop_loss:g}"
                )
    return ""
