"""What the platform tells about somebody, a day's quota or a desk: a mapping, and a table where a notebook shows it."""

import html
from typing import Any

__all__ = ["Told"]

_ROWS = 40


class Told(dict[str, Any]):
    """A dict like any other, which a notebook shows as a table of what is in it.

    >>> told = Told(user="ann", tier={"name": "pro"})
    >>> told["user"], told == {"user": "ann", "tier": {"name": "pro"}}
    ('ann', True)
    >>> told._repr_html_().count("<tr>")
    3
    """

    def _repr_html_(self) -> str:
        return _table(self)


def _table(told: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th style='text-align:left;vertical-align:top'>{html.escape(str(name))}</th>"
        f"<td style='text-align:left'>{_cell(each)}</td></tr>"
        for name, each in told.items()
    )
    return f"<table>{rows}</table>"


def _cell(each: Any) -> str:
    if isinstance(each, dict) and each:
        return _table(each)
    if isinstance(each, list) and each:
        if not any(isinstance(one, dict | list) for one in each):
            return html.escape(", ".join(map(_text, each)))
        more = f"<div>and {len(each) - _ROWS:,} more</div>" if len(each) > _ROWS else ""
        return "".join(_cell(one) for one in each[:_ROWS]) + more
    return html.escape(_text(each))


def _text(each: Any) -> str:
    # A time in nanoseconds or a number of seconds stays as it is: only the reader knows which it is.
    if each is None or each in ({}, []):
        return "-"
    return f"{each:,.6g}" if isinstance(each, float) else str(each)
