"""How a feature shows itself in a notebook: a table of what it is, and its outputs drawn in one line."""

import html as escape
import re
from typing import Any

import numpy as np

from kernel_lib.features.update import Updated

__all__ = ["formula", "html", "plot", "purpose"]


def purpose(doc: str) -> str:
    """Give the first line of a docstring."""
    return doc.strip().partition("\n")[0]


def formula(doc: str) -> str:
    """Give the first formula of a docstring: the first ``code`` that computes something; empty without one."""
    above = doc.partition("Parameters\n")[0]
    found = re.findall(r"``([^`]+)``", above)
    return next((re.sub(r"\s+", " ", each) for each in found if re.search(r" [-+*/=] |\(", each)), "")


def html(feature: Updated) -> str:
    """Draw up a feature as a table."""
    rows = [("formula", f"<code>{escape.escape(formula(feature.doc))}</code>")] if formula(feature.doc) else []
    rows += [(name, escape.escape(repr(param))) for name, param in feature.params.items()]
    rows += [("updated on", f"bars of {feature.bars}" if feature.bars else "ticks, or the rows that it is given")]
    rows += [("shows", escape.escape(", ".join(feature.outputs)))]
    rows += [("warm after", f"{feature.warmup:,} updates")]
    if feature.other is not None:
        rows.append(("reads", escape.escape(feature.other)))
    body = "".join(f"<tr><th style='text-align:left'>{left}</th><td>{right}</td></tr>" for left, right in rows)
    return f"<b>{escape.escape(repr(feature))}</b><br>{escape.escape(purpose(feature.doc))}<table>{body}</table>"


def plot(feature: Updated, series: Any, other: Any = None, ax: Any = None) -> Any:
    """Draw the outputs over recorded data; see :meth:`Feature.plot`."""
    from kernel_lib.features.series import read_series

    rows = read_series(series)
    shown = feature(series, other)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(9, 3), layout="constrained")
    n_rows = len(rows.values)
    at = rows.values["time_ns"].astype("datetime64[ns]") if rows.timed else np.arange(n_rows)
    for output in feature.outputs:
        line = np.asarray(shown if len(feature.outputs) == 1 else shown[output])
        ax.plot(at, line, lw=1, label=output if len(feature.outputs) > 1 else repr(feature))
    ax.set_title(repr(feature), loc="left", fontsize="medium")
    if len(feature.outputs) > 1:
        ax.legend(frameon=False, fontsize="small")
    return ax
