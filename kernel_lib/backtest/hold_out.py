"""The verdict on data that nobody had seen, in so few words that they cannot be traded on.

Whoever may ask again and again learns the hold-out bit by bit, so the answer is coarse: a verdict, the sign of the
profit, bands for the Sharpe ratio and the number of trades. The verdict is on the probabilistic Sharpe ratio (Bailey,
Lopez de Prado 2012) against the best that so many looks at the same hold-out show by luck:

==============  ==============================================================
pass            better than that luck with 95 percent, after costs
fail            no profit after costs
inconclusive    between them; fewer than thirty trades; or it did not run well
==============  ==============================================================

Commission, slippage, latency and swap are those of the author's passport, which may be low or none. The reason says so,
and whoever approves finds them in the passport.
"""

import math
from typing import Any, Literal

import msgspec

from kernel_lib.backtest.honesty import honesty_of
from kernel_lib.backtest.performance import Run, period_returns
from kernel_lib.errors import BadData
from kernel_lib.trading.record import Kind

__all__ = ["Verdict", "stopped_verdict", "verdict_on"]

_LEAST_TRADES = 30
#: Costs, contract and account of the run are those that the author put into the passport, and a verdict says so.
_COSTS = "after the costs that the author's passport states"
_TRADES = (0, 1, 30, 100, 300, 1000)
_SHARPES = (-1.0, 0.0, 1.0, 2.0, 3.0)
#: Why a run ended early, and what is said of it: never words of the strategy's own.
_STOPS = {
    "not_loaded": "the strategy could not be loaded",
    "raised": "the strategy raised an error",
    "bad_answer": "the strategy gave an answer that is none",
    "no_answer": "the strategy did not answer in time",
    "ended": "the strategy's process ended by itself, or for want of memory",
    "time": "the run took longer than it may",
}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a strategy's run on the hold-out.

    Parameters
    ----------
    verdict : str
    reason : str
        One sentence of the platform's.
    profit : str
        ``"+"``, ``"-"``, ``"0"`` after the passport's costs; ``"?"`` where the run did not end well, as for the others.
    sharpe, trades : str
        Bands: ``"0 to 1"``, ``"100 to 299"``.
    days : int
        Length of the hold-out, in days.
    """

    verdict: Literal["pass", "fail", "inconclusive"]
    reason: str
    profit: str = "?"
    sharpe: str = "?"
    trades: str = "?"
    days: int = 0


def verdict_on(run: Run, n_looks: int) -> Verdict:
    """Judge a run on the hold-out.

    Parameters
    ----------
    run : Run
    n_looks : int
        Strategies that were tried on the same hold-out, this one included.
    """
    periods = period_returns(run)
    n_trades = int((run.events["kind"] == int(Kind.CLOSED)).sum())
    numbers = run.book.numbers
    profit = numbers["equity_minor"] - numbers["deposit_minor"]
    # Of the ratio's own sake no interval is wanted: nothing but the verdict leaves this place.
    honesty = honesty_of(periods, None, n_trials=n_looks, n_trades=n_trades)
    returns = periods.returns
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    sharpe = float(returns.mean()) / spread * math.sqrt(periods.per_year) if spread > 0.0 else math.nan
    told: dict[str, Any] = {
        "profit": "+" if profit > 0 else "-" if profit < 0 else "0",
        "sharpe": _band(sharpe, _SHARPES),
        "trades": _steps(n_trades),
        "days": round((run.span_ns[1] - run.span_ns[0]) / (86_400 * 10**9)),
    }
    if n_trades < _LEAST_TRADES:
        return Verdict(verdict="inconclusive", reason="fewer than thirty closed trades say little", **told)
    if profit <= 0:
        return Verdict(verdict="fail", reason=f"no profit {_COSTS}, on data that nobody had seen", **told)
    if honesty.deflated_sharpe >= 0.95:
        luck = "the luck of one look" if n_looks == 1 else f"the best luck of {n_looks} looks"
        return Verdict(
            verdict="pass", reason=f"better than {luck} with a probability of 95 % or more, {_COSTS}", **told
        )
    return Verdict(verdict="inconclusive", reason=f"a profit {_COSTS}, which is not told from luck", **told)


def stopped_verdict(why: str) -> Verdict:
    """Say that a run ended early; ``why`` is one of ``not_loaded raised bad_answer no_answer ended time``."""
    if why not in _STOPS:
        raise BadData(f"a run ends early for one of {', '.join(_STOPS)}, it was {why!r}")
    return Verdict(verdict="inconclusive", reason=_STOPS[why])


def _band(number: float, edges: tuple[float, ...]) -> str:
    if math.isnan(number):
        return "?"
    if number < edges[0]:
        return f"below {edges[0]:g}"
    if number >= edges[-1]:
        return f"above {edges[-1]:g}"
    place = next(k for k, edge in enumerate(edges) if number < edge)
    return f"{edges[place - 1]:g} to {edges[place]:g}"


def _steps(n_trades: int) -> str:
    if n_trades >= _TRADES[-1]:
        return f"{_TRADES[-1]} or more"
    place = next(k for k, edge in enumerate(_TRADES) if n_trades < edge)
    low, high = _TRADES[place - 1], _TRADES[place] - 1
    return str(low) if low == high else f"{low} to {high}"
