"""What a strategy sees: its own position, and the moment."""

from typing import NamedTuple

__all__ = ["Position", "Proposal", "Seen"]


class Position(NamedTuple):
    """What a decision sees of its own position.

    ``exposure`` is the target that the position amounts to, 0 when flat; ``entry_price`` is NaN when flat; ``profit``
    (floating) and ``equity`` are in account currency.
    """

    exposure: float
    lots: float
    entry_price: float
    profit: float
    open_time_ns: int
    equity: float


class Seen(NamedTuple):
    """What an evaluated feature sees beside its inputs: the tick that closed the bar, and the position then."""

    time_ns: int
    bid: float
    ask: float
    position: Position


class Proposal(NamedTuple):
    """The answer to one tick; ``status`` is a :class:`~kernel_lib.trading.record.Status`."""

    target: float
    target_units: int
    stop_points: int
    take_points: int
    status: int
