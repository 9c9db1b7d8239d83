"""Prose that no machine checks goes stale: examples run, files that are named exist, commands help."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kernel_lib

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "architecture.md"]
COMMANDS = ("up", "down", "status", "doctor", "logs", "demo", "backtest", "parity", "replay", "promote", "approve",
            "strategies", "tell", "trials", "hold-out", "quota", "kill", "ticks-import", "agent", "bench")  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=[each.name for each in PAGES])
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(
        r"`((?:kernel_lib|mt5_feed|live_engine|hub|dashboards|notebooks|tests|docs|benchmarks)[\w/.]*)`",
        page.read_text(),
    )
    assert named
    missing = [each for each in named if not (ROOT / each.rstrip("/")).exists()]
    assert missing == []


def test_the_examples_in_docstrings_give_what_they_say() -> None:
    skipped = {"kernel_lib.warm", "live_engine.warm", "kernel_lib.cli.__main__", "kernel_lib.importers.__main__"}
    n_examples = 0
    for found in pkgutil.walk_packages(kernel_lib.__path__, "kernel_lib."):
        if found.name in skipped:
            continue
        outcome = doctest.testmod(importlib.import_module(found.name))
        assert outcome.failed == 0, found.name
        n_examples += outcome.attempted
    assert n_examples >= 10


def test_the_readmes_strategy_runs() -> None:
    from kernel_lib.market.instrument import EURUSD
    from kernel_lib.strategy import Proposer, load_strategy

    code = re.findall(r"```python\n(.*?)```", PAGES[0].read_text(), re.DOTALL)[0]
    strategy = load_strategy(code, "ma_cross")
    assert Proposer(strategy, EURUSD).plain_python == ""


def test_every_exported_name_is_there() -> None:
    for found in pkgutil.walk_packages(kernel_lib.__path__, "kernel_lib."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        assert [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)] == [], found.name


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_helps(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kernel_lib.cli", command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_importing_the_library_costs_nothing() -> None:
    code = "import sys, kernel_lib; assert not {'numpy', 'numba', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
