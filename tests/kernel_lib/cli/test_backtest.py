"""``tickhub backtest`` at the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kernel_lib.cli.backtest import backtest
from kernel_lib.errors import Misconfigured


@pytest.mark.parametrize("option", ["--trades", "--plot"])
def test_a_file_that_cannot_be_written_is_refused_before_the_run(option: str, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "file"
    done = CliRunner().invoke(backtest, ["ma_cross", "--ticks", "no such file", option, str(nowhere)])
    assert isinstance(done.exception, Misconfigured)
    assert "there is no directory" in str(done.exception)
