"""``tickhub ticks-import`` and ``tickhub agent``: they hand over to the programs of the feed."""

import os
import sys
import time

import click

from kernel_lib.config import Home
from kernel_lib.keys import issue_token, read_private_key

__all__ = ["agent", "ticks_import"]

_THROUGH = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def _hand_over(module: str, arguments: list[str]) -> None:
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  (replaces this process)


@click.command("ticks-import", context_settings=_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def ticks_import(arguments: tuple[str, ...]) -> None:
    """Read a file of ticks; see ``tickhub ticks-import --help``."""
    _hand_over("kernel_lib.importers", list(arguments))


@click.command(context_settings=_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def agent(arguments: tuple[str, ...]) -> None:
    """Run the agent (``tickhub agent --help``), or ``tickhub agent token NAME --tenant T`` on the server."""
    if arguments[:1] == ("token",):
        _token.main(args=list(arguments[1:]), prog_name="tickhub agent token")
    _hand_over("mt5_feed.agent", list(arguments))


@click.command(name="token", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name")
@click.option("--tenant", required=True, help="Tenant that the agent's terminal belongs to.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 366), help="Lifetime.")
def _token(name: str, tenant: str, days: int) -> None:
    """Sign a token for the agent NAME, to be put into a private file on the trader's PC. Prints it once."""
    home = Home.from_environ()
    token = issue_token(
        read_private_key(home), subject=name, tenant=tenant, audience="bridge", now_s=int(time.time()),
        lifetime_s=days * 86_400,
    )  # fmt: skip
    click.echo(token.reveal())
