"""Monte Carlo: what else a track record could have looked like, from its own trades, its returns, or other prices.

Three questions, three draws. *Trade order*: the same trades in another order end alike, but fall deeper or less deep
on the way. *Returns*: blocks of the periods' returns drawn anew, for where it could have ended. *Prices*: blocks of
the market's own moves drawn anew and the strategy replayed over each, for whether it found something that is in the
moves themselves. Draws come of a seed.
"""

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.bootstrap import block_length, stationary_rows
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, complete
from kernel_lib.risk.shown import rows_html

__all__ = ["STEPS", "MonteCarlo", "check_draws", "monte_carlo_returns", "monte_carlo_trades", "of_parts"]

STEPS = 250
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


class MonteCarlo(msgspec.Struct, frozen=True, kw_only=True):
    """Track records that were drawn, and the one that happened.

    Parameters
    ----------
    of : str
        ``"trades"``, ``"returns"`` or ``"prices"``.
    final_equity : ndarray, shape (n_draws,)
        Money.
    max_drawdown_pct : ndarray, shape (n_draws,)
        Deepest fall from a peak, percent of the peak, positive.
    paths : ndarray, shape (n_draws, n_steps)
        Equity at some 250 even steps, the deposit first.
    observed_path : ndarray, shape (n_steps,)
        Of the run itself, at the same steps.
    observed_final, observed_drawdown_pct : float
    deposit : float
    currency : str
    """

    of: str
    final_equity: Floats
    max_drawdown_pct: Floats
    paths: Floats
    observed_path: Floats
    observed_final: float
    observed_drawdown_pct: float
    deposit: float
    currency: str = ""

    @property
    def loss_probability(self) -> float:
        """Share of draws that end below the deposit."""
        return float(np.mean(self.final_equity < self.deposit))

    @property
    def luck(self) -> float:
        """Share of draws that end as high as the run itself, or higher; 1 where the order alone was drawn."""
        return float(np.mean(self.final_equity >= self.observed_final - 1e-9 * abs(self.observed_final)))

    def drawdown_probability(self, drawdown_pct: float) -> float:
        """Give the share of draws that fall by ``drawdown_pct`` percent or more at some time."""
        return float(np.mean(self.max_drawdown_pct >= drawdown_pct))

    def quantiles(self, levels: tuple[float, ...] = _LEVELS) -> dict[float, dict[str, float]]:
        """Give final equity and deepest drawdown at each level, from 0 to 1; a high level of drawdown is a deep one."""
        finals = np.quantile(self.final_equity, levels).tolist()
        falls = np.quantile(self.max_drawdown_pct, levels).tolist()
        return {
            level: {"final_equity": final, "max_drawdown_pct": fall}
            for level, final, fall in zip(levels, finals, falls, strict=True)
        }

    def plot(self) -> Any:
        """Draw the fan of paths and the distribution of drawdowns; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[2, 1])
        share = np.linspace(0.0, 100.0, self.paths.shape[1])
        low, lower, middle, higher, high = np.quantile(self.paths, _LEVELS, axis=0)
        left.fill_between(share, low, high, alpha=0.2, color="tab:blue", label="90 % of draws", lw=0)
        left.fill_between(share, lower, higher, alpha=0.35, color="tab:blue", label="50 %", lw=0)
        left.plot(share, middle, color="tab:blue", lw=1.0, label="median")
        left.plot(share, self.observed_path, color="black", lw=1.0, label="the run")
        left.axhline(self.deposit, color="tab:red", lw=0.6)
        left.set_xlabel("% of the run")
        left.set_ylabel(f"equity {self.currency}".rstrip())
        left.set_title(f"{len(self.final_equity):,} draws of {self.of}")
        left.legend(frameon=False, loc="best")
        right.hist(self.max_drawdown_pct, bins=40, color="tab:gray")
        right.axvline(self.observed_drawdown_pct, color="black", lw=1.0)
        right.set_xlabel("deepest drawdown, %")
        right.set_ylabel("draws")
        return figure

    def __repr__(self) -> str:
        found = self.quantiles((0.05, 0.5, 0.95))
        return (
            f"<MonteCarlo of {self.of}: {len(self.final_equity):,} draws, final equity "
            f"{found[0.05]['final_equity']:,.2f} to {found[0.95]['final_equity']:,.2f} {self.currency}, drawdown "
            f"{found[0.5]['max_drawdown_pct']:.2f} % at the median, {found[0.95]['max_drawdown_pct']:.2f} % at 95 %>"
        )

    def _repr_html_(self) -> str:
        rows: list[list[Any]] = [
            [f"{100 * level:g} %", each["final_equity"], each["max_drawdown_pct"]]
            for level, each in self.quantiles().items()
        ]
        rows.append(["the run", self.observed_final, self.observed_drawdown_pct])
        return rows_html(
            f"Monte Carlo of {self.of}, {len(self.final_equity):,} draws", ("", "final equity", "max drawdown %"), rows
        )


def monte_carlo_trades(
    trades: Any, *, deposit: float | None = None, n_draws: int = 1000, replace: bool = False, seed: int = 1
) -> MonteCarlo:
    """Put the trades of a run into other orders.

    Parameters
    ----------
    trades : Replay or array_like, shape (n_trades,)
        A run, or the net profit of each closed trade, money.
    deposit : float or None
        Equity before the first trade; of a run its own.
    replace : bool
        False: every trade once, so that only the way changes. True: drawn with replacement, so that the end does too.
    n_draws, seed : int

    Raises
    ------
    BadData
        No trades, NaN, or no deposit for an array.

    >>> found = monte_carlo_trades([100.0, -50.0, 100.0, -50.0], deposit=1000.0, n_draws=500)
    >>> found.observed_drawdown_pct == 100 * 50 / 1100, float(found.max_drawdown_pct.max())
    (True, 10.0)
    """
    profits, start, currency = _trades(trades, deposit)
    check_draws(n_draws)
    random = np.random.default_rng(seed)
    n_trades = len(profits)
    portion = max(1, 4_000_000 // n_trades)
    parts = []
    for first in range(0, n_draws, portion):
        n_now = min(portion, n_draws - first)
        if replace:
            drawn = profits[random.integers(0, n_trades, (n_now, n_trades))]
        else:
            drawn = random.permuted(np.tile(profits, (n_now, 1)), axis=1)
        parts.append(_summed(start, drawn))
    return of_parts("trades", parts, _summed(start, profits[None]), start, currency)


def monte_carlo_returns(
    returns: Any,
    *,
    deposit: float = 10_000.0,
    n_draws: int = 1000,
    block: float | None = None,
    seed: int = 1,
    currency: str = "",
) -> MonteCarlo:
    """Draw the returns of the periods anew, in blocks, and compound them.

    Parameters
    ----------
    returns : array_like, shape (n_periods,)
        Fractions above -1, no NaN.
    deposit : float
    block : float or None
        Mean length of a block in periods; None: :func:`~kernel_lib.backtest.bootstrap.block_length`.

    >>> import numpy as np
    >>> found = monte_carlo_returns(np.random.default_rng(1).normal(0.001, 0.01, 250), n_draws=200)
    >>> found.paths.shape, bool((found.paths[:, 0] == 10_000.0).all())
    ((200, 251), True)
    """
    array = complete(returns)
    if (array <= -1.0).any():
        raise BadData("returns must be above -1; nothing compounds after a whole loss")
    if not (math.isfinite(deposit) and deposit > 0):
        raise BadData(f"the deposit must be above 0, it was {deposit!r}")
    check_draws(n_draws)
    length = block_length(array) if block is None else block
    parts = [_compounded(deposit, array[rows]) for rows in stationary_rows(len(array), length, n_draws, seed)]
    return of_parts("returns", parts, _compounded(deposit, array[None]), deposit, currency)


def _summed(start: float, profits: Floats) -> tuple[Floats, Floats, Floats]:
    equity = np.empty((len(profits), profits.shape[1] + 1))
    equity[:, 0] = start
    np.cumsum(profits, axis=1, out=equity[:, 1:])
    equity[:, 1:] += start
    return _measured(equity)


def _compounded(start: float, returns: Floats) -> tuple[Floats, Floats, Floats]:
    equity = np.empty((len(returns), returns.shape[1] + 1))
    equity[:, 0] = start
    np.cumprod(1.0 + returns, axis=1, out=equity[:, 1:])
    equity[:, 1:] *= start
    return _measured(equity)


def _measured(equity: Floats) -> tuple[Floats, Floats, Floats]:
    peaks = np.maximum.accumulate(equity, axis=1)
    falls = 100.0 * ((peaks - equity) / peaks).max(axis=1)
    n_points = equity.shape[1]
    steps = np.unique(np.linspace(0, n_points - 1, min(n_points, STEPS + 1)).round().astype(np.int64))
    return equity[:, -1].copy(), falls, equity[:, steps]


def of_parts(
    of: str, parts: list[tuple[Floats, Floats, Floats]], observed: tuple[Floats, Floats, Floats], deposit: float,
    currency: str,
) -> MonteCarlo:  # fmt: skip
    finals, falls, paths = (np.concatenate(each) for each in zip(*parts, strict=True))
    return MonteCarlo(
        of=of, final_equity=finals, max_drawdown_pct=falls, paths=paths, observed_path=observed[2][0],
        observed_final=float(observed[0][0]), observed_drawdown_pct=float(observed[1][0]), deposit=deposit,
        currency=currency,
    )  # fmt: skip


def _trades(trades: Any, deposit: float | None) -> tuple[Floats, float, str]:
    if hasattr(trades, "trades") and hasattr(trades, "book"):  # a run
        profits: npt.NDArray[np.float64] = trades.trades["net_profit"].to_numpy(dtype=np.float64)
        start, currency = trades.book.account.deposit, trades.book.account.currency
    else:
        profits, start, currency = complete(trades, "trades", least=0), math.nan, ""
    start = start if deposit is None else deposit
    if not (math.isfinite(start) and start > 0):
        raise BadData("give the deposit, a number above 0, with a list of trades")
    if not len(profits):
        raise BadData("there must be at least one closed trade to be put into another order, there was none")
    return profits, start, currency


def check_draws(n_draws: int) -> None:
    """Check a number of draws: whole, at least 1."""
    if isinstance(n_draws, bool) or not isinstance(n_draws, int | np.integer) or n_draws < 1:
        raise BadData(f"the number of draws must be a whole number of at least 1, it was {n_draws!r}")
