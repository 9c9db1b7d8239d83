"""Several strategies side by side: their statistics, how they move together, their equity in one picture."""

import html
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.performance import equity_of
from kernel_lib.backtest.sheet_html import page, picture
from kernel_lib.backtest.tearsheet import plain, shown
from kernel_lib.errors import BadData
from kernel_lib.market.trading_days import trading_days

#: A :class:`~kernel_lib.backtest.report.Report`; that file uses this one, so it is not imported here.
Report = Any

__all__ = ["Comparison"]


class Comparison:
    """Reports side by side; made by :func:`~kernel_lib.backtest.report.compare`.

    Attributes
    ----------
    table : pandas.DataFrame
        Statistics by name, a column for each report; the probability of skill, trials counted, is its last row.
    correlation : pandas.DataFrame
        Of the returns over the periods that both have; NaN with fewer than three, or where one does not move.
    """

    def __init__(self, reports: "Sequence[Report]", names: Sequence[str] | None = None) -> None:
        import pandas as pd

        self.reports = list(reports)
        if len(self.reports) < 2:
            raise BadData(f"a comparison needs at least 2 reports, there were {len(self.reports)}")
        self.names = list(names) if names is not None else _names(self.reports)
        if len(self.names) != len(self.reports) or len(set(self.names)) != len(self.names):
            raise BadData(f"each of the {len(self.reports)} reports needs a name of its own, they were {self.names}")
        columns = {
            name: {**report.statistics, "deflated_sharpe_ratio": report.honesty.deflated_sharpe}
            for name, report in zip(self.names, self.reports, strict=True)
        }
        order = list(dict.fromkeys(each for column in columns.values() for each in column))
        self.table = pd.DataFrame(columns).reindex(order)
        count = len(self.reports)
        found = np.eye(count)
        for i in range(count):
            for j in range(i):
                found[i, j] = found[j, i] = _together(self.reports[i], self.reports[j])
        self.correlation = pd.DataFrame(found, self.names, self.names)

    def plot(self) -> Any:
        """Draw every equity as a return on its deposit; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4.5), layout="constrained")
        axes = figure.subplots()
        for name, report in zip(self.names, self.reports, strict=True):
            run = report.run
            growth = 100.0 * (equity_of(run) / run.book.account.deposit - 1.0)
            axes.plot(run.equity["time_ns"].astype("datetime64[ns]"), growth, lw=1.0, label=plain(name))
        axes.axhline(0.0, color="black", lw=0.6)
        axes.set_ylabel("return, %")
        axes.legend(frameon=False)
        axes.grid(alpha=0.2)
        return figure

    def to_html(self, path: str | Path | None = None) -> str:
        """Give the comparison as one page that needs nothing else; also written to ``path``."""
        whole = page("Comparison", f"<h1>Comparison</h1>{self._body()}")
        if path is not None:
            Path(path).write_text(whole, encoding="utf-8")
        return whole

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.names)}>"

    def _repr_html_(self) -> str:
        return f"<div>{self._body()}</div>"

    def _body(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.names)
        verdicts = "".join(f"<td>{html.escape(report.honesty.verdict)}</td>" for report in self.reports)
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td>" + "".join(f"<td>{shown(float(each))}</td>" for each in row) + "</tr>"
            for name, row in zip(self.table.index, self.table.to_numpy(dtype=float), strict=True)
        )
        moves = "".join(
            f"<tr><td>{html.escape(name)}</td>" + "".join(f"<td>{shown(float(each))}</td>" for each in row) + "</tr>"
            for name, row in zip(self.names, self.correlation.to_numpy(), strict=True)
        )
        return (
            f"<table><tr><th></th>{head}</tr><tr><td>verdict</td>{verdicts}</tr>{rows}</table>"
            f"<h2>Correlation of returns</h2><table><tr><th></th>{head}</tr>{moves}</table>"
            f"<h2>Equity</h2>{picture(self.plot(), 'equity')}"
        )


def _names(reports: "Sequence[Report]") -> list[str]:
    plain_names = [report.run.strategy.name for report in reports]
    counts, seen = Counter(plain_names), Counter[str]()
    found = []
    for name in plain_names:
        seen[name] += 1
        found.append(f"{name} {seen[name]}" if counts[name] > 1 else name)
    return found


def _together(one: "Report", other: "Report") -> float:
    if one.periods.name != other.periods.name:
        return float("nan")
    number = trading_days if one.periods.name == "day" else _hours
    _, left, right = np.intersect1d(number(one.periods.ends_ns), number(other.periods.ends_ns), return_indices=True)
    first, second = one.periods.returns[left], other.periods.returns[right]
    if len(first) < 3 or np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _hours(times_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return times_ns // (3_600 * 10**9)
