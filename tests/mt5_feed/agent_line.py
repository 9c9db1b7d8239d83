"""What an agent says to the bridge, said by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from websockets.asyncio.client import ClientConnection, connect

from kernel_lib.market.instrument import EURUSD
from kernel_lib.wire import Hello, Message, TickBlock, Welcome, decode, encode, tick_block
from tests.mt5_feed.running import Site, bursts


def hello(agent: str = "demo") -> Hello:
    return Hello(
        agent=agent, login=1, server="s", hedging=True, currency="USD", instruments=[EURUSD], tick_seq=0, report_seq=0
    )


@contextlib.asynccontextmanager
async def linked(site: Site, token: str | None = None, agent: str = "demo") -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {token or site.token(agent).reveal()}"}
    url = f"ws://127.0.0.1:{site.port}/ws/agent"
    async with connect(url, additional_headers=headers, proxy=None, max_size=1 << 21) as link:
        yield link


async def greeted(link: ClientConnection) -> Welcome:
    await link.send(encode(hello()))
    message = await answer(link)
    assert isinstance(message, Welcome)
    return message


async def answer(link: ClientConnection) -> Message:
    async with asyncio.timeout(20):
        frame = await link.recv()
    assert isinstance(frame, bytes)
    return decode(frame)


def block(first: int, count: int, *, agent: str = "demo", symbol: str = "EURUSD") -> TickBlock:
    return tick_block(agent, symbol, first, bursts(1000)[first - 1 : first - 1 + count], terminal_ns=1, read_ns=1)
