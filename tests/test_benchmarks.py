"""The benchmarks' own shape: rows, goals, the table, and a benchmark that breaks. No speed is asserted here."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import cross, runner
from benchmarks.catalogue import CATALOGUE, Benchmark
from benchmarks.hftbacktest_peer import PeerRun
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from benchmarks.table import as_rows, print_table, write_results

FAST = Figure(name="replay", value=20e6, unit="ticks/s", peer="peer 1.0", peer_value=4e6, goal=4.0, of="ratio")
SLOW = Figure(name="order", value=80.0, unit="us", goal=60.0, best="low")
ABSENT = Figure(name="replay", value=20e6, unit="ticks/s", peer="peer: not installed", goal=4.0, of="ratio")


def test_a_goal_is_reached_in_the_direction_that_is_better() -> None:
    assert (FAST.ratio, FAST.reached) == (5.0, True)
    assert (SLOW.ratio, SLOW.reached) == (None, False)
    assert Figure(name="x", value=2.0, unit="s", peer="y", peer_value=6.0, best="low").ratio == 3.0


def test_a_peer_that_is_not_installed_has_no_ratio_and_no_verdict() -> None:
    assert (ABSENT.ratio, ABSENT.reached) == (None, None)


def test_results_are_a_list_of_rows_with_the_promised_names(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(path, [FAST, SLOW, ABSENT])
    rows = json.loads(path.read_text())
    assert rows == as_rows([FAST, SLOW, ABSENT])
    assert all(list(row) == ["name", "value", "unit", "peer", "peer_value", "ratio", "goal"] for row in rows)
    assert (rows[0]["ratio"], rows[0]["goal"], rows[1]["goal"]) == (5.0, ">= 4 x peer", "<= 60 us")
    assert rows[2]["peer"] == "peer: not installed"


def test_the_table_says_what_was_reached_and_what_was_missed() -> None:
    console = Console(width=120, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        print_table([FAST, SLOW, ABSENT], console)
        text = console.export_text()
    assert "reached" in text
    assert "missed" in text
    assert "peer: not installed" in text


def test_every_benchmark_of_the_catalogue_has_its_file() -> None:
    folder = Path(runner.__file__).parent
    assert all((folder / f"{each.module}.py").is_file() and each.about for each in CATALOGUE.values())


def test_a_benchmark_that_breaks_is_a_failure_and_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "broken", Benchmark("no_such_module", "breaks"))
    said: list[str] = []
    whole = runner.run_all(["broken", "broken"], quick=True, say=said.append)
    assert len(whole.failures) == 2
    assert whole.failures[0].startswith("broken: it must end well, it ended with")
    assert whole.figures == []
    assert len(said) == 2


def test_other_orders_or_fill_prices_of_a_peer_are_told() -> None:
    ours = PeerRun(1.0, 2, np.array([1.1, 1.2]))
    assert cross.differences("peer", ours, PeerRun(9.0, 2, np.array([1.1, 1.2]))) == []
    assert "ours 2, the peer's 3" in cross.differences("peer", ours, PeerRun(1.0, 3, ours.prices))[0]
    assert "first 1: 1.2, 1.3" in cross.differences("peer", ours, PeerRun(1.0, 2, np.array([1.1, 1.3])))[0]
    assert "fills" in cross.differences("peer", ours, PeerRun(1.0, 2, np.array([1.1])))[0]


def test_the_walk_is_seeded_and_leaves_a_second_between_ticks() -> None:
    ticks = walk(1000)
    assert ticks.tobytes() == walk(1000).tobytes()
    assert np.diff(ticks["time_ns"]).min() >= 10**9
    assert (ticks["ask"] > ticks["bid"]).all()
    assert len(np.unique(walk(1000, seed=2)["bid"])) > 1


def test_an_outcome_travels_between_processes_unchanged() -> None:
    import msgspec

    outcome = Outcome(figures=[FAST], notes=["a"], failures=["b"])
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome) == outcome
