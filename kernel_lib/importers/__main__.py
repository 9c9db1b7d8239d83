"""``python -m kernel_lib.importers FILE``: look at a file of ticks, and turn it into parquet."""

import json
import sys
from pathlib import Path

import click
import numpy as np

from kernel_lib.errors import TickhubError
from kernel_lib.importers.imported import ImportedTicks
from kernel_lib.importers.reading import read_ticks

__all__ = ["main", "write_parquet"]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--symbol", help="The symbol; default: from the file's name.")
@click.option("--layout", help="The layout; default: recognised.")
@click.option("--server-zone", default="EET", show_default=True, help="Clock of MetaTrader 5 exports.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the ticks as parquet.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def main(file: Path, symbol: str | None, layout: str | None, server_zone: str, out: Path | None, as_json: bool) -> None:
    """Read ticks from FILE, say what is in it, and what was refused."""
    if out is not None and not out.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no directory {str(out.parent)!r} to write into", param_hint="--out")
    try:
        imported = read_ticks(file, symbol, layout, server_zone=server_zone)
    except TickhubError as error:
        if as_json:
            click.echo(json.dumps({"error": str(error)}))
        click.echo(f"refused: {error}", err=True)
        sys.exit(1)
    if out is not None:
        part = out.with_name(f"{out.name}.part")  # half a file would be taken for one
        try:
            write_parquet(imported, part)
            part.replace(out)
        except OSError as error:
            part.unlink(missing_ok=True)
            click.echo(f"not written: {out}: {error.strerror or error}", err=True)
            sys.exit(1)
    summary = {
        "symbol": imported.symbol,
        "layout": imported.layout,
        "source": imported.source,
        "ticks": len(imported.ticks),
        "first": _text(imported, 0),
        "last": _text(imported, -1),
        "refused": imported.refused,
        "first_refused": [[each.line, each.rule] for each in imported.first_refused],
    }
    if as_json:
        click.echo(json.dumps(summary))
    else:
        for name, shown in summary.items():
            click.echo(f"{name.replace('_', ' '):>14}  {shown or 'none'}")


def write_parquet(imported: ImportedTicks, path: Path) -> None:
    """Write ``time`` (UTC), ``bid`` and ``ask``; :func:`read_ticks` reads it back."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ticks = imported.ticks
    table = pa.table(
        {
            "time": pa.array(np.ascontiguousarray(ticks["time_ns"])).cast(pa.timestamp("ns", tz="UTC")),
            "bid": np.ascontiguousarray(ticks["bid"]),
            "ask": np.ascontiguousarray(ticks["ask"]),
        }
    )
    pq.write_table(table, path, compression="zstd")


def _text(imported: ImportedTicks, index: int) -> str:
    return f"{np.datetime64(int(imported.ticks['time_ns'][index]), 'ns')}Z"


if __name__ == "__main__":
    main(prog_name="tickhub ticks-import")
