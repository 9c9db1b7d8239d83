"""What validation refused: counts by rule, the first examples, each source's record; for people."""

import html
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

__all__ = ["QualityReport", "Quarantined"]


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A refused tick, with the rule that refused it.

    Parameters
    ----------
    rule : str
    number : int
        Its place among all ticks seen, from 0.
    source : str
    time_ns : int
        UTC nanoseconds.
    bid, ask : float
    """

    rule: str
    number: int
    source: str
    time_ns: int
    bid: float
    ask: float


class QualityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a symbol's ticks.

    Parameters
    ----------
    symbol, level : str
    n_seen, n_accepted : int
    mean_quality : float
        Of the accepted ticks, 0 to 1; NaN without any.
    refused : dict of str to int
        Ticks by rule; every rule of the level is there.
    noted : dict of str to int
        Accepted ticks by note.
    examples : tuple of Quarantined
        The first few of each rule.
    reliability : dict of str to float
        Share of sound ticks by source; only ``enterprise`` keeps it.
    """

    symbol: str
    level: str
    n_seen: int
    n_accepted: int
    mean_quality: float
    refused: dict[str, int]
    noted: dict[str, int]
    examples: tuple[Quarantined, ...]
    reliability: dict[str, float]

    @property
    def refused_share(self) -> float:
        """Refused ticks over all; 0 for none seen."""
        return 1.0 - self.n_accepted / self.n_seen if self.n_seen else 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.symbol or 'ticks'} at {self.level}: {self.n_accepted:,} of {self.n_seen:,} accepted, "
            f"mean quality {self.mean_quality:.3f}"
        ]
        lines += [f"  {rule}: {count:,} refused" for rule, count in self.refused.items() if count]
        lines += [f"  {note}: {count:,} noted" for note, count in self.noted.items() if count]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        counts = [[rule, f"{count:,}", "refused"] for rule, count in self.refused.items()]
        counts += [[note, f"{count:,}", "noted"] for note, count in self.noted.items()]
        shown = [
            [each.rule, f"{each.number:,}", _when(each.time_ns), f"{each.bid:g}", f"{each.ask:g}", each.source]
            for each in self.examples
        ]
        sources = [[source or "(unnamed)", f"{share:.3f}", ""] for source, share in self.reliability.items()]
        title = html.escape(str(self).split("\n", 1)[0])
        return (
            f"<div><b>{title}</b><div style='display:flex;gap:2em;align-items:flex-start'>"
            + _table(("rule", "ticks", ""), counts)
            + (_table(("rule", "tick", "time (UTC)", "bid", "ask", "source"), shown) if shown else "")
            + (_table(("source", "reliability", ""), sources) if self.level == "enterprise" else "")
            + "</div></div>"
        )

    def plot(self) -> Any:
        """Draw the refused ticks by rule; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 1 + 0.3 * len(self.refused)), layout="constrained")
        axes = figure.subplots()
        axes.barh(list(self.refused), list(self.refused.values()), color="tab:red")
        axes.invert_yaxis()
        axes.set_xlabel("refused ticks")
        axes.set_title(str(self).split("\n", 1)[0], fontsize=9)
        return figure


def _when(time_ns: int) -> str:
    return str(np.datetime64(time_ns, "ns").astype("datetime64[ms]")).replace("T", " ")


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{html.escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
