"""The bridge towards pages: tickets, tiers, origins, and readers that are slow."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import InvalidStatus

from kernel_lib.wire import encode
from tests.mt5_feed.agent_line import answer, block, greeted, linked
from tests.mt5_feed.running import Site, bursts, until


@contextlib.asynccontextmanager
async def watching(site: Site, first: str, *, path: str = "/ws/stream") -> AsyncIterator[ClientConnection]:
    async with unix_connect(str(site.redis.folder / "b.sock"), f"ws://localhost{path}", compression=None) as page:
        await page.send(first)
        yield page


async def told(page: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(20):
        said: dict[str, Any] = json.loads(await page.recv())
    return said


async def test_a_page_gets_quotes_and_the_desk_after_a_ticket(site: Site) -> None:
    site.redis.client.hset(site.streams.latest, "@desk", '{"profit":1}')
    async with site.bridge(), linked(site) as link:
        await greeted(link)
        await link.send(encode(block(1, 4)))
        await answer(link)
        async with watching(site, site.ticket()) as page:
            assert await told(page) == {"type": "desk", "desk": {"profit": 1}}
            first = await told(page)
            last = bursts(1000)[3]
            assert first["type"] == "ticks"
            assert first["ticks"][0]["symbol"] == "EURUSD"
            assert first["ticks"][0]["bid"] == last["bid"]
            assert first["ticks"][0]["time_ns"] == str(last["time_ns"])
            await link.send(encode(block(5, 3)))
            quote = await told(page)
            assert quote["ticks"][0]["bid"] == bursts(1000)[6]["bid"]
            assert quote["ticks"][0]["n_ticks"] == 3
            site.redis.client.xadd(site.streams.desk, {"m": '{"type":"desk","profit":2}'})
            assert await told(page) == {"type": "desk", "profit": 2}


async def test_a_ticket_works_once_and_garbage_and_a_foreign_user_are_refused(site: Site) -> None:
    async with site.bridge():
        ticket = site.ticket()
        async with watching(site, ticket, path="/ws/client/bob") as page:
            assert (await told(page))["code"] == "wrong_user"
        async with watching(site, ticket) as page:
            assert (await told(page))["code"] == "ticket_invalid"
        for garbage in ("", "{", '{"symbols":[]}', "a b c d e f g h", "x" * 500):
            async with watching(site, garbage) as page:
                assert (await told(page))["code"] == "bad_frame"
        site.redis.client.set("th:ticket:spoiled-1", "no json")
        async with watching(site, "spoiled-1") as page:
            assert (await told(page))["code"] == "ticket_invalid"


async def test_tiers_limit_symbols_connections_and_rate(site: Site) -> None:
    async with site.bridge():
        many = json.dumps({"ticket": site.ticket(tier="free"), "symbols": ["A", "B", "C", "D", "E", "F"]})
        async with watching(site, many) as page:
            assert (await told(page))["code"] == "tier_symbols"
        for at in range(8):
            quote = {"symbol": f"S{at}", "time_ns": at, "bid": 1.0, "ask": 1.1}
            site.redis.client.hset(site.streams.latest, f"S{at}", json.dumps(quote))
        async with watching(site, site.ticket(tier="free")) as page:
            assert len((await told(page))["ticks"]) == 5
            async with watching(site, site.ticket(tier="free", name="ticket-0002")) as second:
                assert (await told(second))["code"] == "tier_connections"
            async with watching(site, site.ticket(tier="free", user="eve", name="ticket-0003")) as other:
                assert len((await told(other))["ticks"]) == 5


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://localhost:8000", 101),
        ("http://127.0.0.1", 101),
    ],
)
async def test_a_page_s_origin_is_checked_on_tcp(site: Site, origin: str | None, status: int) -> None:
    async with site.bridge():
        url = f"ws://127.0.0.1:{site.port}/ws/stream"
        headers = {} if origin is None else {"Origin": origin}
        if status == 101:
            async with connect(url, additional_headers=headers, proxy=None) as page:
                await page.send("not-a-ticket")
                assert (await told(page))["code"] == "ticket_invalid"
        else:
            with pytest.raises(InvalidStatus) as caught:
                async with connect(url, additional_headers=headers, proxy=None):
                    pass
            assert caught.value.response.status_code == status


async def test_a_client_that_does_not_read_is_dropped(site: Site) -> None:
    async with site.bridge() as bridge:
        async with watching(site, site.ticket()):
            await until(lambda: bridge.metrics.clients._value.get() == 1, "the page is there")
            filler = json.dumps({"type": "desk", "text": "x" * 50_000})

            def dropped() -> bool:
                # Piece by piece, so that the bridge, however slow, sees more than the page has room for.
                for _ in range(20):
                    site.redis.client.xadd(site.streams.desk, {"m": filler}, maxlen=50)
                return bool(bridge.metrics.dropped._value.get() == 1)

            await until(dropped, "the page is dropped")
        await until(lambda: bridge.metrics.clients._value.get() == 0, "the page is gone")
