"""The agent beside a terminal that dies, falls silent or changes its account, and on a PC whose clock is set."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernel_lib.errors import Misconfigured, Transient
from kernel_lib.wire import AccountState, OrderIntent, decode, encode
from mt5_feed.agent import Agent
from mt5_feed.agent_config import AgentConfig
from mt5_feed.simulator import SimulatedTerminal
from mt5_feed.spool import SpoolFull
from tests.mt5_feed.running import Site, bursts, terminal, until

QUICK = {"account_s": 0.05, "silent_s": 0.2}


def states(site: Site) -> list[AccountState]:
    found: Any = site.redis.client.xrange(site.streams.reports)
    return [each for each in (decode(fields[b"m"]) for _, fields in found) if isinstance(each, AccountState)]


def intent(key: str, **more: Any) -> OrderIntent:
    return OrderIntent(key=key, agent="demo", magic=77, symbol="EURUSD", side=1, lots=0.1, **more)


def send(site: Site, order: OrderIntent) -> None:
    site.redis.client.xadd(site.streams.intents, {"m": encode(order)})


@contextlib.asynccontextmanager
async def running(site: Site, made: SimulatedTerminal, **settings: Any) -> AsyncIterator[Agent]:
    agent = site.agent(made, **settings)
    async with site.running(agent):
        yield agent


async def test_a_terminal_that_died_is_opened_again_and_no_tick_is_lost(site: Site) -> None:
    made = terminal(bursts(5_000), chunk=20)
    async with site.bridge(), site.running(site.agent(made, **QUICK)):
        await until(lambda: site.tick_seq() > 500, "ticks flow")
        made.die()
        await until(lambda: site.tick_seq() == 5_000, "they flow again")
    assert site.ticks().tobytes() == bursts(5_000).tobytes()


async def test_a_silent_terminal_tells_no_account_rather_than_an_empty_one(site: Site) -> None:
    made = terminal(bursts(500))
    async with site.bridge(), site.running(site.agent(made, **QUICK)):
        await until(lambda: site.tick_seq() == 500, "ticks are there")
        send(site, intent("k1"))
        await until(lambda: any(each.positions for each in states(site)), "the position is told")
        made.silent = True
        n_told = len(states(site))
        send(site, intent("k2"))
        await until(lambda: len(site.reports()) == 2, "the second order is answered")
        assert all(each.positions for each in states(site)[n_told:])
        made.silent = False
        send(site, intent("k3"))
        await until(lambda: len(site.reports()) == 3, "orders go again")
    assert [each.kind for each in site.reports()] == ["filled", "rejected", "filled"]
    assert "the terminal must answer" in site.reports()[1].reason


async def test_an_account_switched_by_hand_ends_the_agent_and_gets_no_order(site: Site) -> None:
    made = terminal(bursts(500))
    async with site.bridge():
        agent = site.agent(made, account_s=3600.0)
        task = asyncio.create_task(agent.run())
        await until(lambda: site.tick_seq() == 500, "ticks are there")
        info = made.account_info
        made.account_info = lambda: info()._replace(login=1)  # type: ignore[method-assign]
        send(site, intent("k1"))
        await until(task.done, "the agent ends")
        with pytest.raises(Misconfigured, match="switched"):
            await task
        agent.close()
    assert made.book.state.deals == []


async def test_an_expired_order_is_not_sent_though_this_pc_s_clock_was_set_back(site: Site) -> None:
    made = terminal(bursts(500))
    behind_ns = [0]
    async with site.bridge(), running(site, made, **QUICK) as agent:
        agent.clock._wall_ns = lambda: time.time_ns() - behind_ns[0]
        await until(lambda: site.tick_seq() == 500, "ticks are there")
        behind_ns[0] = 3_600 * 10**9
        send(site, intent("k1", sent_ns=1, expires_ns=time.time_ns() - 10**9))
        await until(lambda: len(site.reports()) == 1, "it is answered")
        await until(lambda: agent.link.n_connections == 2, "the bridge was asked for the time")
        send(site, intent("k2", expires_ns=time.time_ns() + 60 * 10**9))
        await until(lambda: len(site.reports()) == 2, "a good one is executed")
    assert [each.kind for each in site.reports()] == ["rejected", "filled"]


async def test_an_order_that_could_not_be_written_down_is_handed_over_again(site: Site) -> None:
    made = terminal(bursts(500))
    async with site.bridge(), running(site, made) as agent:
        note, full = agent.orders.lane.note, [True]

        def cramped(payload: bytes) -> None:
            if full and payload[:5] not in (b"deal ", b"shift"):
                full.clear()
                raise SpoolFull("the disk is full")
            note(payload)

        agent.orders.lane.note = cramped  # type: ignore[method-assign]
        await until(lambda: site.tick_seq() == 500, "ticks are there")
        send(site, intent("k1"))
        await until(lambda: len(site.reports()) == 1, "it is reported")
    assert [each.kind for each in site.reports()] == ["filled"]
    assert len(made.book.state.deals) == 1


def test_a_terminal_that_is_on_no_account_is_tried_again_later(site: Site) -> None:
    made = terminal(bursts(500))
    made.silent = True
    with pytest.raises(Transient, match="logged in to an account"):
        site.agent(made)


@pytest.mark.parametrize("given", [{"name": "a b"}, {"name": ""}, {"symbols": ("Volatility 75 Index",)}])
def test_names_that_the_bridge_would_refuse_are_refused_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        AgentConfig(**given)
