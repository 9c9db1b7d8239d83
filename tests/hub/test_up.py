"""``tickhub up``: what it starts the simulated terminal as, and what it refuses before anything starts."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.up import main, trading_programs
from kernel_lib.config import Home, Ports
from kernel_lib.trading.account import AccountConfig


def test_the_simulated_account_is_of_the_kind_that_strategies_ask_for_unless_told(home: Home) -> None:
    agent = next(
        each for each in trading_programs(home, Ports(), simulate="generator", speed="10") if each.name == "agent"
    )
    kind = "--hedging" if AccountConfig().hedging else "--netting"
    assert kind in agent.argv
    assert len({"--hedging", "--netting"} & set(agent.argv)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--simulate", "/nowhere/ticks.csv"], "there is no file"),
        (["--speed", "inf"], "--speed"),
        (["--speed", "fast"], "--speed"),
        (["--timeout", "nan"], "--timeout"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_starts(
    arguments: list[str], said: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKHUB_HOME", str(home.root))
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code != 0
    assert said in done.output.replace("\n", " ")
    assert not (home / "run" / "supervisor.conf").exists()


def test_a_taken_port_is_named_with_what_chooses_another_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = os.environ | {"TICKHUB_HOME": str(tmp_path / "home"), "TICKHUB_PORT": str(port)}
        done = subprocess.run([sys.executable, "-m", "hub.up"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"port {port} must be free" in done.stdout
    assert "TICKHUB_PORT" in done.stdout
    assert not (tmp_path / "home").exists()


@pytest.mark.flow
def test_passwords_are_shown_though_the_start_is_interrupted_after_they_were_made() -> None:
    root = Path(tempfile.mkdtemp(prefix="thu-"))
    root.chmod(0o711)
    with socket.socket() as hub, socket.socket() as bridge, socket.socket() as control:
        for each in (hub, bridge, control):
            each.bind(("127.0.0.1", 0))
        names = ("TICKHUB_PORT", "TICKHUB_BRIDGE_PORT", "TICKHUB_CONTROL_PORT")
        ports = {name: str(each.getsockname()[1]) for name, each in zip(names, (hub, bridge, control), strict=True)}
    env = os.environ | ports | {"TICKHUB_HOME": str(root / "h")}
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "hub.up", "--json", "--simulate", "generator"], env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        ) as starting:  # fmt: skip
            assert starting.stderr is not None
            ready = (line.split()[0] for line in starting.stderr if "is ready" in line)
            assert {next(ready), next(ready)} == {"postgres", "redis"}
            # The engine cannot have its port, so the start does not come to its end before it is interrupted.
            with socket.create_server(("127.0.0.1", int(ports["TICKHUB_CONTROL_PORT"]))):
                next(ready)  # the people were made before this one was started
                starting.send_signal(signal.SIGINT)
                said, complained = starting.communicate(timeout=60)
        assert starting.returncode == 1
        told = json.loads(said)
        assert told["error"] == "interrupted"
        assert set(told["logins"]) == {"quant", "trader", "admin", "outsider"}
        assert "'tickhub down' stops it" in complained
    finally:
        down = [sys.executable, "-m", "kernel_lib.cli", "down", "--json"]
        stopped = subprocess.run(down, env=env, capture_output=True, text=True, check=True)
        shutil.rmtree(root, ignore_errors=True)
    assert json.loads(stopped.stdout)["stopped"]
