"""``tickhub promote``, ``approve`` and ``strategies``: as the notebook does it, from a shell."""

import click

from kernel_lib.cli.choose import POSITIVE, choose_strategy, echo_json, parse_settings
from kernel_lib.cli.login import connect

__all__ = ["approve", "promote", "strategies"]

_user = click.option("--user", help="Log in as this user (asks for the password); else JUPYTERHUB_API_TOKEN.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.command()
@click.argument("strategy")
@click.option("--symbol", default="EURUSD", show_default=True, help="What it trades.")
@click.option("--set", "settings", multiple=True, metavar="PARAM=VALUE", help="Change a parameter; repeat for more.")
@click.option("--max-lots", default=1.0, show_default=True, type=POSITIVE, help="Largest net position it asks for.")
@click.option("--hedging", is_flag=True, help="For a hedging account; else for a netting one.")
@_user
@_json
def promote(
    strategy: str, symbol: str, settings: tuple[str, ...], max_lots: float, hedging: bool, user: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Submit STRATEGY (a reference strategy's name, or path.py:name) for somebody else's approval."""
    from kernel_lib.market.instrument import instrument
    from kernel_lib.trading.account import AccountConfig, RiskLimits

    chosen = choose_strategy(strategy).with_params(**parse_settings(settings))
    client = connect(user)
    limits = RiskLimits(max_lots=max_lots)
    account = AccountConfig(hedging=hedging)
    passport_hash = client.promote(chosen, instrument=instrument(symbol), account=account, limits=limits)
    if as_json:
        echo_json({"hash": passport_hash, "name": chosen.name})
    else:
        click.echo(f"{chosen.name} is submitted as {passport_hash}; an admin approves it with 'tickhub approve'")


@click.command()
@click.argument("passport_hash", metavar="HASH")
@click.option(
    "--mode", type=click.Choice(["paper", "mt5"]), default="paper", show_default=True, help="Where it trades."
)
@click.option("--agent", default="", help="Whose terminal gets the orders, for mode mt5.")
@_user
@_json
def approve(passport_hash: str, mode: str, agent: str, user: str | None, as_json: bool) -> None:
    """Approve the strategy known by HASH (its first six characters are enough); not your own."""
    client = connect(user)
    found = client.submitted(passport_hash)
    answer = client.approve(found, mode=mode, agent=agent)
    if as_json:
        echo_json(answer)
    else:
        told = "the engine has it" if answer.get("engine_told") else "the engine takes it when it is up"
        click.echo(f"{found[:12]} is approved for {mode}; {told}")


@click.command()
@_user
@_json
def strategies(user: str | None, as_json: bool) -> None:
    """List the tenant's strategies, newest first."""
    frame = connect(user).strategies()
    if as_json:
        frame["submitted_at"] = frame["submitted_at"].astype(str)
        echo_json({"strategies": frame.to_dict("records")})
        return
    if frame.empty:
        click.echo("No strategy has been submitted yet; 'tickhub promote' submits one.")
        return
    frame["hash"] = frame["hash"].str[:12]
    click.echo(frame.to_string(index=False))
