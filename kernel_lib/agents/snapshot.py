"""What the agents look at: one moment, frozen.

Nothing in it may be later than its time. What carries a time of its own (headlines, releases, trades) is left out by
the agents where it was not known yet, so a careless caller cannot let the future in.
"""

import hashlib
import math
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared
from kernel_lib.errors import BadData

__all__ = [
    "AgentRecord", "Execution", "Headline", "Health", "ModelReport", "Portfolio", "Quality", "Release", "Snapshot",
    "Trade", "TradeTotals",
]  # fmt: skip

_UNKNOWN = math.nan


class Headline(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """One piece of news.

    Parameters
    ----------
    text : str
    known_ns : int
        When it could be read.
    about : tuple of str
        Instruments or currencies; empty means whatever is traded.
    score : float
        From -1 (bad) to 1 (good for what it is about), by the classifier; NaN leaves it to the lexicon.
    """

    text: str
    known_ns: int
    about: tuple[str, ...] = ()
    score: float = _UNKNOWN


class Release(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """One entry of the economic calendar.

    Parameters
    ----------
    time_ns : int
        When it is published.
    currency, name : str
    impact : str
        ``low``, ``medium`` or ``high``.
    known_ns : int
        Since when the entry stands in the calendar.
    actual, forecast : float
        NaN while not known. The actual figure counts from ``time_ns`` on only.
    deviation : float
        Typical distance of actual from forecast, in their unit; NaN when unknown.
    higher_is_better : bool
        For the currency; False for unemployment.
    """

    time_ns: int
    currency: str
    name: str
    impact: Literal["low", "medium", "high"] = "high"
    known_ns: int = 0
    actual: float = _UNKNOWN
    forecast: float = _UNKNOWN
    deviation: float = _UNKNOWN
    higher_is_better: bool = True


class Trade(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """A closed trade: its profit (money, or multiples of what was risked) and when it was closed."""

    profit: float
    known_ns: int


class TradeTotals(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """Closed trades in sum, where nobody kept them one by one; all of them known at the snapshot's time.

    Parameters
    ----------
    closed, won : int
        How many; how many of them with a profit.
    gained, lost : float
        What those earned, and what the others cost; both from 0 on.
    """

    closed: int = 0
    won: int = 0
    gained: float = 0.0
    lost: float = 0.0


class Portfolio(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """Where the account stands; money in account currency, NaN where unknown.

    Parameters
    ----------
    equity, peak_equity, day_start_equity, open_profit : float
    exposure : float
        Of this strategy in this instrument, -1 to 1.
    returns : tuple of float
        Of the equity, a fraction a period, oldest first.
    weights : tuple of (str, float)
        Worth of other holdings by symbol, as shares of the equity, short negative.
    correlations : tuple of (str, float)
        Of this instrument with them.
    trades : tuple of Trade
        Closed ones.
    totals : TradeTotals or None
        The same in sum; read where there are no ``trades``.
    risk_active : bool
        Whether the desk's own risk state lets it trade.
    """

    equity: float = _UNKNOWN
    peak_equity: float = _UNKNOWN
    day_start_equity: float = _UNKNOWN
    open_profit: float = _UNKNOWN
    exposure: float = 0.0
    returns: tuple[float, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    correlations: tuple[tuple[str, float], ...] = ()
    trades: tuple[Trade, ...] = ()
    totals: TradeTotals | None = None
    risk_active: bool = True


class ModelReport(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """What a model says now and how it did lately; NaN where unknown.

    Parameters
    ----------
    name : str
    direction, confidence : float
        Its prediction: -1 to 1, 0 to 1.
    outcomes : int
        Predictions that met their outcome.
    hit_rate, expected_hit_rate, brier : float
        Live, on the card, and mean squared error of the confidence.
    stability : float
        Largest population stability index of its features: 0.1 moved, 0.25 shifted.
    weight : float
        Learned between sessions, 0 to 2; 1 before anything is learned.
    """

    name: str
    direction: float = _UNKNOWN
    confidence: float = _UNKNOWN
    outcomes: int = 0
    hit_rate: float = _UNKNOWN
    expected_hit_rate: float = _UNKNOWN
    brier: float = _UNKNOWN
    stability: float = _UNKNOWN
    weight: float = 1.0


class AgentRecord(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """How one agent's votes did, in one regime (empty: in all of them)."""

    agent: str
    hits: float
    misses: float
    regime: str = ""


class Execution(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """How orders were carried out lately; slippage in points, worse than asked positive."""

    orders: int = 0
    rejected: int = 0
    slippage_points: float = _UNKNOWN
    expected_slippage_points: float = _UNKNOWN
    latency_ms: float = _UNKNOWN
    expected_latency_ms: float = _UNKNOWN


class Quality(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """How the ticks were: counted, refused, their mean quality (0 to 1), seconds since the last."""

    ticks: int = 0
    refused: int = 0
    mean_quality: float = _UNKNOWN
    age_s: float = _UNKNOWN


class Health(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """How the machine does: links that are down, loop delay, shares of memory and disk in use (0 to 1)."""

    links_down: tuple[str, ...] = ()
    loop_delay_ms: float = _UNKNOWN
    memory_fraction: float = _UNKNOWN
    disk_fraction: float = _UNKNOWN
    clock_error_ms: float = _UNKNOWN


class Snapshot(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True, dict=True):
    """One moment, for all agents alike; equal snapshots have one :attr:`digest`, by which votes can be kept.

    Parameters
    ----------
    time_ns : int
        Nanoseconds since 1970, UTC.
    symbol : str
        ``EURUSD``: its first three letters are the base, its last three the quote currency.
    bid, ask : float
        NaN without a quote.
    spread_median : float
        Usual spread, in quote currency.
    features : mapping of str to float
        By the labels that the agents read, see ``agents.panel_features``; NaN while not warm.
    votes : tuple of Vote
        What agents of earlier groups said of this very moment; the orchestrator fills it in.

    None stands for what nobody looked at: no ``portfolio``, no ``execution``.

    >>> moment = Snapshot(time_ns=0, symbol="EURUSD", bid=1.1, ask=1.1002, features={"rsi_14": 30.0})
    >>> moment.digest == Snapshot(time_ns=0, symbol="EURUSD", bid=1.1, ask=1.1002, features={"rsi_14": 30.0}).digest
    True
    """

    time_ns: int
    symbol: str = ""
    bid: float = _UNKNOWN
    ask: float = _UNKNOWN
    spread_median: float = _UNKNOWN
    features: Mapping[str, float] = {}
    models: tuple[ModelReport, ...] = ()
    portfolio: Portfolio | None = None
    headlines: tuple[Headline, ...] = ()
    releases: tuple[Release, ...] = ()
    records: tuple[AgentRecord, ...] = ()
    execution: Execution | None = None
    quality: Quality | None = None
    health: Health | None = None
    session_open: bool | None = None
    votes: tuple[Vote, ...] = ()

    def __post_init__(self) -> None:
        if type(self.time_ns) is not int:  # a number of numpy, which a digest would not take
            msgspec.structs.force_setattr(self, "time_ns", int(self.time_ns))
        if not isinstance(self.features, MappingProxyType):
            msgspec.structs.force_setattr(self, "features", MappingProxyType(dict(self.features)))

    @property
    def mid(self) -> float:
        """Between bid and ask."""
        return (self.bid + self.ask) * 0.5

    @property
    def spread(self) -> float:
        """Ask less bid, in quote currency."""
        return self.ask - self.bid

    @cached_property
    def digest(self) -> str:
        """A name for all that it holds, the same in every process."""
        try:
            plain = msgspec.msgpack.encode(self, enc_hook=_plain, order="deterministic")
        except OverflowError:
            raise BadData("a snapshot's whole numbers must fit into 64 bits, one does not") from None
        return hashlib.blake2b(plain, digest_size=16).hexdigest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self.digest == other.digest

    def with_votes(self, votes: tuple[Vote, ...]) -> "Snapshot":
        """Give the same moment with votes of earlier groups."""
        return msgspec.structs.replace(self, votes=votes)


def _plain(held: Any) -> Any:
    if isinstance(held, MappingProxyType):
        return dict(held)
    if hasattr(held, "item"):  # a numpy scalar
        return held.item()
    raise BadData(f"a snapshot must hold numbers, texts and its own records, it held {type(held).__name__}")
