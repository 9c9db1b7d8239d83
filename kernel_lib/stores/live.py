"""Live: the bus between processes, latest values, single-use tickets, locks and rates, on Redis or its like.

:class:`LiveStore` is the port, :class:`RedisLive` the adapter (Redis and DragonflyDB speak the same protocol). Names
of streams come from :class:`~kernel_lib.wire.Streams` alone; tenants never get a login here.
"""

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from kernel_lib.config import Secret
from kernel_lib.errors import Misconfigured, Refused, Transient
from kernel_lib.wire import Streams

__all__ = ["START", "TICKET_LIFETIME_S", "Entry", "LiveStore", "RedisLive"]

#: The place before a stream's first entry.
START = "0-0"
TICKET_LIFETIME_S = 30
_NOT_NOW = ("MISCONF", "READONLY", "NOREPLICAS", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN")

#: One stream entry: its id, and the encoded message.
Entry = tuple[str, bytes]

# Compare and delete in one step: a lock that expired and now belongs to another must not be released.
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
# Generic cell rate algorithm: one number per key, the theoretical arrival time in microseconds of the server's clock.
_ADMIT = """
local now = redis.call('TIME')
local now_us = now[1] * 1000000 + now[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('get', KEYS[1]) or '0'), now_us)
local wait = due - now_us - interval * (burst - 1)
if wait > 0 then return math.ceil(wait) end
redis.call('set', KEYS[1], string.format('%.0f', due + interval), 'PX', math.ceil((due + interval - now_us) / 1000) + 1)
return 0
"""


class LiveStore(Protocol):
    """What services ask of the live store."""

    def append(self, stream: str, message: bytes, *, most: int | None = None) -> str: ...
    def read(self, after: Mapping[str, str], *, count: int, block_ms: int | None = None) -> dict[str, list[Entry]]: ...
    def last_id(self, stream: str) -> str: ...
    def set_latest(self, tenant: str, name: str, text: bytes) -> None: ...
    def latest(self, tenant: str) -> dict[str, bytes]: ...
    def position(self, tenant: str, reader: str) -> str: ...
    def set_position(self, tenant: str, reader: str, entry_id: str) -> None: ...
    def set_tiers(self, tiers: Mapping[str, str]) -> None: ...
    def tier_of(self, tenant: str) -> str: ...
    def issue_ticket(self, content: bytes) -> Secret: ...
    def redeem_ticket(self, ticket: str) -> bytes: ...
    def lock(self, name: str, *, lifetime_s: float) -> contextlib.AbstractContextManager[None]: ...
    def admit(self, key: str, *, per_minute: int, burst: int) -> float: ...
    def close(self) -> None: ...


class RedisLive:
    """The live store on a Redis server.

    Parameters
    ----------
    url : str
        ``unix:///path`` or ``redis://host:port/0``.

    Raises
    ------
    Misconfigured
        The URL cannot be read, or the server drops keys when memory is full.
    Transient
        Nobody answers there.
    """

    def __init__(self, url: str) -> None:
        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=10, socket_connect_timeout=5, retry=Retry(ExponentialBackoff(cap=0.2), 2)
            )
        except ValueError as error:
            raise Misconfigured(f"TICKHUB_LIVE_URL must be redis://... or unix:///path: {error}") from None
        self._unlock = self._redis.register_script(_UNLOCK)
        self._admit = self._redis.register_script(_ADMIT)
        with _answers():
            policy = self._redis.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
        if policy != "noeviction":
            raise Misconfigured(
                f"the live store must refuse writes when it is full (maxmemory-policy noeviction), it has {policy}: "
                "stream entries would vanish unseen"
            )

    def close(self) -> None:
        """Close every connection."""
        self._redis.close()

    # Streams

    def append(self, stream: str, message: bytes, *, most: int | None = None) -> str:
        """Add one message; ``most`` keeps the stream at about that many entries. Gives the entry's id."""
        with _answers():
            entry_id = self._redis.xadd(stream, {"m": message}, maxlen=most, approximate=True)
        return str(entry_id.decode())

    def read(self, after: Mapping[str, str], *, count: int, block_ms: int | None = None) -> dict[str, list[Entry]]:
        """Read up to ``count`` entries of each stream after the given ids; waits ``block_ms`` when there are none."""
        if not after:
            return {}
        with _answers():
            found = self._redis.xread(dict(after), count=count, block=block_ms)
        pairs: Sequence[Any] = list(found.items()) if isinstance(found, dict) else found or []
        return {_text(stream): [(_text(key), fields[b"m"]) for key, fields in _flat(rows)] for stream, rows in pairs}

    def last_id(self, stream: str) -> str:
        """Give the id of the newest entry, :data:`START` when there is none."""
        with _answers():
            newest = self._redis.xrevrange(stream, count=1)
        return _text(newest[0][0]) if newest else START

    # Latest values and readers' places

    def set_latest(self, tenant: str, name: str, text: bytes) -> None:
        """Keep the newest value of one name (a symbol, ``@desk``)."""
        with _answers():
            self._redis.hset(Streams(tenant).latest, name, text)

    def latest(self, tenant: str) -> dict[str, bytes]:
        """Read a tenant's newest values."""
        with _answers():
            return {_text(name): text for name, text in self._redis.hgetall(Streams(tenant).latest).items()}

    def position(self, tenant: str, reader: str) -> str:
        """Read how far a reader of the tenant's ticks has come; :data:`START` for a new one."""
        with _answers():
            saved = self._redis.hget(Streams(tenant).readers, reader)
        return _text(saved) if saved else START

    def set_position(self, tenant: str, reader: str, entry_id: str) -> None:
        """Save how far a reader has come."""
        with _answers():
            self._redis.hset(Streams(tenant).readers, reader, entry_id)

    def set_tiers(self, tiers: Mapping[str, str]) -> None:
        """Say which tier each tenant has; tenants that are not named are forgotten."""
        with _answers():
            steps = self._redis.pipeline(transaction=True)
            steps.delete(Streams.tiers())
            if tiers:
                steps.hset(Streams.tiers(), mapping=dict(tiers))
            steps.execute()

    def tier_of(self, tenant: str) -> str:
        """Give the name of a tenant's tier; empty where it was not told."""
        with _answers():
            return _text(self._redis.hget(Streams.tiers(), tenant) or b"")

    # Tickets, locks, rates

    def issue_ticket(self, content: bytes) -> Secret:
        """Make a ticket that can be redeemed once within 30 seconds."""
        ticket = secrets.token_urlsafe(24)
        with _answers():
            self._redis.set(Streams.ticket(ticket), content, ex=TICKET_LIFETIME_S)
        return Secret(ticket)

    def redeem_ticket(self, ticket: str) -> bytes:
        """Take a ticket's content; the second try finds nothing.

        Raises
        ------
        Refused
            Code ``ticket_invalid``: never issued, used, or expired.
        """
        # GETDEL is one step on the server: of two who try at once, one gets it.
        with _answers():
            content = self._redis.getdel(Streams.ticket(ticket[:100]))
        if content is None:
            raise Refused("ticket_invalid", "the ticket must be fresh and unused; ask for a new one")
        return cast("bytes", content)

    @contextlib.contextmanager
    def lock(self, name: str, *, lifetime_s: float) -> Iterator[None]:
        """Hold a lock, or be refused at once; it frees itself after ``lifetime_s`` if we die.

        Raises
        ------
        Refused
            Code ``locked``: somebody else holds it.
        """
        key, mine = Streams.lock(name), secrets.token_hex(16)
        with _answers():
            held = self._redis.set(key, mine, nx=True, px=max(1, int(lifetime_s * 1000)))
        if not held:
            raise Refused("locked", f"{name} is being worked on by another process; try again in a moment")
        try:
            yield
        finally:
            with _answers():
                self._unlock(keys=[key], args=[mine])

    def admit(self, key: str, *, per_minute: int, burst: int) -> float:
        """Count one request; give 0 when it may pass, else the seconds to wait.

        Parameters
        ----------
        key : str
            Whose rate: a user, a tenant.
        per_minute, burst : int
            Steady rate, and how many may come at once.
        """
        with _answers():
            wait_us = self._admit(keys=[Streams.rate(key)], args=[60_000_000 // per_minute, burst])
        return int(wait_us) / 1e6


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw


def _flat(rows: Any) -> Any:
    # The third protocol version wraps a stream's entries in one more list.
    return rows[0] if rows and isinstance(rows[0], list) else rows


@contextlib.contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError) as error:
        raise Transient(f"the live store must answer, it did not: {error}") from error
    except redis.OutOfMemoryError as error:
        raise Transient(f"the live store must have memory left, it has none: {error}") from error
    except redis.ResponseError as error:
        # Its disk is full, or it follows another server for a while: it takes writes again, and nothing was done.
        if str(error).startswith(_NOT_NOW) or isinstance(error, redis.ReadOnlyError):
            raise Transient(f"the live store must take writes, it does not now: {error}") from error
        raise
