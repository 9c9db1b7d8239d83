"""What stands on top of every report: how far its Sharpe ratio can be believed, and what was not counted."""

import math
from typing import Any

import msgspec
import numpy as np

from kernel_lib.backtest.bootstrap import Interval, block_length, interval_of_draws, stationary_rows
from kernel_lib.backtest.performance import PeriodReturns
from kernel_lib.backtest.sharpe import expected_max_sharpe, sharpe_estimate
from kernel_lib.counter import Tally
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats

__all__ = ["Honesty", "honesty_of", "intervals_of"]


class Honesty(msgspec.Struct, frozen=True, kw_only=True):
    """The honesty block.

    Parameters
    ----------
    n_trials : int or None
        Backtests, sweep points and refits behind the hypothesis, this run included; None where nobody counted.
    counted : Tally or None
        Who counted them, and what beside; None where the caller said the number.
    sharpe : Interval or None
        Per year, with 95 percent of the bootstrap's draws; None with too few periods.
    probabilistic_sharpe, deflated_sharpe : float
        Probability that the true ratio is above 0, and above what the best of so many trials shows by luck.
    luck_sharpe : float
        That ratio, per year.
    least_periods : float
        Periods needed before the ratio is above 0 with 95 percent; infinite where it is not above 0.
    n_periods : int
    period : str
        ``"day"`` or ``"hour"``.
    n_trades : int
    hold_out : str
        What was said of data that the strategy was never fitted to.
    fault : str
        What stopped the run, or empty.
    """

    n_trials: int | None
    counted: Tally | None = None
    sharpe: Interval | None
    probabilistic_sharpe: float
    deflated_sharpe: float
    luck_sharpe: float
    least_periods: float
    n_periods: int
    period: str
    n_trades: int
    hold_out: str
    fault: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before the first figure, in words."""
        found = []
        if self.fault:
            found.append(f"the strategy was stopped before the end: {self.fault}")
        if self.n_trials is None:
            found.append("trials were not counted; the figures hold only if this was the first and only one")
        if self.counted is not None and self.counted.by == "process":
            found.append(
                f"trials were counted in this process only, from its start; {self.counted.note}: what was tried "
                "elsewhere or before is not in the figures"
            )
        elif self.counted is not None and self.counted.note:
            found.append(self.counted.note)
        if self.n_trades < 30:
            found.append(f"closed trades: {self.n_trades}, too few to judge a strategy by; thirty are the least")
        if self.period == "hour":
            found.append("shorter than thirty days: returns are by hour, and ratios of a year are far extrapolated")
        if not self.least_periods <= self.n_periods and not math.isnan(self.least_periods):
            needed = (
                "no length" if math.isinf(self.least_periods) else f"{math.ceil(self.least_periods):,} {self.period}s"
            )
            found.append(f"{needed} of such returns would show skill at 95 %; there were {self.n_periods:,}")
        if not self.hold_out:
            found.append("nothing was said of a hold-out: take every figure here as in sample")
        return tuple(found)

    @property
    def verdict(self) -> str:
        """One sentence, on the deflated ratio."""
        if math.isnan(self.deflated_sharpe):
            return "nothing can be said: too few returns, or none that differ"
        share = f"{100 * self.deflated_sharpe:.1f} %"
        luck = "the luck of one trial" if self.n_trials in (None, 1) else f"the best luck of {self.n_trials:,} trials"
        if self.deflated_sharpe >= 0.95:
            return f"better than {luck} with a probability of {share}"
        return f"not told from luck: better than {luck} with a probability of only {share}"

    def rows(self) -> list[tuple[str, str]]:
        """Name and text of each line of the block."""
        sharpe = "n/a"
        if self.sharpe is not None:
            sharpe = f"{self.sharpe.estimate:.2f} (95 %: {self.sharpe.low:.2f} to {self.sharpe.high:.2f})"
        least = (
            f"{self.least_periods:,.0f} {self.period}s" if math.isfinite(self.least_periods) else "no length suffices"
        )
        return [
            ("Trials behind this result", self._trials()),
            ("Sharpe ratio", sharpe),
            ("Sharpe ratio that luck shows", f"{self.luck_sharpe:.2f}"),
            ("Probability of skill (PSR)", _percent(self.probabilistic_sharpe)),
            ("The same, trials counted (DSR)", _percent(self.deflated_sharpe)),
            ("Least track record", least if not math.isnan(self.least_periods) else "n/a"),
            ("Track record", f"{self.n_periods:,} {self.period}s, {self.n_trades:,} trades"),
            ("Hold-out", self.hold_out or "nothing said"),
        ]

    def _trials(self) -> str:
        if self.n_trials is None:
            return "not counted"
        if self.counted is None:
            return f"{self.n_trials:,}"
        by = "by the platform" if self.counted.by == "platform" else "in this process only"
        return (
            f"{self.n_trials:,} in {self.counted.n_runs:,} runs for {self.counted.hypothesis!r}, counted {by}; "
            f"{self.counted.n_on_instrument:,} on {self.counted.symbol} for all hypotheses"
        )


def honesty_of(
    periods: PeriodReturns,
    sharpe: Interval | None,
    *,
    n_trials: int | None,
    counted: Tally | None = None,
    sharpe_deviation: float | None = None,
    n_trades: int = 0,
    hold_out: str = "",
    fault: str = "",
) -> Honesty:
    """Compute the block from a run's returns.

    Parameters
    ----------
    periods : PeriodReturns
    sharpe : Interval or None
    n_trials : int or None
    counted : Tally or None
    sharpe_deviation : float or None
        Of the trials' ratios, per year; None: that of trials without skill, see
        :func:`~kernel_lib.backtest.sharpe.deflated_sharpe_ratio`.

    Raises
    ------
    BadData
        ``n_trials`` is not a whole number of at least 1.
    """
    if n_trials is not None and (isinstance(n_trials, bool) or not isinstance(n_trials, int) or n_trials < 1):
        raise BadData(f"n_trials must be a whole number of at least 1 (this run counts), it was {n_trials!r}")
    estimate = sharpe_estimate(periods.returns, periods_per_year=periods.per_year)
    deviation = sharpe_deviation
    if deviation is None:
        deviation = math.sqrt(periods.per_year / (estimate.n_periods - 1)) if estimate.n_periods > 1 else 0.0
    luck = expected_max_sharpe(n_trials or 1, deviation)
    return Honesty(
        n_trials=n_trials,
        counted=counted,
        sharpe=sharpe,
        probabilistic_sharpe=estimate.probability_above(0.0),
        deflated_sharpe=estimate.probability_above(luck),
        luck_sharpe=luck,
        least_periods=estimate.least_periods(0.0),
        n_periods=estimate.n_periods,
        period=periods.name,
        n_trades=n_trades,
        hold_out=hold_out,
        fault=fault,
    )


def intervals_of(
    periods: PeriodReturns, net_profits: Any, *, confidence: float = 0.95, n_draws: int = 1000, seed: int = 1
) -> dict[str, Interval]:
    """Give intervals of the statistics that have one, by name; those of trades draw blocks of trades.

    Fewer than ten periods or trades have none.
    """
    found: dict[str, Interval] = {}
    returns = periods.returns
    a_year = periods.per_year
    if len(returns) >= 10 and np.ptp(returns) > 0.0:
        root = math.sqrt(a_year)
        measures: dict[str, Any] = {
            "annual_volatility_pct": lambda r: 100.0 * root * r.std(axis=1, ddof=1),
            "sharpe_ratio": lambda r: root * _divided(r.mean(axis=1), r.std(axis=1, ddof=1)),
            "sortino_ratio": lambda r: root * _divided(r.mean(axis=1), np.sqrt((np.minimum(r, 0.0) ** 2).mean(axis=1))),
            "return_pct": lambda r: 100.0 * (np.prod(1.0 + r, axis=1) - 1.0),
        }
        found |= _intervals(returns, measures, confidence, n_draws, seed)
    net = np.asarray(net_profits, dtype=np.float64)
    if len(net) >= 10:
        measures = {
            "win_rate_pct": lambda x: 100.0 * (x > 0).mean(axis=1),
            "profit_factor": lambda x: _divided(np.maximum(x, 0.0).sum(axis=1), np.maximum(-x, 0.0).sum(axis=1)),
            "expectancy_money": lambda x: x.mean(axis=1),
        }
        found |= _intervals(net, measures, confidence, n_draws, seed)
    return found


def _intervals(
    values: Floats, measures: dict[str, Any], confidence: float, n_draws: int, seed: int
) -> dict[str, Interval]:
    """Give the intervals of several statistics from the same draws: drawing costs more than they do."""
    block = block_length(values)
    draws: dict[str, list[Floats]] = {name: [] for name in measures}
    for rows in stationary_rows(len(values), block, n_draws, seed):
        drawn = values[rows]
        for name, measure in measures.items():
            draws[name].append(measure(drawn))
    return {
        name: interval_of_draws(
            float(measures[name](values[None])[0]), np.concatenate(parts), block, confidence=confidence
        )
        for name, parts in draws.items()
    }


def _divided(top: Floats, bottom: Floats) -> Floats:
    some = bottom > 0.0
    ratio: Floats = np.where(some, top / np.where(some, bottom, 1.0), np.nan)
    return ratio


def _percent(share: float) -> str:
    return "n/a" if math.isnan(share) else f"{100.0 * share:.1f} %"
