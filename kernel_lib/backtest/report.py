"""The report on a replay: honesty first, then statistics with intervals, pictures, advice; as HTML and as PDF.

Figures are computed in :mod:`~kernel_lib.backtest.performance` (which states their units), ``honesty``, ``breakdown``
and ``advice``, and drawn in ``tearsheet``; this is the one call that puts them together.
"""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.advice import advice_on
from kernel_lib.backtest.bootstrap import Interval
from kernel_lib.backtest.breakdown import breakdown
from kernel_lib.backtest.counting import tally_of
from kernel_lib.backtest.honesty import Honesty, honesty_of, intervals_of
from kernel_lib.backtest.leak_first import unchecked_notes
from kernel_lib.backtest.performance import PeriodReturns, Run, held_returns, period_returns, statistics_of
from kernel_lib.backtest.tearsheet import equity_figure, figures_of, shown
from kernel_lib.errors import BadData
from kernel_lib.market.tick import Ticks
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Kind, Reason

__all__ = ["Report", "Run", "compare", "trades_frame"]


def trades_frame(events: npt.NDArray[np.void], book: Book) -> Any:
    """List the closed trades of a record.

    Parameters
    ----------
    events : ndarray of EVENT
    book : Book
        For the units: lots, prices and money.

    Returns
    -------
    pandas.DataFrame
        One row a closed trade or part of one: ``position_id, side, lots, open_time_ns, open_price, close_time_ns,
        close_price, profit, commission, swap, net_profit, reason, opened, closed``; money in account currency,
        commission of both sides as a positive cost, ``net_profit = profit + swap - commission``; ``opened`` and
        ``closed`` are the same times as pandas shows them, in UTC.
    """
    import pandas as pd

    rows = events[events["kind"] == int(Kind.CLOSED)]
    minor = 10.0**book.account.digits
    decimals = book.instrument.digits + 3
    point = book.instrument.point
    frame = pd.DataFrame(
        {
            "position_id": rows["position_id"],
            "side": np.where(rows["side"] > 0, "long", "short"),
            "lots": np.round(rows["units"] * book.instrument.lot_step, 8),
            "open_time_ns": rows["open_time_ns"],
            "open_price": np.round(rows["open_points"] * point, decimals),
            "close_time_ns": rows["time_ns"],
            "close_price": np.round(rows["points"] * point, decimals),
            "profit": rows["profit_minor"] / minor,
            "commission": rows["commission_minor"] / minor,
            "swap": rows["swap_minor"] / minor,
        }
    )
    net = rows["profit_minor"] + rows["swap_minor"] - rows["commission_minor"]
    frame["net_profit"] = net / minor
    frame["reason"] = [Reason(int(reason)).name.lower() if reason else "target" for reason in rows["reason"]]
    frame["opened"] = pd.to_datetime(frame["open_time_ns"], unit="ns", utc=True)
    frame["closed"] = pd.to_datetime(frame["close_time_ns"], unit="ns", utc=True)
    return frame


class Report:
    """The tear sheet of one run.

    Parameters
    ----------
    run : Replay
    n_trials : int or None
        Backtests, sweep points and refits that were made for the hypothesis, this one included; None asks the ledger
        when the honesty block is first read, see :mod:`kernel_lib.backtest.counting`.
    sharpe_deviation : float or None
        Deviation of those trials' Sharpe ratios, per year, where known; None with the ledger's count: the ledger's.
    ticks : ndarray of TICK or None
        The prices of the run, for the price chart and the comparison with holding the instrument.
    benchmark : array_like or None
        Returns of the same periods (see ``periods``) to compare with; None: holding the instrument, where there are
        ticks.
    regimes : Series or pair of arrays, or None
        Labels with the times from which they were known, see :func:`~kernel_lib.backtest.breakdown.breakdown`.
    hold_out : str
        What is known of data that the strategy was never fitted to, in words.

    Attributes
    ----------
    statistics : dict of str to float
        See :mod:`~kernel_lib.backtest.performance` for the units; with a benchmark also ``alpha_annual_pct``, ``beta``,
        ``correlation``, ``information_ratio``, ``benchmark_return_pct``.
    periods : PeriodReturns
    trades : pandas.DataFrame
    """

    def __init__(
        self,
        run: Run,
        *,
        n_trials: int | None = None,
        sharpe_deviation: float | None = None,
        ticks: Ticks | None = None,
        benchmark: Any = None,
        regimes: Any = None,
        hold_out: str = "",
    ) -> None:
        self.run = run
        self.trades = run.trades
        self.periods: PeriodReturns = period_returns(run)
        self.statistics = statistics_of(run, self.trades, self.periods)
        self._counted = n_trials, sharpe_deviation, hold_out
        self._ticks, self._regimes = ticks, regimes
        if benchmark is None and ticks is not None and len(self.periods.returns) >= 2:
            benchmark = held_returns(self.periods, ticks)
        if benchmark is not None:
            self.statistics |= _against(self.periods, benchmark)

    @functools.cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 percent intervals of the statistics that have one, by the stationary bootstrap."""
        return intervals_of(self.periods, self.trades["net_profit"])

    @functools.cached_property
    def honesty(self) -> Honesty:
        """How far the result can be believed."""
        n_trials, deviation, hold_out = self._counted
        tally = None
        if n_trials is None:
            tally = tally_of(self.run.strategy.name, self.run.instrument.symbol)
            n_trials = max(1, tally.n_trials)
            deviation = tally.sharpe_deviation if deviation is None else deviation
        return honesty_of(
            self.periods, self.intervals.get("sharpe_ratio"), n_trials=n_trials, counted=tally,
            sharpe_deviation=deviation, n_trades=len(self.trades), hold_out=hold_out, fault=self.run.fault,
        )  # fmt: skip

    @functools.cached_property
    def _advice(self) -> tuple[str, ...]:
        unchecked = unchecked_notes(getattr(self.run, "strategy", None))
        return (*unchecked, *advice_on(self.run, self.trades, self.statistics, self.honesty))

    def advice(self) -> tuple[str, ...]:
        """Say what to do next, in words that carry their figures; see :mod:`kernel_lib.backtest.advice`."""
        return self._advice

    def by(self, what: str) -> Any:
        """Group the trades by ``hour``, ``weekday``, ``month``, ``side``, ``reason`` or ``regime``; a DataFrame."""
        return breakdown(self.trades, what, regimes=self._regimes)

    def plot(self) -> Any:
        """Draw equity, drawdown and the trades' profits; give the matplotlib Figure."""
        return equity_figure(self.run, self.trades)

    def figures(self) -> list[tuple[str, Any]]:
        """Draw every picture of the sheet: titles with their matplotlib Figures."""
        return figures_of(self.run, self.trades, self.periods, ticks=self._ticks, regimes=self._regimes)

    def to_html(self, path: str | Path | None = None) -> str:
        """Give the sheet as one HTML page that needs nothing else, no script and no network.

        Parameters
        ----------
        path : str or Path or None
            Also written there, UTF-8.
        """
        from kernel_lib.backtest.sheet_html import sheet_html

        page = sheet_html(self)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def to_pdf(self, path: str | Path) -> None:
        """Write the sheet as PDF: the honesty block and the statistics on the first page, then the pictures."""
        from kernel_lib.backtest.sheet_pdf import write_pdf

        write_pdf(self, path)

    def __repr__(self) -> str:
        width = max(map(len, self.statistics))
        lines = [f"{name:<{width}}  {shown(number)}" for name, number in self.statistics.items()]
        warned = [f"{'warning':<{width}}  {each}" for each in unchecked_notes(getattr(self.run, "strategy", None))]
        return "\n".join([repr(self.run), *warned, f"{'verdict':<{width}}  {self.honesty.verdict}", *lines])

    def _repr_html_(self) -> str:
        from kernel_lib.backtest.sheet_html import notebook_html

        return notebook_html(self)


def compare(reports: Sequence[Report], *, names: Sequence[str] | None = None) -> Any:
    """Put reports side by side.

    Parameters
    ----------
    reports : sequence of Report
        Two or more.
    names : sequence of str or None
        Column names; None: the strategies', numbered where they repeat.

    Returns
    -------
    Comparison
        With ``table`` (a DataFrame, statistics by name), ``correlation`` of the returns over common periods, ``plot()``
        and ``to_html(path)``.
    """
    from kernel_lib.backtest.comparison import Comparison

    return Comparison(reports, names)


def _against(periods: PeriodReturns, benchmark: Any) -> dict[str, float]:
    from kernel_lib.risk import alpha_beta, information_ratio
    from kernel_lib.risk.series import series

    other = series(benchmark, "benchmark")
    returns = periods.returns
    if other.shape != returns.shape:
        raise BadData(
            f"a benchmark must have the returns of the run's {len(returns)} {periods.name}s (report.periods), "
            f"it had {len(other)}"
        )
    many = len(returns) >= 2
    alpha, beta = alpha_beta(returns, other, periods_per_year=periods.per_year) if many else (math.nan, math.nan)
    differ = many and np.ptp(returns) > 0.0 and np.ptp(other) > 0.0
    return {
        "alpha_annual_pct": 100.0 * float(alpha),
        "beta": float(beta),
        "correlation": float(np.corrcoef(returns, other)[0, 1]) if differ else math.nan,
        "information_ratio": float(information_ratio(returns, other)) if many else math.nan,
        "benchmark_return_pct": 100.0 * float(np.prod(1.0 + np.nan_to_num(other)) - 1.0),
    }
