"""``python -m benchmarks [NAME ...]``: print a table and write ``benchmarks/results.json``.

Ends with 1 when a benchmark broke, or a peer gave other orders than we did on the same ticks. A goal that is missed is
shown and is no failure of the run.
"""

import signal
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console

from benchmarks.catalogue import CATALOGUE
from benchmarks.runner import measure_here, run_all
from benchmarks.table import print_table, write_results

_RESULTS = Path(__file__).with_name("results.json")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Smaller sizes; the figures say less.")
@click.option("--list", "listed", is_flag=True, help="Name the benchmarks.")
@click.option("--install-peers", is_flag=True, help="Create the environments of peers that need their own, and end.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=_RESULTS, help="Where the JSON goes.")
@click.option("--child-out", type=click.Path(path_type=Path, dir_okay=False), hidden=True)
def main(
    names: tuple[str, ...], quick: bool, listed: bool, install_peers: bool, out: Path, child_out: Path | None
) -> None:
    """Measure the figures; NAMES choose some."""
    console = Console(stderr=False)
    unknown = [name for name in names if name not in CATALOGUE]
    if unknown:
        raise click.BadParameter(f"benchmarks are {', '.join(CATALOGUE)}; {', '.join(unknown)} is none of them")
    if listed:
        for name, benchmark in CATALOGUE.items():
            console.print(f"{name:10} {benchmark.about}")
        return
    if install_peers:
        from benchmarks import nautilus

        nautilus.install()
        return
    if child_out is not None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what it started is stopped
        child_out.write_bytes(msgspec.json.encode(measure_here(names[0], quick=quick)))
        return
    whole = run_all(list(names or CATALOGUE), quick=quick, say=lambda text: console.print(f"[dim]{text}[/]"))
    print_table(whole.figures, console)
    write_results(out, whole.figures)
    for failure in whole.failures:
        console.print(f"[red]failed[/] {failure}", soft_wrap=True)
    if whole.failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
