"""The fixed records that the compiled step works on; a snapshot of a book is a copy of their bytes.

Money is whole minor units of the account's currency (cents), sizes whole lot steps (``units``), order and stop
prices whole points. Quotes stay float64 as they came.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import from_dtype, types

import kernel_lib.machine_code  # noqa: F401  (says where compiled code is kept)

__all__ = [
    "BOOK",
    "BROKER_EVENT",
    "EVENT",
    "MAX_MESSAGES",
    "MAX_POSITIONS",
    "MAX_ROWS_PER_EVENT",
    "MAX_WORKING",
    "POSITION",
    "RULES",
    "VIEW",
    "WORKING",
    "Arrays",
    "BrokerKind",
    "Control",
    "Entry",
    "Errand",
    "Kind",
    "OrderType",
    "Reason",
    "State",
    "Status",
    "arrays_type",
    "book_type",
    "rules_type",
    "view_type",
]

MAX_POSITIONS = 64
MAX_WORKING = 128
MAX_MESSAGES = 256
#: No single event of the sequence emits more rows than this; the replay loop keeps so much room free.
MAX_ROWS_PER_EVENT = 4 * (MAX_POSITIONS + MAX_WORKING) + 16

NEVER_NS = np.iinfo(np.int64).max


class Kind(IntEnum):
    """What a row of the record says."""

    DECISION = 1
    ORDER = 2
    DENIED = 3
    ACCEPTED = 4
    FILL = 5
    REJECTED = 6
    CLOSED = 7
    CONTROL = 8
    FAULT = 9
    PLACED = 10
    MODIFIED = 11
    CANCELLED = 12
    EXPIRED = 13
    TRIGGERED = 14


class Reason(IntEnum):
    """Why; generated into the documentation and the pages."""

    NONE = 0
    MAX_LOTS = 1
    MAX_SPREAD = 2
    DAILY_LOSS = 3
    MESSAGE_RATE = 4
    STALE_QUOTE = 5
    NO_MARGIN = 6
    BELOW_MINIMUM = 7
    PAUSED = 8
    KILLED = 9
    TOO_MANY_POSITIONS = 10
    STOP_LOSS = 11
    TAKE_PROFIT = 12
    STOP_OUT = 13
    BAD_TARGET = 14
    RAISED = 15
    TIMEOUT = 16
    POSITION_GONE = 17
    BROKER = 18
    OPERATOR = 19
    REJECTED_REPEATEDLY = 20
    MARGIN_CALL = 21
    MARGIN_RESTORED = 22
    TRAILING_STOP = 23
    ORDER_GONE = 24
    PAPER_ONLY = 25
    STOPS_LEVEL = 26


class OrderType(IntEnum):
    """What an order waits for; in the record, rows of resting orders carry it as ``entry``."""

    MARKET = 0
    LIMIT = 1
    STOP = 2
    STOP_LIMIT = 3


class Errand(IntEnum):
    """What is on its way to the broker: a deal, or something about the order that rests there."""

    DEAL = 0
    PLACE = 1
    MODIFY = 2
    CANCEL = 3


class State(IntEnum):
    """Whether a book may trade: paused books only reduce, killed books go flat and stay so.

    ``MARGIN_CALL`` stands in the view only, while the equity is below the margin call's level: no entries.
    """

    ACTIVE = 0
    PAUSED = 1
    KILLED = 2
    MARGIN_CALL = 3


class Control(IntEnum):
    """What an operator asks of a book."""

    RESUME = 0
    PAUSE = 1
    KILL = 2


class Status(IntEnum):
    """How a proposal came about."""

    HOLD = 0
    DECIDED = 1
    BAD_TARGET = 2
    RAISED = 3
    TIMEOUT = 4


class Entry(IntEnum):
    """What a fill did to the position."""

    IN = 0
    OUT = 1
    INOUT = 2


class BrokerKind(IntEnum):
    """What an outside broker says of an order or a position."""

    ACCEPTED = 1
    FILLED = 2
    REJECTED = 3
    CLOSED = 4


#: Contract, account, limits and costs as numbers; constant during a run.
RULES = np.dtype(
    [
        ("point", "<f8"),
        ("inverse_point", "<f8"),
        ("minor_per_point_unit", "<f8"),
        ("profit_by_price", "<i8"),
        ("margin_minor_per_unit", "<f8"),
        ("margin_by_price", "<i8"),
        ("stop_out_fraction", "<f8"),
        ("margin_call_fraction", "<f8"),
        ("tick_points", "<i8"),
        ("hedging", "<i8"),
        ("simulated", "<i8"),
        ("max_units", "<i8"),
        ("min_units", "<i8"),
        ("max_spread_points", "<i8"),
        ("max_spread_fraction", "<f8"),
        ("daily_loss_fraction", "<f8"),
        ("messages_per_minute", "<i8"),
        ("max_quote_age_ns", "<i8"),
        ("rejection_pause_ns", "<i8"),
        ("commission_minor_per_unit", "<f8"),
        ("commission_fraction", "<f8"),
        ("commission_on_entry_only", "<i8"),
        ("swap_long_points", "<f8"),
        ("swap_short_points", "<f8"),
        ("latency_ns", "<i8"),
        ("latency_jitter_ns", "<i8"),
        ("slippage_points", "<i8"),
        ("slippage_random_points", "<i8"),
        ("seed", "<u8"),
        ("stops_level_points", "<i8"),
    ]
)

#: One strategy's book on one instrument.
BOOK = np.dtype(
    [
        ("n_out", "<i8"),
        ("seq", "<i8"),
        ("n_ticks", "<i8"),
        ("n_decisions", "<i8"),
        ("n_orders", "<i8"),
        ("n_fills", "<i8"),
        ("n_denied", "<i8"),
        ("n_rejected", "<i8"),
        ("time_ns", "<i8"),
        ("age_ns", "<i8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("bid_points", "<i8"),
        ("ask_points", "<i8"),
        ("day", "<i8"),
        ("day_end_ns", "<i8"),
        ("day_start_minor", "<f8"),
        ("state", "<i8"),
        ("loss_locked", "<i8"),
        ("balance_minor", "<i8"),
        ("deposit_minor", "<i8"),
        ("equity_minor", "<f8"),
        ("peak_minor", "<f8"),
        ("drawdown_minor", "<f8"),
        ("drawdown_fraction", "<f8"),
        ("commission_minor", "<i8"),
        ("swap_minor", "<i8"),
        ("long_units", "<i8"),
        ("short_units", "<i8"),
        ("long_cost", "<i8"),
        ("short_cost", "<i8"),
        ("long_stop", "<i8"),
        ("long_take", "<i8"),
        ("short_stop", "<i8"),
        ("short_take", "<i8"),
        ("open_swap_minor", "<f8"),
        ("entry_price", "<f8"),
        ("open_time_ns", "<i8"),
        ("n_positions", "<i8"),
        ("held_ns", "<i8"),
        ("held_since_ns", "<i8"),
        ("watched", "<i8"),  # positions and the resting order: whether a quote can set anything off
        ("margin_watch", "<f8"),  # share of the margin below which a quote is looked at closely
        ("margin_called", "<i8"),
        ("n_working", "<i8"),
        ("next_due_ns", "<i8"),
        ("next_order_id", "<i8"),
        ("next_position_id", "<i8"),
        ("message_at", "<i8"),
        ("n_stopped", "<i8"),
        ("blocked_until_ns", "<i8"),
        ("rejections_in_row", "<i8"),
        ("denied_reason", "<i8"),
        ("denied_units", "<i8"),
        ("last_target", "<f8"),
        ("shown_target", "<f8"),  # with the next three: what the last DECISION row said
        ("shown_stop", "<i8"),
        ("shown_take", "<i8"),
        ("shown_status", "<i8"),
        ("lapsed", "<i8"),  # the order last asked for has expired, and is not placed again
        ("rest_type", "<i8"),  # the order that rests at the broker, 0 for none
        ("rest_order_id", "<i8"),
        ("rest_side", "<i8"),
        ("rest_units", "<i8"),
        ("rest_desired", "<i8"),
        ("rest_points", "<i8"),
        ("rest_limit", "<i8"),
        ("rest_stop", "<i8"),
        ("rest_take", "<i8"),
        ("rest_trail", "<i8"),
        ("rest_lifetime_s", "<i8"),
        ("rest_expires_ns", "<i8"),
        ("decision_hash", "<u8"),
    ]
)

#: One open position; on a netting account there is at most one.
POSITION = np.dtype(
    [
        ("position_id", "<i8"),
        ("side", "<i8"),
        ("units", "<i8"),
        ("cost", "<i8"),  # sum of points * units
        ("open_time_ns", "<i8"),
        ("stop_points", "<i8"),
        ("take_points", "<i8"),
        ("trail_points", "<i8"),
        ("trailed", "<i8"),  # the stop has moved since the entry
        ("commission_minor", "<i8"),
        ("swap_minor", "<f8"),
    ]
)

#: One order on its way; ``what`` is an :class:`Errand`.
WORKING = np.dtype(
    [
        ("order_id", "<i8"),
        ("side", "<i8"),
        ("units", "<i8"),
        ("position_id", "<i8"),
        ("stop_points", "<i8"),
        ("take_points", "<i8"),
        ("sent_ns", "<i8"),
        ("due_ns", "<i8"),
        ("what", "<i8"),
        ("order_type", "<i8"),
        ("desired", "<i8"),
        ("points", "<i8"),
        ("limit_points", "<i8"),
        ("trail_points", "<i8"),
        ("lifetime_s", "<i8"),
        ("expires_ns", "<i8"),
        ("reason", "<i8"),
    ]
)

#: What the strategy's half sees of the book before it proposes. From ``n_fills`` on it counts what became of the
#: orders since the book began; those are written where something happens, never at a tick.
VIEW = np.dtype(
    [
        ("units", "<i8"),
        ("in_flight", "<i8"),
        ("n_stopped", "<i8"),
        ("state", "<i8"),
        ("entry_price", "<f8"),
        ("open_time_ns", "<i8"),
        ("floating_minor", "<f8"),
        ("equity_minor", "<f8"),
        ("n_fills", "<i8"),
        ("n_rejected", "<i8"),
        ("n_closed", "<i8"),
        ("n_won", "<i8"),
        ("won_minor", "<i8"),  # profit of closed trades less their costs: of those that won, and of the others
        ("lost_minor", "<i8"),
        ("n_at_market", "<i8"),
        ("slipped_points", "<i8"),  # worse than the quote that the order was sent at, summed over deals at the market
        ("expected_points", "<f8"),  # the same by the costs that are reckoned with
    ]
)

#: One row of the record: every decision, order, refusal, fill and closed trade, in the order they happened.
EVENT = np.dtype(
    [
        ("seq", "<i8"),
        ("time_ns", "<i8"),
        ("kind", "<i2"),
        ("reason", "<i2"),
        ("side", "<i2"),
        ("entry", "<i2"),
        ("order_id", "<i8"),
        ("position_id", "<i8"),
        ("units", "<i8"),
        ("points", "<i8"),
        ("stop_points", "<i8"),
        ("take_points", "<i8"),
        ("profit_minor", "<i8"),
        ("commission_minor", "<i8"),
        ("swap_minor", "<i8"),
        ("open_time_ns", "<i8"),
        ("open_points", "<f8"),
        ("target", "<f8"),
    ]
)

#: What an outside broker reports, one at a time. ``commission_minor`` is a cost, below zero a rebate; ``swap_minor`` is
#: a gain, below zero a cost.
BROKER_EVENT = np.dtype(
    [
        ("kind", "<i8"),
        ("order_id", "<i8"),
        ("position_id", "<i8"),
        ("units", "<i8"),
        ("points", "<i8"),
        ("time_ns", "<i8"),
        ("commission_minor", "<i8"),
        ("swap_minor", "<i8"),
        ("reason", "<i8"),
    ]
)


class Arrays(NamedTuple):
    """A book's whole state and surroundings, as the compiled functions take it."""

    book: npt.NDArray[np.void]
    positions: npt.NDArray[np.void]
    working: npt.NDArray[np.void]
    messages: npt.NDArray[np.int64]
    seen: npt.NDArray[np.void]
    rules: npt.NDArray[np.void]
    midnights: npt.NDArray[np.int64]
    nights: npt.NDArray[np.int64]
    out: npt.NDArray[np.void]


def _records(dtype: np.dtype) -> types.Array:
    return types.Array(from_dtype(dtype), 1, "C")


book_type = from_dtype(BOOK)
rules_type = from_dtype(RULES)
view_type = from_dtype(VIEW)
arrays_type = types.NamedTuple(
    [
        _records(BOOK),
        _records(POSITION),
        _records(WORKING),
        types.int64[::1],
        _records(VIEW),
        _records(RULES),
        types.int64[::1],
        types.int64[::1],
        _records(EVENT),
    ],
    Arrays,
)
