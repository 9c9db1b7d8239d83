"""Compiled code that another process finds again, and that is never taken for another's."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba import njit, types
from numba.core.bytecode import FunctionIdentity

from kernel_lib.kept_code import keep

_STRATEGY = """
import hashlib
import sys
import numba
import numpy as np
from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.backtest.loop import loop_of
from kernel_lib.errors import StrategyFault
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import load_strategy
numba.config.CACHE_DIR = sys.argv[1]
found = []
from kernel_lib import kept_code
load = kept_code._Kept.load_overload
def listened(self, sig, context):
    answer = load(self, sig, context)
    found.append(answer is not None)
    return answer
kept_code._Kept.load_overload = listened
text = open(sys.argv[2]).read()
rng = np.random.default_rng(7)
mid = 1.1 + np.cumsum(rng.normal(0, 2e-5, 3000))
ticks = make_ticks(np.arange(3000) * 10**9 + 10**18, mid, mid + 1e-5)
run = replay(load_strategy(text, "trend"), ticks, progress=False)
print(hashlib.sha256(run.events.tobytes()).hexdigest(), len(run.events), found, run.fault)
"""

_TREND = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

SHARE = 0.5

@f.feature(state=1)
def change(state, bar):
    moved = bar.close - state[0]
    state[0] = bar.close
    return moved

@strategy(on="tick", features={"fast": f.ema(5), "slow": f.ema(20), "change": change()})
def trend(x, position, p):
    if x.time_ns > 10**18 + 2900 * 10**9:
        raise ValueError("too late")
    return SHARE if x.fast > x.slow and x.change > 0.0 else -SHARE
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "code"))
    return tmp_path / "code-composed"


def _adder(step: Any) -> Any:
    def add(x):  # type: ignore[no-untyped-def]
        return x + step

    return add


def _hits(compiled: Any) -> int:
    return sum(compiled.stats.cache_hits.values())


def test_equal_content_is_compiled_once_and_other_content_is_not_taken_for_it(place: Path) -> None:
    first, again, other = (keep(njit(_adder(step))) for step in (1, 1, 2))
    assert [each(10) for each in (first, again, other)] == [11, 11, 12]
    assert [_hits(each) for each in (first, again, other)] == [0, 1, 0]
    assert len(list(place.iterdir())) == 2


def test_each_form_of_arguments_is_kept_by_itself(place: Path) -> None:
    first, again = keep(njit(_adder(1))), keep(njit(_adder(1)))
    assert (first(1), first(1.5)) == (2, 2.5)
    again.compile((types.float64,))
    assert _hits(again) == 1
    assert again(2.5) == 3.5


def test_a_damaged_file_is_compiled_anew(place: Path) -> None:
    assert keep(njit(_adder(1)))(1) == 2
    (kept,) = place.iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-1] + b"?", b"x" * 40):
        kept.write_bytes(damaged)
        again = keep(njit(_adder(1)))
        assert again(1) == 2
        assert _hits(again) == 0
    assert kept.read_bytes()[32:33] == whole[32:33]
    assert keep(njit(_adder(1)))(1) == 2


def test_what_is_shipped_is_found_and_is_not_written_to(place: Path) -> None:
    keep(njit(_adder(1)))(1)
    shipped = place.parent / "code" / "composed"
    shipped.parent.mkdir()
    place.rename(shipped)
    again, other = keep(njit(_adder(1))), keep(njit(_adder(2)))
    assert (again(1), other(1)) == (2, 3)
    assert [_hits(again), _hits(other)] == [1, 0]
    assert (len(list(shipped.iterdir())), len(list(place.iterdir()))) == (1, 1)


def test_what_has_no_known_content_is_compiled_and_not_kept(place: Path) -> None:
    many = np.ones(1 << 18)

    def held(x):  # type: ignore[no-untyped-def]
        return x + many[0]

    assert keep(njit(held))(1) == 2.0
    assert not place.exists()


def test_a_place_that_cannot_be_written_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "no directory"
    file.touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(file))
    assert keep(njit(_adder(1)))(1) == 2
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    assert keep(njit(_adder(1)))(1) == 2


def test_the_longest_unused_files_go_when_there_are_too_many(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernel_lib.kept_code._MOST_FILES", 4)
    made: list[Path] = []
    for step in range(5):
        keep(njit(_adder(step)))(1)
        (newest,) = set(place.iterdir()) - set(made)
        os.utime(newest, (1000 + step, 1000 + step))
        made.append(newest)
    keep(njit(_adder(9)))(1)
    left = set(place.iterdir())
    assert len(left) <= 4
    assert made[0] not in left
    assert made[4] in left


def test_processes_number_their_functions_apart() -> None:
    here = next(FunctionIdentity._unique_ids)
    told = subprocess.run(
        [sys.executable, "-c",
         "import kernel_lib.kept_code, os\n"
         "from numba.core.bytecode import FunctionIdentity as F\n"
         "print(next(F._unique_ids), flush=True)\n"
         "if os.fork() == 0:\n    print(next(F._unique_ids), flush=True)\n    os._exit(0)\n"
         "os.wait()"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    numbers = [here, *map(int, told.stdout.split())]
    assert len({number >> 16 for number in numbers}) == 3


def test_a_fresh_interpreter_finds_the_loop_and_runs_to_the_same_byte(tmp_path: Path) -> None:
    def run(text: str) -> str:
        source = tmp_path / "trend.py"
        source.write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", _STRATEGY, str(tmp_path / "code"), str(source)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout

    first, again = run(_TREND), run(_TREND)
    assert "[False]" in first
    assert "too late" in first
    assert again == first.replace("[False]", "[True]")
    changed = run(_TREND.replace("SHARE = 0.5", "SHARE = 1.0"))
    assert "[False]" in changed
    assert changed.split()[0] != first.split()[0]
    feature = run(_TREND.replace("return moved", "return -moved"))
    assert "[False]" in feature
    assert feature.split()[0] != first.split()[0]
    assert run(_TREND) == again
