"""``tickhub kill`` and ``tickhub replay``: the operator and the engine."""

import os
import sys
from typing import Any

import click

from kernel_lib.cli.choose import echo_json
from kernel_lib.cli.control import ask_engine
from kernel_lib.config import Home, Ports

__all__ = ["kill", "replay"]


@click.command()
@click.option("--tenant", required=True, help="Whose desk.")
@click.option("--strategy", default="", help="Only this strategy, by name or hash; without it the whole desk.")
@click.option("--reason", required=True, help="Why; stands in the journal.")
@click.option("--resume", is_flag=True, help="Take a kill or pause back instead.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def kill(tenant: str, strategy: str, reason: str, resume: bool, yes: bool, as_json: bool) -> None:
    """Stop trading, close all positions, and stay so across restarts; ``--resume`` takes it back."""
    what = f"strategy {strategy} of {tenant}" if strategy else f"the whole desk of {tenant}"
    action = "resume" if resume else "kill"
    if not yes:
        click.confirm(f"{action.capitalize()} {what}?", abort=True)
    body = {"reason": reason, "by": os.environ.get("USER", "operator")}
    if strategy:
        body["strategy"] = strategy
    answer = ask_engine(
        Home.from_environ(), Ports.from_environ(os.environ), "POST", f"/desks/{tenant}/{action}", body, tenant=tenant
    )
    if as_json:
        echo_json(answer)
        return
    click.echo(f"{action}: {what}: done")
    for each in _left_out(answer, strategy) if resume else ():
        click.echo(f"{each['name']} stays {each['state']}: {each['reason']}")


def _left_out(answer: dict[str, Any], strategy: str) -> list[dict[str, Any]]:
    """List the strategies that do not trade though they were resumed, such as one that raised."""
    each_one = answer.get("state", {}).get("strategies", [])
    return [
        each for each in each_one
        if each["state"] not in {"active", "withdrawn"} and strategy in {"", each["name"], each["hash"]}
    ]  # fmt: skip


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def replay(arguments: tuple[str, ...]) -> None:
    """Feed a desk's journal again; see ``tickhub replay --help``."""
    os.execv(sys.executable, [sys.executable, "-m", "live_engine.replay", *arguments])  # noqa: S606
