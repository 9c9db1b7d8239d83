"""Run benchmarks one after the other, each in a process of its own, so that none disturbs the next."""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.catalogue import CATALOGUE, Benchmark
from benchmarks.result import Outcome

__all__ = ["measure_here", "run_all", "run_apart"]

_STOP_S = 60.0


def run_all(names: list[str], *, quick: bool, say: Callable[[str], None]) -> Outcome:
    """Run each and join what they gave; one that breaks is a failure, and the others still run."""
    whole = Outcome()
    for name in names:
        say(f"{name}: {CATALOGUE[name].about}")
        outcome = run_apart(name, CATALOGUE[name], quick=quick)
        for note in outcome.notes:
            say(f"  {note}")
        whole.figures += outcome.figures
        whole.notes += outcome.notes
        whole.failures += [f"{name}: {each}" for each in outcome.failures]
    return whole


def run_apart(name: str, benchmark: Benchmark, *, quick: bool) -> Outcome:
    """Run one benchmark in a fresh interpreter, and stop whatever it leaves behind."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "outcome.json"
        command = [sys.executable, "-m", "benchmarks", name, "--child-out", str(out), *(["--quick"] if quick else [])]
        child = subprocess.Popen(
            command, cwd=Path(__file__).resolve().parents[1], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        try:
            _, said = child.communicate(timeout=benchmark.limit_s)
        except subprocess.TimeoutExpired:
            return Outcome(failures=[f"it must end within {benchmark.limit_s:.0f} s, it did not"])
        finally:
            _end_group(child)
        if child.returncode != 0 or not out.exists():
            tail = said.decode("utf-8", "replace").strip()[-1500:]
            return Outcome(failures=[f"it must end well, it ended with {child.returncode}: {tail}"])
        return msgspec.json.decode(out.read_bytes(), type=Outcome)


def measure_here(name: str, *, quick: bool) -> Outcome:
    """Run one benchmark in this process."""
    measure = importlib.import_module(f"benchmarks.{CATALOGUE[name].module}").measure
    outcome: Outcome = measure(quick)
    return outcome


def _end_group(child: subprocess.Popen[bytes]) -> None:
    # It gets the time to stop the platform that it may have started; whatever is left then is killed.
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.terminate()
        child.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
