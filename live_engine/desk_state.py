"""What pages see of a desk, made from its books; :mod:`live_engine.state` has the schema."""

from collections.abc import Mapping

from kernel_lib.trading.record import Control
from live_engine.books import Books
from live_engine.latency import Histogram
from live_engine.state import DeskState, OrphanState, TickState

__all__ = ["desk_state"]

_STATES = {Control.RESUME: "active", Control.PAUSE: "paused", Control.KILL: "killed"}
_COUNTED = ("decisions", "orders", "fills", "denied", "rejected")


def desk_state(
    books: Books,
    *,
    tenant: str,
    time_ns: int,
    broken: bool,
    journal_seq: int,
    restarts: int,
    stages: Mapping[str, Histogram],
    refused: dict[str, str],
    warnings: list[str],
    orphans: list[OrphanState],
) -> DeskState:
    """Sum the books up.

    Parameters
    ----------
    broken : bool
        The journal takes nothing any more.
    restarts : int
        How often the strategy process was started again.
    stages : mapping
        How long each stage took.
    orphans : list of OrphanState
        Positions at the broker without an owner.
    """
    strategies = [slot.state() for slot in books.slots.values()]
    seen = books.counts
    counts = {"ticks": seen.ticks}
    counts |= {name: sum(getattr(each, name) for each in strategies) for name in _COUNTED}
    counts |= {"blocks": seen.blocks, "refused_blocks": seen.refused_blocks, "lost": seen.lost, "doubled": seen.doubled}
    return DeskState(
        tenant=tenant, time_ns=time_ns, state="broken" if broken else _STATES[books.control],
        journal_seq=journal_seq, position=books.tick_id, restarts=restarts, strategies=strategies,
        positions=[each for slot in books.slots.values() for each in slot.positions()],
        orders=[each for slot in books.slots.values() for each in slot.orders()],
        ticks=[TickState(symbol=s, time_ns=t, bid=b, ask=a) for s, (t, b, a) in books.last_ticks.items()],
        counts=counts, latency_us={name: each.summary_us() for name, each in stages.items()},
        refused=refused, warnings=warnings,
        profit=round(sum(each.profit for each in strategies), 2),
        profit_today=round(sum(each.profit_today for each in strategies), 2), orphans=orphans,
    )  # fmt: skip
