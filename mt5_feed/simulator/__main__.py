"""Write generated ticks to a file: ``python -m mt5_feed.simulator --days 5 --seed 1 --out ticks_EURUSD.parquet``."""

from pathlib import Path

import click

from mt5_feed.simulator.generator import generate_ticks


@click.command()
@click.option("--symbol", default="EURUSD", show_default=True, help="What the market quotes.")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 2000), help="Trading days.")
@click.option("--ticks-per-day", default=60_000, show_default=True, type=click.IntRange(100, 10_000_000))
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same ticks.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Parquet file to write.")
def main(symbol: str, days: int, ticks_per_day: int, seed: int, out: Path) -> None:
    """Make a seeded random market with realistic spreads and sessions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ticks = generate_ticks(symbol, days, seed=seed, ticks_per_day=ticks_per_day)
    columns = {
        "time": pa.array(ticks["time_ns"]).cast(pa.timestamp("ns", tz="UTC")),
        "bid": pa.array(ticks["bid"].copy()),
        "ask": pa.array(ticks["ask"].copy()),
    }
    pq.write_table(pa.table(columns), out)
    click.echo(f"{len(ticks):,} ticks of {symbol} in {out}")


if __name__ == "__main__":
    main()
