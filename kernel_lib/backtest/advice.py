"""Advice on a run in words; every sentence carries the figures that it rests on, and none is given without them."""

import math
from typing import Any

import numpy as np

from kernel_lib.backtest.breakdown import breakdown, group_keys
from kernel_lib.backtest.honesty import Honesty
from kernel_lib.backtest.monte_carlo import monte_carlo_trades
from kernel_lib.backtest.performance import Run
from kernel_lib.trading.record import Kind, Reason

__all__ = ["advice_on"]

_FEW = 30
_LEVEL = 0.05


def advice_on(run: Run, trades: Any, statistics: dict[str, float], honesty: Honesty) -> tuple[str, ...]:
    """Say what the figures of a run suggest to do next, the most important first.

    Parameters
    ----------
    run : Run
    trades : pandas.DataFrame
        The closed trades.
    statistics : dict of str to float
    honesty : Honesty

    Returns
    -------
    tuple of str
        Each names its figures. Groups of trades (hours, weekdays, sides) are named only where they lost, and
        lost more than the others (Welch) at 5 percent after Bonferroni's correction for all groups looked at.
    """
    net = trades["net_profit"].to_numpy(dtype=np.float64)
    currency = run.book.account.currency
    found: list[str] = []
    if run.fault:
        found.append(f"Mend the strategy first: it was stopped at {run.fault}.")
    if len(net) == 0:
        found.append(_idle(run, statistics))
        return tuple(found)
    found += _belief(honesty, len(net))
    found += _costs(statistics, net, currency)
    found += _shape(statistics, net, currency)
    if len(net) >= _FEW:
        found += _groups(trades, currency)
        found += _exits(trades, currency)
        found += _drawdown(run, net, statistics)
    found += _refused(run, statistics)
    return tuple(found)


def _idle(run: Run, statistics: dict[str, float]) -> str:
    if statistics["denied_count"]:
        denied = f"{statistics['denied_count']:,} orders were denied ({_reasons(run)})"
        return f"No trade was closed and {denied}: see the limits."
    if statistics["decisions_count"] == 0:
        return "The decision was never called: some feature stayed NaN; look at its warm-up and at the data's length."
    if len(run.equity) and run.equity["units"][-1] != 0:
        return f"No trade was closed: one is open still, with {statistics['floating_profit_money']:,.2f} floating."
    called = f"{statistics['decisions_count']:,} decisions"
    return f"No trade was closed in {called}: loosen the rule or take a longer history."


def _belief(honesty: Honesty, n_trades: int) -> list[str]:
    found = []
    if n_trades < _FEW:
        found.append(
            f"Take a longer history: closed trades were {n_trades}, and {_FEW} are the least that say something."
        )
    if honesty.deflated_sharpe < 1.0 - _LEVEL:
        counted = f"counting {honesty.n_trials:,} trials" if honesty.n_trials else "taken for the only trial"
        found.append(
            f"Do not trust this Sharpe ratio yet: {counted}, it is above luck with a probability of "
            f"{100 * honesty.deflated_sharpe:.0f} %, and 95 % is the least one should ask for."
        )
    if math.isfinite(honesty.least_periods) and honesty.least_periods > honesty.n_periods:
        more = math.ceil(honesty.least_periods) - honesty.n_periods
        found.append(f"Record {more:,} {honesty.period}s more at this rate before you call it skill at 95 %.")
    return found


def _costs(statistics: dict[str, float], net: Any, currency: str) -> list[str]:
    commission, swap = statistics["commission_money"], statistics["swap_money"]
    before = float(net.sum()) + commission - swap
    if commission <= 0.0 or before <= 0.0 or commission <= 0.3 * before:
        return []
    if net.sum() < 0.0:
        return [
            f"Trade less often or for larger moves: {before:,.2f} {currency} earned before costs became a loss by "
            f"{commission:,.2f} {currency} of commission and {-swap:,.2f} of swap."
        ]
    return [
        f"Trade less often or for larger moves: commission took {100 * commission / before:.0f} % of the "
        f"{before:,.2f} {currency} earned before it, over {statistics['turnover_lots']:,.2f} lots."
    ]


def _shape(statistics: dict[str, float], net: Any, currency: str) -> list[str]:
    found = []
    total, n_best = float(net.sum()), max(1, len(net) // 20)
    best = float(np.sort(net)[-n_best:].sum())
    if total > 0.0 and best > total and len(net) >= 20:
        found.append(
            f"The result hangs on few trades: without the best {n_best} of {len(net)}, the net profit of "
            f"{total:,.2f} {currency} would be {total - best:,.2f}."
        )
    win_rate, payoff = statistics["win_rate_pct"] / 100.0, statistics["payoff_ratio"]
    if total < 0.0 and payoff > 0.0:
        needed = 1.0 / (1.0 + payoff)
        found.append(
            f"At the present size of wins and losses ({payoff:.2f} to 1) it takes {100 * needed:.1f} % of winners to "
            f"break even; there were {100 * win_rate:.1f} %."
        )
    return found


def _groups(trades: Any, currency: str) -> list[str]:
    from scipy import stats

    found = []
    net = trades["net_profit"].to_numpy(dtype=np.float64)
    for by, said in (("hour", "opened in hour {} UTC"), ("weekday", "opened on {}s"), ("side", "that were {}")):
        keys = group_keys(trades, by)
        groups = [group for group in dict.fromkeys(keys) if (keys == group).sum() >= 10]
        for group in groups:
            inside, outside = net[keys == group], net[keys != group]
            if len(outside) < 10 or inside.sum() >= 0.0 or np.ptp(inside) == 0.0 or np.ptp(outside) == 0.0:
                continue
            # Worse than the rest, not only below zero: in a strategy that always loses no hour is to blame.
            test = stats.ttest_ind(inside, outside, equal_var=False, alternative="less")
            if test.pvalue * len(groups) < _LEVEL:
                found.append(
                    f"Leave out trades {said.format(group)}: {len(inside):,} of them lost {-inside.sum():,.2f} "
                    f"{currency}, {inside.mean():,.2f} each against {outside.mean():,.2f} of the others "
                    f"(t = {test.statistic:.1f}, significant among {len(groups)} looked at). Count that as a trial."
                )
    return found


def _exits(trades: Any, currency: str) -> list[str]:
    frame = breakdown(trades, "reason")
    found = []
    if "stop_loss" in frame.index:
        row, share = frame.loc["stop_loss"], frame.loc["stop_loss", "trades_count"] / len(trades)
        if share > 0.5 and row["net_profit_money"] < 0.0:
            found.append(
                f"Look at the stop-loss: it closed {100 * share:.0f} % of the trades for "
                f"{row['net_profit_money']:,.2f} {currency} in all; compare with twice the distance, out of sample."
            )
    return found


def _drawdown(run: Run, net: Any, statistics: dict[str, float]) -> list[str]:
    drawn = monte_carlo_trades(net, deposit=run.book.account.deposit, n_draws=500)
    deep = drawn.quantiles((0.95,))[0.95]["max_drawdown_pct"]
    if deep > 1.5 * statistics["max_drawdown_pct"]:
        return [
            f"Plan for a drawdown of {deep:.1f} %, not of {statistics['max_drawdown_pct']:.1f} %: the same trades in "
            "other orders fall that deep in one of twenty."
        ]
    return []


def _refused(run: Run, statistics: dict[str, float]) -> list[str]:
    denied, orders = statistics["denied_count"], statistics["orders_count"]
    if denied and denied >= 0.1 * max(orders, 1):
        return [
            f"The limits shaped this result: {denied:,} orders were denied ({_reasons(run)}) beside {orders:,} sent."
        ]
    return []


def _reasons(run: Run) -> str:
    rows = run.events[run.events["kind"] == int(Kind.DENIED)]
    codes, counts = np.unique(rows["reason"], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return ", ".join(f"{Reason(int(codes[i])).name.lower()} {counts[i]:,}" for i in order)
