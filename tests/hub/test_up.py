"""``tickhub up``: what it starts the simulated terminal as, and what it refuses before anything starts."""

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
