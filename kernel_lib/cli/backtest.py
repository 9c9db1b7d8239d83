"""``tickhub backtest``."""

import sys
from pathlib import Path

import click

from kernel_lib.cli.choose import FINITE, POSITIVE, check_writable, choose_strategy, echo_json, parse_settings
from kernel_lib.errors import BadData, Misconfigured

__all__ = ["backtest"]

_PICTURES = (".png", ".svg", ".pdf")


@click.command()
@click.argument("strategy")
@click.option("--ticks", "file", required=True, type=click.Path(path_type=Path), help="File of recorded ticks.")
@click.option("--symbol", help="Symbol of the file, where its name does not say.")
@click.option("--set", "settings", multiple=True, metavar="PARAM=VALUE", help="Change a parameter; repeat for more.")
@click.option("--deposit", default=10_000.0, show_default=True, type=POSITIVE, help="Opening balance in USD.")
@click.option("--hedging", is_flag=True, help="A hedging account instead of a netting one.")
@click.option("--latency-ms", default=40.0, show_default=True, type=FINITE, help="From decision to fill.")
@click.option("--slippage-points", default=0, show_default=True, help="Against us on market orders and stops.")
@click.option("--commission", default=3.5, show_default=True, type=FINITE, help="USD per lot and side.")
@click.option("--max-spread-points", type=int, help="Entries wait while the spread is wider; else 0.05 % of the price.")
@click.option(
    "--daily-loss", default=0.03, show_default=True, type=FINITE, help="Share of equity that ends the day's entries."
)
@click.option("--orders-per-minute", default=60, show_default=True, help="Entries beyond this are denied.")
@click.option("--trades", "trades_file", type=click.Path(path_type=Path), help="Write each closed trade to this csv.")
@click.option(
    "--plot", "plot_file", type=click.Path(path_type=Path), help="Draw equity and drawdown into this png, svg or pdf."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def backtest(
    strategy: str, file: Path, symbol: str | None, settings: tuple[str, ...], deposit: float, hedging: bool,
    latency_ms: float, slippage_points: int, commission: float, max_spread_points: int | None, daily_loss: float,
    orders_per_minute: int, trades_file: Path | None, plot_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Run STRATEGY (a reference strategy's name, or path.py:name) over a file of ticks.

    The file may be an MT5 tick export, HistData, Dukascopy csv or bi5, TrueFX, a LEAN zip or parquet.

    \b
    tickhub backtest ma_cross --ticks EURUSD.csv.gz --set fast=50 --set slow=200
    """
    from kernel_lib.backtest import replay
    from kernel_lib.importers import read_ticks
    from kernel_lib.market.validation import Validator
    from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

    for path in (trades_file, plot_file):
        if path is not None:
            check_writable(path)
    if plot_file is not None and plot_file.suffix.lower() not in _PICTURES:
        raise Misconfigured(f"a picture's name must end in {', '.join(_PICTURES)}, it was {plot_file.name!r}")
    chosen = choose_strategy(strategy).with_params(**parse_settings(settings))
    imported = read_ticks(file, symbol=symbol)
    verdict = Validator().check(imported.ticks, None)
    if len(verdict.accepted) == 0:
        raise BadData("no tick of the file passed validation", source=str(file))
    run = replay(
        chosen,
        verdict.accepted,
        instrument=imported.symbol,
        account=AccountConfig(deposit=deposit, hedging=hedging),
        limits=RiskLimits(
            max_spread_points=max_spread_points, daily_loss_fraction=daily_loss, orders_per_minute=orders_per_minute
        ),
        costs=Costs(latency_ms=latency_ms, slippage_points=slippage_points, commission_per_lot=commission),
        progress=False if as_json else None,
    )
    report = run.report()
    if trades_file is not None:
        report.trades.drop(columns=["opened", "closed"]).to_csv(trades_file, index=False)
    if plot_file is not None:
        report.plot().savefig(plot_file, dpi=110)
    refused = sum(imported.refused.values()) + len(imported.ticks) - len(verdict.accepted)
    if as_json:
        answer = {
            "strategy": chosen.name,
            "symbol": imported.symbol,
            "ticks": run.n_ticks,
            "quarantined": refused,
            "seconds": run.seconds,
            "ticks_per_second": run.n_ticks / run.seconds,
            "trades": len(report.trades),
            "net_profit": report.statistics["net_profit_money"],
            "statistics": report.statistics,
            "fault": run.fault,
        }
        echo_json(answer)
    else:
        click.echo(repr(report))
        click.echo(f"{run.n_ticks / run.seconds / 1e6:,.1f} million ticks a second; {refused:,} ticks refused")
    if run.fault:
        click.echo(f"tickhub: the strategy stopped, the figures are partial: {run.fault}", err=True)
        sys.exit(1)
