"""Agent to decision over loopback: how long at a thousand ticks a second, and whether of a million one is lost.

The time is the desk's own count for each tick, from the agent's read of its block to the answer of the strategy.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.approved import TENANT
from benchmarks.loopback import Loopback, loopback, write_ticks
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.market.validation import Validator
from kernel_lib.strategies import ma_cross

__all__ = ["measure"]

_TICK_NS = 1_000_000


def measure(quick: bool) -> Outcome:
    """Latency at 1,000 ticks a second, then every tick of a fast stream counted by its content."""
    outcome = Outcome()
    _latency(outcome, 5_000 if quick else 30_000)
    _counted(outcome, 50_000 if quick else 1_000_000)
    return outcome


def _latency(outcome: Outcome, n_ticks: int) -> None:
    with loopback() as platform:
        ticks = walk(n_ticks)
        ticks["time_ns"] = ticks["time_ns"][0] + np.arange(n_ticks) * _TICK_NS
        file = platform.home.root / "paced_EURUSD.parquet"
        write_ticks(file, ticks)
        stages = _stream(platform, file, n_ticks, "1", n_ticks / 1000 + 120.0)[0]["latency_us"]
    whole = stages["agent_to_decision"]
    for name, goal in (("p50", None), ("p99", 5.0)):
        outcome.figures.append(
            Figure(name=f"agent to decision, 1,000 ticks/s, {name}", value=whole[name] / 1000.0, unit="ms", goal=goal,
                   best="low")
        )  # fmt: skip
    told = ", ".join(f"{stage} {each['p50']:,.0f}/{each['p99']:,.0f}" for stage, each in stages.items() if each["n"])
    outcome.notes.append(f"stages, p50/p99 us: {told}")


def _counted(outcome: Outcome, n_ticks: int) -> None:
    with loopback() as platform:
        file = platform.home.root / "fast_EURUSD.parquet"
        command = (sys.executable, "-m", "mt5_feed.simulator", "--days", "1", "--ticks-per-day", str(n_ticks))
        subprocess.run([*command, "--seed", "3", "--out", str(file)], check=True, stdout=subprocess.DEVNULL)
        sent = Validator().check(read_ticks(file).ticks, None).accepted
        state, seconds = _stream(platform, file, len(sent), "max", 900.0)
        out = platform.home.root / "trail.npz"
        replayed = subprocess.run(
            [sys.executable, "-m", "live_engine.replay", "--tenant", TENANT, "--out", str(out), "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if replayed.returncode != 0:
            outcome.failures.append(f"the journal must give again what it gave: {replayed.stderr.strip()[-500:]}")
            return
        identical = json.loads(replayed.stdout)["identical"]
        found = np.load(out)["ticks_EURUSD"]
    lost, doubled = _count(sent, found)
    for name, counted in (("lost", lost), ("doubled", doubled)):
        more = state["counts"][name]
        outcome.figures.append(
            Figure(name=f"ticks {name} of {len(sent):,} at full speed", value=float(counted + more), unit="ticks",
                   goal=0.0, best="low")
        )  # fmt: skip
    outcome.figures.append(Figure(name="stream, agent to desk, full speed", value=len(sent) / seconds, unit="ticks/s"))
    outcome.notes.append(f"{len(found):,} ticks journaled in {seconds:.1f} s, journal replays identically: {identical}")


def _stream(platform: Loopback, file: Path, n_ticks: int, speed: str, timeout_s: float) -> tuple[dict[str, Any], float]:
    """Start all, play the file to its last tick, stop the desk cleanly; give its last state and the seconds it took."""
    platform.approve([ma_cross])
    platform.start_bus()
    platform.start_bridge()
    platform.start_engine()
    platform.wait(lambda: len(platform.desk().get("strategies", [])) == 1, 180.0, "the strategy must be on the desk")
    began = time.monotonic()
    platform.start_agent(file, speed)

    def all_came() -> bool:
        return bool(platform.desk().get("counts", {}).get("ticks", 0) >= n_ticks)

    platform.wait(all_came, timeout_s, f"all {n_ticks:,} ticks must come")
    seconds = time.monotonic() - began
    state = platform.desk()
    platform.supervisor.stop()
    return state, seconds


def _count(sent: Ticks, found: Ticks) -> tuple[int, int]:
    if sent.tobytes() == found.tobytes():
        return 0, 0
    before, after = (Counter(each.tobytes() for each in ticks) for ticks in (sent, found))
    return sum((before - after).values()), sum((after - before).values())
