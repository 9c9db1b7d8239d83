"""Drawdown: how far below its peak a track record stands, how long, and how exposure shrinks as it deepens.

Signs follow empyrical and pyfolio: a drawdown is a fraction from -1 to 0. Indexes built on drawdowns (pain, ulcer,
conditional drawdown at risk) are positive. The peak includes the capital at the start.
"""

from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.growth import growth_path
from kernel_lib.risk.series import Floats, complete, each_column, number, series
from kernel_lib.risk.shown import Shown, Table, fraction_pct

__all__ = [
    "DrawdownReport",
    "average_drawdown",
    "conditional_drawdown_at_risk",
    "drawdown_control",
    "drawdown_report",
    "drawdowns",
    "max_drawdown",
    "pain_index",
    "ulcer_index",
]


@declared
def drawdowns(returns: Any) -> Floats:
    """Give the drawdown after each period.

    Parameters
    ----------
    returns : array_like, shape (n_periods,)
        NaN compounds as zero.

    >>> drawdowns([0.1, -0.5, 1.0]).round(6).tolist()
    [0.0, -0.5, 0.0]
    """
    worth = growth_path(series(returns))
    return drawdowns_of_worth(np.concatenate([[1.0], worth]))[1:]


def drawdowns_of_worth(worth: Any) -> Floats:
    """Give the drawdown of an equity curve at each of its points; the worth must stay above zero at its peaks."""
    array = complete(worth, "worth")
    peaks = np.maximum.accumulate(array)
    if peaks[0] <= 0.0:
        raise BadData(f"an equity curve must start above 0 to have a drawdown, it started at {array[0]!r}")
    fractions: Floats = array / peaks - 1.0
    return fractions


@declared
@each_column
def max_drawdown(returns: Any) -> float:
    """Give the deepest drawdown, from -1 to 0; NaN for no returns.

    >>> round(max_drawdown([0.1, -0.5, 0.2]), 6)
    -0.5
    """
    depths = drawdowns(returns)
    return float(depths.min()) if depths.size else float("nan")


@declared
@each_column
def average_drawdown(returns: Any) -> float:
    """Give the mean depth of the distinct drawdowns, each counted at its deepest, positive; 0 without any.

    >>> round(average_drawdown([-0.1, 0.5, -0.3, 1.0]), 6)
    0.2
    """
    spells = _spells(drawdowns(returns))
    return float(np.mean([-depth for _, _, _, depth in spells])) if spells else 0.0


@declared
@each_column
def pain_index(returns: Any) -> float:
    """Give the mean drawdown over all periods, positive (Becker).

    >>> round(pain_index([-0.1, 0.0]), 6)
    0.1
    """
    depths = drawdowns(returns)
    return float(np.mean(-depths)) if depths.size else float("nan")


@declared
@each_column
def ulcer_index(returns: Any) -> float:
    """Give the root of the mean squared drawdown, positive (Martin 1987; a fraction, not percent).

    >>> round(ulcer_index([-0.1, 0.0]), 6)
    0.1
    """
    depths = drawdowns(returns)
    return float(np.sqrt(np.mean(depths**2))) if depths.size else float("nan")


@declared
@each_column
def conditional_drawdown_at_risk(returns: Any, confidence: float = 0.95) -> float:
    """Give the mean of the worst ``1 - confidence`` of all drawdowns, positive (Chekhlov, Uryasev, Zabarankin 2005).

    The share at the edge counts with its part, as in the linear programme of the paper.

    >>> round(conditional_drawdown_at_risk([-0.1, -0.1, 0.0, 0.0], 0.5), 6)
    0.19
    """
    from kernel_lib.risk.var import expected_shortfall

    return float(expected_shortfall(drawdowns(returns), confidence=confidence, method="order"))


@declared
def drawdown_control(drawdown: float, limit: float, *, start: float = 0.5) -> float:
    """Say by how much to scale exposure as a drawdown nears its limit.

    Full exposure until ``start`` of the limit, then less in a straight line, none at the limit. This is the
    rule of Grossman and Zhou (1993), exposure proportional to the cushion above the floor, capped at 1.

    Parameters
    ----------
    drawdown : float
        Present drawdown as a fraction; its sign does not matter.
    limit : float
        Fraction at which exposure must be zero, above 0 and at most 1.
    start : float
        Share of the limit up to which nothing changes, 0 to below 1.

    Returns
    -------
    float
        From 0 to 1.

    >>> [round(drawdown_control(dd, 0.10), 2) for dd in (0.02, 0.05, 0.075, 0.10, 0.3)]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    if not 0.0 < number(limit, "a drawdown limit") <= 1.0:
        raise BadData(f"a drawdown limit must be above 0 and at most 1, it was {limit!r}")
    if not 0.0 <= number(start, "start") < 1.0:
        raise BadData(f"start must be from 0 to below 1, it was {start!r}")
    if not np.isfinite(number(drawdown, "a drawdown")):
        raise BadData(f"a drawdown must be a number, it was {drawdown!r}")
    used = abs(drawdown) / limit
    return float(min(1.0, max(0.0, (1.0 - used) / (1.0 - start))))


class DrawdownReport(Shown, frozen=True, kw_only=True):
    """Drawdown of a track record, as fractions and periods.

    Parameters
    ----------
    depths : ndarray, shape (n_periods,)
        Drawdown after each period, 0 or negative.
    max_drawdown : float
        0 or negative.
    peak, trough, recovery : int or None
        Periods of the deepest drawdown: the last at the peak (-1: the start), the deepest, and the first back at the
        peak; ``recovery`` None while it lasts. All None without a drawdown.
    longest_periods : int
        Longest time under water.
    ulcer_index, pain_index, conditional_95 : float
        Positive.
    """

    depths: Floats
    max_drawdown: float
    peak: int | None
    trough: int | None
    recovery: int | None
    longest_periods: int
    ulcer_index: float
    pain_index: float
    conditional_95: float

    def _table(self) -> Table:
        return ("Drawdown", (), [
            ("maximum", fraction_pct(self.max_drawdown)), ("peak at", self.peak), ("trough at", self.trough),
            ("recovered at", "not yet" if self.recovery is None else self.recovery),
            ("longest under water, periods", self.longest_periods), ("ulcer index", fraction_pct(self.ulcer_index)),
            ("pain index", fraction_pct(self.pain_index)),
            ("conditional drawdown at risk, 95 %", fraction_pct(self.conditional_95)),
        ])  # fmt: skip

    def plot(self) -> Any:
        """Draw the drawdown over time; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 3), layout="constrained")
        axes = figure.subplots()
        axes.fill_between(np.arange(len(self.depths)), 100.0 * self.depths, step="post", alpha=0.5, color="tab:red")
        axes.set_xlabel("period")
        axes.set_ylabel("drawdown, %")
        axes.grid(alpha=0.2)
        return figure


@declared
def drawdown_report(returns: Any) -> DrawdownReport:
    """Describe the drawdowns of a track record.

    >>> report = drawdown_report([0.1, -0.2, 0.1, 0.3])
    >>> report.peak, report.trough, report.recovery, report.longest_periods
    (0, 1, 3, 2)
    """
    depths = drawdowns(returns)
    if not depths.size:
        raise BadData("returns must have at least 1 observation, there were 0")
    spells = _spells(depths)
    deepest = min(spells, key=lambda spell: spell[3], default=None)
    return DrawdownReport(
        depths=depths,
        max_drawdown=float(depths.min()),
        peak=None if deepest is None else deepest[0] - 1,
        trough=None if deepest is None else deepest[0] + int(np.argmin(depths[deepest[0] : deepest[1]])),
        recovery=None if deepest is None or deepest[2] is None else deepest[2],
        longest_periods=max((end - first for first, end, _, _ in spells), default=0),
        ulcer_index=ulcer_index(returns),
        pain_index=pain_index(returns),
        conditional_95=conditional_drawdown_at_risk(returns),
    )


def _spells(depths: Floats) -> list[tuple[int, int, int | None, float]]:
    """Runs under water: first period, one past the last, the recovery or None, and the depth."""
    under = np.concatenate([[False], depths < 0.0, [False]])
    edges = np.flatnonzero(np.diff(under.astype(np.int8)))
    return [
        (int(first), int(end), int(end) if end < len(depths) else None, float(depths[first:end].min()))
        for first, end in zip(edges[::2], edges[1::2], strict=True)
    ]
