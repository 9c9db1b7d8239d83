"""The messages processes send one another, and the names of the streams they meet on.

Everything is msgpack of frozen structs (unknown fields refused); many ticks travel as one block of raw
:data:`~kernel_lib.market.tick.TICK` bytes. Times are UTC nanoseconds.

Agent and bridge talk over one WebSocket, one message a binary frame::

    agent  -> bridge   Hello, TickBlock, Report, AccountState
    bridge -> agent    Welcome, Ack, OrderIntent, Refusal

Bridge, engine and services meet on the live bus (Redis streams), one set per tenant, see :class:`Streams`.
Every stream entry has one field ``m`` with one encoded message.
"""

from typing import Annotated

import msgspec
import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.tick import TICK, Ticks

__all__ = [
    "MAX_FRAME_BYTES",
    "MAX_TICKS_PER_BLOCK",
    "AccountState",
    "Ack",
    "BrokerPosition",
    "Hello",
    "Message",
    "OrderIntent",
    "OutsideValue",
    "Quarantined",
    "Refusal",
    "Report",
    "Streams",
    "TickBlock",
    "Welcome",
    "decode",
    "decode_published",
    "encode",
    "tick_block",
]

MAX_FRAME_BYTES = 1 << 20
MAX_TICKS_PER_BLOCK = 8192

Text = Annotated[str, msgspec.Meta(max_length=200)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._#+-]+$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
#: What fits the records of the books, and no NaN: a number beyond would stop the desk that reads it, at each start.
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[int, msgspec.Meta(ge=0, le=4 * 10**18)]
Real = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
Money = Annotated[float, msgspec.Meta(ge=-1e18, le=1e18)]
Price = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="k", kw_only=True):
    """Frozen, tagged, strict."""


class Hello(_Message, frozen=True, tag="hello"):
    """An agent's first message: who it serves and what it can trade."""

    agent: Name
    login: Whole
    server: Text
    hedging: bool
    currency: Text
    instruments: list[Instrument]
    tick_seq: Count
    """Sequence number of the last tick the agent has spooled (0: none yet)."""
    report_seq: Count
    tick_acked: Count = 0
    """What the bridge has acknowledged to this agent before: a bus that has lost its memory goes on after it, so that
    no number is used twice."""
    report_acked: Count = 0
    version: Text = ""


class Welcome(_Message, frozen=True, tag="welcome"):
    """The bridge's answer: what it has already made durable, so that the agent resumes after it."""

    tick_seq: Count
    report_seq: Count
    now_ns: Time = 0
    """The platform's clock, UTC: what an intent's end is held against, whatever the trader's PC believes."""


class TickBlock(_Message, frozen=True, tag="ticks"):
    """Ticks ``seq_first .. seq_first + n - 1`` of one agent, of one symbol, in the order the terminal gave them."""

    agent: Name
    symbol: Name
    seq_first: Annotated[int, msgspec.Meta(ge=1, le=2**62)]
    ticks: Annotated[bytes, msgspec.Meta(max_length=MAX_TICKS_PER_BLOCK * TICK.itemsize)]
    terminal_ns: Time
    """The terminal's clock, as UTC, when the block was sent: a tick's age then is ``terminal_ns - time_ns``."""
    read_ns: Time
    """The agent's own clock when it had read the block."""
    bridge_ns: Time = 0
    """The bridge's clock when it published the block; 0 on the way there."""
    n_received: Count = 0
    """Set by the bridge: ticks the agent sent under these numbers, refused ones included, so that the next block of
    this agent starts at ``seq_first + n_received``. 0 on the way there."""

    def array(self) -> Ticks:
        """The ticks, as a read-only view of dtype TICK."""
        if len(self.ticks) % TICK.itemsize:
            raise BadData(f"a tick block must be a multiple of {TICK.itemsize} bytes, it was {len(self.ticks)}")
        return np.frombuffer(self.ticks, dtype=TICK)


class Ack(_Message, frozen=True, tag="ack"):
    """Everything up to these sequence numbers is durable at the bridge; the spool may forget it."""

    tick_seq: Count
    report_seq: Count


class OrderIntent(_Message, frozen=True, tag="intent"):
    """The engine asks for one order. ``key`` travels in the order's comment, so that it can be found again."""

    key: Name
    """At most 16 characters, unique for ever within the account."""
    agent: Name
    magic: int
    symbol: Name
    side: Annotated[int, msgspec.Meta(ge=-1, le=1)]
    """+1 buy, -1 sell."""
    lots: float
    closes: float = 0.0
    """Of the lots, those that close what is held. An agent that finds less there sends no more than that: an order
    that was to close opens nothing."""
    position: int = 0
    """Identifier of the position to close (hedging accounts), 0 to open."""
    stop_loss: float = 0.0
    take_profit: float = 0.0
    deviation_points: int = 20
    sent_ns: int = 0
    expires_ns: int = 0
    """After this instant the agent refuses to send it, and says so."""
    hedging: bool | None = None
    """The kind of account that the strategy was approved for; the agent refuses at another. None: any."""
    again: bool = False
    """Set by the bridge: it may have been handed to an agent of this name before, so look before sending."""


class Report(_Message, frozen=True, tag="report"):
    """What the broker did: numbered per agent, resent until acknowledged."""

    agent: Name
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**62)]
    kind: Annotated[str, msgspec.Meta(pattern="^(accepted|filled|rejected|closed|unknown)$")]
    """``accepted`` by the server, ``filled`` (one deal), ``rejected``, ``closed`` (server side: stop, take profit,
    stop-out, a person), ``unknown`` (outcome not known yet, reconciliation goes on)."""
    key: Text = ""
    time_ns: Time = 0
    symbol: Text = ""
    magic: int = 0
    side: Whole = 0
    lots: Price = 0.0
    price: Price = 0.0
    position: Whole = 0
    """The position's identifier, which never changes; its ticket may."""
    deal: Whole = 0
    commission: Real = 0.0
    swap: Real = 0.0
    profit: Real = 0.0
    retcode: Whole = 0
    reason: Text = ""
    origin: Annotated[str, msgspec.Meta(pattern="^(agent|bridge)$")] = "agent"
    """``bridge`` marks the one report that no agent wrote: an intent expired before an agent could be reached. Its
    ``seq`` is always 1 and says nothing; tell such reports apart by ``key``."""


class BrokerPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One open position as the broker sees it, whoever opened it and in whatever symbol."""

    ticket: Whole
    symbol: Text
    side: Whole
    lots: Price
    price: Price
    stop_loss: Price = 0.0
    take_profit: Price = 0.0
    magic: int = 0
    comment: Text = ""
    profit: Money = 0.0
    swap: Money = 0.0


class AccountState(_Message, frozen=True, tag="account"):
    """The broker's view of the account, sent every second and after each change."""

    agent: Name
    login: Whole
    time_ns: Time
    balance: Money
    equity: Money
    margin: Money
    margin_free: Money
    trade_allowed: bool
    positions: list[BrokerPosition]


class Refusal(_Message, frozen=True, tag="refusal"):
    """Why the other side will not go on with something."""

    code: Text
    message: Text


class Quarantined(_Message, frozen=True, tag="quarantined"):
    """A refused tick: nothing is thrown away, and the rule that refused it is named."""

    agent: Name
    symbol: Text
    seq: int
    rule: Text
    tick: bytes


class OutsideValue(_Message, frozen=True, tag="outside"):
    """What one channel shows from now on: news, a calendar, somebody's model; NaN for nothing."""

    channel: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.:-]{1,64}$")]
    number: float
    known_ns: int
    """When the platform took it."""
    by: Text = ""


Message = Hello | Welcome | TickBlock | Ack | OrderIntent | Report | AccountState | Refusal | Quarantined | OutsideValue

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """Turn a message into one frame."""
    return _encoder.encode(message)


def decode(frame: bytes | bytearray | memoryview) -> Message:
    """Turn a frame into a message, checking every field.

    Raises
    ------
    BadData
        The frame is too long, is not msgpack, or does not fit a message's schema.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise BadData(f"a frame must be at most {MAX_FRAME_BYTES} bytes, it was {len(frame)}")
    try:
        message: Message = _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadData(f"a frame must be one known message: {error}") from error
    return message


class _Published(TickBlock, frozen=True, tag="ticks"):
    agent: str
    symbol: str


_published = msgspec.msgpack.Decoder(_Published)


def decode_published(frame: bytes) -> TickBlock:
    """Turn an entry of the tick stream into its block, without looking at the names that the bridge has checked.

    Matching two names takes three times as long as all the rest, and an order waits for it.

    Raises
    ------
    BadData
        It is no tick block.
    """
    try:
        block: TickBlock = _published.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadData(f"the tick stream must hold tick blocks, it held something else: {error}") from error
    return block


def tick_block(agent: str, symbol: str, seq_first: int, ticks: Ticks, *, terminal_ns: int, read_ns: int) -> TickBlock:
    """Pack an array of ticks."""
    return TickBlock(
        agent=agent, symbol=symbol, seq_first=seq_first, ticks=ticks.tobytes(), terminal_ns=terminal_ns, read_ns=read_ns
    )


class Streams:
    """The bus names of one tenant; the only place where such a name is built.

    ``ticks``      TickBlock, validated, from the bridge; each tenant's symbols in one stream, in order
    ``quarantine`` Quarantined, from the bridge
    ``intents``    OrderIntent, engine to bridge
    ``reports``    Report and AccountState, bridge to engine
    ``outside``    OutsideValue, from the api: what strategies read beside the market
    ``desk``       JSON state of the desk, engine to pages; see ``live_engine/state.py``
    """

    def __init__(self, tenant: str) -> None:
        if not tenant or not tenant.replace("-", "").replace("_", "").isalnum() or len(tenant) > 40:
            raise BadData(f"a tenant's name must be 1 to 40 letters, digits, '-' or '_', it was {tenant[:50]!r}")
        self.tenant = tenant
        prefix = f"th:{tenant}"
        self.ticks = f"{prefix}:ticks"
        self.quarantine = f"{prefix}:quarantine"
        self.intents = f"{prefix}:intents"
        self.intents_open = f"{prefix}:intents:open"
        """Hash: ``position`` -> last intent read by the bridge, intent's stream id -> one not yet reported on."""
        self.reports = f"{prefix}:reports"
        self.outside = f"{prefix}:outside"
        self.desk = f"{prefix}:desk"
        self.latest = f"{prefix}:latest"
        """Hash: symbol -> JSON of the last tick, ``@desk`` -> the desk's state, ``@account:<agent>`` -> account."""

        self.readers = f"{prefix}:readers"
        """Hash: reader (``recorder``) -> id of the last entry of ``ticks`` that it has dealt with."""

    def agent_seq(self, agent: str) -> str:
        """Hash with ``tick`` and ``report``: the last sequence numbers published for this agent, set in the
        same transaction as the publication, so that a resent block is never published twice."""
        return f"th:{self.tenant}:agent:{agent}"

    @staticmethod
    def tiers() -> str:
        """Hash: tenant -> name of its tier, kept by the api for processes that have no login to the accounts."""
        return "th:tiers"

    @staticmethod
    def ticket(ticket: str) -> str:
        """A single-use ticket for a page's live stream: JSON with tenant, user, tier; expires after 30 s."""
        return f"th:ticket:{ticket}"

    @staticmethod
    def lock(name: str) -> str:
        """A lock that one process holds at a time."""
        return f"th:lock:{name}"

    @staticmethod
    def rate(key: str) -> str:
        """How fast one user or tenant may call."""
        return f"th:rate:{key}"
