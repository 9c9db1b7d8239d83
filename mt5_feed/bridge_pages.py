"""The live stream for pages and notebooks: quotes conflated to the tier, the desk's state passed through.

One reader per tenant follows the bus; each client holds only the newest quote per symbol that it has not been sent,
so a slow one costs a fixed amount of memory, and one that does not keep up at all is dropped.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any

import msgspec
import redis.asyncio as redis
import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from kernel_lib.errors import BadData, Refused
from kernel_lib.tiers import Tier, tier
from kernel_lib.wire import Streams, TickBlock, decode
from mt5_feed.bridge_metrics import BridgeMetrics
from mt5_feed.ending import end

__all__ = ["PageStreams"]

_TICKET_S = 10.0
_SEND_S = 5.0
_DESK_BACKLOG = 256
_BLOCK_MS = 5000
_RETRY_S = 0.5
POLICY, TRY_AGAIN = 1008, 1013
log = structlog.get_logger("bridge.pages")


class _Client:
    def __init__(self, user: str, held: Tier, wanted: frozenset[str]) -> None:
        self.user = user
        self.tier = held
        self.symbols: set[str] = set(wanted)
        self.chooses = not wanted
        self.quotes: dict[str, dict[str, Any]] = {}
        self.desk: deque[str] = deque()
        self.news = asyncio.Event()
        self.too_slow = False

    def takes(self, symbol: str) -> bool:
        """Whether this client gets the symbol; without a list of its own, the first ones seen up to the tier."""
        if symbol in self.symbols:
            return True
        if self.chooses and (self.tier.symbols is None or len(self.symbols) < self.tier.symbols):
            self.symbols.add(symbol)
            return True
        return False


class _Tenant:
    """Everyone of one tenant who watches, and the task that feeds them."""

    def __init__(self) -> None:
        self.clients: set[_Client] = set()
        self.reader: asyncio.Task[None] | None = None


class PageStreams:
    """All live streams of the bridge."""

    def __init__(self, client: redis.Redis, metrics: BridgeMetrics) -> None:
        self._redis = client
        self._metrics = metrics
        self._tenants: dict[str, _Tenant] = {}

    async def serve(self, connection: ServerConnection, user: str | None) -> None:
        """Serve one connection; ``user`` is the name in the path, where the path has one."""
        try:
            tenant, client = await self._admit(connection, user)
        except (Refused, BadData) as error:
            code = error.code if isinstance(error, Refused) else "bad_frame"
            self._metrics.refusals.labels(code).inc()
            with contextlib.suppress(ConnectionClosed):
                await connection.send(_text({"type": "refused", "code": code, "message": str(error)}))
                await connection.close(POLICY, code)
            return
        except (redis.RedisError, OSError):
            await connection.close(TRY_AGAIN, "the live bus is away")
            return
        except ConnectionClosed:
            return
        group = self._tenants.setdefault(tenant, _Tenant())
        group.clients.add(client)
        self._metrics.clients.inc()
        if group.reader is None:
            group.reader = asyncio.create_task(self._read_forever(tenant, group))
        try:
            await self._serve(connection, tenant, client)
        except ConnectionClosed:
            pass
        except TimeoutError:
            self._drop(client)
            connection.transport.abort()
        except (redis.RedisError, OSError):
            await connection.close(TRY_AGAIN, "the live bus is away")
        finally:
            group.clients.discard(client)
            self._metrics.clients.dec()
            if not group.clients and group.reader is not None:
                reader, group.reader = group.reader, None
                await end((reader,))

    async def close(self) -> None:
        tasks = [each.reader for each in self._tenants.values() if each.reader is not None]
        await end(tasks)

    async def _admit(self, connection: ServerConnection, user: str | None) -> tuple[str, _Client]:
        try:
            async with asyncio.timeout(_TICKET_S):
                frame = await connection.recv()
        except TimeoutError:
            raise Refused("no_ticket", f"the first message must be a ticket, within {_TICKET_S:.0f} s") from None
        ticket, wanted = _first_message(frame)
        stored = await self._redis.getdel(Streams.ticket(ticket))
        if stored is None:
            raise Refused("ticket_invalid", "the ticket must be unused and younger than 30 s; get a new one")
        try:
            holder = msgspec.json.decode(stored, type=dict[str, str])
            tenant, name, held = Streams(holder["tenant"]).tenant, holder["user"], tier(holder.get("tier"))
        except (msgspec.MsgspecError, KeyError, BadData) as error:
            raise Refused("ticket_invalid", "the ticket must name tenant, user and tier") from error
        if user is not None and user != name:
            raise Refused("wrong_user", f"the path must name the ticket's user, it named {user[:40]!r}")
        if held.symbols is not None and len(wanted) > held.symbols:
            raise Refused(
                "tier_symbols", f"the {held.name} tier streams {held.symbols} symbols, {len(wanted)} were asked for"
            )
        group = self._tenants.get(tenant)
        mine = sum(each.user == name for each in group.clients) if group else 0
        if held.stream_connections is not None and mine >= held.stream_connections:
            raise Refused(
                "tier_connections",
                f"the {held.name} tier has {held.stream_connections} live streams at a time; close one",
            )
        return tenant, _Client(name, held, wanted)

    async def _serve(self, connection: ServerConnection, tenant: str, client: _Client) -> None:
        await self._snapshot(tenant, client)
        gone = asyncio.create_task(connection.wait_closed())
        try:
            while not gone.done():
                news = asyncio.create_task(client.news.wait())
                await asyncio.wait((gone, news), return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                client.news.clear()
                if client.too_slow:
                    raise TimeoutError
                async with asyncio.timeout(_SEND_S):
                    while client.desk:
                        await connection.send(client.desk.popleft())
                    if client.quotes:
                        quotes = list(client.quotes.values())
                        client.quotes = {}
                        await connection.send(_text({"type": "ticks", "ticks": quotes}))
                # What arrives during this pause is conflated; the desk's messages wait for it too.
                await asyncio.wait((gone,), timeout=client.tier.update_interval_ms / 1000)
        finally:
            gone.cancel()

    async def _snapshot(self, tenant: str, client: _Client) -> None:
        stored: Any = await self._redis.hgetall(Streams(tenant).latest)
        for name, packed in sorted(stored.items()):
            if name == b"@desk":
                client.desk.append(_desk(packed.decode()))
            elif not name.startswith(b"@") and client.takes(name.decode()):
                quote = msgspec.json.decode(packed)
                client.quotes[name.decode()] = _quote(
                    name.decode(), int(quote["time_ns"]), float(quote["bid"]), float(quote["ask"]), 0
                )
        if client.quotes or client.desk:
            client.news.set()

    async def _read_forever(self, tenant: str, group: _Tenant) -> None:
        streams = Streams(tenant)
        places: dict[str, bytes | str] = {streams.ticks: "$", streams.desk: "$"}
        while True:
            try:
                found: Any = await self._redis.xread(dict(places), count=256, block=_BLOCK_MS)  # type: ignore[arg-type]
            except (redis.RedisError, OSError) as error:
                log.warning("bus_unavailable", error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)
                continue
            for name, entries in found or ():
                stream = name.decode()
                places[stream] = entries[-1][0]
                for _, fields in entries:
                    packed = fields.get(b"m", b"")
                    if stream == streams.desk:
                        self._pass_desk(group, packed)
                    else:
                        self._pass_ticks(group, packed)

    def _pass_desk(self, group: _Tenant, packed: bytes) -> None:
        text = _desk(packed.decode("utf-8", "replace"))
        for client in group.clients:
            if len(client.desk) >= _DESK_BACKLOG:
                client.too_slow = True
            else:
                client.desk.append(text)
            client.news.set()

    def _pass_ticks(self, group: _Tenant, packed: bytes) -> None:
        try:
            block = decode(packed)
        except BadData:
            return
        if not isinstance(block, TickBlock) or not block.ticks:
            return
        ticks = block.array()
        last = ticks[-1]
        for client in group.clients:
            if client.takes(block.symbol):
                before = client.quotes.get(block.symbol)
                n_ticks = len(ticks) + (before["n_ticks"] if before else 0)
                client.quotes[block.symbol] = _quote(
                    block.symbol, int(last["time_ns"]), float(last["bid"]), float(last["ask"]), n_ticks
                )
                client.news.set()

    def _drop(self, client: _Client) -> None:
        self._metrics.dropped.inc()
        log.warning("slow_client_dropped", user=client.user)


def _first_message(frame: str | bytes) -> tuple[str, frozenset[str]]:
    """A bare ticket, or ``{"ticket": "...", "symbols": ["EURUSD"]}``."""
    text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
    wanted: frozenset[str] = frozenset()
    if text.lstrip().startswith("{"):
        try:
            opened = msgspec.json.decode(text, type=dict[str, Any])
            text, wanted = str(opened["ticket"]), frozenset(str(each) for each in opened.get("symbols") or ())
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise BadData('the first message must be a ticket, or {"ticket": ..., "symbols": [...]}') from error
    if not 8 <= len(text) <= 200 or not text.replace("-", "").replace("_", "").isalnum():
        raise BadData("a ticket must be 8 to 200 letters, digits, '-' or '_'")
    return text, wanted


def _quote(symbol: str, time_ns: int, bid: float, ask: float, n_ticks: int) -> dict[str, Any]:
    # JavaScript's numbers end at 2**53, so pages read time_ms.
    return {
        "symbol": symbol,
        "time_ms": time_ns / 1e6,
        "time_ns": str(time_ns),
        "bid": bid,
        "ask": ask,
        "n_ticks": n_ticks,
    }


def _desk(text: str) -> str:
    """The desk's JSON, made a message of type ``desk`` if it is not one."""
    if text.startswith('{"type":"desk"'):
        return text
    try:
        return _text({"type": "desk", "desk": msgspec.Raw(text.encode())})
    except msgspec.MsgspecError:
        return _text({"type": "desk", "desk": None})


def _text(message: Any) -> str:
    return msgspec.json.encode(message).decode()
