"""``tickhub``: every command with ``--help``, most with ``--json``."""

import importlib
import sys
from collections.abc import Sequence

import click

from kernel_lib import __version__
from kernel_lib.errors import TickhubError

__all__ = ["main"]

# command -> module that defines it as ``command``, and its line in the overview
_COMMANDS = {
    "up": ("kernel_lib.cli.platform", "up", "Start everything on this machine and wait until it is healthy."),
    "down": ("kernel_lib.cli.platform", "down", "Stop everything that 'up' started."),
    "status": ("kernel_lib.cli.platform", "status", "Say what runs, what it trades and how it feels."),
    "user": ("kernel_lib.cli.platform", "user", "Add, list and remove users, and give them new passwords."),
    "logs": ("kernel_lib.cli.platform", "logs", "Show or follow the log of a program."),
    "doctor": ("kernel_lib.cli.doctor", "doctor", "Say what this machine can and cannot do, and what to do about it."),
    "demo": ("kernel_lib.cli.demo", "demo", "Run the whole path from tick to fill, headless, and report on it."),
    "backtest": ("kernel_lib.cli.backtest", "backtest", "Run a strategy over a file of ticks."),
    "parity": ("kernel_lib.cli.parity", "parity", "Compare a strategy's backtest with the engine, to the byte."),
    "replay": ("kernel_lib.cli.engine", "replay", "Feed a desk's journal again and check that it gives the same."),
    "promote": ("kernel_lib.cli.promotion", "promote", "Submit a strategy for approval."),
    "approve": ("kernel_lib.cli.promotion", "approve", "Approve a submitted strategy of somebody else."),
    "strategies": ("kernel_lib.cli.promotion", "strategies", "List the tenant's strategies."),
    "trials": (
        "kernel_lib.cli.ledgers",
        "trials",
        "List what was tried, as the platform counted it.",
    ),
    "hold-out": (
        "kernel_lib.cli.ledgers",
        "hold_out",
        "Have a strategy judged on data that nobody has seen.",
    ),
    "quota": ("kernel_lib.cli.ledgers", "quota", "Say what is left of the day's backtest-seconds, and of looks."),
    "tell": ("kernel_lib.cli.tell", "tell", "Give live strategies a value from outside: news, a signal, a release."),
    "kill": ("kernel_lib.cli.engine", "kill", "Stop trading, go flat, and stay so."),
    "ticks-import": ("kernel_lib.cli.ticks", "ticks_import", "Read a file of ticks, refuse garbage, write parquet."),
    "agent": ("kernel_lib.cli.ticks", "agent", "Run the agent beside a MetaTrader 5 terminal, or issue its token."),
    "bench": ("kernel_lib.cli.bench", "bench", "Measure the figures of the benchmarks folder."),
}


class _Lazy(click.Group):
    """A group that imports a command only when it is called, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in _COMMANDS.items()])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tickhub")
def _tickhub() -> None:
    """Research and live trading through MetaTrader 5: from a notebook to an order, one compiled step.

    State lives in TICKHUB_HOME. Tab completion: eval "$(_TICKHUB_COMPLETE=bash_source tickhub)".
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error of the platform is one clear line and exit status 1, not a traceback."""
    try:
        _tickhub.main(args=None if arguments is None else list(arguments), prog_name="tickhub")
    except TickhubError as error:
        code = f" [{error.code}]" if hasattr(error, "code") else ""
        click.echo(f"tickhub: {type(error).__name__}{code}: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in (
            "kernel_lib",
            "mt5_feed",
            "live_engine",
            "hub",
            "dashboards",
        ):
            raise
        click.echo(
            f"tickhub: this command needs the package {error.name!r}, which a light installation leaves out; "
            "install tickhub[kernel] for research, tickhub[server] for the platform",
            err=True,
        )
        sys.exit(1)
