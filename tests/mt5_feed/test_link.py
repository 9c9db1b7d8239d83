import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kernel_lib.market.tick import TICK
from tests.mt5_feed.cutting_proxy import CuttingProxy
from tests.mt5_feed.running import Site, bursts, environment, terminal, until


def _is_whole(site: Site, expected: bytes) -> None:
    """Nothing lost, nothing doubled: the same bytes, and numbers that follow one another."""
    first = 1
    for block in site.blocks():
        assert block.seq_first == first
        first += block.n_received
    assert site.ticks().tobytes() == expected
    assert site.quarantined() == []


async def test_every_tick_arrives_once_and_in_order(site: Site) -> None:
    ticks = bursts(30_000)
    async with site.bridge():
        agent = site.agent(terminal(ticks), exit_at_end=True, block_ticks=333)
        async with site.running(agent) as task:
            await until(task.done, "the recording ends")
            task.result()
    _is_whole(site, ticks.tobytes())
    assert site.tick_seq() == 30_000
    assert np.count_nonzero(np.diff(ticks["time_ns"]) == 0) > 5000


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_link_cut_at_random_points_loses_and_doubles_nothing(site: Site, seed: int) -> None:
    ticks = bursts(20_000, seed)
    async with site.bridge(), CuttingProxy(site.port, n_cuts=8, most_bytes=60_000, seed=seed).running() as proxy:
        agent = site.agent(terminal(ticks), url=f"ws://127.0.0.1:{proxy.port}", exit_at_end=True, block_ticks=97)
        async with site.running(agent) as task:
            await until(task.done, "the recording ends")
            task.result()
        assert proxy.n_cuts >= 5
    _is_whole(site, ticks.tobytes())


async def test_ticks_read_while_there_is_no_bridge_are_sent_when_it_comes(site: Site) -> None:
    ticks = bursts(5000)
    async with site.bridge():
        pass
    agent = site.agent(terminal(ticks), block_ticks=500)
    async with site.running(agent):
        await until(lambda: agent.ticks.n_read == 5000, "all is spooled")
        assert len(site.ticks()) == 0
        async with site.bridge():
            await until(lambda: site.tick_seq() == 5000, "all is published")
    _is_whole(site, ticks.tobytes())


async def test_the_bridge_may_be_restarted_again_and_again(site: Site) -> None:
    ticks = bursts(40_000)
    agent = None
    async with site.bridge():
        agent = site.agent(terminal(ticks), exit_at_end=True, block_ticks=50)
    async with site.running(agent) as task:
        while not task.done():
            async with site.bridge():
                before = site.tick_seq()
                await until(lambda n=before: task.done() or site.tick_seq() > n + 8000, "some ticks are published")
        task.result()
    _is_whole(site, ticks.tobytes())


async def test_redis_may_be_killed_and_started_again(site: Site) -> None:
    ticks = bursts(20_000)
    async with site.bridge():
        agent = site.agent(terminal(ticks), exit_at_end=True, block_ticks=50)
        async with site.running(agent) as task:
            for at in (3000, 9000):
                await until(lambda at=at: site.tick_seq() > at, "some ticks are published")
                site.redis.kill()
                await asyncio.to_thread(site.redis.start)
            await until(task.done, "the recording ends")
            task.result()
    _is_whole(site, ticks.tobytes())


async def test_an_agent_started_again_goes_on_where_it_was(site: Site) -> None:
    ticks = bursts(9000)
    async with site.bridge():
        for part in (3000, 6000, 9000):
            agent = site.agent(terminal(ticks[:part]), exit_at_end=True, block_ticks=77)
            async with site.running(agent) as task:
                await until(task.done, "the part ends")
                task.result()
    _is_whole(site, ticks.tobytes())


async def test_an_agent_with_a_new_spool_follows_the_numbers_of_the_old_one(site: Site) -> None:
    ticks = bursts(2000)
    async with site.bridge():
        agent = site.agent(terminal(ticks[:1000]), exit_at_end=True)
        async with site.running(agent) as task:
            await until(task.done, "the first ends")
    await asyncio.to_thread((site.home / "spool/demo").rename, site.home / "spool/old")
    agent = site.agent(terminal(ticks[1000:]), exit_at_end=True)
    async with site.running(agent) as task:  # it reads before it has ever seen a bridge
        await until(lambda: agent.ticks.n_read == 1000, "all is spooled")
        async with site.bridge():
            await until(task.done, "the second ends")
            task.result()
    _is_whole(site, ticks.tobytes())


async def test_bad_ticks_are_quarantined_by_name_and_the_numbers_go_on(site: Site) -> None:
    ticks = bursts(1000)
    bad = ticks.copy()
    bad["bid"][10] = np.nan
    bad["ask"][20] = 0.0
    bad["bid"][30] = bad["ask"][30] + 1
    async with site.bridge():
        agent = site.agent(terminal(bad), exit_at_end=True, block_ticks=64)
        async with site.running(agent) as task:
            await until(task.done, "the recording ends")
    assert site.ticks().tobytes() == np.delete(ticks, [10, 20, 30]).tobytes()
    assert [(each.seq, each.rule) for each in site.quarantined()] == [
        (11, "not_finite"), (21, "not_positive"), (31, "crossed"),
    ]  # fmt: skip
    kept = np.frombuffer(site.quarantined()[1].tick, dtype=TICK)[0]
    assert kept["ask"] == 0.0
    assert site.tick_seq() == 1000


async def test_a_newer_connection_of_the_same_agent_wins(site: Site) -> None:
    ticks = bursts(3000)
    async with site.bridge():
        first = site.agent(terminal(ticks[:1000]), name="demo")
        async with site.running(first):
            await until(lambda: site.tick_seq() == 1000, "the first has published")
            first_task = asyncio.create_task(
                first.link.run()
            )  # a second link of the same name, as after a half-open break
            await until(lambda: first.link.n_connections >= 2, "the newer link is up")
            first_task.cancel()
            await asyncio.gather(first_task, return_exceptions=True)
    _is_whole(site, ticks[:1000].tobytes())


def _start_agent(site: Site, source: Path | str, speed: str, *more: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            sys.executable, "-m", "mt5_feed.agent", "--simulate", str(source), "--symbol", "EURUSD", "--speed", speed,
            "--bridge", f"ws://127.0.0.1:{site.port}", "--name", "demo", *more,
        ],
        env=environment(site, TICKHUB_AGENT_TOKEN=site.token().reveal()), stderr=subprocess.PIPE,
    )  # fmt: skip


async def test_an_agent_killed_at_random_moments_loses_and_doubles_nothing(site: Site, tmp_path: Path) -> None:
    ticks = bursts(400_000)
    source = tmp_path / "EURUSD.parquet"
    times = pa.array(ticks["time_ns"].copy()).cast(pa.timestamp("ns", tz="UTC"))
    pq.write_table(pa.table({"time": times, "bid": ticks["bid"].copy(), "ask": ticks["ask"].copy()}), source)
    async with site.bridge():
        for target in (20_000, 150_000):
            process = _start_agent(site, source, "max")
            await until(lambda target=target: site.tick_seq() > target, "some ticks are published")
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.communicate)
        process = _start_agent(site, source, "max", "--exit-at-end")
        _, said = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, said
    _is_whole(site, ticks.tobytes())


async def test_a_bridge_killed_at_random_moments_loses_and_doubles_nothing(site: Site) -> None:
    ticks = bursts(60_000)

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "mt5_feed.bridge"], env=environment(site, TICKHUB_BRIDGE_PORT=str(site.port)),
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    async with site.bridge():
        pass  # finds a free port
    agent = site.agent(terminal(ticks), exit_at_end=True, block_ticks=20)
    async with site.running(agent) as task:
        for target in (5000, 20_000):
            process = start()
            await until(lambda target=target: site.tick_seq() > target, "some ticks are published")
            process.kill()
            process.wait()
        process = start()
        await until(task.done, "the recording ends")
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
    _is_whole(site, ticks.tobytes())
    assert not (site.home / "run/services/stream.sock").exists()


async def test_sigterm_stops_the_agent_cleanly(site: Site) -> None:
    async with site.bridge():
        process = _start_agent(site, "generator", "1", "--days", "1")
        await until(lambda: site.redis.client.hexists(site.streams.latest, "@account:demo"), "the agent is up")
        process.terminate()
        _, said = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 0
    assert b"Traceback" not in said
    assert site.token().reveal().split(".")[2].encode() not in said


async def test_a_million_ticks_pass_and_none_is_missing(site: Site) -> None:
    ticks = bursts(1_000_000)
    started = time.monotonic()
    async with site.bridge():
        agent = site.agent(terminal(ticks), exit_at_end=True)
        async with site.running(agent) as task:
            await until(task.done, "the recording ends")
            task.result()
    took_s = time.monotonic() - started
    assert site.ticks().tobytes() == ticks.tobytes()
    # Not an assertion on time: the figure is for whoever reads the output with -s.
    print(f"{len(ticks) / took_s:,.0f} ticks a second through agent, bridge and bus ({os.cpu_count()} cores)")
