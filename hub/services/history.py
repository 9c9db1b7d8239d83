"""Recorded data within a tier: what may be read, and a clear no to what may not.

Days of history are counted back from the newest tick that may be read, so that recorded or replayed markets of other
years can be read as well. The last part of a long history is sealed, see :mod:`hub.services.seal`: nothing of it is
read here, and without an end a query ends where the seal begins. The symbols of a tenant are open in the order in which
they were first recorded. Nothing else is ever cut short in silence: a query that would exceed its tier, or that names
a time within the seal, is refused, and the refusal names the tier that allows it.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pyarrow as pa

from hub.services.seal import Seal
from kernel_lib.errors import BadData, Refused
from kernel_lib.market.bar import bar_length_ns
from kernel_lib.stores.ticks import Span, TickStore
from kernel_lib.tiers import TIERS, Tier

__all__ = ["ROWS_CEILING", "ExceedsTier", "Query", "bars", "parse_time_ns", "symbols", "ticks"]

#: The technical ceiling where a tier names no limit.
ROWS_CEILING = 20_000_000
_DAY_NS = 86_400 * 10**9
#: Below lie nanoseconds of the first year, in which no market was recorded, and today's seconds, ms and us.
_LEAST_NS = 365 * _DAY_NS


class ExceedsTier(Refused):
    """The tier does not reach that far; ``needed_tier`` does, empty when none does."""

    def __init__(self, code: str, message: str, needed_tier: str) -> None:
        advice = f"the {needed_tier} tier allows it" if needed_tier else "no tier allows it; ask for less at once"
        super().__init__(code, f"{message}; {advice}")
        self.needed_tier = needed_tier


class Query(msgspec.Struct, frozen=True):
    """What is asked for; None means as far as there is and the tier reaches."""

    symbol: str
    start_ns: int | None = None
    end_ns: int | None = None
    limit: int | None = None


def parse_time_ns(text: str) -> int:
    """Read a time: UTC nanoseconds, or ISO 8601 (UTC unless it says otherwise).

    >>> parse_time_ns("1970-01-01T00:00:01Z")
    1000000000
    """
    if text.lstrip("-").isdigit() and text.isascii():
        if len(text) > 19:
            raise BadData(f"a time must fit 64 bits of nanoseconds, it was {text[:40]!r}")
        if 0 < int(text) < _LEAST_NS:
            raise BadData(
                f"a whole number must be nanoseconds since 1970, {text} is too few for today and may be seconds or "
                "milliseconds; ISO 8601 such as 2026-01-31T09:00 does as well"
            )
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        whole = int(moment.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError):
        raise BadData(
            f"a time must be UTC nanoseconds or ISO 8601 such as 2026-01-31T09:00, it was {text[:40]!r}"
        ) from None
    return whole * 10**9 + moment.microsecond * 1000


def symbols(store: TickStore, tenant: str, held: Tier) -> list[tuple[Span, bool]]:
    """List what is recorded, and of each symbol whether the tier opens it."""
    spans = store.spans(tenant)
    most = len(spans) if held.symbols is None else held.symbols
    return [(span, place < most) for place, span in enumerate(spans)]


def ticks(store: TickStore, seal: Seal, tenant: str, held: Tier, query: Query) -> pa.Table:
    """Read ticks, the newest ``limit`` of the range.

    Raises
    ------
    ExceedsTier
        Code ``tier_rows``, ``tier_days`` or ``tier_symbols``.
    Refused
        Code ``unknown_symbol`` or ``sealed``.
    """
    start_ns, end_ns = _range(store, seal, tenant, held, query)
    n_ticks = store.count(tenant, query.symbol, start_ns=start_ns, end_ns=end_ns)
    _check_rows(held, n_ticks if query.limit is None else min(n_ticks, query.limit), "ticks")
    return store.ticks(tenant, query.symbol, start_ns=start_ns, end_ns=end_ns, limit=query.limit)


def bars(store: TickStore, seal: Seal, tenant: str, held: Tier, query: Query, length: str) -> pa.Table:
    """Read bars of a length such as ``"5m"``, the newest ``limit`` of the range; raises like :func:`ticks`."""
    length_ns = bar_length_ns(length)
    start_ns, end_ns = _range(store, seal, tenant, held, query)
    most = _most_rows(held)
    asked = most + 1 if query.limit is None else min(query.limit, most + 1)
    table = store.bars(tenant, query.symbol, length_ns, start_ns=start_ns, end_ns=end_ns, limit=asked)
    _check_rows(held, table.num_rows, "bars")
    return table


def _range(store: TickStore, seal: Seal, tenant: str, held: Tier, query: Query) -> tuple[int, int]:
    listed = symbols(store, tenant, held)
    found = [(span, is_open) for span, is_open in listed if span.symbol == query.symbol]
    if not found:
        known = ", ".join(span.symbol for span, _ in listed[:20]) or "nothing yet"
        raise Refused("unknown_symbol", f"no ticks of {query.symbol[:40]!r} are recorded; recorded are {known}")
    span, is_open = found[0]
    if not is_open:
        needed = _tier_for(lambda tier: tier.symbols, [each.symbol for each, _ in listed].index(query.symbol) + 1)
        raise ExceedsTier(
            "tier_symbols", f"the {held.name} tier opens {held.symbols} symbols, {query.symbol} is not one", needed
        )
    opened_ns = seal.opened_until(tenant, span)
    last_ns = min(span.last_ns, opened_ns - 1)
    if last_ns < span.last_ns:
        _refuse_sealed(query, span, opened_ns)
    end_ns = last_ns + 1 if query.end_ns is None else query.end_ns
    earliest = 0 if held.history_days is None else last_ns - held.history_days * _DAY_NS
    if query.start_ns is None:
        return max(earliest, 0), end_ns
    if query.start_ns >= end_ns:
        if query.end_ns is None:
            raise BadData(
                f"start must lie within what is recorded, which ends at {_utc(last_ns)}, it was {_utc(query.start_ns)}"
            )
        raise BadData(f"start must lie before end, they were {_utc(query.start_ns)} and {_utc(end_ns)}")
    # Asking for more than there is exceeds nothing.
    reach_ns = max(query.start_ns, span.first_ns)
    if reach_ns < earliest:
        days = -(-(last_ns - reach_ns) // _DAY_NS)
        needed = _tier_for(lambda tier: tier.history_days, days)
        raise ExceedsTier(
            "tier_days", f"the {held.name} tier reaches back {held.history_days} days, the query {days}", needed
        )
    return query.start_ns, end_ns


def _refuse_sealed(query: Query, span: Span, opened_ns: int) -> None:
    if (query.start_ns or 0) < opened_ns and (query.end_ns or 0) <= opened_ns:
        return
    opened, last = _utc(opened_ns), _utc(span.last_ns)
    raise Refused(
        "sealed",
        f"history of {span.symbol} is open up to {opened}; from there to its end, {last}, it is the sealed hold-out, "
        "on which the platform judges submitted strategies (client.hold_out(hash)); narrow start and end",
    )


def _utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).isoformat()


def _check_rows(held: Tier, n_rows: int, what: str) -> None:
    if n_rows <= _most_rows(held):
        return
    more = f"more than {n_rows - 1:,}" if what == "bars" else f"{n_rows:,}"
    needed = _tier_for(lambda tier: tier.rows_per_query, n_rows) if n_rows <= ROWS_CEILING else ""
    raise ExceedsTier(
        "tier_rows",
        f"the {held.name} tier gives up to {_most_rows(held):,} rows a query, this one has {more} {what}: "
        "narrow start and end, or set limit",
        needed,
    )


def _most_rows(held: Tier) -> int:
    return ROWS_CEILING if held.rows_per_query is None else held.rows_per_query


def _tier_for(limit: Callable[[Tier], int | None], needed: int) -> str:
    for each in TIERS.values():
        most = limit(each)
        if most is None or most >= needed:
            return each.name
    return ""
