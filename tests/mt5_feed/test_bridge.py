"""The bridge towards its agents: who may speak, what is taken, what is said again, and what is refused."""

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import msgspec
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from kernel_lib.config import Home
from kernel_lib.errors import Misconfigured
from kernel_lib.keys import create_keys, issue_token, read_private_key
from kernel_lib.wire import (
    AccountState,
    Ack,
    BrokerPosition,
    Message,
    OrderIntent,
    Refusal,
    Report,
    Streams,
    TickBlock,
    Welcome,
    encode,
    tick_block,
)  # fmt: skip
from tests.mt5_feed.agent_line import answer, block, greeted, hello, linked
from tests.mt5_feed.running import TENANT, Site, bursts, environment, until


async def until_closed(link: ClientConnection) -> list[Message]:
    """What the bridge says before it ends the session."""
    said: list[Message] = []
    try:
        while True:
            said.append(await answer(link))
    except ConnectionClosed:
        return said


async def refused_status(site: Site, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://127.0.0.1:{site.port}/ws/agent", additional_headers=headers, proxy=None):
            pass
    response = caught.value.response
    assert response.body is not None
    return response.status_code, json.loads(response.body)


async def test_a_wrong_token_is_refused_with_401_and_a_reason(site: Site, tmp_path: Any) -> None:
    other = Home(tmp_path / "other").create()
    create_keys(other)
    now_s = int(time.time())
    foreign = issue_token(
        read_private_key(other), subject="demo", tenant=TENANT, audience="bridge", now_s=now_s, lifetime_s=60
    )
    cases = {
        "token_missing": {},
        "token_invalid": {"Authorization": "Bearer nonsense"},
        "token_expired": {"Authorization": f"Bearer {site.token(now_s=now_s - 9000, lifetime_s=60).reveal()}"},
        "token_foreign": {"Authorization": f"Bearer {foreign.reveal()}"},
    }
    async with site.bridge():
        for code, headers in cases.items():
            status, said = await refused_status(site, headers)
            assert (status, said["code"]) == (401, code)
            assert said["message"]
        other_audience = site.token(audience="control").reveal()
        status, said = await refused_status(site, {"Authorization": f"Bearer {other_audience}"})
        assert (status, said["code"]) == (401, "token_foreign")
        assert "'bridge'" in said["message"]


async def test_an_agent_cannot_speak_for_another(site: Site) -> None:
    async with site.bridge():
        async with linked(site) as link:
            await link.send(encode(hello("other")))
            message = await answer(link)
            assert isinstance(message, Refusal)
            assert message.code == "wrong_agent"
        async with linked(site) as link:
            await greeted(link)
            await link.send(encode(block(1, 5, agent="other")))
            message = await answer(link)
            assert isinstance(message, Refusal)
            assert message.code == "wrong_agent"
    assert len(site.ticks()) == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"\xff" * 100, b"\x80", "text", encode(Welcome(tick_seq=1, report_seq=1)),
        encode(block(1, 5))[:-3], encode(msgspec.structs.replace(block(1, 5), ticks=b"")),
        encode(msgspec.structs.replace(block(1, 5), ticks=b"x" * 25)),
    ],
)  # fmt: skip
async def test_garbage_ends_the_session_with_a_reason_and_what_came_before_is_kept(
    site: Site, garbage: bytes | str
) -> None:
    async with site.bridge():
        async with linked(site) as link:
            await greeted(link)
            await link.send(encode(block(1, 5)))
            await link.send(garbage)
            refusals = [each for each in await until_closed(link) if isinstance(each, Refusal)]
            assert [each.code for each in refusals] == ["bad_frame"]
        async with linked(site) as link:
            assert (await greeted(link)).tick_seq == 5
    assert site.ticks().tobytes() == bursts(1000)[:5].tobytes()


async def test_a_frame_beyond_the_limit_ends_the_session(site: Site) -> None:
    async with site.bridge(), linked(site) as link:
        await greeted(link)
        await link.send(b"x" * ((1 << 20) + 1))
        assert await until_closed(link) == []
        assert link.close_code == 1009


async def test_resent_blocks_are_dropped_overlaps_are_cut_and_gaps_refused(site: Site) -> None:
    async with site.bridge():
        async with linked(site) as link:
            assert (await greeted(link)).tick_seq == 0
            for first, count, expected in ((1, 10, 10), (1, 10, 10), (6, 10, 15), (3, 4, 15), (16, 1, 16)):
                await link.send(encode(block(first, count)))
                assert await answer(link) == Ack(tick_seq=expected, report_seq=0)
            await link.send(encode(block(18, 2)))
            message = await answer(link)
            assert isinstance(message, Refusal)
            assert message.code == "sequence_gap"
            assert "17" in message.message
        async with linked(site) as link:
            assert (await greeted(link)).tick_seq == 16
    assert site.ticks().tobytes() == bursts(1000)[:16].tobytes()


async def test_reports_are_published_once_and_in_order(site: Site) -> None:
    async with site.bridge(), linked(site) as link:
        await greeted(link)
        for seq in (1, 2, 2, 1, 3):
            await link.send(encode(Report(agent="demo", seq=seq, kind="filled", key=f"k{seq}")))
        await until(lambda: len(site.reports()) == 3, "three are published")
        await link.send(encode(Report(agent="demo", seq=5, kind="filled")))
        refusal = (await until_closed(link))[-1]
        assert isinstance(refusal, Refusal)
        assert refusal.code == "sequence_gap"
    assert [each.key for each in site.reports()] == ["k1", "k2", "k3"]


async def test_an_unknown_symbol_s_ticks_are_quarantined(site: Site) -> None:
    async with site.bridge(), linked(site) as link:
        await greeted(link)
        await link.send(encode(block(1, 3, symbol="GBPUSD")))
        assert await answer(link) == Ack(tick_seq=3, report_seq=0)
    assert {each.rule for each in site.quarantined()} == {"unknown_symbol"}
    assert len(site.quarantined()) == 3


async def test_the_tier_on_the_bus_says_how_strictly_ticks_are_validated(site: Site) -> None:
    spiked = bursts(200).copy()
    spiked["bid"][120] *= 1.2
    spiked["ask"][120] *= 1.2
    message = tick_block("demo", "EURUSD", 1, spiked, terminal_ns=int(spiked["time_ns"][-1]), read_ns=time.time_ns())
    site.redis.client.hset(Streams.tiers(), TENANT, "pro")
    async with site.bridge(), linked(site) as link:
        await greeted(link)
        await link.send(encode(message))
        assert await answer(link) == Ack(tick_seq=200, report_seq=0)
    assert [(each.rule, each.seq) for each in site.quarantined()] == [("spike", 121)]
    assert site.ticks().tobytes() == np.delete(spiked, 120).tobytes()


async def test_an_intent_is_offered_again_until_the_agent_has_reported_on_it(site: Site) -> None:
    order = OrderIntent(key="k1", agent="demo", magic=1, symbol="EURUSD", side=1, lots=0.1)
    site.redis.client.xadd(site.streams.intents, {"m": encode(order)})
    async with site.bridge():
        for again in (False, True):
            async with linked(site) as link:
                await greeted(link)
                assert await answer(link) == msgspec.structs.replace(order, again=again)
    async with site.bridge():
        async with linked(site) as link:
            await greeted(link)
            assert await answer(link) == msgspec.structs.replace(order, again=True)
            await link.send(encode(Report(agent="demo", seq=1, kind="filled", key="k1")))
            assert await answer(link) == Ack(tick_seq=0, report_seq=1)
        async with linked(site) as link:
            await greeted(link)
            await link.send(encode(block(1, 1)))
            assert await answer(link) == Ack(tick_seq=1, report_seq=1)


async def test_an_agent_cannot_settle_another_s_intent(site: Site) -> None:
    order = OrderIntent(key="k1", agent="demo", magic=1, symbol="EURUSD", side=1, lots=0.1)
    site.redis.client.xadd(site.streams.intents, {"m": encode(order)})
    async with site.bridge():
        async with linked(site) as link:
            await greeted(link)
            assert await answer(link) == order
        async with linked(site, agent="other") as link:
            await link.send(encode(hello("other")))
            assert isinstance(await answer(link), Welcome)
            await link.send(encode(Report(agent="other", seq=1, kind="rejected", key="k1")))
            assert await answer(link) == Ack(tick_seq=0, report_seq=1)
        async with linked(site) as link:
            await greeted(link)
            assert await answer(link) == msgspec.structs.replace(order, again=True)


async def test_an_intent_whose_report_was_not_published_is_offered_again(site: Site) -> None:
    order = OrderIntent(key="k1", agent="demo", magic=1, symbol="EURUSD", side=1, lots=0.1)
    site.redis.client.xadd(site.streams.intents, {"m": encode(order)})
    async with site.bridge():
        async with linked(site) as link:
            await greeted(link)
            assert await answer(link) == order
            # The bus refuses writes, as a full one does, while the report comes.
            site.redis.client.config_set("maxmemory", 1)
            await link.send(encode(Report(agent="demo", seq=1, kind="filled", key="k1")))
            said = await until_closed(link)
            assert [each.code for each in said if isinstance(each, Refusal)] == ["bus_unavailable"]
        site.redis.client.config_set("maxmemory", 0)
        async with linked(site) as link:
            await greeted(link)
            assert await answer(link) == msgspec.structs.replace(order, again=True)
            await link.send(encode(Report(agent="demo", seq=1, kind="filled", key="k1")))
            assert await answer(link) == Ack(tick_seq=0, report_seq=1)
        await until(lambda: site.redis.client.hlen(site.streams.intents_open) == 1, "it is settled")
    assert [each.kind for each in site.reports()] == ["filled"]


async def test_a_bus_that_was_emptied_does_not_use_numbers_twice(site: Site) -> None:
    async with site.bridge():
        async with linked(site) as link:
            await greeted(link)
            await link.send(encode(block(1, 5)))
            await link.send(encode(Report(agent="demo", seq=1, kind="filled", key="k1")))
            while await answer(link) != Ack(tick_seq=5, report_seq=1):
                pass
        site.redis.client.flushall()
        async with linked(site) as link:
            await link.send(encode(msgspec.structs.replace(hello(), tick_acked=5, report_acked=1)))
            message = await answer(link)
            assert isinstance(message, Welcome)
            assert (message.tick_seq, message.report_seq) == (5, 1)
            await link.send(encode(Report(agent="demo", seq=2, kind="closed", key="k1")))
            assert await answer(link) == Ack(tick_seq=5, report_seq=2)
    assert [each.seq for each in site.reports()] == [2]


async def test_an_agent_that_comes_from_another_account_is_refused(site: Site) -> None:
    async with site.bridge():
        async with linked(site) as link:
            await greeted(link)
        async with linked(site) as link:
            await link.send(encode(msgspec.structs.replace(hello(), login=2)))
            message = await answer(link)
            assert isinstance(message, Refusal)
            assert message.code == "account_changed"
            assert "1@s" in message.message
        async with linked(site) as link:
            await greeted(link)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lots": float("nan")}, {"price": float("inf")}, {"price": 1e300}, {"position": 2**63}, {"deal": 2**64 - 1},
        {"time_ns": -1}, {"time_ns": 2**63}, {"commission": float("nan")}, {"swap": -1e300}, {"seq": 2**63},
    ],
)  # fmt: skip
async def test_a_report_with_numbers_that_no_book_can_take_is_not_published(site: Site, wrong: dict[str, Any]) -> None:
    async with site.bridge(), linked(site) as link:
        await greeted(link)
        await link.send(encode(Report(**({"agent": "demo", "seq": 1, "kind": "filled", "key": "k1"} | wrong))))
        said = await until_closed(link)
        assert [each.code for each in said if isinstance(each, Refusal)] == ["bad_frame"]
    assert site.redis.client.xlen(site.streams.reports) == 0


@pytest.mark.parametrize("wrong", [{"terminal_ns": 2**63}, {"read_ns": -1}, {"seq_first": 2**63}])
async def test_a_block_with_times_that_no_desk_can_take_is_not_published(site: Site, wrong: dict[str, Any]) -> None:
    async with site.bridge():
        for spoiled in (msgspec.structs.replace(block(1, 5), **wrong), _before_1970()):
            async with linked(site) as link:
                await greeted(link)
                await link.send(encode(spoiled))
                said = await until_closed(link)
                assert [each.code for each in said if isinstance(each, Refusal)] == ["bad_frame"]
    assert site.redis.client.xlen(site.streams.ticks) == 0


def _before_1970() -> TickBlock:
    ticks = bursts(5)
    ticks["time_ns"][0] = -(2**63)
    return tick_block("demo", "EURUSD", 1, ticks, terminal_ns=1, read_ns=1)


async def test_a_flood_of_account_states_does_not_push_the_reports_out(site: Site) -> None:
    state = AccountState(
        agent="demo", login=1, time_ns=1, balance=1.0, equity=1.0, margin=0.0, margin_free=1.0, trade_allowed=True,
        positions=[BrokerPosition(ticket=1, symbol="Volatility 75 (1s) Index", side=1, lots=0.1, price=1.0,
                                  magic=2**64 - 1)],
    )  # fmt: skip
    async with site.bridge(), linked(site) as link:
        await greeted(link)
        for at in range(500):
            await link.send(encode(msgspec.structs.replace(state, equity=float(at), trade_allowed=bool(at % 2))))
        await link.send(encode(Report(agent="demo", seq=1, kind="filled", key="k1")))
        while await answer(link) != Ack(tick_seq=0, report_seq=1):
            pass
    assert site.redis.client.xlen(site.streams.reports) < 50
    assert b'"equity":499.0' in site.redis.client.hget(site.streams.latest, "@account:demo")


async def test_a_failing_part_of_the_bridge_is_noticed(site: Site) -> None:
    async with site.bridge() as bridge:
        bridge._spawn(_fails())
        await until(bridge.failed.is_set, "it is told")


async def _fails() -> None:
    raise ValueError("garbage")


async def _get(site: Site, path: str, *, unix: bool = False) -> tuple[int, bytes]:
    if unix:
        reader, writer = await asyncio.open_unix_connection(str(site.redis.folder / "b.sock"))
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def test_health_is_public_and_metrics_are_for_the_unix_socket(site: Site) -> None:
    async with site.bridge():
        async with linked(site) as link:
            await greeted(link)
            assert await _get(site, "/health") == (200, b'{"status":"ok","bus":true,"agents":1}')
            await link.send(encode(block(1, 7)))
            await answer(link)
        status, body = await _get(site, "/metrics", unix=True)
        assert status == 200
        assert b'bridge_ticks_total{agent="demo",tenant="acme"} 7.0' in body
        assert (await _get(site, "/metrics"))[0] == 404
        assert (await _get(site, "/elsewhere"))[0] == 404
        site.redis.kill()
        assert (await _get(site, "/health"))[0] == 503
        await asyncio.to_thread(site.redis.start)
        assert (await _get(site, "/health"))[0] == 200


async def test_a_taken_port_is_a_clear_error(site: Site) -> None:
    async with site.bridge():
        taken = f"{site.port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mt5_feed.bridge", env=environment(site, TICKHUB_BRIDGE_PORT=taken),
            stderr=subprocess.PIPE,
        )  # fmt: skip
        _, said = await process.communicate()
    assert process.returncode == 78
    assert f"port {taken}".encode() in said
    assert b"Traceback" not in said
    assert Misconfigured.__name__ not in said.decode()
