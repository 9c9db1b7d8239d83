"""The pictures of a tear sheet, each a matplotlib Figure with its title."""

import math
from typing import Any

import numpy as np

from kernel_lib.backtest.breakdown import breakdown
from kernel_lib.backtest.performance import PeriodReturns, Run, equity_of, held_returns
from kernel_lib.market.tick import Ticks
from kernel_lib.risk.drawdown import drawdowns_of_worth
from kernel_lib.risk.series import Floats

__all__ = ["equity_figure", "figures_of", "plain", "shown"]

_MOST_POINTS = 4_000


def plain(text: str) -> str:
    """Give text that matplotlib draws as it stands; a dollar sign would begin a formula.

    >>> plain("US$IDX")
    'US\\\\$IDX'
    """
    return text.replace("\\", "\\\\").replace("$", "\\$")


def shown(number: float) -> str:
    """Show a statistic: whole numbers whole, the others with two decimals or four.

    >>> shown(1234.5), shown(0.12345), shown(7), shown(-0.0)
    ('1,234.50', '0.1235', '7', '0.0000')
    """
    if isinstance(number, int | np.integer):
        return f"{number:,}"
    return "n/a" if math.isnan(number) else f"{number:,.2f}" if abs(number) >= 1 else f"{number:z.4f}"


def equity_figure(run: Run, trades: Any) -> Any:
    """Draw equity and balance, drawdown and the trades' profits."""
    times, equity = _times(run), equity_of(run)
    currency = plain(run.book.account.currency)
    figure = _figure(9, 7)
    top, middle, bottom = figure.subplots(3, 1, height_ratios=[3, 1, 1.4])
    balance = run.equity["balance_minor"] / 10.0**run.book.account.digits
    top.plot(times, equity, lw=1.0, label="equity")
    top.plot(times, balance, lw=0.8, alpha=0.6, label="balance", drawstyle="steps-post")
    top.set_ylabel(currency)
    top.set_title(f"{plain(run.strategy.name)} on {plain(run.instrument.symbol)}")
    top.legend(loc="best", frameon=False)
    if len(equity):
        depths = 100.0 * drawdowns_of_worth(np.concatenate([[run.book.account.deposit], equity]))[1:]
        middle.fill_between(times, depths, 0.0, step="post", alpha=0.5, color="tab:red")
    middle.set_ylabel("drawdown, %")
    for axes in (top, middle):
        _dated(axes)
    if len(trades):
        bottom.hist(trades["net_profit"], bins=min(60, max(5, len(trades) // 3)), color="tab:gray")
        bottom.axvline(0.0, color="black", lw=0.6)
    bottom.set_xlabel(f"net profit of a trade, {currency}")
    bottom.set_ylabel("trades")
    return figure


def figures_of(
    run: Run, trades: Any, periods: PeriodReturns, *, ticks: Ticks | None = None, regimes: Any = None
) -> list[tuple[str, Any]]:
    """Draw the whole sheet: titles with their Figures, what has no data left out."""
    found = [("Equity, drawdown and trades", equity_figure(run, trades))]
    if len(trades) or ticks is not None:
        found.append(("Trades on the price", _price(run, trades, ticks)))
    if len(periods.returns) >= 10:
        found.append(("Rolling statistics", _rolling(periods)))
        found.append(("Returns", _distribution(periods)))
    if ticks is not None and len(periods.returns) >= 2:
        found.append(("Against holding the instrument", _against(run, periods, ticks)))
    found.append(("Exposure and costs", _exposure(run, trades)))
    if len(trades):
        found.append(("By hour and weekday, UTC", _grouped(run, trades, ("hour", "weekday"))))
        kinds = ("side", "reason") if regimes is None else ("side", "reason", "regime")
        found.append(("By side, reason to close" + (", regime" if regimes is not None else ""),
                      _grouped(run, trades, kinds, regimes)))  # fmt: skip
    return found


def _price(run: Run, trades: Any, ticks: Ticks | None) -> Any:
    figure = _figure(9, 4)
    axes = figure.subplots()
    if ticks is not None:
        step = max(1, len(ticks) // _MOST_POINTS)
        axes.plot(
            _as_times(ticks["time_ns"][::step]), (0.5 * (ticks["bid"] + ticks["ask"]))[::step], lw=0.6, color="tab:gray"
        )
    shown = trades.iloc[-500:]
    for side, marker, color in (("long", "^", "tab:green"), ("short", "v", "tab:red")):
        rows = shown[shown["side"] == side]
        axes.scatter(_as_times(rows["open_time_ns"].to_numpy()), rows["open_price"], marker=marker, s=22, color=color,
                     label=side, zorder=3)  # fmt: skip
    axes.scatter(_as_times(shown["close_time_ns"].to_numpy()), shown["close_price"], marker="x", s=16, color="black",
                 lw=0.8, label="closed", zorder=3)  # fmt: skip
    for won, color in ((True, "tab:green"), (False, "tab:red")):
        rows = shown[(shown["net_profit"] > 0) == won]
        if len(rows):
            times = _as_times(np.stack([rows["open_time_ns"].to_numpy(), rows["close_time_ns"].to_numpy()]))
            axes.plot(times, np.stack([rows["open_price"], rows["close_price"]]), color=color, lw=0.6, alpha=0.6)
    if len(trades) > len(shown):
        axes.set_title(f"the last {len(shown)} of {len(trades):,} trades", fontsize=9)
    axes.set_ylabel(plain(run.instrument.symbol))
    axes.legend(frameon=False, loc="best", ncols=3)
    _dated(axes)
    return figure


def _rolling(periods: PeriodReturns) -> Any:
    window = max(5, min(len(periods.returns) // 3, 63 if periods.name == "day" else 120))
    windows = np.lib.stride_tricks.sliding_window_view(periods.returns, window)
    deviation = windows.std(axis=1, ddof=1)
    some = deviation > 0.0
    root = math.sqrt(periods.per_year)
    ratio = np.where(some, root * windows.mean(axis=1) / np.where(some, deviation, 1.0), np.nan)
    times = _as_times(periods.ends_ns[window - 1 :])
    figure = _figure(9, 4.5)
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.plot(times, ratio, lw=1.0)
    top.axhline(0.0, color="black", lw=0.6)
    top.set_ylabel("Sharpe ratio")
    top.set_title(f"over {window} {periods.name}s, for a year", fontsize=9)
    bottom.plot(times, 100.0 * root * deviation, lw=1.0, color="tab:orange")
    bottom.set_ylabel("volatility, %")
    _dated(top)
    _dated(bottom)
    return figure


def _distribution(periods: PeriodReturns) -> Any:
    returns = 100.0 * periods.returns
    figure = _figure(9, 3.4)
    left, right = figure.subplots(1, 2)
    left.hist(returns, bins=min(60, max(8, len(returns) // 4)), color="tab:gray", density=True)
    spread = float(returns.std())
    if spread > 0.0:
        from scipy.stats import norm

        ends = np.linspace(returns.min(), returns.max(), 200)
        left.plot(ends, norm.pdf(ends, returns.mean(), spread), lw=1.0, color="tab:blue", label="normal")
        places = norm.ppf((np.arange(len(returns)) + 0.5) / len(returns))
        right.scatter(places, (np.sort(returns) - returns.mean()) / spread, s=5)
        right.plot(places[[0, -1]], places[[0, -1]], color="black", lw=0.6)
        left.legend(frameon=False)
    left.set_xlabel(f"return by {periods.name}, %")
    right.set_xlabel("normal quantile")
    right.set_ylabel("observed")
    return figure


def _against(run: Run, periods: PeriodReturns, ticks: Ticks) -> Any:
    figure = _figure(9, 3.4)
    axes = figure.subplots()
    times = _as_times(periods.ends_ns)
    for label, returns in (("strategy", periods.returns), (plain(run.instrument.symbol), held_returns(periods, ticks))):
        axes.plot(times, 100.0 * (np.cumprod(1.0 + returns) - 1.0), lw=1.0, label=label)
    axes.axhline(0.0, color="black", lw=0.6)
    axes.set_ylabel("return, %")
    axes.legend(frameon=False)
    _dated(axes)
    return figure


def _exposure(run: Run, trades: Any) -> Any:
    figure = _figure(9, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    lots = run.equity["units"] * run.instrument.lot_step
    left.fill_between(_times(run), lots, 0.0, step="post", alpha=0.5)
    left.set_ylabel("net position, lots")
    _dated(left)
    profit, commission, swap = (float(trades[name].sum()) for name in ("profit", "commission", "swap"))
    names, heights = (
        ("before costs", "commission", "swap", "net"),
        (profit, -commission, swap, profit - commission + swap),
    )
    right.bar(names, heights, color=["tab:green" if each >= 0 else "tab:red" for each in heights])
    right.axhline(0.0, color="black", lw=0.6)
    right.set_ylabel(f"closed trades, {plain(run.book.account.currency)}")
    right.tick_params(axis="x", labelrotation=25)
    return figure


def _grouped(run: Run, trades: Any, kinds: tuple[str, ...], regimes: Any = None) -> Any:
    figure = _figure(9, 3.2)
    for axes, by in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        frame = breakdown(trades, by, regimes=regimes)
        heights: Floats = frame["net_profit_money"].to_numpy()
        axes.bar([plain(str(each)) for each in frame.index], heights,
                 color=["tab:green" if each >= 0 else "tab:red" for each in heights])  # fmt: skip
        axes.axhline(0.0, color="black", lw=0.6)
        axes.set_title(by, fontsize=9)
        axes.tick_params(axis="x", labelrotation=45 if by != "hour" else 90, labelsize=7)
        axes.set_ylabel(plain(run.book.account.currency))
    return figure


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _times(run: Run) -> Any:
    return _as_times(run.equity["time_ns"])


def _as_times(times_ns: Any) -> Any:
    return np.asarray(times_ns).astype("datetime64[ns]")


def _dated(axes: Any) -> None:
    axes.grid(alpha=0.2)
    for label in axes.get_xticklabels():
        label.set_rotation(20)
