"""A desk with ten strategies: its memory, and how soon after the engine's start it decides.

Memory is the proportional share (PSS) of the desk and of its strategies' process: what is shared with others counts in
part. The machine code is cached: the same strategies have run on this machine before.
"""

import os
import threading
import time
from pathlib import Path

from benchmarks.approved import AGENT, TENANT
from benchmarks.loopback import Loopback, loopback
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib.config import StoreUrls
from kernel_lib.stores.live import RedisLive
from kernel_lib.strategies import breakout, ma_cross, rsi_reversion
from kernel_lib.strategy import Strategy
from kernel_lib.wire import Streams, encode, tick_block

__all__ = ["measure"]

_PUBLISH_S = 0.002
_SETTLE_TICKS = 1_500


def measure(quick: bool) -> Outcome:
    """MiB of a desk with ten strategies; seconds from the engine's start to a decision, with one and with ten."""
    ten = [ma_cross.with_params(fast=2, slow=3 + k) for k in range(4)]
    ten += [rsi_reversion.with_params(window=10 + k) for k in range(3)]
    ten += [breakout.with_params(window=8 + k) for k in range(3)]
    outcome = Outcome()
    _start(ten[:1], Outcome(), "")  # fills the cache, should it be empty
    for _ in range(1 if quick else 3):
        _start(ten[:1], outcome, "one strategy")
    _start(ten, outcome, "ten strategies")
    starts = [each for each in outcome.figures if each.unit == "s"]
    best = {each.name: min(other.value or 0.0 for other in starts if other.name == each.name) for each in starts}
    outcome.figures = [each for each in outcome.figures if each.unit != "s" and "ten" in each.name]
    for name, seconds in best.items():
        goal = 4.0
        outcome.figures.append(Figure(name=name, value=seconds, unit="s", goal=goal, best="low"))
    return outcome


def _start(strategies: list[Strategy], outcome: Outcome, what: str) -> None:
    with loopback() as platform:
        platform.approve(strategies)
        platform.start_bus()
        live = RedisLive(StoreUrls.from_environ(platform.home, os.environ).live)
        stopped = threading.Event()
        feed = threading.Thread(target=_publish, args=(live, stopped), daemon=True)
        feed.start()
        try:
            began = time.monotonic()
            seconds = _first_decision(platform, live, began, len(strategies))
            platform.wait(lambda: _ticks(live) >= _SETTLE_TICKS, 60.0, "the desk must go on")
            shares = [(_name(pid), _pss_bytes(pid) / 2**20) for pid in _desk_pids(platform)]
        finally:
            stopped.set()
            feed.join()
            live.close()
    outcome.figures.append(
        Figure(name=f"engine start to first decision, {what}", value=seconds, unit="s", best="low")
    )  # fmt: skip
    whole = sum(each for _, each in shares)
    outcome.figures.append(
        Figure(name=f"memory of a desk with {what}", value=whole, unit="MiB", goal=300.0, best="low")
    )  # fmt: skip
    outcome.notes.append(f"{what}, MiB: {', '.join(f'{name} {each:.0f}' for name, each in shares)}")


def _publish(live: RedisLive, stopped: threading.Event) -> None:
    """Put a tick on the bus every two milliseconds, as the bridge would."""
    for at, tick in enumerate(walk(200_000)):
        if stopped.is_set():
            return
        now_ns = time.time_ns()
        one = walk(1)
        one[0] = tick
        one["time_ns"] = now_ns
        live.append(
            Streams(TENANT).ticks,
            encode(tick_block(AGENT, "EURUSD", at + 1, one, terminal_ns=now_ns, read_ns=now_ns)),
        )
        time.sleep(_PUBLISH_S)


def _first_decision(platform: Loopback, live: RedisLive, began: float, n_strategies: int) -> float:
    """Seconds until the stream of the desk's states shows a decision, by the clock of the state that shows it."""
    starter = threading.Thread(target=platform.start_engine, daemon=True)
    began_ns = time.time_ns()
    starter.start()
    state: dict[str, object] = {}

    def decided() -> bool:
        state.update(_state(live))
        return bool(dict(state.get("counts") or {}).get("decisions"))  # type: ignore[call-overload]

    platform.wait(decided, 120.0, "a decision must come")
    seconds = (int(str(state["time_ns"])) - began_ns) / 1e9
    starter.join()
    platform.wait(
        lambda: len(platform.desk().get("strategies", [])) == n_strategies, 60.0, "all strategies must be on the desk"
    )
    return seconds


def _state(live: RedisLive) -> dict[str, object]:
    import msgspec

    text = live.latest(TENANT).get("@desk")
    return msgspec.json.decode(text, type=dict[str, object]) if text else {}


def _ticks(live: RedisLive) -> int:
    counts = _state(live).get("counts")
    return int(counts["ticks"]) if isinstance(counts, dict) else 0


def _desk_pids(platform: Loopback) -> list[int]:
    """The desk of this home and every process below it."""
    home = f"TICKHUB_HOME={platform.home.root}".encode()
    parents: dict[int, int] = {}
    desk = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            ours = home in (entry / "environ").read_bytes().split(b"\0")
            if ours and b"live_engine.desk" in (entry / "cmdline").read_bytes().split(b"\0"):
                desk = int(entry.name)
        except (OSError, ValueError):
            continue
    if not desk:
        raise RuntimeError("the desk's process must run, it does not")
    found = [desk]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return next((Path(word.decode()).name for word in words if b"live_engine" in word or b"bwrap" in word), str(pid))
