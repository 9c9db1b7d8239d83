"""The agent's end of the link: dial, resume, send what is spooled, take orders, and dial again when it breaks."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from kernel_lib.config import Secret
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.wire import MAX_FRAME_BYTES, Ack, Hello, Message, OrderIntent, Refusal, Welcome, decode, encode
from mt5_feed.lane import Lane
from mt5_feed.orders import OrderDesk
from mt5_feed.platform_clock import PlatformClock
from mt5_feed.tick_feed import TickFeed

__all__ = ["AgentLink"]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 4.0
_WELCOME_S = 10.0
_MOST_TICKS_IN_FLIGHT = 1 << 18
_CLOCK_OFF_NS = 2 * 10**9
log = structlog.get_logger("agent.link")


class AgentLink:
    """Keeps one connection to the bridge alive.

    Parameters
    ----------
    url : str
        ``ws://`` or ``wss://``; the path ``/ws/agent`` is added when the URL has none.
    token : Secret
        The agent's token; it travels in a header only.
    hello : callable
        Builds the greeting, anew for each connection.
    on_intent : callable
        Executes an order at once: orders go before ticks.
    clock : PlatformClock
        Set by each welcome.
    """

    def __init__(
        self, url: str, token: Secret, hello: Callable[[], Hello], ticks: TickFeed, orders: OrderDesk,
        on_intent: Callable[[OrderIntent], Awaitable[None]], clock: PlatformClock,
    ) -> None:  # fmt: skip
        if not url.startswith(("ws://", "wss://")):
            raise Misconfigured(f"the bridge must be given as ws://host:port or wss://host:port, it was {url!r}")
        self.url = url if "/" in url.split("//", 1)[1] else f"{url}/ws/agent"
        self.connected = False
        self.n_connections = 0
        self._token = token
        self._hello = hello
        self._ticks = ticks
        self._orders = orders
        self._on_intent = on_intent
        self._clock = clock
        self._connection: ClientConnection | None = None
        self._news = asyncio.Event()
        self._states: list[Message] = []

    def wake(self) -> None:
        """Something new lies in a spool."""
        self._news.set()

    async def hang_up(self) -> None:
        """End this connection; the next one begins at once."""
        if self._connection is not None:
            await self._connection.close()

    def send_state(self, message: Message) -> None:
        """Send the newest account state when there is a link; older ones are worth nothing."""
        self._states[:] = [message]
        self._news.set()

    async def run(self) -> None:
        """Dial until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._one_connection()
            except InvalidURI as error:
                raise Misconfigured(f"the bridge's address must be a WebSocket URL: {error}") from error
            except InvalidStatus as error:
                body = error.response.body or b""
                log.error(
                    "bridge_refuses", status=error.response.status_code, reason=body[:300].decode("utf-8", "replace")
                )
                pause_s = _LONGEST_PAUSE_S
            except (OSError, TimeoutError, WebSocketException, InvalidHandshake, EOFError, BadData) as error:
                log.warning("link_down", error=type(error).__name__, reason=str(error)[:200])
            finally:
                if self.connected:
                    pause_s = _FIRST_PAUSE_S
                self.connected = False
            # Jitter, so that a hundred agents do not come back in one instant.
            await asyncio.sleep(pause_s * (0.5 + secrets.randbelow(1000) / 1000))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _one_connection(self) -> None:
        headers = {"Authorization": f"Bearer {self._token.reveal()}"}
        async with connect(
            self.url, additional_headers=headers, max_size=MAX_FRAME_BYTES, compression=None, proxy=None,
            open_timeout=_WELCOME_S, ping_interval=10, ping_timeout=10, close_timeout=1,
        ) as connection:  # fmt: skip
            await connection.send(encode(self._hello()))
            async with asyncio.timeout(_WELCOME_S):
                welcome = _message(await connection.recv())
            if isinstance(welcome, Refusal):
                log.error("bridge_refuses", code=welcome.code, reason=welcome.message)
                return
            if not isinstance(welcome, Welcome):
                raise BadData(f"the bridge must welcome first, it sent {type(welcome).__name__}")
            if welcome.now_ns:
                self._clock.set(welcome.now_ns)
                if abs(self._clock.behind_ns) > _CLOCK_OFF_NS:
                    log.warning("this_pc_s_clock_is_off", behind_s=round(self._clock.behind_ns / 1e9, 1))
            self._connection = connection
            self._ticks.lane.welcome(welcome.tick_seq)
            self._orders.lane.welcome(welcome.report_seq)
            self.connected = True
            self.n_connections += 1
            log.info("link_up", tick_seq=welcome.tick_seq, report_seq=welcome.report_seq)
            sender = asyncio.create_task(self._send_forever(connection))
            try:
                await self._receive_forever(connection)
            finally:
                sender.cancel()
                (ended,) = await asyncio.gather(sender, return_exceptions=True)
            if isinstance(ended, Exception):  # a fault of ours: to be seen, not dialled over for ever
                raise ended

    async def _receive_forever(self, connection: ClientConnection) -> None:
        async for frame in connection:
            message = _message(frame)
            if isinstance(message, Ack):
                self._ticks.lane.ack(message.tick_seq)
                self._orders.lane.ack(message.report_seq)
                self._news.set()
            elif isinstance(message, OrderIntent):
                await self._on_intent(message)
                self._news.set()
            elif isinstance(message, Refusal):
                log.error("bridge_refuses", code=message.code, reason=message.message)

    async def _send_forever(self, connection: ClientConnection) -> None:
        try:
            while True:
                self._news.clear()
                while await self._send_next(connection):
                    pass
                await self._news.wait()
        except (OSError, WebSocketException):
            return  # the receiver sees the same end and reports it
        finally:
            await connection.close()

    async def _send_next(self, connection: ClientConnection) -> bool:
        """Send one thing, reports first; False when nothing waits."""
        if (report := self._orders.lane.next()) is not None:
            await connection.send(encode(self._orders.message(*report)))
        elif self._states:
            await connection.send(encode(self._states.pop()))
        elif self._may_send(self._ticks.lane) and (block := self._ticks.lane.next()) is not None:
            await connection.send(encode(self._ticks.message(*block)))
        else:
            return False
        return True

    @staticmethod
    def _may_send(lane: Lane) -> bool:
        return lane.n_in_flight < _MOST_TICKS_IN_FLIGHT


def _message(frame: str | bytes) -> Message:
    if isinstance(frame, str):
        raise BadData("the bridge's frames must be binary, one was text")
    return decode(frame)
