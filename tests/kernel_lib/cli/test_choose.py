"""What the commands refuse before they begin."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kernel_lib.cli.backtest import backtest
from kernel_lib.cli.choose import FINITE, POSITIVE, SPEED, check_writable, parse_settings
from kernel_lib.cli.demo import demo
from kernel_lib.errors import Misconfigured


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "", "x", "1,5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    for kind in (FINITE, POSITIVE, SPEED):
        with pytest.raises(click.BadParameter, match="must be"):
            kind.convert(text, None, None)


def test_a_speed_is_above_zero_or_max() -> None:
    assert SPEED.convert("max", None, None) == "max"
    assert SPEED.convert("0.5", None, None) == "0.5"
    for text in ("0", "-1"):
        with pytest.raises(click.BadParameter):
            SPEED.convert(text, None, None)
    assert FINITE.convert("-1", None, None) == -1.0
    with pytest.raises(click.BadParameter):
        POSITIVE.convert("0", None, None)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (backtest, ["ma_cross", "--ticks", "f", "--deposit", "nan"]),
        (backtest, ["ma_cross", "--ticks", "f", "--commission", "inf"]),
        (demo, ["--speed", "inf"]),
        (demo, ["--timeout", "nan"]),
    ],
)
def test_a_command_refuses_it_with_the_options_name(command: click.Command, arguments: list[str]) -> None:
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert arguments[-2] in done.output
    assert "must be" in done.output


def test_a_parameter_is_set_once() -> None:
    assert parse_settings(("fast=20", "low=25.5")) == {"fast": 20, "low": 25.5}
    with pytest.raises(Misconfigured, match="fast came twice"):
        parse_settings(("fast=20", "fast=30"))


def test_a_place_to_write_is_looked_at_first(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.csv")
    with pytest.raises(Misconfigured, match="is a directory"):
        check_writable(tmp_path)
    with pytest.raises(Misconfigured, match="no directory"):
        check_writable(tmp_path / "nowhere" / "new.csv")


def test_a_picture_of_a_kind_that_nobody_draws_is_refused_before_the_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(backtest, ["ma_cross", "--ticks", "no file", "--plot", str(tmp_path / "equity.nope")])
    assert isinstance(done.exception, Misconfigured)
    assert ".png, .svg, .pdf" in str(done.exception)
