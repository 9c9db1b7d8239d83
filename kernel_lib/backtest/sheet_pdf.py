"""A tear sheet as PDF: a page of text, then a page for each picture; the same run gives the same bytes."""

import textwrap
from pathlib import Path
from typing import Any

from kernel_lib.backtest.tearsheet import plain, shown

#: A :class:`~kernel_lib.backtest.report.Report`; that file uses this one, so it is not imported here.
Report = Any

__all__ = ["write_pdf"]


def write_pdf(report: "Report", path: str | Path) -> None:
    """Write the sheet of a report to ``path``."""
    from matplotlib.backends.backend_pdf import PdfPages

    title = f"{report.run.strategy.name} on {report.run.instrument.symbol}"
    # No date in it: a report is of the run, not of the day on which it was printed.
    with PdfPages(path, metadata={"Title": title, "CreationDate": None}) as pages:
        for page in (_believed(report, title), _statistics(report)):
            pages.savefig(page)
        for heading, figure in report.figures():
            figure.suptitle(plain(heading), fontsize=11)
            pages.savefig(figure)


def _believed(report: "Report", title: str) -> Any:
    found = report.honesty
    lines = ["How far this can be believed", "", *_wrapped(found.verdict), ""]
    for name, text in found.rows():
        first, *rest = textwrap.wrap(text, 68) or [""]
        lines += [f"{name:<32}{first}", *(" " * 32 + each for each in rest)]
    if found.warnings:
        lines += ["", *(line for each in found.warnings for line in _wrapped(f"! {each}"))]
    advice = report.advice()
    if advice:
        lines += ["", "Advice", "", *(line for each in advice for line in _wrapped(f"- {each}"))]
    return _page(title, lines)


def _statistics(report: "Report") -> Any:
    lines = []
    for name, number in report.statistics.items():
        interval = report.intervals.get(name)
        between = "" if interval is None else f"   95 %: {shown(interval.low)} to {shown(interval.high)}"
        lines.append(f"{name:<32}{shown(number):>16}{between}")
    return _page("Statistics", lines)


def _page(title: str, lines: list[str]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.27, 11.69))
    figure.text(0.07, 0.95, plain(title), fontsize=14, va="top")
    figure.text(0.07, 0.91, plain("\n".join(lines)), fontsize=8, va="top", family="monospace", linespacing=1.35)
    return figure


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, subsequent_indent="  ") or [""]
