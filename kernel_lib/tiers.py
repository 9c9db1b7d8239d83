"""The only table of limits by tier; nothing else names a limit.

``None`` means no product limit; a technical ceiling may still be configured where the limit is enforced.
"""

import msgspec

from kernel_lib.errors import Refused

__all__ = ["TIERS", "Tier", "require", "tier"]

_GIB = 1024**3


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant of this tier may use; cumulative from free to enterprise."""

    name: str
    rank: int
    # Notebook server
    cpu: float
    memory_bytes: int
    processes: int
    disk_bytes: int
    named_servers: int
    idle_stop_s: int
    # Recorded market data
    rows_per_query: int | None
    history_days: int | None
    symbols: int | None
    # Live stream
    update_interval_ms: int
    hot_buffer_s: int
    stream_connections: int | None
    # Gateway
    requests_per_minute: int
    burst: int
    # Trading
    daily_trades: int | None
    max_position_lots: float | None


TIERS: dict[str, Tier] = {
    each.name: each
    for each in (
        Tier(
            name="free", rank=0, cpu=1.0, memory_bytes=2 * _GIB, processes=128, disk_bytes=5 * _GIB,
            named_servers=1, idle_stop_s=1800, rows_per_query=100, history_days=7, symbols=5,
            update_interval_ms=1000, hot_buffer_s=3600, stream_connections=1, requests_per_minute=100, burst=10,
            daily_trades=10, max_position_lots=0.1,
        ),
        Tier(
            name="pro", rank=1, cpu=2.0, memory_bytes=6 * _GIB, processes=512, disk_bytes=50 * _GIB,
            named_servers=3, idle_stop_s=4 * 3600, rows_per_query=10_000, history_days=90, symbols=50,
            update_interval_ms=100, hot_buffer_s=24 * 3600, stream_connections=5, requests_per_minute=1000, burst=100,
            daily_trades=100, max_position_lots=1.0,
        ),
        Tier(
            name="enterprise", rank=2, cpu=8.0, memory_bytes=24 * _GIB, processes=4096, disk_bytes=500 * _GIB,
            named_servers=10, idle_stop_s=24 * 3600, rows_per_query=None, history_days=None, symbols=None,
            update_interval_ms=10, hot_buffer_s=7 * 24 * 3600, stream_connections=None, requests_per_minute=10_000,
            burst=1000, daily_trades=None, max_position_lots=None,
        ),
    )
}  # fmt: skip


def tier(name: str | None) -> Tier:
    """Give the tier by name; an unknown name is the free tier.

    >>> tier("pro").rows_per_query
    10000
    >>> tier("platinum").name
    'free'
    """
    return TIERS.get(name or "", TIERS["free"])


def require(held: Tier, needed: str, what: str) -> None:
    """Refuse, in words that name the tier needed, unless ``held`` reaches it."""
    if held.rank < TIERS[needed].rank:
        raise Refused("tier", f"{what} needs the {needed} tier, this tenant has {held.name}; ask an admin to upgrade")
