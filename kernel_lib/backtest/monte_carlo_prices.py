"""Monte Carlo of prices: the strategy replayed over markets made of blocks of the recorded moves."""

from typing import Any

import numpy as np

from kernel_lib.backtest.checked import check_ticks
from kernel_lib.backtest.monte_carlo import STEPS, MonteCarlo, check_draws, of_parts
from kernel_lib.backtest.prices import resampled_ticks
from kernel_lib.backtest.replay import Replay, replay
from kernel_lib.errors import BadData
from kernel_lib.market.tick import Ticks
from kernel_lib.risk.series import Floats
from kernel_lib.strategy import Strategy

__all__ = ["monte_carlo_prices"]


def monte_carlo_prices(
    strategy: Strategy,
    ticks: Ticks,
    *,
    n_draws: int = 100,
    block: float | None = None,
    seed: int = 1,
    progress: bool | None = None,
    **settings: Any,
) -> MonteCarlo:
    """Replay a strategy over markets made of blocks of the recorded moves.

    What the strategy earns on them it earns from the short-term behaviour within a block; what it earned on the record
    beyond that came of the one history, and may be luck.

    Parameters
    ----------
    strategy : Strategy
    ticks : ndarray of TICK, shape (n_ticks,)
    n_draws : int
    block : float or None
        See :func:`~kernel_lib.backtest.prices.resampled_ticks`.
    seed : int
        Draw ``i`` uses the pair ``(seed, i)``.
    progress : bool or None
        A progress bar; None: as ``replay`` would show one.
    **settings
        Further arguments of :func:`~kernel_lib.backtest.replay.replay`; ``outside`` is refused, as values from
        outside would not belong to the drawn prices.

    Returns
    -------
    MonteCarlo

    Raises
    ------
    BadData
        What ``replay`` refuses, a strategy that reads from outside, or one that was stopped by a fault.
    """
    if settings.get("outside") or strategy.channels:
        raise BadData("values from outside belong to the recorded prices; a strategy that reads them cannot be redrawn")
    check_draws(n_draws)
    check_ticks(ticks)
    observed = _whole(replay(strategy, ticks, progress=False, **settings))
    deposit, grid = observed.book.account.deposit, np.linspace(*observed.span_ns, STEPS + 1)
    digits = observed.instrument.digits
    length = block
    parts = []
    for draw in _bar(n_draws, progress, strategy.name):
        drawn, length = resampled_ticks(ticks, block=length, seed=(seed, draw), digits=digits)
        parts.append(_followed(_whole(replay(strategy, drawn, progress=False, **settings)), grid))
    return of_parts("prices", parts, _followed(observed, grid), deposit, observed.book.account.currency)


def _whole(run: Replay) -> Replay:
    if run.fault:
        raise BadData(f"a strategy must run to the end to be compared, {run.strategy.name} was stopped: {run.fault}")
    return run


def _followed(run: Replay, grid: Floats) -> tuple[Floats, Floats, Floats]:
    """Give final equity, drawdown and the path of a run, the latest value at each step."""
    numbers = run.book.numbers
    minor = 10.0**run.book.account.digits
    places = np.searchsorted(run.equity["time_ns"], grid, side="right") - 1
    path = np.where(places >= 0, run.equity["equity_minor"][np.maximum(places, 0)] / minor, run.book.account.deposit)
    path[0] = run.book.account.deposit
    final = run.book.money(numbers["equity_minor"])
    path[-1] = final
    return np.array([final]), np.array([100.0 * numbers["drawdown_fraction"]]), path[None]


def _bar(n_draws: int, wanted: bool | None, name: str) -> Any:
    import sys

    from tqdm.auto import tqdm

    show = wanted if wanted is not None else sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(range(n_draws), unit="market", desc=name, disable=not show, leave=False)
