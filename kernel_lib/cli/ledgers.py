"""``tickhub trials``, ``quota`` and ``hold-out``: what was tried, what is left, and the verdict on unseen data."""

import click

from kernel_lib.cli.choose import echo_json
from kernel_lib.cli.login import connect

__all__ = ["hold_out", "quota", "trials"]

_user = click.option("--user", help="Log in as this user (asks for the password); else JUPYTERHUB_API_TOKEN.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.command()
@click.option("--hypothesis", help="Only this one.")
@_user
@_json
def trials(hypothesis: str | None, user: str | None, as_json: bool) -> None:
    """List what was tried, by hypothesis, as the platform counted it; the latest first."""
    told = connect(user).trials(hypothesis)
    if as_json:
        echo_json(told)
        return
    if not told["hypotheses"]:
        click.echo("Nothing has been tried yet.")
        return
    click.echo(f"{'hypothesis':<32}{'symbol':<12}{'trials':>10}{'runs':>10}{'seconds':>10}  last")
    for each in told["hypotheses"]:
        click.echo(
            f"{each['hypothesis'][:31]:<32}{each['symbol'] or '-':<12}{each['n_trials']:>10,}{each['n_runs']:>10,}"
            f"{each['seconds']:>10.1f}  {each['last_at'][:16]}"
        )
    for each in told["instruments"]:
        if each["symbol"]:
            click.echo(f"all on {each['symbol']}: {each['n_trials']:,} trials in {each['n_runs']:,} runs")


@click.command()
@_user
@_json
def quota(user: str | None, as_json: bool) -> None:
    """Say what the tier gives today, and what of it is used."""
    told = connect(user).quota()
    if as_json:
        echo_json(told)
        return
    seconds, looks = told["backtest_seconds"], told["hold_out_looks"]
    limit = "no limit" if seconds["limit"] is None else f"{seconds['left']:,.1f} of {seconds['limit']:,.0f} left"
    click.echo(f"backtest-seconds of {told['day']}: {seconds['used']:,.1f} used, {limit}; anew at {told['resets_at']}")
    used = ", ".join(f"{symbol} {n}" for symbol, n in looks["used"].items()) or "none"
    click.echo(f"looks at hold-outs in {looks['days']} days: {used}; {looks['limit']} an instrument")


@click.command("hold-out")
@click.argument("passport_hash", metavar="HASH")
@_user
@_json
def hold_out(passport_hash: str, user: str | None, as_json: bool) -> None:
    """Have the strategy known by HASH (its first six characters are enough) judged on the sealed hold-out, once."""
    told = connect(user).hold_out(passport_hash)
    if as_json:
        echo_json(told)
        return
    click.echo(f"{told['verdict']}: {told.get('reason', 'it still runs; ask again')}")
    if told["verdict"] != "running":
        click.echo(
            f"  {told['symbol']}, {told['days']} days: profit {told['profit']}, Sharpe ratio {told['sharpe']}, "
            f"{told['trades']} trades; look {told['n_look']} at this instrument"
        )
