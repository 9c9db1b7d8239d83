"""The report on an account: the same statistics, and what each member brought to profit and to drawdown."""

import functools
import html
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.counting import tally_of
from kernel_lib.backtest.honesty import Honesty, honesty_of
from kernel_lib.backtest.performance import period_returns
from kernel_lib.backtest.report import Report
from kernel_lib.backtest.tearsheet import equity_figure, figures_of, plain
from kernel_lib.trading.account import AccountConfig
from kernel_lib.trading.record import Kind

__all__ = ["AccountReport"]

# These need one price axis or one lot step.
_OF_ONE_INSTRUMENT = ("Trades on the price", "Exposure and costs")


class _Account(Protocol):
    # What an account's run gave.
    members: tuple[Any, ...]
    account: AccountConfig
    numbers: dict[str, Any]
    equity: npt.NDArray[np.void]
    fault: str


class AccountReport(Report):
    """The tear sheet of an account.

    Parameters
    ----------
    run : AccountReplay
    settings
        As for a :class:`~kernel_lib.backtest.report.Report`.

    Attributes
    ----------
    statistics : dict of str to float
        As of one run, of the account; ``turnover_lots`` is the sum of the members'. Further ``margin_calls_count`` and
        ``stop_outs_count``, the positions that were closed so.
    """

    run: _Account  # type: ignore[assignment]  # its strategy and instrument stand for several

    def __init__(self, run: _Account, **settings: Any) -> None:
        super().__init__(run, **settings)  # type: ignore[arg-type]
        self.statistics["turnover_lots"] = float(sum(each.book.lots(_filled(each)) for each in run.members))
        self.statistics["margin_calls_count"] = run.numbers["n_margin_calls"]
        self.statistics["stop_outs_count"] = run.numbers["n_stop_outs"]

    @functools.cached_property
    def members(self) -> Any:
        """What each member brought, a pandas DataFrame with one row a member.

        ``net_profit_money`` is closed and floating profit together, commission and swap taken off, so that the column
        sums to the account's, of which ``profit_share_pct`` is the share. ``drawdown_money`` is what the member lost
        between peak and trough of the account's deepest fall, on the sampled curve (positive: lost); the column sums
        to that fall, of which ``drawdown_share_pct`` is the share. NaN where the account made or lost nothing.
        """
        import pandas as pd

        run = self.run
        made = self._made[:, -1] if self._made.size else np.zeros(len(run.members))
        fallen = self._fallen()
        total, fall = float(made.sum()), float(fallen.sum())
        return pd.DataFrame(
            {
                "symbol": [each.instrument.symbol for each in run.members],
                "orders_count": [each.book.numbers["n_orders"] for each in run.members],
                "denied_count": [each.book.numbers["n_denied"] for each in run.members],
                "trades_count": [len(each.trades) for each in run.members],
                "commission_money": [each.book.money(each.book.numbers["commission_minor"]) for each in run.members],
                "swap_money": [each.book.money(each.book.numbers["swap_minor"]) for each in run.members],
                "net_profit_money": made,
                "profit_share_pct": 100.0 * made / total if total != 0.0 else np.full(len(made), np.nan),
                "drawdown_money": fallen,
                "drawdown_share_pct": 100.0 * fallen / fall if fall != 0.0 else np.full(len(made), np.nan),
                "stopped": [each.fault for each in run.members],
            },
            index=pd.Index([each.name for each in run.members], name="member"),
        )

    @functools.cached_property
    def correlation(self) -> Any:
        """Correlation of the members' returns over the report's periods, a DataFrame; NaN for one that did nothing."""
        import pandas as pd

        names = [each.name for each in self.run.members]
        returns = np.array([period_returns(each).returns for each in self.run.members])
        with np.errstate(divide="ignore", invalid="ignore"):
            matrix = np.corrcoef(returns) if returns.shape[1] > 1 else np.full((len(names), len(names)), np.nan)
        return pd.DataFrame(np.atleast_2d(matrix), index=names, columns=names)

    @functools.cached_property
    def honesty(self) -> Honesty:
        """How far the result can be believed; the trials are those of all members' hypotheses."""
        n_trials, deviation, hold_out = self._counted
        tally = None
        if n_trials is None:
            pairs = dict.fromkeys((each.strategy.name, each.instrument.symbol) for each in self.run.members)
            tallies = [tally_of(*pair) for pair in pairs]
            # Who counts in this process only says so of all.
            tally = min(tallies, key=lambda each: each.by == "platform")
            n_trials = max(1, sum(each.n_trials for each in tallies))
            known = [each.sharpe_deviation for each in tallies if each.sharpe_deviation is not None]
            deviation = max(known, default=None) if deviation is None else deviation
            tally = msgspec.structs.replace(tally, n_trials=n_trials, sharpe_deviation=deviation)
        return honesty_of(
            self.periods, self.intervals.get("sharpe_ratio"), n_trials=n_trials, counted=tally,
            sharpe_deviation=deviation, n_trades=len(self.trades), hold_out=hold_out, fault=self.run.fault,
        )  # fmt: skip

    def plot(self) -> Any:
        """Draw equity, drawdown and the trades' profits of the account; give the matplotlib Figure."""
        return equity_figure(self.run, self.trades)  # type: ignore[arg-type]

    def figures(self) -> list[tuple[str, Any]]:
        """Draw every picture of the sheet: titles with their matplotlib Figures."""
        found = figures_of(self.run, self.trades, self.periods, regimes=self._regimes)  # type: ignore[arg-type]
        kept = [each for each in found if each[0] not in _OF_ONE_INSTRUMENT]
        return [kept[0], ("What each member made", self._members_figure()), *kept[1:]]

    def to_html(self, path: str | Path | None = None) -> str:
        """Give the sheet as one HTML page, with the members' table before the statistics; see a report's."""
        from kernel_lib.backtest.sheet_html import sheet_html

        mark = "<h2>Statistics</h2>"
        page = sheet_html(self).replace(mark, self._members_html() + mark, 1)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def __repr__(self) -> str:
        table = self.members[["symbol", "trades_count", "net_profit_money", "drawdown_money"]].to_string(
            float_format=lambda number: f"{number:,.2f}"
        )
        return f"{super().__repr__()}\n\n{table}"

    def _repr_html_(self) -> str:
        from kernel_lib.backtest.sheet_html import notebook_html

        return f"<div>{notebook_html(self)}{self._members_html()}</div>"

    @functools.cached_property
    def _made(self) -> Any:
        # Money, shape (n_members, n_points).
        deposit = self.run.numbers["deposit_minor"]
        rows = [each.equity["equity_minor"] - deposit for each in self.run.members]
        return np.array(rows) / 10.0**self.run.account.digits

    def _fallen(self) -> Any:
        """Give what each member lost while the account fell deepest."""
        n_members = len(self.run.members)
        if not self._made.size:
            return np.zeros(n_members)
        made = np.concatenate([np.zeros((n_members, 1)), self._made], axis=1)
        worth = self.run.account.deposit + made.sum(axis=0)
        peaks = np.maximum.accumulate(worth)
        trough = int(np.argmin((worth - peaks) / np.maximum(peaks, 1e-9)))
        peak = int(np.argmax(worth[: trough + 1]))
        return made[:, peak] - made[:, trough]

    def _members_figure(self) -> Any:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        times = self.run.equity["time_ns"].astype("datetime64[ns]")
        for each, made in zip(self.run.members, self._made, strict=True):
            axes.plot(times, made, lw=1.0, label=plain(each.name))
        axes.axhline(0.0, color="black", lw=0.6)
        axes.set_ylabel(f"made, {plain(self.run.account.currency)}")
        axes.legend(loc="best", frameon=False)
        axes.grid(alpha=0.2)
        return figure

    def _members_html(self) -> str:
        def shown(frame: Any) -> str:
            cells = frame.reset_index(names="member").to_html(
                index=False, border=0, na_rep="", float_format=lambda number: f"{number:,.2f}"
            )
            return str(cells)

        correlated = ""
        if len(self.run.members) > 1:
            correlated = f"<h2>Correlation of the members' returns by {html.escape(self.periods.name)}</h2>"
            correlated += shown(self.correlation)
        return f"<h2>Members</h2>{shown(self.members)}{correlated}"


def _filled(member: Any) -> int:
    fills = member.events[member.events["kind"] == int(Kind.FILL)]
    return int(np.abs(fills["units"]).sum())
