"""What is shown and what is kept: the table on the screen, and ``results.json``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.result import Figure

__all__ = ["as_rows", "print_table", "write_results"]


def as_rows(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """Give ``name, value, unit, peer, peer_value, ratio, goal`` for each figure."""
    return [
        {
            "name": each.name, "value": _rounded(each.value), "unit": each.unit, "peer": each.peer,
            "peer_value": _rounded(each.peer_value), "ratio": _rounded(each.ratio), "goal": _goal(each),
        }
        for each in figures
    ]  # fmt: skip


def write_results(path: Path, figures: Sequence[Figure]) -> None:
    """Write the rows as one JSON list."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(as_rows(figures)), indent=2) + b"\n")


def print_table(figures: Sequence[Figure], console: Console) -> None:
    """Print a line a figure; a goal that was missed says so."""
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for title in ("figure", "value", "unit", "ratio", "goal", ""):
        table.add_column(
            title, justify="left" if title in ("figure", "unit", "") else "right", no_wrap=title != "figure"
        )
    for each in figures:
        verdict = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}[each.reached]
        ratio = f"{each.ratio:,.1f} x" if each.ratio is not None else ""
        table.add_row(each.name, _shown(each.value), each.unit, ratio, _goal(each), verdict)
        if each.peer:
            table.add_row(f"  [dim]{each.peer}[/]", f"[dim]{_shown(each.peer_value)}[/]", "", "", "", "")
    console.print(table)


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    sign = ">=" if figure.of == "ratio" or figure.best == "high" else "<="
    return f"{sign} {figure.goal:,.10g} {'x peer' if figure.of == 'ratio' else figure.unit}"


def _shown(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:,.3g}"


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.6g}")
