"""A tear sheet as HTML: one page with its pictures inside, every text from outside escaped."""

import base64
import html
import io
from typing import Any

from kernel_lib.backtest.tearsheet import shown

#: A :class:`~kernel_lib.backtest.report.Report`; that file uses this one, so it is not imported here.
Report = Any

__all__ = ["headline_html", "notebook_html", "page", "picture", "sheet_html"]

# Pictures and styles of the page itself, and nothing from anywhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#1a1a1a;background:#fff}
h1{font-size:1.5em;margin-bottom:.1em}h2{font-size:1.1em;margin:1.6em 0 .4em}
table{border-collapse:collapse}td,th{padding:.15em .8em .15em 0;text-align:right;vertical-align:top}
td:first-child,th:first-child{text-align:left;font-weight:normal}tr{border-bottom:1px solid #e5e5e5}
.honesty{border:2px solid #b3541e;border-radius:6px;padding:.4em 1em .8em;background:#fff8f2}
.honesty li{color:#8a2f00}.columns{columns:2;column-gap:3em}.muted{color:#666}img{max-width:100%}
"""
_HEADLINE = (
    "net_profit_money", "return_pct", "max_drawdown_pct", "sharpe_ratio", "trades_count", "win_rate_pct",
    "profit_factor", "orders_count", "denied_count", "fills_count",
)  # fmt: skip


def sheet_html(report: "Report") -> str:
    """Give the whole sheet as one page."""
    parts = [_head(report), _honesty(report), _advice(report), "<h2>Statistics</h2>", _statistics(report)]
    for title, figure in report.figures():
        parts.append(f"<h2>{html.escape(title)}</h2>{picture(figure, title)}")
    parts += [_monthly(report), _trades(report)]
    return page(f"{report.run.strategy.name} on {report.run.instrument.symbol}", "".join(parts))


def notebook_html(report: "Report") -> str:
    """Give what a notebook shows: the honesty block, the statistics and the first picture."""
    run = report.run
    name = f"<b>{html.escape(run.strategy.name)}</b> on {html.escape(run.instrument.symbol)}"
    return (
        f"<div>{name}<div style='border:2px solid #b3541e;border-radius:6px;padding:.3em .8em;margin:.4em 0'>"
        f"{_honesty_body(report)}</div><div style='display:flex;gap:1em;align-items:flex-start'>"
        f"{_statistics(report)}<div style='max-width:60%'>{picture(report.plot(), 'equity')}</div></div></div>"
    )


def headline_html(run: Any) -> str:
    """Give what a notebook shows of a :class:`~kernel_lib.backtest.replay.Replay`: its headline figures alone."""
    from kernel_lib.backtest.performance import period_returns, statistics_of

    figures = statistics_of(run, run.trades, period_returns(run))
    first, last = (_utc(each) for each in run.span_ns)
    stopped = f"<div style='color:#8a2f00'>stopped: {html.escape(run.fault)}</div>" if run.fault else ""
    rows = "".join(
        f"<tr><td style='text-align:left'>{name}</td><td>{shown(figures[name])}</td></tr>" for name in _HEADLINE
    )
    return (
        f"<div><b>{html.escape(run.strategy.name)}</b> on {html.escape(run.instrument.symbol)}, {run.n_ticks:,} ticks, "
        f"{first} to {last} UTC; money in {html.escape(run.book.account.currency)}{stopped}<table>{rows}</table>"
        "<code>.report()</code> says how far this can be believed, <code>.report().plot()</code> draws it</div>"
    )


def page(title: str, body: str) -> str:
    """Give a whole page; ``body`` is HTML already, ``title`` is text."""
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<meta name='viewport' content='width=device-width'><title>{html.escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def picture(figure: Any, text: str) -> str:
    """Give a Figure as an image inside the page."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=90, metadata={"Software": None})
    encoded = base64.b64encode(target.getvalue()).decode("ascii")
    return f"<img alt='{html.escape(text, quote=True)}' src='data:image/png;base64,{encoded}'>"


def _head(report: "Report") -> str:
    run = report.run
    params = ", ".join(f"{name} {number!r}" for name, number in run.strategy.params.items())
    first, last = (_utc(each) for each in run.span_ns)
    return (
        f"<h1>{html.escape(run.strategy.name)} on {html.escape(run.instrument.symbol)}</h1>"
        f"<div class='muted'>{first} to {last} UTC, {run.n_ticks:,} ticks; {html.escape(params or 'no parameters')}; "
        f"{html.escape(repr(run.strategy.sizing))}</div>"
    )


def _honesty(report: "Report") -> str:
    return f"<div class='honesty'><h2>How far this can be believed</h2>{_honesty_body(report)}</div>"


def _honesty_body(report: "Report") -> str:
    found = report.honesty
    rows = "".join(
        f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>"
        for name, text in found.rows()
    )
    warnings = "".join(f"<li>{html.escape(each)}</li>" for each in found.warnings)
    return f"<p><b>{html.escape(found.verdict)}</b></p><table>{rows}</table>" + (
        f"<ul>{warnings}</ul>" if warnings else ""
    )


def _advice(report: "Report") -> str:
    items = "".join(f"<li>{html.escape(each)}</li>" for each in report.advice())
    return f"<h2>Advice</h2><ul>{items}</ul>" if items else ""


def _statistics(report: "Report") -> str:
    rows = []
    for name, number in report.statistics.items():
        interval = report.intervals.get(name)
        between = "" if interval is None else f"{shown(interval.low)} to {shown(interval.high)}"
        rows.append(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{shown(number)}</td><td>{between}</td></tr>"
        )
    return f"<table><tr><th></th><th></th><th>95 % interval</th></tr>{''.join(rows)}</table>"


def _monthly(report: "Report") -> str:
    if not len(report.trades):
        return ""
    return "<h2>Closed trades by month</h2>" + _frame(report.by("month").reset_index())


def _trades(report: "Report") -> str:
    if not len(report.trades):
        return ""
    last = report.trades.iloc[-50:].drop(columns=["opened", "closed"])
    for name in ("open_time_ns", "close_time_ns"):
        last[name] = [_utc(each) for each in last[name]]
    last = last.rename(columns={"open_time_ns": "opened (UTC)", "close_time_ns": "closed (UTC)"})
    return f"<h2>The last {len(last)} of {len(report.trades):,} trades</h2>{_frame(last)}"


def _frame(frame: Any) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in frame.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_text(each))}</td>" for each in row) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _text(thing: Any) -> str:
    return f"{thing:,.5g}" if isinstance(thing, float) else str(thing)


def _utc(time_ns: int) -> str:
    import numpy as np

    return str(np.datetime64(int(time_ns), "ns").astype("datetime64[s]")).replace("T", " ")
