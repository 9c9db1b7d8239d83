"""How much cost an edge bears: replay under wider spreads, dearer commission, more slippage, longer latency."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from kernel_lib.backtest.prices import with_spread
from kernel_lib.backtest.replay import Replay, replay
from kernel_lib.errors import BadData
from kernel_lib.market.tick import Ticks
from kernel_lib.risk.shown import rows_html
from kernel_lib.strategy import Strategy
from kernel_lib.trading.account import Costs
from kernel_lib.trading.record import Kind

__all__ = ["COSTS", "CostSensitivity", "cost_headroom_points", "cost_sensitivity"]

#: What can be varied; ``all`` multiplies the four together.
COSTS = ("spread", "commission", "slippage", "latency")


class CostSensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy earned under other costs.

    Parameters
    ----------
    rows : pandas.DataFrame
        One a run: ``cost`` (one of :data:`COSTS`, or ``all``), ``multiplier``, ``net_profit_money`` (closed and
        floating, after all costs), ``return_pct``, ``max_drawdown_pct``, ``trades_count``, ``denied_count``.
    break_even : dict of str to float
        For each cost the multiplier at which the net profit crosses zero, on the line between the two runs around it;
        infinite where no run loses, NaN where all of them do.
    headroom_points : float
        See :func:`cost_headroom_points`, of the run at unchanged costs.
    currency : str
    """

    rows: Any
    break_even: dict[str, float]
    headroom_points: float
    currency: str

    def plot(self) -> Any:
        """Draw the net profit over the multiplier, a line for each cost; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for name, runs in self.rows.groupby("cost", sort=False):
            axes.plot(
                runs["multiplier"], runs["net_profit_money"], marker="o", ms=3, lw=2 if name == "all" else 1, label=name
            )
        axes.axhline(0.0, color="black", lw=0.6)
        axes.axvline(1.0, color="black", lw=0.6, ls=":")
        axes.set_xlabel("times the costs assumed")
        axes.set_ylabel(f"net profit, {self.currency}")
        axes.legend(frameon=False)
        axes.grid(alpha=0.2)
        return figure

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} x{number:.2f}" for name, number in self.break_even.items())
        return f"<CostSensitivity: break-even at {parts}; headroom {self.headroom_points:.2f} points a side>"

    def _repr_html_(self) -> str:
        wide = self.rows.pivot_table(index="multiplier", columns="cost", values="net_profit_money", sort=False)
        rows: list[list[Any]] = [[f"x {at:g}", *each] for at, each in zip(wide.index, wide.to_numpy(), strict=True)]
        rows.append(["break-even x", *(self.break_even[name] for name in wide.columns)])
        return rows_html(f"Net profit by costs, {self.currency}", ("", *map(str, wide.columns)), rows)


def cost_sensitivity(
    strategy: Strategy,
    ticks: Ticks,
    *,
    multipliers: Sequence[float] = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0),
    vary: Sequence[str] = (*COSTS, "all"),
    costs: Costs | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> CostSensitivity:
    """Replay a strategy under multiples of its costs, each by itself and all together.

    Parameters
    ----------
    strategy : Strategy
    ticks : ndarray of TICK, shape (n_ticks,)
    multipliers : sequence of float
        0 or more; 1 is always run.
    vary : sequence of str
        Some of :data:`COSTS` and ``all``.
    costs : Costs or None
        What 1 stands for; None: ``replay``'s own. A slippage or latency of nothing is varied in whole points and in
        steps of 40 ms instead, as nothing has no multiple; slippage is rounded to whole points.
    progress : bool or None
        A progress bar; None shows one at a terminal or in a notebook.
    **settings
        Further arguments of :func:`~kernel_lib.backtest.replay.replay`.

    Returns
    -------
    CostSensitivity

    Notes
    -----
    Decisions and limits see the other spreads too: where one is wider than ``RiskLimits.max_spread_points`` nothing is
    entered, ``denied_count`` says how often, and the profit nears zero from either side.

    Raises
    ------
    BadData
        A negative multiplier, an unknown cost, or what ``replay`` refuses.
    """
    from tqdm.auto import tqdm

    unknown = [name for name in vary if name not in (*COSTS, "all")]
    if unknown or not vary:
        raise BadData(f"vary must name some of {', '.join((*COSTS, 'all'))}, it was {list(vary)!r}")
    levels = sorted({*map(float, multipliers), 1.0})
    if not all(np.isfinite(levels)) or levels[0] < 0.0:
        raise BadData(f"multipliers must be 0 or more, they were {list(multipliers)!r}")
    costs = costs or Costs()
    show = progress if progress is not None else sys.stderr.isatty() or "ipykernel" in sys.modules
    unchanged = replay(strategy, ticks, costs=costs, progress=False, **settings)
    rows = []
    points = [(name, level) for name in vary for level in levels]
    for name, level in tqdm(points, unit="run", desc=f"{strategy.name}: costs", disable=not show, leave=False):
        run = unchanged
        if level != 1.0:
            varied = COSTS if name == "all" else (name,)
            quotes = with_spread(ticks, level, run.instrument.digits) if "spread" in varied else ticks
            run = replay(strategy, quotes, costs=_times(costs, varied, level), progress=False, **settings)
        rows.append({"cost": name, "multiplier": level, **_figures(run)})
    import pandas as pd

    frame = pd.DataFrame(rows)
    return CostSensitivity(
        rows=frame,
        break_even={name: _crossing(levels, frame.loc[frame["cost"] == name, "net_profit_money"]) for name in vary},
        headroom_points=cost_headroom_points(unchanged),
        currency=unchanged.book.account.currency,
    )


def cost_headroom_points(run: Replay) -> float:
    """Give by how many points a side every fill could have been worse before the run had earned nothing.

    Net profit over the worth of one point on all that was filled, at unchanged decisions; negative where the run lost,
    NaN without a fill.
    """
    fills = run.events[run.events["kind"] == int(Kind.FILL)]
    units = float(np.abs(fills["units"]).sum())
    if units == 0.0:
        return float("nan")
    rules, n = run.book.arrays.rules[0], run.book.numbers
    worth = float(rules["minor_per_point_unit"])
    if rules["profit_by_price"]:
        prices = fills["points"] * float(rules["point"])
        worth *= float(np.average(1.0 / prices, weights=np.abs(fills["units"])))
    return float(n["equity_minor"] - n["deposit_minor"]) / (worth * units)


def _times(costs: Costs, varied: Sequence[str], level: float) -> Costs:
    import msgspec.structs

    changes: dict[str, Any] = {}
    if "commission" in varied:
        changes["commission_per_lot"] = costs.commission_per_lot * level
    if "slippage" in varied:
        fixed, most = costs.slippage_points, costs.slippage_random_points
        nothing = fixed == 0 and most == 0
        changes["slippage_points"] = round(level - 1.0) if nothing and level > 1.0 else round(fixed * level)
        changes["slippage_random_points"] = round(most * level)
    if "latency" in varied:
        nothing = costs.latency_ms == 0 and costs.latency_jitter_ms == 0
        changes["latency_ms"] = 40.0 * max(0.0, level - 1.0) if nothing else costs.latency_ms * level
        changes["latency_jitter_ms"] = costs.latency_jitter_ms * level
    return msgspec.structs.replace(costs, **changes)


def _figures(run: Replay) -> dict[str, float]:
    n = run.book.numbers
    profit = run.book.money(n["equity_minor"] - n["deposit_minor"])
    return {
        "net_profit_money": profit,
        "return_pct": 100.0 * profit / run.book.account.deposit,
        "max_drawdown_pct": 100.0 * n["drawdown_fraction"],
        "trades_count": int((run.events["kind"] == int(Kind.CLOSED)).sum()),
        "denied_count": n["n_denied"],
    }


def _crossing(levels: Sequence[float], profits: Any) -> float:
    numbers = [float(each) for each in profits]
    if numbers[0] <= 0.0:
        return float("nan") if max(numbers) <= 0.0 else levels[0]
    for i in range(1, len(numbers)):
        if numbers[i] <= 0.0:
            share = numbers[i - 1] / (numbers[i - 1] - numbers[i])
            return levels[i - 1] + share * (levels[i] - levels[i - 1])
    return float("inf")
