"""``tickhub tell``: a value from outside, for the live strategies that read its channel."""

import click

from kernel_lib.cli.choose import echo_json
from kernel_lib.cli.login import connect

__all__ = ["tell"]


@click.command()
@click.argument("channel")
@click.argument("number", type=float, required=False)
@click.option("--user", help="Log in as this user (asks for the password); else JUPYTERHUB_API_TOKEN.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def tell(channel: str, number: float | None, user: str | None, as_json: bool) -> None:
    """Say that CHANNEL shows NUMBER from now on; without NUMBER, that nothing is known any more.

    Strategies read it as f.outside("CHANNEL"); a minute of the calendar as f.minutes_to_release("CHANNEL"), whose
    number is the next release in seconds since 1970.
    """
    connect(user).tell(channel, number)
    if as_json:
        echo_json({"channel": channel, "number": number})
    else:
        click.echo(f"{channel} shows {'nothing' if number is None else f'{number:g}'} from now on")
