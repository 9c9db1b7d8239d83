"""The report on a replay: the standard statistics, with their units in their names, and the plots.

``_money`` is the account's currency, ``_pct`` percent, ``_s`` seconds, ``_count`` a number of things; ratios have
none. Returns are of the equity, by day where the run covers at least thirty trading days, else by hour, and are
brought to a year with 252 days or 252 * 24 hours; the risk-free rate is taken as zero.
"""

import base64
import io
import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kernel_lib.market.instrument import Instrument
from kernel_lib.risk import annual_volatility, sharpe_ratio, sortino_ratio
from kernel_lib.risk.drawdown import drawdowns_of_worth
from kernel_lib.strategy import Strategy
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Kind, Reason

__all__ = ["Report", "Run", "trades_frame"]

_DAY_NS = 86_400 * 10**9
_HOUR_NS = 3_600 * 10**9
_DAYS_A_YEAR = 252.0
_LEAST_DAYS = 30


class Run(Protocol):
    """What a report needs of a run; :class:`~kernel_lib.backtest.replay.Replay` has it."""

    strategy: Strategy
    instrument: Instrument
    book: Book
    equity: npt.NDArray[np.void]
    n_ticks: int
    span_ns: tuple[int, int]

    @property
    def trades(self) -> Any:
        """Closed trades as a DataFrame."""


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
        close_price, profit, commission, swap, net_profit, reason``; money in account currency, commission of both
        sides as a positive cost, ``net_profit = profit + swap - commission``.
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
    return frame


class Report:
    """Statistics and plots of one :class:`~kernel_lib.backtest.replay.Replay`.

    Attributes
    ----------
    statistics : dict of str to float
        See the module for the units. A statistic that cannot be computed (no trades, no variance) is NaN.
    trades : pandas.DataFrame
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.trades = run.trades
        self.statistics = _statistics(run, self.trades)

    def __repr__(self) -> str:
        width = max(map(len, self.statistics))
        lines = [f"{name:<{width}}  {_shown(number)}" for name, number in self.statistics.items()]
        return "\n".join([repr(self.run), *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{name}</td><td>{_shown(number)}</td></tr>"
            for name, number in self.statistics.items()
        )
        return (
            f"<div><b>{self.run.strategy.name}</b> on {self.run.instrument.symbol}"
            f"<div style='display:flex;gap:1em;align-items:flex-start'><table>{rows}</table>"
            f"<img style='max-width:60%' src='data:image/png;base64,{self._png()}'></div></div>"
        )

    def plot(self) -> Any:
        """Draw equity, drawdown and the trades' profits; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        run = self.run
        minor = 10.0**run.book.account.digits
        times = run.equity["time_ns"].astype("datetime64[ns]")
        equity = run.equity["equity_minor"] / minor
        figure = Figure(figsize=(9, 7), layout="constrained")
        top, middle, bottom = figure.subplots(3, 1, height_ratios=[3, 1, 1.4])
        top.plot(times, equity, lw=1.0, label="equity")
        top.plot(times, run.equity["balance_minor"] / minor, lw=0.8, alpha=0.6, label="balance", drawstyle="steps-post")
        top.set_ylabel(run.book.account.currency)
        top.set_title(f"{run.strategy.name} on {run.instrument.symbol}")
        top.legend(loc="best", frameon=False)
        middle.fill_between(times, 100.0 * drawdowns_of_worth(equity), 0.0, step="post", alpha=0.5, color="tab:red")
        middle.set_ylabel("drawdown, %")
        for axes in (top, middle):
            axes.grid(alpha=0.2)
            for label in axes.get_xticklabels():
                label.set_rotation(20)
        if len(self.trades):
            bottom.hist(self.trades["net_profit"], bins=min(60, max(5, len(self.trades) // 3)), color="tab:gray")
            bottom.axvline(0.0, color="black", lw=0.6)
        bottom.set_xlabel(f"net profit of a trade, {run.book.account.currency}")
        bottom.set_ylabel("trades")
        return figure

    def _png(self) -> str:
        target = io.BytesIO()
        self.plot().savefig(target, format="png", dpi=80)
        return base64.b64encode(target.getvalue()).decode("ascii")


def _statistics(run: Run, trades: Any) -> dict[str, float]:
    book = run.book
    n = book.numbers
    deposit = book.money(n["deposit_minor"])
    equity = run.equity["equity_minor"] / 10.0**book.account.digits
    days = (run.span_ns[1] - run.span_ns[0]) / _DAY_NS
    net = trades["net_profit"].to_numpy()
    won, lost = net[net > 0], net[net < 0]
    returns, periods_a_year = _returns(run.equity["time_ns"], equity, deposit)
    final = book.money(n["equity_minor"])
    growth = final / deposit
    years = days / 365.25
    drawdown_pct = 100.0 * n["drawdown_fraction"]
    annual_pct = 100.0 * (growth ** (1.0 / years) - 1.0) if years > 1 / 52 and growth > 0 else math.nan
    held_s = (trades["close_time_ns"] - trades["open_time_ns"]).to_numpy() / 1e9
    return {
        "duration_days": days,
        "ticks_count": run.n_ticks,
        "decisions_count": n["n_decisions"],
        "orders_count": n["n_orders"],
        "denied_count": n["n_denied"],
        "fills_count": n["n_fills"],
        "trades_count": len(trades),
        "deposit_money": deposit,
        "net_profit_money": book.money(n["balance_minor"] - n["deposit_minor"]),
        "floating_profit_money": round(final - book.money(n["balance_minor"]), 2),
        "final_equity_money": final,
        "commission_money": book.money(n["commission_minor"]),
        "swap_money": book.money(n["swap_minor"]),
        "return_pct": 100.0 * (growth - 1.0),
        "annual_return_pct": annual_pct,
        "annual_volatility_pct": 100.0 * annual_volatility(returns, periods_a_year),
        "max_drawdown_pct": drawdown_pct,
        "max_drawdown_money": book.money(n["drawdown_minor"]),
        "sharpe_ratio": sharpe_ratio(returns, periods_per_year=periods_a_year),
        "sortino_ratio": sortino_ratio(returns, periods_per_year=periods_a_year),
        "calmar_ratio": _over(annual_pct, drawdown_pct),
        "win_rate_pct": 100.0 * len(won) / len(net) if len(net) else math.nan,
        "profit_factor": _over(float(won.sum()), -float(lost.sum())),
        "expectancy_money": float(net.mean()) if len(net) else math.nan,
        "average_win_money": float(won.mean()) if len(won) else math.nan,
        "average_loss_money": float(lost.mean()) if len(lost) else math.nan,
        "best_trade_money": float(net.max()) if len(net) else math.nan,
        "worst_trade_money": float(net.min()) if len(net) else math.nan,
        "average_trade_duration_s": float(held_s.mean()) if len(held_s) else math.nan,
        "exposure_time_pct": 100.0 * float(np.mean(run.equity["units"] != 0)) if len(run.equity) else math.nan,
    }


def _returns(
    times_ns: npt.NDArray[np.int64], equity: npt.NDArray[np.float64], deposit: float
) -> tuple[npt.NDArray[np.float64], float]:
    """Give the returns from period to period, over periods in which the market moved, and periods a year."""
    if len(times_ns) == 0:
        return np.zeros(0), _DAYS_A_YEAR
    days = np.unique(times_ns // _DAY_NS)
    length, a_year = (_DAY_NS, _DAYS_A_YEAR) if len(days) >= _LEAST_DAYS else (_HOUR_NS, 24 * _DAYS_A_YEAR)
    periods = times_ns // length
    last = np.flatnonzero(np.append(np.diff(periods) > 0, True))
    closes = np.concatenate([[deposit], equity[last]])
    return np.diff(closes) / closes[:-1], a_year


def _over(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.nan


def _shown(number: float) -> str:
    if isinstance(number, int | np.integer):
        return f"{number:,}"
    return "n/a" if math.isnan(number) else f"{number:,.2f}" if abs(number) >= 1 else f"{number:.4f}"
