"""Every command says what it is called when it is asked for help, whichever program it is handed over to."""

import subprocess
import sys

import pytest

from kernel_lib.cli.main import _COMMANDS


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_names_the_command_as_it_was_typed(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kernel_lib.cli", name, "-h"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: tickhub {name} ")
    assert done.stderr == ""
