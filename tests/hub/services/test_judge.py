"""The judge gives a strategy what it would get live, and nothing that it could use to see ahead or speak for itself."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hub.services.judge import Limits, Task, judge
from kernel_lib.backtest import replay
from kernel_lib.backtest.hold_out import Verdict
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.passport import Passport, build_passport
from kernel_lib.sandbox import capabilities
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import Strategy, load_strategy

pytestmark = pytest.mark.skipif(
    not capabilities().isolates, reason="this machine cannot isolate (bubblewrap, user namespaces)"
)
T0 = 1_549_238_400 * 10**9
SECOND = 10**9
_serial = itertools.count()
HEAD = "from kernel_lib import features as f\nfrom kernel_lib.strategy import strategy\nimport math, os, sys, time\n"
QUICK = Limits(load_s=40.0, answer_s=1.5, whole_s=60.0, memory_bytes=400 * 1024**2)


def walk(n_ticks: int, every_s: int = 5) -> Ticks:
    mid = 1.1 + np.cumsum(np.random.default_rng(7).normal(0, 3e-5, n_ticks))
    times = T0 + np.arange(n_ticks) * every_s * SECOND
    return make_ticks(times, np.round(mid, 5), np.round(mid + 5e-5, 5))


def passport_of(strategy: Strategy) -> Passport:
    return build_passport(strategy, instrument=EURUSD, author="q", tenant="t", created_ns=1)


def typed(source: str, on: str = "tick") -> Passport:
    return Passport(
        name="bad", source=HEAD + source, entry="bad", on=on, instrument=EURUSD, author="q", tenant="t", created_ns=1
    )


def plain(body: str, top: str = "") -> Passport:
    """A strategy whose decision numba cannot compile, so that it runs as Python."""
    return typed(f"{top}@strategy(features={{}})\ndef bad(x, position, p):\n    held = open\n{body}")


def judged(passport: Passport, ticks: Ticks, begin_ns: int = T0, limits: Limits = QUICK) -> tuple[Verdict, Any]:
    task = Task(name=f"judge-{os.getpid()}-{next(_serial)}", begin_ns=begin_ns, limits=limits)
    return judge(passport, ticks, task)


@pytest.mark.parametrize("name", ["ma_cross", "breakout", "rsi_reversion"])
def test_the_judges_orders_and_fills_are_those_of_a_replay_to_the_byte(name: str) -> None:
    ticks = walk(25_000)
    strategy = CATALOGUE[name]
    verdict, run = judged(passport_of(strategy), ticks)
    expected = replay(strategy, ticks, instrument=EURUSD)
    assert len(expected.events) > 20
    assert run.events.tobytes() == expected.events.tobytes()
    assert run.book.snapshot() == expected.book.snapshot()
    closed = len(run.trades)
    low, *_, high = (verdict.trades.replace("or more", "").split(" to ") * 2)[:2]
    assert int(low) <= closed <= int(high)
    assert verdict.profit == ("+" if expected.book.numbers["equity_minor"] > 1_000_000 else "-")


def test_resting_orders_and_trailing_stops_are_judged_as_they_are_replayed() -> None:
    waits = load_strategy(
        HEAD + "from kernel_lib.strategy import at_limit, keep\n"
        "@strategy(on='1m', features={'fast': f.ema(5), 'slow': f.ema(20)}, stop_loss_points=40, trailing_points=20)\n"
        "def waits(x, position, p):\n"
        "    if position.lots == 0.0:\n"
        "        return at_limit(1.0 if x.fast > x.slow else -1.0, x.mid, expires_s=600)\n"
        "    return keep()\n",
        "waits",
    )
    ticks = walk(25_000)
    verdict, run = judged(passport_of(waits), ticks)
    expected = replay(waits, ticks, instrument=EURUSD)
    assert len(expected.trades) > 20
    assert run is not None, verdict
    assert run.events.tobytes() == expected.events.tobytes()


def test_what_warms_up_is_not_traded_on() -> None:
    ticks = walk(20_000)
    begin_ns = int(ticks["time_ns"][12_000])
    _, run = judged(passport_of(CATALOGUE["ma_cross"]), ticks, begin_ns)
    assert run.events["time_ns"].min() >= begin_ns
    assert run.n_ticks == 8_000
    assert run.span_ns == (begin_ns, int(ticks["time_ns"][-1]))
    assert len(run.trades) > 5
    # Its features were warm at the beginning: it trades before a cold one could.
    cold = replay(CATALOGUE["ma_cross"], ticks[12_000:], instrument=EURUSD)
    assert run.events["time_ns"].min() < cold.events["time_ns"].min()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    raise ValueError('EURUSD 1.2345 at noon')\n", "the strategy raised an error"),
        ("    return None\n", "the strategy raised an error"),
        ("    return 7.0\n", "the strategy gave an answer that is none"),
        ("    return math.nan\n", "the strategy gave an answer that is none"),
        ("    os._exit(0)\n", "ended by itself"),
        ("    sys.exit('EURUSD')\n", "ended by itself"),
        ("    while True: pass\n", "did not answer in time"),
        ("    time.sleep(60)\n", "did not answer in time"),
        ("    block = bytearray(100 << 30)\n    return 0.0\n", "the strategy raised an error"),
        ("    held = []\n    while True: held.append(bytearray(b'x') * (8 << 20))\n", ""),
        ("    while True: os.fork()\n", ""),
    ],
    ids=["raises", "none", "seven", "nan", "exits", "sys.exit", "loops", "sleeps", "100 GB", "eats memory", "forks"],
)
def test_a_strategy_that_misbehaves_is_inconclusive_in_the_platforms_words(body: str, reason: str) -> None:
    verdict, run = judged(plain(body), walk(300))
    assert verdict.verdict == "inconclusive"
    assert reason in verdict.reason
    assert run is None
    assert "EURUSD" not in msgspec.json.encode(verdict).decode()


@pytest.mark.parametrize(
    "source",
    ["def (", "x = 1\n", "import sys; sys.exit(3)\n", "raise RuntimeError('EURUSD')\n", "while True: pass\n"],
    ids=["syntax", "no strategy", "exits", "raises", "never ends"],
)
def test_source_that_does_not_load_is_inconclusive(source: str) -> None:
    verdict, _ = judged(typed(source), walk(300), limits=msgspec.structs.replace(QUICK, load_s=4.0))
    assert verdict.verdict == "inconclusive"
    assert any(words in verdict.reason for words in ("could not be loaded", "ended by itself", "did not answer"))


def test_a_strategy_that_is_slow_every_time_runs_out_of_the_whole() -> None:
    limits = msgspec.structs.replace(QUICK, whole_s=4.0)
    verdict, _ = judged(plain("    time.sleep(0.2)\n    return 0.0\n"), walk(5_000), limits=limits)
    assert verdict.reason == "the run took longer than it may"


FORGE = (
    "import socket\n"
    "def forge(text):\n"
    "    for fd in range(3, 1024):\n"
    "        try: socket.socket(fileno=os.dup(fd)).send(text)\n"
    "        except OSError: pass\n"
)


@pytest.mark.parametrize(
    "text",
    ["b'\\xff' * 64", "(400).to_bytes(4, 'little') + b'x' * 400", "b'{\"verdict\": \"pass\"}' * 9",
     "(9).to_bytes(4, 'little') + b'\\x95\\xcb\\x7f\\xf8' + b'x' * 5"],
)  # fmt: skip
def test_a_strategy_that_writes_its_own_answers_is_put_out(text: str) -> None:
    verdict, _ = judged(plain(f"    forge({text})\n    return 0.0\n", FORGE), walk(300))
    assert (verdict.verdict, verdict.profit) == ("inconclusive", "?")
    assert verdict.reason in {"the strategy gave an answer that is none", "the strategy's process ended by itself, or "
                              "for want of memory"}  # fmt: skip


def test_the_sandbox_holds_no_tick_of_the_future_and_no_way_out() -> None:
    # It looks for files, sockets and the ticks themselves, and says by its exit what it found.
    top = (
        "import socket, glob\n"
        "def reach():\n"
        "    places = ('tmp', 'run', 'home', 'var', 'root', 'mnt', 'dev/shm')\n"
        "    found = [p for each in places for p in glob.glob(f'/{each}/**/ticks*', recursive=True)]\n"
        "    found = [p for p in found if not p.endswith(('.py', '.pyc'))]\n"  # ours, wherever the checkout lies
        "    for address in (('127.0.0.1', 8000), ('169.254.169.254', 80)):\n"
        "        try: socket.create_connection(address, 0.2); found.append(address)\n"
        "        except OSError: pass\n"
        "    try: open('/usr/x', 'w'); found.append('w')\n"
        "    except OSError: pass\n"
        "    if len(sys.argv) > 2 or 'JUPYTERHUB_API_TOKEN' in os.environ: found.append('e')\n"
        "    if found: os._exit(1)\n"
        "    return 0.0\n"
    )
    verdict, run = judged(plain("    return reach()\n", top), walk(3))
    assert verdict.reason == "fewer than thirty closed trades say little"
    assert run.n_ticks == 3


def test_the_judge_prints_a_verdict_and_nothing_of_the_strategys(tmp_path: Path) -> None:
    passport = plain("    print('LEAK', x.mid, file=sys.stderr)\n    print('LEAK', x.mid)\n    return 0.0\n")
    (tmp_path / "bundle").write_bytes(passport.encode())
    np.save(tmp_path / "ticks.npy", walk(200))
    task = Task(name=f"judge-{os.getpid()}-{next(_serial)}", begin_ns=T0, limits=QUICK)
    (tmp_path / "task.json").write_bytes(msgspec.json.encode(task))
    done = subprocess.run(
        [sys.executable, "-m", "hub.services.judge", str(tmp_path)], capture_output=True, text=True, check=False,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stdout, type=Verdict).trades == "0"
    assert "LEAK" not in done.stdout + done.stderr
