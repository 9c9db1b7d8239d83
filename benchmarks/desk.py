"""Tick to order inside the desk process: bytes of a tick in, an intent handed to the broker out.

The real desk, its journal on disk and the sandboxed strategy process; one tick a block, a thousand blocks a second; the
broker's fill comes back before the next tick. Only ticks that lead to an order are counted. The wait for the disk
is measured in a desk of its own: the others write the same journal and do not wait for its sync. Of these there are
six, one after the other, and the quietest counts, as with every speed here, because other programs share the machine,
and slow it down by half for seconds at a time; all six medians are told. A desk that trades at a broker keeps idle
processors from sleeping while ticks come as thick (live_engine/awake.py), where it may; one more desk, without a goal,
lets them sleep. Ticks that come slowly find cold caches either way: at fifty a second an order takes some five times
as long.
"""

import contextlib
import gc
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.approved import AGENT, TENANT, approve
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib.cli.doctor import idle
from kernel_lib.market.tick import Ticks
from kernel_lib.sandbox import capabilities
from kernel_lib.strategies import ma_cross
from kernel_lib.wire import OrderIntent, Report, encode, tick_block
from live_engine.awake import Awake
from live_engine.strategy_process import HostConfig, StrategyHost
from live_engine.trading import Desk

__all__ = ["measure"]

_INTERVAL_NS = 1_000_000
_WARM_ORDERS = 100


def measure(quick: bool) -> Outcome:
    """Median and 99th percentile without waiting for the disk, and the 99th with a synced journal."""
    ticks = walk(1_500 if quick else 4_000)
    asleep = _tick_to_order_us(ticks, synced=False, awake=False)
    desks = [_tick_to_order_us(ticks, synced=False) for _ in range(1 if quick else 6)]
    free = min(desks, key=lambda each: float(np.median(each)))
    synced = _tick_to_order_us(ticks, synced=True)
    where = "sandboxed" if capabilities().isolates else "not sandboxed on this machine"
    medians = ", ".join(f"{np.median(each):.0f}" for each in desks)
    outcome = Outcome(
        notes=[
            f"{len(free):,} and {len(synced):,} orders, strategies {where}",
            f"medians of the desks, us: {medians}",
            f"idle processors, between two ticks: {idle().found}",
        ]
    )
    for name, samples, share, goal in (
        ("tick to order, processors let sleep, median", asleep, 50, None),
        ("tick to order, median", free, 50, 60.0),
        ("tick to order, 99th percentile", free, 99, 300.0),
        ("tick to order, journal synced, median", synced, 50, None),
        ("tick to order, journal synced, 99th percentile", synced, 99, 1200.0),
    ):
        value = float(np.percentile(samples, share))
        outcome.figures.append(Figure(name=name, value=value, unit="us", goal=goal, best="low"))
    return outcome


def _tick_to_order_us(ticks: Ticks, *, synced: bool, awake: bool = True) -> npt.NDArray[np.float64]:
    with tempfile.TemporaryDirectory(dir=_on_disk()) as scratch:
        sent: list[tuple[int, OrderIntent]] = []
        host = StrategyHost(f"bench-{Path(scratch).name}", HostConfig(trusted=not capabilities().isolates))
        desk: Any = Desk(Path(scratch), TENANT, host, send=lambda each: sent.append((time.perf_counter_ns(), each)))
        try:
            if not synced:
                desk.journal.wait_durable = lambda seq, timeout_s=0.0: None
            strategy = ma_cross.with_params(fast=2, slow=3)
            passport, content, _, approved = approve(strategy, "mt5", Ed25519PrivateKey.generate())
            desk.reload({passport.hash: (passport.encode(), content, approved)}, {})
            with contextlib.closing(Awake()) as processors:
                taken = _drive(desk, ticks, sent, processors if awake else None)
        finally:
            desk.close()
    if len(taken) < 3 * _WARM_ORDERS:
        raise RuntimeError(f"at least {3 * _WARM_ORDERS} orders must come, {len(taken)} did: {desk.warnings}")
    return np.array(taken[_WARM_ORDERS:])


def _drive(desk: Any, ticks: Ticks, sent: list[tuple[int, OrderIntent]], awake: Awake | None) -> list[float]:
    gc.collect()
    gc.freeze()  # as live_engine.desk does
    gc.set_threshold(50_000, 50, 1_000)
    taken: list[float] = []
    due_ns = time.monotonic_ns()
    for at in range(len(ticks)):
        due_ns += _INTERVAL_NS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        tick = ticks[at : at + 1]
        time_ns = int(tick["time_ns"][0])
        raw = encode(tick_block(AGENT, "EURUSD", at + 1, tick, terminal_ns=time_ns, read_ns=time.time_ns()))
        began = time.perf_counter_ns()
        desk.on_block(f"{at + 1}-0", raw)
        for sent_at, intent in sent:
            taken.append((sent_at - began) / 1000.0)
            price = float(tick["ask" if intent.side > 0 else "bid"][0])
            filled = Report(
                agent=AGENT, seq=len(taken), kind="filled", key=intent.key, time_ns=time_ns, symbol=intent.symbol,
                magic=intent.magic, side=intent.side, lots=intent.lots, price=price, position=1, deal=len(taken),
            )  # fmt: skip
            desk.on_report(f"{len(taken)}-0", encode(filled))
        sent.clear()
        if awake is not None:  # as live_engine.desk does
            awake.look(ticked=True)
    return taken


def _on_disk() -> str | None:
    # The usual place for scratch files is memory on many machines; a journal there would sync nothing.
    return "/var/tmp" if Path("/var/tmp").is_dir() else None
