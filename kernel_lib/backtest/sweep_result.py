"""What a sweep found: one row a set, the best of them, and how a score lies over the parameters."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.sweep_totals import statistics_of
from kernel_lib.errors import BadData
from kernel_lib.strategy import Strategy

__all__ = ["Sweep", "score_sign"]

_SMALL_IS_GOOD = ("drawdown", "volatility", "commission", "denied_count")


def score_sign(by: str) -> float:
    """1 where more of a statistic is better, -1 where less is.

    >>> score_sign("sharpe_ratio"), score_sign("max_drawdown_pct")
    (1.0, -1.0)
    """
    return -1.0 if any(word in by for word in _SMALL_IS_GOOD) else 1.0


class Sweep:
    """What :func:`~kernel_lib.backtest.sweep.sweep` gave.

    Attributes
    ----------
    strategy : Strategy
        As it was before the sets' parameters.
    sets : list of dict
        The parameters of each row.
    totals : ndarray of TOTALS, shape (n_sets,)
        The sums that the statistics are computed from.
    done : ndarray of bool, shape (n_sets,)
        Whether the set ran, or was found to be no good.
    reasons : list of str
        Empty, or why a set was refused or stopped.
    note : str
        What the reader must know: why it is slow, or why it ended early.
    seconds : float
        Backtest-seconds: what the sets took of processors, together.
    """

    def __init__(
        self, strategy: Strategy, sets: Sequence[dict[str, Any]], totals: npt.NDArray[np.void],
        done: npt.NDArray[np.bool_], reasons: Sequence[str], digits: int, note: str,
    ) -> None:  # fmt: skip
        self.strategy = strategy
        self.sets = list(sets)
        self.totals = totals
        self.done = done
        self.reasons = list(reasons)
        self.note = note
        self.seconds = float(totals["seconds"].sum())
        self._digits = digits

    @property
    def partial(self) -> bool:
        """Some sets did not run: it was interrupted, or a worker or the quota was lost."""
        return not bool(self.done.all())

    @property
    def n_trials(self) -> int:
        """Sets that ran: the number that a deflated Sharpe ratio is deflated by."""
        return int((self.totals["n_ticks"] > 0).sum())

    @cached_property
    def table(self) -> Any:
        """One row a set: its parameters, the statistics of a report, and ``reason``; a pandas DataFrame.

        Statistics are NaN where the set did not run.
        """
        import pandas as pd

        ran = self.totals["n_ticks"] > 0
        names = list(dict.fromkeys(name for each in self.sets for name in each))
        columns: dict[str, Any] = {
            name: [each.get(name, self.strategy.params[name]) for each in self.sets] for name in names
        }
        for name, numbers in statistics_of(self.totals, self._digits).items():
            columns[name] = np.where(ran, numbers, np.nan)
        columns["reason"] = [
            reason or ("" if done else "not run") for reason, done in zip(self.reasons, self.done, strict=True)
        ]
        return pd.DataFrame(columns)

    def best(self, by: str = "sharpe_ratio", *, least_trades: int = 1) -> Any:
        """Give the best row among those without a reason against them; a pandas Series, its name the set's number.

        Parameters
        ----------
        by : str
            A statistic; of drawdowns, volatility and costs the smallest is best.
        least_trades : int
            Sets with fewer closed trades do not count.

        Raises
        ------
        BadData
            No such statistic, or no set has it.
        """
        return self.table.loc[self._ranked(by, least_trades).idxmax()]

    def best_strategy(self, by: str = "sharpe_ratio", *, least_trades: int = 1) -> Strategy:
        """Give the strategy with the parameters of :meth:`best`."""
        return self.strategy.with_params(**self.sets[int(self._ranked(by, least_trades).idxmax())])

    def surface(self, x: str, y: str, by: str = "sharpe_ratio") -> Any:
        """Give ``by`` over two parameters, ``y`` down and ``x`` across, the mean over all others; a DataFrame."""
        for name in (x, y):
            if name not in self._varied:
                raise BadData(f"a surface is over parameters of the grid ({', '.join(self._varied)}), not {name!r}")
        self._scores(by)
        good = self.table[self.table["reason"] == ""]
        return good.pivot_table(index=y, columns=x, values=by, aggfunc="mean").sort_index()

    def heatmap(self, x: str, y: str, by: str = "sharpe_ratio") -> Any:
        """Draw :meth:`surface`; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        surface = self.surface(x, y, by)
        figure = Figure(figsize=(7, 5), layout="constrained")
        axes = figure.subplots()
        drawn = axes.imshow(surface.to_numpy(), aspect="auto", origin="lower", cmap="viridis")
        for axis, values in ((axes.xaxis, surface.columns), (axes.yaxis, surface.index)):
            places = np.unique(np.linspace(0, len(values) - 1, min(12, len(values))).round().astype(int))
            axis.set_ticks(places, [f"{values[k]:g}" for k in places])
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        figure.colorbar(drawn, label=by)
        return figure

    def plot(self, by: str = "sharpe_ratio") -> Any:
        """Draw the score of every set, best first, and against each parameter; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        good = self.table[(self.table["reason"] == "") & np.isfinite(self._scores(by))]
        varied = self._varied
        figure = Figure(figsize=(3.2 * (1 + len(varied)), 3.2), layout="constrained")
        first, *others = np.atleast_1d(figure.subplots(1, 1 + len(varied), sharey=True))
        first.plot(np.sort(good[by].to_numpy())[::-1])
        first.set_xlabel("sets, best first" if score_sign(by) > 0 else "sets, worst first")
        first.set_ylabel(by)
        for axes, name in zip(others, varied, strict=True):
            axes.plot(good[name], good[by], ".", ms=3, alpha=0.5)
            axes.set_xlabel(name)
        for axes in (first, *others):
            axes.grid(alpha=0.2)
        return figure

    def __repr__(self) -> str:
        n_bad = sum(bool(each) for each in self.reasons)
        parts = [
            f"<Sweep {self.strategy.name}: {int(self.done.sum()):,} of {len(self.sets):,} sets"
            f"{', partial' if self.partial else ''}",
            *([f"{n_bad:,} with a reason against them"] if n_bad else []),
            f"{self.seconds:.2f} backtest-seconds",
            *([self.note] if self.note else []),
        ]
        return "; ".join(parts) + ">"

    def _repr_html_(self) -> str:
        import html

        shown = [*self._varied, "net_profit_money", "sharpe_ratio", "max_drawdown_pct", "trades_count", "reason"]
        table = self.table.sort_values("sharpe_ratio", ascending=False)[shown].head(10)
        return f"<b>{html.escape(repr(self))}</b><br>the ten best by Sharpe ratio{table.to_html()}"

    @property
    def _varied(self) -> list[str]:
        return list(dict.fromkeys(name for each in self.sets for name in each))

    def _scores(self, by: str) -> Any:
        if by not in self.table or by == "reason" or by in self._varied:
            raise BadData(f"a sweep is ranked by one of its statistics such as sharpe_ratio, it was given {by!r}")
        return self.table[by]

    def _ranked(self, by: str, least_trades: int) -> Any:
        scores = self._scores(by) * score_sign(by)
        fit = (self.table["reason"] == "") & (self.table["trades_count"] >= least_trades) & scores.notna()
        if not fit.any():
            raise BadData(f"no set has a {by} with {least_trades} trades or more; see .table and its column reason")
        return scores[fit]
