"""The figures of a run: returns of its periods, and every standard statistic with its unit in its name.

``_money`` is the account's currency, ``_pct`` percent, ``_s`` seconds, ``_days`` days, ``_count`` a number of things;
ratios have none. Returns are of the equity, by day where the run covers at least thirty trading days (see
:mod:`~kernel_lib.market.trading_days`), else by hour, and are brought to a year with 252 days or 252 * 24 hours; the
risk-free rate is taken as zero. A statistic that cannot be
computed (no trades, no variance) is NaN.
"""

import math
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.sharpe import sharpe_estimate
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.market.trading_days import trading_days
from kernel_lib.risk import (
    annual_volatility,
    expected_shortfall,
    omega_ratio,
    sharpe_ratio,
    sortino_ratio,
    stability,
    tail_ratio,
    ulcer_index,
    value_at_risk,
)
from kernel_lib.risk.drawdown import drawdowns_of_worth
from kernel_lib.risk.series import Floats
from kernel_lib.strategy import Strategy
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Kind

__all__ = ["PeriodReturns", "Run", "equity_of", "held_returns", "period_returns", "statistics_of"]

_DAY_NS = 86_400 * 10**9
_HOUR_NS = 3_600 * 10**9
_DAYS_A_YEAR = 252.0
_LEAST_DAYS = 30


class Run(Protocol):
    """What a report needs of a run; :class:`~kernel_lib.backtest.replay.Replay` has it."""

    strategy: Strategy
    instrument: Instrument
    book: Book
    events: npt.NDArray[np.void]
    equity: npt.NDArray[np.void]
    n_ticks: int
    span_ns: tuple[int, int]
    fault: str

    @property
    def trades(self) -> Any:
        """Closed trades as a DataFrame."""


class PeriodReturns(msgspec.Struct, frozen=True, kw_only=True):
    """Returns from period to period, over periods in which the market moved.

    Parameters
    ----------
    returns : ndarray, shape (n_periods,)
        Fractions of the equity.
    ends_ns : ndarray of int, shape (n_periods,)
        Time of the last point of each.
    per_year : float
    name : str
        ``"day"`` or ``"hour"``.
    """

    returns: Floats
    ends_ns: npt.NDArray[np.int64]
    per_year: float
    name: str


def equity_of(run: Run) -> Floats:
    """Give the equity at the run's sampled points, money."""
    equity: Floats = run.equity["equity_minor"] / 10.0**run.book.account.digits
    return equity


def period_returns(run: Run) -> PeriodReturns:
    """Give the returns of a run's days, or of its hours where it is shorter than thirty days."""
    times = run.equity["time_ns"]
    if len(times) == 0:
        return PeriodReturns(returns=np.zeros(0), ends_ns=times, per_year=_DAYS_A_YEAR, name="day")
    daily = len(np.unique(trading_days(times))) >= _LEAST_DAYS
    last = _period_ends(times, daily)
    closes = np.concatenate([[run.book.account.deposit], equity_of(run)[last]])
    # An account that owes has lost all, and has no returns from then on.
    closes = np.maximum(closes, 0.0)
    alive = np.cumprod(closes[:-1] > 0.0).astype(bool)
    returns = np.where(alive, np.diff(closes) / np.where(alive, closes[:-1], 1.0), 0.0)
    return PeriodReturns(
        returns=returns, ends_ns=times[last], per_year=_DAYS_A_YEAR if daily else 24 * _DAYS_A_YEAR,
        name="day" if daily else "hour",
    )  # fmt: skip


def held_returns(periods: PeriodReturns, ticks: Ticks) -> Floats:
    """Give what the instrument itself returned over the same periods, by the mid at their ends."""
    mid = 0.5 * (ticks["bid"] + ticks["ask"])
    places = np.searchsorted(ticks["time_ns"], periods.ends_ns, side="right") - 1
    closes = np.concatenate([mid[:1], mid[np.maximum(places, 0)]])
    returns: Floats = np.diff(closes) / closes[:-1]
    return returns


def statistics_of(run: Run, trades: Any, periods: PeriodReturns) -> dict[str, float]:
    """Compute the standard statistics; see the module for their units."""
    book = run.book
    n = book.numbers
    deposit = book.money(n["deposit_minor"])
    span_ns = run.span_ns[1] - run.span_ns[0]
    days = span_ns / _DAY_NS
    open_ns = n["held_ns"] + (n["time_ns"] - n["held_since_ns"] if n["n_positions"] > 0 else 0)
    net = trades["net_profit"].to_numpy()
    won, lost = net[net > 0], net[net < 0]
    returns, a_year = periods.returns, periods.per_year
    final = book.money(n["equity_minor"])
    growth = final / deposit
    years = days / 365.25
    drawdown_pct = 100.0 * n["drawdown_fraction"]
    annual_pct = 100.0 * (growth ** (1.0 / years) - 1.0) if years > 1 / 52 and growth > 0 else math.nan
    held_s = (trades["close_time_ns"] - trades["open_time_ns"]).to_numpy() / 1e9
    many = len(returns) >= 2
    sharpe = sharpe_estimate(returns, periods_per_year=a_year)
    longs = (trades["side"] == "long").to_numpy()
    fills = run.events[run.events["kind"] == int(Kind.FILL)]
    water_days, depth_pct = _under_water(run)
    win_rate = len(won) / len(net) if len(net) else math.nan
    payoff = _over(float(won.mean()) if len(won) else math.nan, -float(lost.mean()) if len(lost) else 0.0)
    return {
        "duration_days": days,
        "ticks_count": run.n_ticks,
        "decisions_count": n["n_decisions"],
        "orders_count": n["n_orders"],
        "denied_count": n["n_denied"],
        "fills_count": n["n_fills"],
        "trades_count": len(trades),
        "long_trades_count": int(longs.sum()),
        "short_trades_count": int((~longs).sum()),
        "deposit_money": deposit,
        "net_profit_money": book.money(n["balance_minor"] - n["deposit_minor"]),
        "floating_profit_money": round(final - book.money(n["balance_minor"]), 2),
        "final_equity_money": final,
        "peak_equity_money": book.money(n["peak_minor"]),
        "commission_money": book.money(n["commission_minor"]),
        "swap_money": book.money(n["swap_minor"]),
        "turnover_lots": book.lots(int(np.abs(fills["units"]).sum())),
        "return_pct": 100.0 * (growth - 1.0),
        "annual_return_pct": annual_pct,
        "annual_volatility_pct": 100.0 * annual_volatility(returns, a_year),
        "max_drawdown_pct": drawdown_pct,
        "max_drawdown_money": book.money(n["drawdown_minor"]),
        "average_drawdown_pct": depth_pct,
        "longest_under_water_days": water_days,
        "ulcer_index_pct": 100.0 * ulcer_index(returns),
        "value_at_risk_95_pct": 100.0 * value_at_risk(returns, confidence=0.95) + 0.0 if many else math.nan,
        "expected_shortfall_95_pct": 100.0 * expected_shortfall(returns, confidence=0.95) + 0.0 if many else math.nan,
        "sharpe_ratio": sharpe_ratio(returns, periods_per_year=a_year),
        "probabilistic_sharpe_ratio": sharpe.probability_above(0.0),
        "sortino_ratio": sortino_ratio(returns, periods_per_year=a_year),
        "calmar_ratio": _over(annual_pct, drawdown_pct),
        "omega_ratio": omega_ratio(returns) if many else math.nan,
        "tail_ratio": tail_ratio(returns) if many else math.nan,
        "stability": stability(returns) if many else math.nan,
        "skewness": sharpe.skewness,
        "kurtosis": sharpe.kurtosis,
        "win_rate_pct": 100.0 * win_rate,
        "profit_factor": _over(float(won.sum()), -float(lost.sum())),
        "payoff_ratio": payoff,
        "expectancy_money": float(net.mean()) if len(net) else math.nan,
        "average_win_money": float(won.mean()) if len(won) else math.nan,
        "average_loss_money": float(lost.mean()) if len(lost) else math.nan,
        "best_trade_money": float(net.max()) if len(net) else math.nan,
        "worst_trade_money": float(net.min()) if len(net) else math.nan,
        "longest_losing_streak_count": _longest_run(net < 0),
        "system_quality_number": _quality(net),
        "kelly_fraction": win_rate - (1.0 - win_rate) / payoff if payoff > 0 else math.nan,
        "average_trade_duration_s": float(held_s.mean()) if len(held_s) else math.nan,
        "longest_trade_duration_s": float(held_s.max()) if len(held_s) else math.nan,
        "exposure_time_pct": 100.0 * (open_ns / span_ns) if span_ns > 0 else math.nan,
    }


def _period_ends(times_ns: npt.NDArray[np.int64], daily: bool) -> npt.NDArray[np.int64]:
    slots = trading_days(times_ns) if daily else times_ns // _HOUR_NS
    return np.flatnonzero(np.append(np.diff(slots) > 0, True))


def _under_water(run: Run) -> tuple[float, float]:
    """Give the longest time below a peak, in days, and the mean depth at the deepest of each fall, percent."""
    if not len(run.equity):
        return math.nan, math.nan
    worth = np.concatenate([[run.book.account.deposit], equity_of(run)])
    times = np.concatenate([[run.span_ns[0]], run.equity["time_ns"]])
    depths = drawdowns_of_worth(worth)
    below = np.flatnonzero(np.diff(np.concatenate([[False], depths < 0.0, [False]]).astype(np.int8)))
    starts, stops = below[::2], below[1::2]
    if not len(starts):
        return 0.0, 0.0
    # From the peak to the point at which it is reached again, or to the end.
    lengths = times[np.minimum(stops, len(times) - 1)] - times[starts - 1]
    deepest = np.minimum.reduceat(depths, starts)
    return float(lengths.max()) / _DAY_NS, -100.0 * float(deepest.mean())


def _longest_run(flags: npt.NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _quality(net: Floats) -> float:
    """Van Tharp's system quality number, the t statistic of a trade's profit."""
    spread = float(net.std(ddof=1)) if len(net) > 1 else 0.0
    return float(net.mean()) / spread * math.sqrt(len(net)) if spread > 0.0 else math.nan


def _over(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.nan
