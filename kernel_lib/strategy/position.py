"""What a strategy sees: its own position, and the moment."""

import math
from typing import Any, NamedTuple

from kernel_lib.strategy.tuples import no_field

__all__ = ["Position", "Proposal", "Seen", "Traded", "traded_of"]


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

    def __getattr__(self, name: str) -> Any:
        return no_field(self, name)


class Traded(NamedTuple):
    """What became of the strategy's own orders since its book began.

    ``fills`` and ``rejected`` count the broker's answers; ``closed`` counts closed trades, ``won`` those of them with a
    profit. ``gained`` and ``lost`` (from 0 on) are what these earned and the others cost, in account currency, after
    commission and swap. ``slippage_points`` is the mean by which a deal at the market was worse than the quote that its
    order was sent at, the market's move on the way among it; ``expected_slippage_points`` the same by the costs that
    are reckoned with. Both are NaN before the first such deal.
    """

    fills: int = 0
    rejected: int = 0
    closed: int = 0
    won: int = 0
    gained: float = 0.0
    lost: float = 0.0
    slippage_points: float = math.nan
    expected_slippage_points: float = math.nan


class Seen(NamedTuple):
    """What an evaluated feature sees beside its inputs: the tick that closed the bar, position and trades up to it."""

    time_ns: int
    bid: float
    ask: float
    position: Position
    traded: Traded = Traded()


class Proposal(NamedTuple):
    """The answer to one tick; ``status`` is a :class:`~kernel_lib.trading.record.Status`."""

    target: float
    target_units: int
    stop_points: int
    take_points: int
    status: int


def traded_of(view: Any, minor: float) -> Traded:
    """Read a book's view: one VIEW record, and the minor units in one of the account's currency."""
    deals = int(view["n_at_market"])
    return Traded(
        fills=int(view["n_fills"]), rejected=int(view["n_rejected"]), closed=int(view["n_closed"]),
        won=int(view["n_won"]), gained=int(view["won_minor"]) / minor, lost=int(view["lost_minor"]) / minor,
        slippage_points=int(view["slipped_points"]) / deals if deals else math.nan,
        expected_slippage_points=float(view["expected_points"]) / deals if deals else math.nan,
    )  # fmt: skip
