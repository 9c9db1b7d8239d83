"""How an order's terms travel in the whole numbers of a proposal, which has five on every line and in every loop.

A proposal is ``target, units, stop, take, status``. A status below zero says that the decision asks for a resting
order, and holds its type, price and limit price; the upper half of ``stop`` holds the distance of a trailing stop, that
of ``take`` the seconds after which the order lapses. A proposal without such things is the same five numbers as ever.
Each part is cut to its own bits when it is taken apart: a hostile number gives nothing out of range.
"""

from numba import types

from kernel_lib.trading.compiled import compiled

__all__ = [
    "MAX_POINTS",
    "MAX_SECONDS",
    "joined",
    "limit_points_of",
    "lower_half",
    "order_points_of",
    "order_status",
    "order_type_of",
    "terms_in_range",
    "upper_half",
]

#: Prices and distances in points, and lifetimes in seconds, that have room.
MAX_POINTS = 10**8
MAX_SECONDS = (1 << 31) - 1

_i8 = types.int64
_POINT_BITS = 27
_POINT_MASK = (1 << _POINT_BITS) - 1
_HALF_MASK = (1 << 32) - 1


@compiled(_i8(_i8, _i8, _i8))
def order_status(order_type: int, points: int, limit_points: int) -> int:
    """Give the status of a proposal that asks for a resting order."""
    return -(order_type + (points << 2) + (limit_points << (2 + _POINT_BITS)))


@compiled(_i8(_i8))
def order_type_of(status: int) -> int:
    """Read the type back, 1 to 3 (an :class:`~kernel_lib.trading.record.OrderType`); 0 where there is none."""
    return -status & 3


@compiled(_i8(_i8))
def order_points_of(status: int) -> int:
    """Read the price back, in points."""
    return (-status >> 2) & _POINT_MASK


@compiled(_i8(_i8))
def limit_points_of(status: int) -> int:
    """Read the limit price of a stop-limit order back, in points."""
    return (-status >> (2 + _POINT_BITS)) & _POINT_MASK


@compiled(_i8(_i8, _i8))
def joined(lower: int, upper: int) -> int:
    """Put two numbers from 0 to 2**31 - 1 into one."""
    return lower + (upper << 32)


@compiled(_i8(_i8))
def lower_half(word: int) -> int:
    """Give the stop-loss or take-profit distance of a proposal, in points.

    >>> lower_half(joined(50, 20)), upper_half(joined(50, 20))
    (50, 20)
    """
    return word & _HALF_MASK


@compiled(_i8(_i8))
def upper_half(word: int) -> int:
    """Give the trailing distance in points, or the seconds that an order may rest."""
    return (word >> 32) & (_HALF_MASK >> 1)


def terms_in_range(stop_word: int, take_word: int, status: int) -> bool:
    """Say whether an honest step could have given these: prices and distances up to :data:`MAX_POINTS`.

    >>> terms_in_range(joined(50, 20), 0, 1), terms_in_range(-1, 0, 1)
    (True, False)
    """
    if min(stop_word, take_word) < 0:
        return False
    distances = (stop_word & _HALF_MASK, stop_word >> 32, take_word & _HALF_MASK)
    if max(distances) > MAX_POINTS or take_word >> 32 > MAX_SECONDS:
        return False
    points, limit_points = (-status >> 2) & _POINT_MASK, -status >> (2 + _POINT_BITS)
    return status > 0 or (-status & 3 > 0 and 0 < points <= MAX_POINTS and limit_points <= MAX_POINTS)
