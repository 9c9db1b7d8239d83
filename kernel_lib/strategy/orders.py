"""Orders that wait for their price: what a decision may answer instead of a number.

::

    @strategy(on="15m", features=dict(top=f.donchian(20, bars="15m")), stop_loss_points=200)
    def breakout(x, position, p):
        if position.lots == 0.0:
            return at_stop(1.0, x.top, expires_s=3600)
        return keep()

One order a book rests at the broker. The same answer again leaves it alone, another one changes it, a plain number
takes it back and trades at the market, and :func:`keep` leaves everything as it is. It is there to reach its target,
entry or exit: when the position is there already, nothing is asked. After it has lapsed, or its position was stopped,
it is not placed again until the decision has said something else.

Compiled and plain Python decisions alike. They run in backtests and on paper; a book at a terminal refuses them.
"""

from typing import NamedTuple

from numba.extending import register_jitable

from kernel_lib.trading.record import OrderType

__all__ = ["KEEP", "NUMBER", "EntryOrder", "at_limit", "at_stop", "at_stop_limit", "keep"]

#: Types of an answer that is no order: all as it is, and a plain target.
KEEP, NUMBER = -1, 0
_LIMIT, _STOP, _STOP_LIMIT = int(OrderType.LIMIT), int(OrderType.STOP), int(OrderType.STOP_LIMIT)


class EntryOrder(NamedTuple):
    """An order as a decision answers it; made by the functions of this module.

    ``price`` and ``limit_price`` are prices, distances are in points and below zero where the strategy's own hold.
    """

    target: float
    type: int
    price: float
    limit_price: float
    expires_s: int
    stop_loss_points: int
    take_profit_points: int
    trailing_points: int


@register_jitable
def at_limit(target, price, expires_s=0, stop_loss_points=-1, take_profit_points=-1, trailing_points=-1):  # type: ignore[no-untyped-def]
    """Go to a target at a price or better: a buy when the ask has come down to it, a sell when the bid is up there.

    Parameters
    ----------
    target : float
        Exposure from -1 to 1, as a decision answers it.
    price : float
        Rounded to the tick size, away from the market.
    expires_s : int
        Seconds from the decision after which the order lapses; 0: it rests until something else is answered.
    stop_loss_points, take_profit_points, trailing_points : int
        Distances from ``price`` for this entry, 0 for none; not given: the strategy's own.

    Returns
    -------
    EntryOrder

    >>> at_limit(1.0, 1.0850, expires_s=60).price
    1.085
    """
    return EntryOrder(
        float(target), _LIMIT, float(price), 0.0, int(expires_s), int(stop_loss_points), int(take_profit_points),
        int(trailing_points),
    )  # fmt: skip


@register_jitable
def at_stop(target, price, expires_s=0, stop_loss_points=-1, take_profit_points=-1, trailing_points=-1):  # type: ignore[no-untyped-def]
    """Go to a target at the market once it has come to a price: a buy when the ask is up, a sell when the bid is down.

    Parameters are those of :func:`at_limit`.
    """
    return EntryOrder(
        float(target), _STOP, float(price), 0.0, int(expires_s), int(stop_loss_points), int(take_profit_points),
        int(trailing_points),
    )  # fmt: skip


@register_jitable
def at_stop_limit(  # type: ignore[no-untyped-def]
    target, stop_price, limit_price, expires_s=0, stop_loss_points=-1, take_profit_points=-1, trailing_points=-1
):
    """Rest as :func:`at_limit` at ``limit_price`` once the market has come to ``stop_price``, as :func:`at_stop` would.

    Distances are from ``limit_price``; the other parameters are those of :func:`at_limit`.
    """
    return EntryOrder(
        float(target), _STOP_LIMIT, float(stop_price), float(limit_price), int(expires_s), int(stop_loss_points),
        int(take_profit_points), int(trailing_points),
    )  # fmt: skip


@register_jitable
def keep():  # type: ignore[no-untyped-def]
    """Leave position and resting order as they are."""
    return EntryOrder(0.0, KEEP, 0.0, 0.0, 0, -1, -1, -1)
