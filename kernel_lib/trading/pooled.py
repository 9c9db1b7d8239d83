"""Several books in one account: equity, margin, daily loss, margin call and stop-out are the account's.

Each book goes on keeping its own orders, positions and profit, by the same compiled functions as alone; its balance is
the deposit and what it has made itself. What it is allowed is decided by the account: before a book is asked for orders
it is shown the account's free margin, and margin call, stop-out and the daily loss are found here and told to all. A
book alone in an account does to the byte what it does by itself.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import from_dtype, njit, types

from kernel_lib.trading import dispose
from kernel_lib.trading.compiled import compiled
from kernel_lib.trading.ledger import (
    apply_fill,
    charge_swap,
    emit,
    floating_minor,
    margin_in_use,
    profit_minor,
    refresh,
)  # fmt: skip
from kernel_lib.trading.pooled_rates import LINK, PRICE, margin_rate, set_profit_rate, set_swap_rate
from kernel_lib.trading.record import (
    BOOK,
    EVENT,
    MAX_ROWS_PER_EVENT,
    NEVER_NS,
    POSITION,
    RULES,
    VIEW,
    WORKING,
    Arrays,
    Errand,
    Kind,
    Reason,
    State,
    book_type,
    rules_type,
    view_type,
)
from kernel_lib.trading.resting import cancel_resting, fill_due, run_resting
from kernel_lib.trading.simulated import market_points, run_stops

__all__ = [
    "POOL", "Pool", "catch_up_all", "is_called", "lock_loss", "mark_account", "pool_type", "set_off",
    "show", "take_quote", "take_target", "watch_margin",
]  # fmt: skip

#: The account: the names that it shares with a book mean the same.
POOL = np.dtype(
    [
        ("n_ticks", "<i8"),
        ("time_ns", "<i8"),
        ("balance_minor", "<i8"),
        ("deposit_minor", "<i8"),
        ("equity_minor", "<f8"),
        ("margin_minor", "<f8"),
        ("peak_minor", "<f8"),
        ("drawdown_minor", "<f8"),
        ("drawdown_fraction", "<f8"),
        ("day", "<i8"),
        ("day_end_ns", "<i8"),
        ("day_start_minor", "<f8"),
        ("daily_loss_fraction", "<f8"),
        ("loss_locked", "<i8"),
        ("margin_called", "<i8"),
        ("margin_call_fraction", "<f8"),
        ("stop_out_fraction", "<f8"),
        ("n_open", "<i8"),  # books with an open position
        ("long_units", "<i8"),
        ("short_units", "<i8"),
        ("next_due_ns", "<i8"),
        ("n_margin_calls", "<i8"),
        ("n_stop_outs", "<i8"),
        ("full", "<i8"),  # rows of a book must be drained before the next event
    ]
)

_i8, _f8 = types.int64, types.float64
_CONTROL, _DEAL = int(Kind.CONTROL), int(Errand.DEAL)
_MARGIN_CALL, _RESTORED, _STOP_OUT = int(Reason.MARGIN_CALL), int(Reason.MARGIN_RESTORED), int(Reason.STOP_OUT)
_DAILY_LOSS = int(Reason.DAILY_LOSS)
_ACTIVE, _IN_MARGIN_CALL = int(State.ACTIVE), int(State.MARGIN_CALL)


class Pool(NamedTuple):
    """The account and its books, book ``j`` at place ``j`` of every array.

    ``floating`` and ``margin`` are what each book had at its last quote; ``order`` is the order in which they are
    summed, which does not hang on the order of the books. ``prices`` are the latest quotes of the symbols that
    convert, ``links`` which of them a book needs, ``risk_worth`` the worth of a point that sizing by risk reckons with.
    """

    pool: npt.NDArray[np.void]
    books: npt.NDArray[np.void]
    positions: npt.NDArray[np.void]
    working: npt.NDArray[np.void]
    messages: npt.NDArray[np.int64]
    seen: npt.NDArray[np.void]
    rules: npt.NDArray[np.void]
    midnights: npt.NDArray[np.int64]
    nights: npt.NDArray[np.int64]
    out: npt.NDArray[np.void]
    floating: npt.NDArray[np.float64]
    margin: npt.NDArray[np.float64]
    order: npt.NDArray[np.int64]
    prices: npt.NDArray[np.void]
    links: npt.NDArray[np.void]
    risk_worth: npt.NDArray[np.float64]


def _table(dtype: np.dtype, dimensions: int) -> types.Array:
    return types.Array(from_dtype(dtype), dimensions, "C")


_account_type = from_dtype(POOL)
pool_type = types.NamedTuple(
    [
        _table(POOL, 1), _table(BOOK, 1), _table(POSITION, 2), _table(WORKING, 2), types.int64[:, ::1],
        _table(VIEW, 1), _table(RULES, 1), types.int64[::1], types.int64[::1], _table(EVENT, 2), types.float64[::1],
        types.float64[::1], types.int64[::1], _table(PRICE, 1), _table(LINK, 1), types.float64[::1],
    ],
    Pool,
)  # fmt: skip


@njit(nogil=True, inline="always")
def _arrays_of(a, j):  # type: ignore[no-untyped-def]
    """Give book ``j`` as the functions of a book take it."""
    return Arrays(
        a.books[j : j + 1], a.positions[j], a.working[j], a.messages[j], a.seen[j : j + 1], a.rules[j : j + 1],
        a.midnights, a.nights, a.out[j],
    )  # fmt: skip


@compiled(types.void(pool_type))
def _total(a: Pool) -> None:
    """Set the account's equity and margin from what its books have."""
    p = a.pool[0]
    floating = 0.0
    margin = 0.0
    if p.n_open > 0:
        for j in a.order:
            floating += a.floating[j]
            margin += a.margin[j]
    p.equity_minor = p.balance_minor + floating
    p.margin_minor = margin


@compiled(types.void(pool_type))
def _recount(a: Pool) -> None:
    """Sum up after something rare: balance, what is open, when the next order is due, whether a record is full."""
    p = a.pool[0]
    p.balance_minor = p.deposit_minor
    p.n_open = 0
    p.long_units = 0
    p.short_units = 0
    p.next_due_ns = NEVER_NS
    full = a.out.shape[1] - MAX_ROWS_PER_EVENT
    for j in range(a.books.size):
        b = a.books[j]
        p.balance_minor += b.balance_minor - b.deposit_minor
        p.n_open += 1 if b.n_positions > 0 else 0
        p.long_units += b.long_units
        p.short_units += b.short_units
        p.next_due_ns = min(p.next_due_ns, b.next_due_ns)
        if b.n_out > full:
            p.full = 1
    _total(a)


@compiled(types.void(pool_type, _i8))
def _revalue(a: Pool, j: int) -> None:
    b = a.books[j]
    open_now = b.n_positions > 0
    a.floating[j] = floating_minor(b, a.rules[j]) if open_now else 0.0
    a.margin[j] = margin_in_use(b, a.rules[j]) if open_now else 0.0


@compiled(types.void(pool_type, _i8, _i8))
def _set_margin_rate(a: Pool, j: int, side: int) -> None:
    symbol = a.links[j].margin_symbol
    if symbol >= 0:
        a.rules[j].margin_minor_per_unit = margin_rate(a.links[j], a.prices[symbol], side)


@compiled(types.void(pool_type, _i8))
def _set_rates(a: Pool, j: int) -> None:
    """Bring what a point and a lot of book ``j`` are worth up to the latest quotes of its conversions."""
    b = a.books[j]
    symbol = a.links[j].profit_symbol
    if symbol >= 0:
        a.risk_worth[j] = set_profit_rate(b, a.rules[j], a.links[j], a.prices[symbol])
    _set_margin_rate(a, j, 1 if b.long_units >= b.short_units else -1)


@compiled(types.int64(pool_type, _i8))
def _lift(a: Pool, j: int) -> int:
    """Give what the other books add to the free margin of book ``j``, to the whole minor unit.

    Orders of theirs that are on their way take their margin too, so that two books cannot spend one margin.
    """
    p = a.pool[0]
    b = a.books[j]
    others = (p.equity_minor - (b.balance_minor + a.floating[j])) - (p.margin_minor - a.margin[j])
    for k in range(a.books.size):
        o = a.books[k]
        if k == j or o.n_working == 0:
            continue
        for i in range(o.n_working):
            w = a.working[k][i]
            if w.what != _DEAL or w.position_id != 0:
                continue
            against = 0
            if a.rules[k].hedging == 0:
                against = o.short_units if w.side > 0 else o.long_units
            # What a turn closes gives its margin back.
            opening = max(0, w.units - 2 * against)
            symbol = a.links[k].margin_symbol
            rate = a.rules[k].margin_minor_per_unit
            if symbol >= 0:
                rate = margin_rate(a.links[k], a.prices[symbol], w.side)
            margin = opening * rate
            others -= margin * o.ask if a.rules[k].margin_by_price != 0 else margin
    return int(np.rint(others))


@compiled(types.void(pool_type, _i8))
def _fill_until(a: Pool, before_ns: int) -> None:
    """Do what is due before ``before_ns`` in any book, in order of time; at one time in order of the books."""
    p = a.pool[0]
    while p.next_due_ns < before_ns:
        j = 0
        while a.books[j].next_due_ns != p.next_due_ns:
            j += 1
        b = a.books[j]
        _set_rates(a, j)
        if b.rest_type != 0:
            _set_margin_rate(a, j, b.rest_side)
        lift = _lift(a, j)
        b.balance_minor += lift
        fill_due(_arrays_of(a, j), p.next_due_ns + 1)
        b.balance_minor -= lift
        _set_rates(a, j)
        _revalue(a, j)
        _recount(a)


@compiled(types.void(pool_type, _i8))
def catch_up_all(a: Pool, time_ns: int) -> None:
    """Play, in order of time, the fills of all books and the server midnights that lie before a tick."""
    p = a.pool[0]
    while p.day_end_ns <= time_ns:
        _fill_until(a, p.day_end_ns)
        if p.n_ticks > 0:
            for j in range(a.books.size):
                if a.nights[p.day] > 0 and a.books[j].n_positions > 0:
                    symbol = a.links[j].profit_symbol
                    if symbol >= 0:
                        set_swap_rate(a.books[j], a.rules[j], a.links[j], a.prices[symbol])
                    charge_swap(_arrays_of(a, j), a.nights[p.day])
                    _set_rates(a, j)
                    _revalue(a, j)
            p.day += 1
        else:
            p.day = np.searchsorted(a.midnights, time_ns, side="right")
        p.day_end_ns = a.midnights[p.day] if p.day < a.midnights.size else NEVER_NS
        p.loss_locked = 0
        for j in range(a.books.size):
            b = a.books[j]
            b.day = p.day
            b.day_end_ns = p.day_end_ns
            b.equity_minor = b.balance_minor + a.floating[j]
            b.day_start_minor = b.equity_minor
            b.loss_locked = 0
        _recount(a)
        p.day_start_minor = p.equity_minor
    _fill_until(a, time_ns)


@compiled(types.void(pool_type, _i8))
def _set_off(a: Pool, j: int) -> None:
    """Run the stops and the resting order of one book, whose quote has reached one of them."""
    b = a.books[j]
    s = _arrays_of(a, j)
    run_stops(s, b.time_ns)
    _revalue(a, j)
    _recount(a)
    if b.rest_type != 0:
        _set_margin_rate(a, j, b.rest_side)
        lift = _lift(a, j)
        b.balance_minor += lift
        run_resting(s, b.time_ns)
        b.balance_minor -= lift
    _set_rates(a, j)
    _revalue(a, j)
    _recount(a)


@compiled(types.boolean(book_type))
def _reached(b: Any) -> bool:
    """Say whether the quote has come to a stop, a target or the resting order."""
    return b.watched > 0 and (
        b.bid_points <= b.long_stop
        or b.bid_points >= b.long_take
        or b.ask_points >= b.short_stop
        or b.ask_points <= b.short_take
    )


@compiled(types.boolean(book_type, rules_type, _i8, _f8, _f8))
def take_quote(b: Any, r: Any, time_ns: int, bid: float, ask: float) -> bool:
    """Give a book its new quote; True when something waits for it and :func:`set_off` must follow."""
    b.n_ticks += 1
    b.time_ns = time_ns
    b.age_ns = 0
    b.bid = bid
    b.ask = ask
    b.bid_points = np.int64(bid * r.inverse_point + 0.5)
    b.ask_points = np.int64(ask * r.inverse_point + 0.5)
    return _reached(b)


@compiled(types.void(pool_type, types.int64[::1], _i8, _i8))
def set_off(a: Pool, members: Any, start: int, stop: int) -> None:
    """Run what the new quote has reached, in the order of the books; all of them have their quote by now."""
    _total(a)
    for at in range(start, stop):
        if _reached(a.books[members[at]]):
            _set_off(a, members[at])


@compiled(types.void(pool_type, _i8))
def _tell_all(a: Pool, reason: int) -> None:
    """Note in every book that has begun what happened to the account."""
    time_ns = a.pool[0].time_ns
    for j in range(a.books.size):
        b = a.books[j]
        if b.n_ticks > 0:
            b.time_ns = time_ns
            emit(_arrays_of(a, j), _CONTROL, reason, time_ns, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)


@compiled(types.void(pool_type, _i8))
def _cancel_all(a: Pool, reason: int) -> None:
    """Take every resting order of the account back."""
    for j in range(a.books.size):
        b = a.books[j]
        if b.rest_type != 0:
            b.time_ns = a.pool[0].time_ns
            cancel_resting(_arrays_of(a, j), reason)


@compiled(types.void(pool_type))
def _call_margin(a: Pool) -> None:
    """Begin or end the account's margin call."""
    p = a.pool[0]
    called = p.equity_minor < p.margin_call_fraction * p.margin_minor
    if called == (p.margin_called != 0):
        return
    p.margin_called = 1 if called else 0
    p.n_margin_calls += p.margin_called
    for j in range(a.books.size):
        a.books[j].margin_called = p.margin_called
        if not called:
            refresh(_arrays_of(a, j))
    _tell_all(a, _MARGIN_CALL if called else _RESTORED)
    if called:
        _cancel_all(a, _MARGIN_CALL)


@compiled(types.void(pool_type))
def _stop_out(a: Pool) -> None:
    """Close positions of the whole account, most lost first, until the equity is above the level again."""
    p = a.pool[0]
    while p.n_open > 0 and p.equity_minor < p.stop_out_fraction * p.margin_minor:
        worst, place, least = -1, 0, np.inf
        for j in range(a.books.size):
            b = a.books[j]
            for k in range(b.n_positions):
                held = a.positions[j][k]
                quote = b.bid_points if held.side > 0 else b.ask_points
                moved = (quote * held.units - held.cost) * held.side
                floating = profit_minor(a.rules[j], moved, b.bid) + held.swap_minor
                if floating < least:
                    worst, place, least = j, k, floating
        b = a.books[worst]
        s = _arrays_of(a, worst)
        held = a.positions[worst][place]
        order_id = b.next_order_id
        b.next_order_id += 1
        points = market_points(s, -held.side, order_id)
        apply_fill(s, order_id, -held.side, held.units, held.position_id, 0, 0, 0, points, p.time_ns, _STOP_OUT, 0, 0)
        b.n_stopped += 1
        p.n_stop_outs += 1
        _revalue(a, worst)
        _recount(a)


@compiled(types.boolean(_account_type))
def mark_account(p: Any) -> bool:
    """Note peak and drawdown of the account; True when the daily loss is reached just now."""
    equity = p.equity_minor
    if equity > p.peak_minor:
        p.peak_minor = equity
    else:
        drawdown = p.peak_minor - equity
        p.drawdown_minor = max(p.drawdown_minor, drawdown)
        if drawdown > p.drawdown_fraction * p.peak_minor:
            p.drawdown_fraction = drawdown / p.peak_minor
    return p.loss_locked == 0 and equity <= p.day_start_minor * (1.0 - p.daily_loss_fraction)


@compiled(types.boolean(_account_type))
def is_called(p: Any) -> bool:
    """Say whether :func:`watch_margin` must look closer."""
    watch = max(p.margin_call_fraction, p.stop_out_fraction)
    return p.margin_called != 0 or p.equity_minor < watch * p.margin_minor


@compiled(types.void(pool_type))
def watch_margin(a: Pool) -> None:
    """Check the account's margin at the new quotes: margin call, then stop-out."""
    p = a.pool[0]
    _call_margin(a)
    if p.equity_minor < p.stop_out_fraction * p.margin_minor:
        _cancel_all(a, _STOP_OUT)
        _stop_out(a)
        _call_margin(a)
    _recount(a)


@compiled(types.void(pool_type))
def lock_loss(a: Pool) -> None:
    """Lock every book for the day: the account's daily loss is reached."""
    a.pool[0].loss_locked = 1
    for j in range(a.books.size):
        a.books[j].loss_locked = 1
    _tell_all(a, _DAILY_LOSS)
    _cancel_all(a, _DAILY_LOSS)
    _recount(a)


@compiled(types.void(book_type, _f8))
def _mark_share(b: Any, floating: float) -> None:
    equity = b.balance_minor + floating
    b.equity_minor = equity
    if equity > b.peak_minor:
        b.peak_minor = equity
    else:
        drawdown = b.peak_minor - equity
        b.drawdown_minor = max(b.drawdown_minor, drawdown)
        if drawdown > b.drawdown_fraction * b.peak_minor:
            b.drawdown_fraction = drawdown / b.peak_minor


@compiled(types.void(_account_type, book_type, view_type, _f8))
def show(p: Any, b: Any, v: Any, floating: float) -> None:
    """Mark one book's own share, and set what its strategy sees: its own position, the account's equity."""
    _mark_share(b, floating)
    v.units = b.long_units - b.short_units
    v.in_flight = b.n_working
    v.n_stopped = b.n_stopped
    v.state = _IN_MARGIN_CALL if p.margin_called != 0 and b.state == _ACTIVE else b.state
    v.floating_minor = floating
    v.equity_minor = p.equity_minor
    v.entry_price = b.entry_price
    v.open_time_ns = b.open_time_ns


@compiled(types.void(pool_type, _i8, _f8, _i8, _i8, _i8, _i8))
def take_target(
    a: Pool, j: int, target: float, target_units: int, stop_points: int, take_points: int, status: int
) -> None:
    """Take the proposal of book ``j``, within its own limits and the account's free margin."""
    p = a.pool[0]
    b = a.books[j]
    n_fills = b.n_fills
    peak, drawdown, fraction = b.peak_minor, b.drawdown_minor, b.drawdown_fraction
    lift = _lift(a, j)
    _set_margin_rate(a, j, 1 if target_units >= b.long_units - b.short_units else -1)
    b.balance_minor += lift
    b.equity_minor = b.balance_minor + a.floating[j]
    dispose.on_target(_arrays_of(a, j), target, target_units, stop_points, take_points, status)
    b.balance_minor -= lift
    # What the functions of a book marked meanwhile was the account's.
    b.peak_minor, b.drawdown_minor, b.drawdown_fraction = peak, drawdown, fraction
    _set_rates(a, j)
    _revalue(a, j)
    _mark_share(b, a.floating[j])
    _recount(a)
    if b.n_fills != n_fills:
        mark_account(p)
