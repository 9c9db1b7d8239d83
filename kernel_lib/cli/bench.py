"""``tickhub bench``: the benchmarks of a source checkout."""

import os
import sys
from pathlib import Path

import click

from kernel_lib.errors import Misconfigured

__all__ = ["bench"]


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure the figures of the checkout's benchmarks folder and write benchmarks/results.json; see also make bench.

    ARGUMENTS name single benchmarks, such as replay or desk.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "benchmarks").is_dir():
        raise Misconfigured(f"benchmarks run from a source checkout; there is none at {root}")
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *arguments])  # noqa: S606
