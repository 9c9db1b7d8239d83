"""What pages and the command line see of a desk, as JSON: the schema of the desk stream and of ``@desk``.

Published at most ten times a second to ``Streams.desk`` (field ``m``) and to the ``latest`` hash under ``@desk``.
Money is in the account's currency, prices and lots are as traded, times are UTC nanoseconds.
"""

import msgspec

__all__ = ["DeskState", "OrderState", "OrphanState", "PositionState", "StrategyState", "TickState"]


class PositionState(msgspec.Struct, frozen=True, kw_only=True):
    """One open position; ``side`` is +1 long or -1 short; stops are 0 when there is none."""

    strategy: str
    symbol: str
    position_id: int
    side: int
    lots: float
    open_price: float
    open_time_ns: int
    stop_loss: float
    take_profit: float
    floating_profit: float


class OrderState(msgspec.Struct, frozen=True, kw_only=True):
    """One order on its way to the broker."""

    strategy: str
    symbol: str
    order_id: int
    key: str
    side: int
    lots: float
    sent_ns: int


class OrphanState(msgspec.Struct, frozen=True, kw_only=True):
    """A position at the broker that we opened and no strategy on the desk owns, see :mod:`live_engine.orphans`.

    ``profit`` is floating, in the account's currency; ``words`` say what it is and what to do.
    """

    agent: str
    symbol: str
    side: int
    lots: float
    ticket: int
    magic: int
    open_price: float
    stop_loss: float
    profit: float
    words: str


class TickState(msgspec.Struct, frozen=True, kw_only=True):
    """The last quote of a symbol."""

    symbol: str
    time_ns: int
    bid: float
    ask: float


class StrategyState(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy; ``state`` is ``active``, ``paused`` (only reduces), ``killed`` or ``withdrawn`` (goes flat).

    ``reason`` says in words why it is not active, ``refusal`` why its last order was denied or rejected. ``profit`` is
    closed and floating since it started, ``profit_today`` since the broker's midnight; both are in ``currency``, the
    account's.
    """

    name: str
    hash: str
    symbol: str
    mode: str
    currency: str
    state: str
    paused: bool
    reason: str
    lots: float
    equity: float
    balance: float
    profit: float
    profit_today: float
    ticks: int
    decisions: int
    orders: int
    fills: int
    denied: int
    rejected: int
    refusal: str = ""


class DeskState(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's desk.

    ``latency_us`` maps a stage (``agent_to_bridge``, ``bridge_to_desk``, ``decision``, ``agent_to_decision``,
    ``tick_to_order``) to ``n``, ``p50``, ``p99``, ``max``. ``refused`` maps a bundle's hash to why the engine does not
    run it.
    """

    tenant: str
    time_ns: int
    state: str
    journal_seq: int
    position: str
    restarts: int
    strategies: list[StrategyState]
    positions: list[PositionState]
    orders: list[OrderState]
    ticks: list[TickState]
    counts: dict[str, int]
    latency_us: dict[str, dict[str, float]]
    refused: dict[str, str]
    warnings: list[str]
    profit: float
    profit_today: float
    orphans: list[OrphanState] = []
