"""What a sweep keeps of a run: sums over its closed trades and its equity, and the statistics that follow from them.

The record of a set is folded into these sums whenever its buffer fills, in compiled code, and then forgotten: memory
does not grow with orders or with ticks. Sums of money are whole minor units, so they are exact. The statistics are
those of :mod:`kernel_lib.backtest.report`, by the same rules and names. Totals of consecutive runs can be
joined: mean and squared deviations by the formula of Chan, Golub and LeVeque (1979).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from kernel_lib.market.trading_days import day_end_ns
from kernel_lib.trading.record import Kind

__all__ = ["TOTALS", "close_totals", "fold_rows", "joined_totals", "open_totals", "statistics_of"]

_DAY_NS = 86_400 * 10**9
_HOUR_NS = 3_600 * 10**9
_DAYS_A_YEAR = 252.0
_LEAST_DAYS = 30
_CLOSED = int(Kind.CLOSED)

#: ``held_ns`` is the sum of the trades' lengths, ``open_ns`` the time with a position;
#: ``mean``, ``squares`` (about the mean) and ``below`` (squares of the negative ones) are of the returns by period.
TOTALS = np.dtype(
    [
        ("n_ticks", "<i8"), ("n_decisions", "<i8"), ("n_orders", "<i8"), ("n_denied", "<i8"), ("n_fills", "<i8"),
        ("span_ns", "<i8"), ("deposit_minor", "<i8"), ("balance_minor", "<i8"), ("equity_minor", "<f8"),
        ("commission_minor", "<i8"), ("swap_minor", "<i8"), ("drawdown_minor", "<f8"), ("drawdown_fraction", "<f8"),
        ("n_trades", "<i8"), ("n_won", "<i8"), ("n_lost", "<i8"), ("won_minor", "<i8"), ("lost_minor", "<i8"),
        ("best_minor", "<i8"), ("worst_minor", "<i8"), ("held_ns", "<i8"), ("open_ns", "<i8"),
        ("n_returns", "<i8"), ("mean", "<f8"), ("squares", "<f8"), ("below", "<f8"), ("lowest", "<f8"),
        ("highest", "<f8"), ("periods_a_year", "<f8"), ("growth", "<f8"), ("seconds", "<f8"),
    ]
)  # fmt: skip

_SUMMED = (
    "n_ticks", "n_decisions", "n_orders", "n_denied", "n_fills", "span_ns", "commission_minor", "swap_minor",
    "n_trades", "n_won", "n_lost", "won_minor", "lost_minor", "held_ns", "open_ns", "n_returns", "below",
    "seconds",
)  # fmt: skip


@njit(cache=True, nogil=True)
def open_totals(t):  # type: ignore[no-untyped-def]
    """Begin a run."""
    t.n_trades = t.n_won = t.n_lost = t.won_minor = t.lost_minor = t.held_ns = 0
    t.best_minor = -(1 << 62)
    t.worst_minor = 1 << 62


@njit(cache=True, nogil=True)
def fold_rows(rows, n_rows, t):  # type: ignore[no-untyped-def]
    """Add the closed trades among the first ``n_rows`` rows of a record."""
    for i in range(n_rows):
        row = rows[i]
        if row.kind != _CLOSED:
            continue
        net = row.profit_minor + row.swap_minor - row.commission_minor
        t.n_trades += 1
        t.held_ns += row.time_ns - row.open_time_ns
        t.best_minor = max(t.best_minor, net)
        t.worst_minor = min(t.worst_minor, net)
        if net > 0:
            t.n_won += 1
            t.won_minor += net
        elif net < 0:
            t.n_lost += 1
            t.lost_minor += net


@njit(nogil=True, inline="always")
def _period_end(time_ns, by_day):  # type: ignore[no-untyped-def]
    return day_end_ns(time_ns) if by_day else (time_ns // _HOUR_NS + 1) * _HOUR_NS


@njit(cache=True, nogil=True)
def close_totals(points, n_points, b, span_ns, t):  # type: ignore[no-untyped-def]
    """Take the book's own counts, and the returns by day, or by hour where the run has fewer than thirty days.

    The curve is used up.
    """
    t.n_ticks = b.n_ticks
    t.n_decisions = b.n_decisions
    t.n_orders = b.n_orders
    t.n_denied = b.n_denied
    t.n_fills = b.n_fills
    t.span_ns = span_ns
    t.deposit_minor = b.deposit_minor
    t.balance_minor = b.balance_minor
    t.equity_minor = b.equity_minor
    t.commission_minor = b.commission_minor
    t.swap_minor = b.swap_minor
    t.drawdown_minor = b.drawdown_minor
    t.drawdown_fraction = b.drawdown_fraction
    t.growth = b.equity_minor / b.deposit_minor
    t.open_ns = b.held_ns + (b.time_ns - b.held_since_ns if b.n_positions > 0 else 0)
    n_days = 0
    next_day: Any = np.int64(-(1 << 62))
    for i in range(n_points):
        if points[i].time_ns >= next_day:
            n_days += 1
            next_day = day_end_ns(points[i].time_ns)
    by_day = n_days >= _LEAST_DAYS
    t.periods_a_year = _DAYS_A_YEAR if by_day else 24 * _DAYS_A_YEAR
    n_returns = 0
    total = 0.0
    below = 0.0
    lowest = np.inf
    highest = -np.inf
    before = float(b.deposit_minor)
    # A boundary to compare with: dividing each point's time costs as much as the rest of the run.
    end_ns = _period_end(points[0].time_ns, by_day) if n_points > 0 else np.int64(0)
    for i in range(n_points):
        if i < n_points - 1:
            if points[i + 1].time_ns < end_ns:
                continue
            end_ns = _period_end(points[i + 1].time_ns, by_day)
        change = (points[i].equity_minor - before) / before if before > 0.0 else 0.0  # ruined: no returns
        before = points[i].equity_minor if before > 0.0 else before
        points[n_returns].lowest_minor = change  # its own use is over; the second pass reads the returns there
        n_returns += 1
        total += change
        below += min(change, 0.0) ** 2
        lowest = min(lowest, change)
        highest = max(highest, change)
    mean = total / n_returns if n_returns > 0 else np.nan
    squares = 0.0
    for i in range(n_returns):
        squares += (points[i].lowest_minor - mean) ** 2
    t.n_returns = n_returns
    t.mean = mean
    t.squares = squares
    t.below = below
    t.lowest = lowest
    t.highest = highest


def joined_totals(parts: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Join the totals of separate runs, as if one account had gone through them one after the other.

    Parameters
    ----------
    parts : ndarray of TOTALS, shape (n_runs, n_sets)
        Each run began with the same deposit. Profits are added; the drawdown is the deepest within a run.

    Returns
    -------
    ndarray of TOTALS, shape (n_sets,)
    """
    whole = parts[0].copy()
    for name in _SUMMED:
        whole[name] = parts[name].sum(axis=0)
    for name in ("drawdown_minor", "drawdown_fraction", "best_minor", "highest"):
        whole[name] = parts[name].max(axis=0)
    for name in ("worst_minor", "lowest"):
        whole[name] = parts[name].min(axis=0)
    deposit = parts["deposit_minor"][0]
    for name in ("balance_minor", "equity_minor"):
        whole[name] = deposit + (parts[name] - parts["deposit_minor"]).sum(axis=0)
    whole["growth"] = parts["growth"].prod(axis=0)
    n = parts["n_returns"]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, n * parts["mean"], 0.0).sum(axis=0) / n.sum(axis=0)
        apart = np.where(n > 0, n * (parts["mean"] - mean) ** 2, 0.0).sum(axis=0)
    whole["mean"], whole["squares"] = mean, parts["squares"].sum(axis=0) + apart
    # One length of period for the whole: a segment with few days has counted hours, and years are what is compared.
    whole["periods_a_year"] = np.where(
        whole["span_ns"] > 0, _weighted(parts["periods_a_year"], parts["span_ns"]), whole["periods_a_year"]
    )
    return whole


def statistics_of(totals: npt.NDArray[np.void], digits: int) -> dict[str, npt.NDArray[np.float64]]:
    """Give the statistics of a report for each of many runs.

    Parameters
    ----------
    totals : ndarray of TOTALS, shape (n_sets,)
    digits : int
        Digits of the account currency's minor unit.

    Returns
    -------
    dict of str to ndarray, shape (n_sets,)
        Names, units and rules of :mod:`kernel_lib.backtest.report`; NaN where there is nothing to compute it from.
    """
    t = totals
    minor = 10.0**digits
    days = t["span_ns"] / _DAY_NS
    years = days / 365.25
    n = t["n_trades"]
    traded = n > 0
    growth = t["growth"]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        grown = (years > 1 / 52) & (growth > 0)
        annual_pct = np.where(grown, 100.0 * (np.where(grown, growth, 1.0) ** (1.0 / years) - 1.0), np.nan)
        drawdown_pct = 100.0 * t["drawdown_fraction"]
        constant = t["lowest"] == t["highest"]
        few = t["n_returns"] < 2
        mean = np.where(constant, t["lowest"], t["mean"])
        spread = np.where(few, np.nan, np.where(constant, 0.0, np.sqrt(t["squares"] / (t["n_returns"] - 1))))
        below = np.where(few, np.nan, np.where(constant, np.abs(np.minimum(t["lowest"], 0)), _root_mean(t)))
        a_year = t["periods_a_year"]
        final = t["equity_minor"] / minor
        return {
            "duration_days": days,
            "ticks_count": t["n_ticks"].astype(np.float64),
            "decisions_count": t["n_decisions"].astype(np.float64),
            "orders_count": t["n_orders"].astype(np.float64),
            "denied_count": t["n_denied"].astype(np.float64),
            "fills_count": t["n_fills"].astype(np.float64),
            "trades_count": n.astype(np.float64),
            "deposit_money": t["deposit_minor"] / minor,
            "net_profit_money": (t["balance_minor"] - t["deposit_minor"]) / minor,
            "floating_profit_money": np.round(final - t["balance_minor"] / minor, 2),
            "final_equity_money": final,
            "commission_money": t["commission_minor"] / minor,
            "swap_money": t["swap_minor"] / minor,
            "return_pct": 100.0 * (growth - 1.0),
            "annual_return_pct": annual_pct,
            "annual_volatility_pct": 100.0 * (spread * np.sqrt(a_year)),
            "max_drawdown_pct": drawdown_pct,
            "max_drawdown_money": t["drawdown_minor"] / minor,
            "sharpe_ratio": _over(mean, spread) * np.sqrt(a_year),
            "sortino_ratio": _over(mean * a_year, below * np.sqrt(a_year)),
            "calmar_ratio": np.where(drawdown_pct > 0, annual_pct / drawdown_pct, np.nan),
            "win_rate_pct": np.where(traded, 100.0 * t["n_won"] / n, np.nan),
            "profit_factor": np.where(t["n_lost"] > 0, t["won_minor"] / -t["lost_minor"], np.nan),
            "expectancy_money": np.where(traded, (t["won_minor"] + t["lost_minor"]) / n / minor, np.nan),
            "average_win_money": np.where(t["n_won"] > 0, t["won_minor"] / t["n_won"] / minor, np.nan),
            "average_loss_money": np.where(t["n_lost"] > 0, t["lost_minor"] / t["n_lost"] / minor, np.nan),
            "best_trade_money": np.where(traded, t["best_minor"] / minor, np.nan),
            "worst_trade_money": np.where(traded, t["worst_minor"] / minor, np.nan),
            "average_trade_duration_s": np.where(traded, t["held_ns"] / 1e9 / n, np.nan),
            "exposure_time_pct": np.where(t["span_ns"] > 0, 100.0 * (t["open_ns"] / t["span_ns"]), np.nan),
        }


def _root_mean(t: npt.NDArray[np.void]) -> npt.NDArray[np.float64]:
    root: npt.NDArray[np.float64] = np.sqrt(t["below"] / t["n_returns"])
    return root


def _over(top: npt.NDArray[np.float64], bottom: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Something over nothing is infinite, nothing over nothing is NaN, as in :mod:`kernel_lib.risk`."""
    return np.where((bottom == 0.0) & (top == 0.0), np.nan, top / bottom)


def _weighted(numbers: npt.NDArray[np.float64], weights: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    total: npt.NDArray[np.float64] = (numbers * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1)
    return total
