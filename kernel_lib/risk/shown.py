"""How results show themselves in a notebook: small tables, percents, money."""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

__all__ = ["Shown", "Table", "as_html", "fraction_pct", "money", "rows_html", "rows_text"]

#: Title, names of the columns (or none), rows.
Table = tuple[str, Sequence[str], Iterable[Sequence[Any]]]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A result that shows itself as a table: in a notebook and, where it is printed, as text; arrays are not dumped."""

    def _table(self) -> Table:
        return type(self).__name__, (), ()

    def _repr_html_(self) -> str:
        return rows_html(*self._table())

    def __repr__(self) -> str:
        return rows_text(*self._table())


def as_html(title: str, pairs: Iterable[tuple[str, Any]]) -> str:
    """Give a two-column table of names and what they are."""
    return rows_html(title, (), [[name, shown] for name, shown in pairs])


def rows_html(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Give a table; the first column is to the left, the others to the right."""
    head = "".join(f"<th style='text-align:{_side(i)}'>{html.escape(each)}</th>" for i, each in enumerate(columns))
    body = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:{_side(i)}'>{html.escape(_text(each))}</td>" for i, each in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<div><b>{html.escape(title)}</b><table>{f'<tr>{head}</tr>' if head else ''}{body}</table></div>"


def rows_text(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Give the same table as text.

    >>> print(rows_text("Both", ("", "share"), [["a", 0.5], ["long name", None]]))
    Both
                share
    a          0.5000
    long name    none
    """
    lines = [[_text(each) for each in row] for row in ([columns] if any(columns) else [])]
    lines += [[_text(each) for each in row] for row in rows]
    widths = [max(len(row[i]) for row in lines if i < len(row)) for i in range(max(map(len, lines), default=0))]
    shown = [
        "  ".join(each.ljust(widths[i]) if i == 0 else each.rjust(widths[i]) for i, each in enumerate(row)).rstrip()
        for row in lines
    ]
    return "\n".join([title, *shown])


def fraction_pct(fraction: float) -> str:
    """Show a fraction as percent.

    >>> fraction_pct(0.0123)
    '1.23 %'
    """
    return "n/a" if math.isnan(fraction) else f"{100.0 * fraction:,.2f} %"


def money(number: float, currency: str = "") -> str:
    """Show money with two decimals.

    >>> money(1234.5, "USD")
    '1,234.50 USD'
    """
    return "n/a" if math.isnan(number) else f"{number:,.2f} {currency}".rstrip()


def _side(column: int) -> str:
    return "right" if column else "left"


def _text(thing: Any) -> str:
    if thing is None:
        return "none"
    if isinstance(thing, float):
        return "n/a" if math.isnan(thing) else f"{thing:,.4f}"
    return str(thing)
