"""Walk-forward and its relatives: parameters are chosen on some stretches of time and judged on others.

Time is cut into ``rows`` equal pieces, and the splits of :mod:`kernel_lib.models.splits` say which pieces choose and
which judge: ``"anchored"`` and ``"rolling"`` go forward in time, ``"k_fold"`` judges each block once, and
``"combinatorial"`` judges every choice of blocks (Lopez de Prado 2018, chapter 12). A position may outlive its piece by
``horizon`` pieces: so many are purged between choosing and judging. Each stretch begins flat, with its own deposit, and
features warm up within it.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.bar_ticks import ticks_to_replay
from kernel_lib.backtest.counting import count_sets, require_seconds
from kernel_lib.backtest.grid import Grid
from kernel_lib.backtest.sweep_engine import Engine
from kernel_lib.backtest.sweep_result import Sweep, score_sign
from kernel_lib.backtest.sweep_search import Search, chosen_row, evaluated, searched
from kernel_lib.backtest.sweep_totals import joined_totals, statistics_of
from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.market.bar import Bars
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.models.splits import (
    Split,
    backtest_paths,
    combinatorial_purged,
    fixed_ends,
    purged_k_fold,
    walk_forward,
)
from kernel_lib.strategy import Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

__all__ = ["Fold", "WalkForward", "walkforward"]

Scheme = Literal["anchored", "rolling", "k_fold", "combinatorial"]


class Fold:
    """One choice of parameters and its judgement.

    Attributes
    ----------
    split : Split
        Numbers of the pieces of time.
    found : Sweep
        Every set that was tried, on the stretches that choose.
    row : int
        The number of the chosen one.
    params : dict
    judged : ndarray of TOTALS, shape (n_groups,)
        The chosen set on each block that judges.
    reason : str
        Empty, or what stopped the strategy where it was judged.
    """

    def __init__(self, split: Split, found: Sweep, row: int, judged: npt.NDArray[np.void], reason: str) -> None:
        self.split = split
        self.found = found
        self.row = row
        self.params = found.sets[row]
        self.judged = judged
        self.reason = reason


class WalkForward:
    """What :func:`walkforward` gave.

    Attributes
    ----------
    folds : list of Fold
    edges_ns : ndarray of int, shape (n_rows + 1,)
        Where the pieces of time begin and end.
    by : tuple of str
    partial : bool
        It was interrupted; the folds that were finished are here.
    """

    def __init__(
        self, strategy: Strategy, folds: Sequence[Fold], edges_ns: npt.NDArray[np.int64], by: tuple[str, ...],
        scheme: str, digits: int, partial: bool,
    ) -> None:  # fmt: skip
        self.strategy = strategy
        self.folds = list(folds)
        self.edges_ns = edges_ns
        self.by = by
        self.scheme = scheme
        self.partial = partial
        self._digits = digits

    @property
    def n_trials(self) -> int:
        """Sets that ran in all folds: the number that a deflated Sharpe ratio is deflated by."""
        return sum(fold.found.n_trials for fold in self.folds)

    @property
    def table(self) -> Any:
        """One row a fold: what judged and when, the chosen parameters, ``chosen_SCORE``, and the judged statistics."""
        import pandas as pd

        rows = []
        for fold in self.folds:
            test = fold.split.test
            judged = self._statistics(fold.judged)
            rows.append(
                {
                    "groups": fold.split.groups,
                    "begin": pd.Timestamp(int(self.edges_ns[test[0]]), tz="UTC"),
                    "end": pd.Timestamp(int(self.edges_ns[test[-1] + 1]), tz="UTC"),
                    **fold.params,
                    **{f"chosen_{name}": fold.found.table[name][fold.row] for name in self.by},
                    **judged,
                    "reason": fold.reason,
                }
            )
        return pd.DataFrame(rows)

    @property
    def trials(self) -> Any:
        """Every set that was tried, with its fold; a pandas DataFrame."""
        import pandas as pd

        return pd.concat(
            [fold.found.table.assign(fold=number) for number, fold in enumerate(self.folds)], ignore_index=True
        )

    @property
    def statistics(self) -> dict[str, float]:
        """Out of sample, all blocks one after the other; of a combinatorial run the mean of the :attr:`paths`."""
        if self.scheme == "combinatorial":
            return {str(name): float(number) for name, number in self.paths.mean().items()}
        return self._statistics(np.concatenate([fold.judged for fold in self.folds]))

    @property
    def paths(self) -> Any:
        """The statistics of each whole history that the blocks join into; one row a path, a pandas DataFrame."""
        import pandas as pd

        if self.scheme != "combinatorial":
            return pd.DataFrame([self.statistics])
        rows = []
        for path in backtest_paths([fold.split for fold in self.folds]):
            blocks = [self.folds[k].judged[list(self.folds[k].split.groups).index(group)] for group, k in path]
            rows.append(self._statistics(np.array(blocks)))
        return pd.DataFrame(rows)

    def stability(self, by: str | None = None) -> Any:
        """Say how much of each fold's best score its neighbours have; one row a fold, a pandas DataFrame.

        Neighbours differ from the chosen set in one parameter, to the next value that was tried on either side.
        ``kept`` is the mean of their scores over the best: near 1 on a plateau, small or negative on a peak.
        """
        import pandas as pd

        name = by or self.by[0]
        rows = []
        for fold in self.folds:
            table = fold.found.table
            scores = table[name].to_numpy(float)
            near = scores[_neighbours(fold.found.sets, fold.row)]
            near = near[np.isfinite(near)]
            best = float(scores[fold.row])
            mean = float(near.mean()) if len(near) else np.nan
            worst = float((near * score_sign(name)).min() * score_sign(name)) if len(near) else np.nan
            rows.append(
                {
                    **fold.params, "best": best, "neighbours_count": len(near), "neighbours_mean": mean,
                    "neighbours_worst": worst, "kept": mean / best if best != 0.0 else np.nan,
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def surface(self, x: str, y: str, by: str | None = None) -> Any:
        """Give the score over two parameters, the mean over folds and over all other parameters; a DataFrame."""
        surfaces = [fold.found.surface(x, y, by or self.by[0]) for fold in self.folds]
        return sum(surfaces[1:], surfaces[0]) / len(surfaces)

    def plot(self, by: str | None = None) -> Any:
        """Draw each fold's score where it was chosen and where it was judged; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        name = by or self.by[0]
        chosen = [float(fold.found.table[name][fold.row]) for fold in self.folds]
        judged = [self._statistics(fold.judged)[name] for fold in self.folds]
        figure = Figure(figsize=(max(5.0, 0.5 * len(chosen)), 3.4), layout="constrained")
        axes = figure.subplots()
        at = np.arange(len(chosen))
        axes.bar(at - 0.2, chosen, 0.4, label="chosen on")
        axes.bar(at + 0.2, judged, 0.4, label="judged on")
        axes.axhline(0.0, color="black", lw=0.6)
        axes.set_xticks(at, [",".join(map(str, fold.split.groups)) for fold in self.folds])
        axes.set_xlabel("fold, by the blocks that judge")
        axes.set_ylabel(name)
        axes.legend(frameon=False)
        return figure

    def __repr__(self) -> str:
        judged = self.statistics
        scores = ", ".join(f"{name} {judged[name]:.3g}" for name in self.by)
        return (
            f"<WalkForward {self.strategy.name}, {self.scheme}: {len(self.folds)} folds, {self.n_trials:,} trials"
            f"{', partial' if self.partial else ''}; "
            f"out of sample {scores}, net profit {judged['net_profit_money']:,.2f}>"
        )

    def _statistics(self, blocks: npt.NDArray[np.void]) -> dict[str, float]:
        joined = joined_totals(blocks.reshape(-1, 1))
        return {name: float(numbers[0]) for name, numbers in statistics_of(joined, self._digits).items()}


@declared
def walkforward(
    strategy: Strategy,
    ticks: Ticks | Bars,
    search: Grid | Search,
    *,
    mode: Literal["ticks", "m1", "open"] = "ticks",
    spread_points: int | None = None,
    by: str | tuple[str, ...] = "sharpe_ratio",
    scheme: Scheme = "anchored",
    folds: int = 5,
    test_folds: int = 2,
    rows: int = 120,
    horizon: int = 1,
    embargo: int = 0,
    least_trades: int = 1,
    instrument: Instrument | str = "EURUSD",
    account: AccountConfig | None = None,
    limits: RiskLimits | None = None,
    costs: Costs | None = None,
    outside: Mapping[str, Any] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> WalkForward:
    """Choose parameters in each fold, judge them where they were not chosen.

    Parameters
    ----------
    strategy : Strategy
    ticks : ndarray of TICK, shape (n_ticks,), or of BAR, shape (n_bars,)
    mode, spread_points
        How bars are run over, as for :func:`~kernel_lib.backtest.replay.replay`.
    search : mapping, sequence of mappings, or Search
        A grid as for :func:`~kernel_lib.backtest.sweep.sweep`, or a space with a sampler.
    by : str or tuple of str
        The score or scores to choose by.
    scheme : {"anchored", "rolling", "k_fold", "combinatorial"}
    folds, test_folds : int
        Blocks that judge; with ``"combinatorial"``, ``test_folds`` of ``folds`` blocks at a time.
    rows, horizon, embargo : int
        Pieces of time; how many a position may outlive its own by; how many more are left out.
    least_trades : int
        Sets with fewer closed trades where they are chosen do not count.
    progress : bool
        Show a bar over the folds.

    Raises
    ------
    BadData
        Too few ticks or pieces for so many folds, a fold in which no set has the score, a scheme that is none of the
        four, or terms of another kind.
    Misconfigured
        A name that is no parameter.
    """
    from tqdm.auto import tqdm

    require_seconds()
    contract = known_instrument(instrument) if isinstance(instrument, str) else instrument
    ticks = ticks_to_replay(ticks, mode, contract, spread_points)
    engine = Engine(
        strategy, ticks, contract, account or AccountConfig(), limits or RiskLimits(), costs or Costs(), outside
    )
    scores = (by,) if isinstance(by, str) else tuple(by)
    ends = fixed_ends(rows, horizon)
    if scheme in ("anchored", "rolling"):
        splits = walk_forward(ends, folds, anchored=scheme == "anchored", embargo=embargo)
    elif scheme == "k_fold":
        splits = purged_k_fold(ends, folds, embargo=embargo)
    else:
        splits = combinatorial_purged(ends, folds, test_folds, embargo=embargo)
    times = ticks["time_ns"]
    edges_ns = np.linspace(0, int(times[-1]) - int(times[0]) + 1, rows + 1).astype(np.int64) + int(times[0])
    places = np.searchsorted(times, edges_ns)
    blocks = np.linspace(0, rows, folds + 1).astype(np.int64)
    done: list[Fold] = []
    for number, split in enumerate(tqdm(splits, disable=not progress, unit="fold", desc=strategy.name, leave=False)):
        stretches = _stretches(split.train, places)
        found = searched(engine, stretches, search, scores, threads)
        count_sets(found, engine, stretches, kind="walkforward")
        if found.partial:
            if not done:
                raise KeyboardInterrupt
            break
        try:
            row = chosen_row(found, scores, least_trades)
        except BadData as error:
            raise BadData(f"fold {number}: {error}") from error
        tests = [split.test]
        if len(split.groups) > 1:
            tests = [np.arange(blocks[group], blocks[group + 1]) for group in split.groups]
        judged = [evaluated(engine, _stretches(test, places), [found.sets[row]], 1) for test in tests]
        reason = next((each.reasons[0] for each in judged if each.reasons[0]), "")
        done.append(Fold(split, found, row, np.concatenate([each.totals for each in judged]), reason))
    partial = len(done) < len(splits)
    return WalkForward(strategy, done, edges_ns, scores, scheme, engine.account.digits, partial)


def _stretches(pieces: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Join pieces of time that touch into stretches of ticks, leaving out those without a tick."""
    cuts = np.flatnonzero(np.diff(pieces) != 1) + 1
    joined = [
        (int(places[pieces[a]]), int(places[pieces[b - 1] + 1])) for a, b in pairwise([0, *cuts.tolist(), len(pieces)])
    ]
    stretches = [(start, stop) for start, stop in joined if stop > start]
    if not stretches:
        raise BadData(f"there must be ticks in every fold, there are none in pieces {pieces[0]} to {pieces[-1]}")
    return stretches


def _neighbours(sets: Sequence[Mapping[str, Any]], row: int) -> list[int]:
    chosen = sets[row]
    near: list[int] = []
    for name, value in chosen.items():
        along = [
            (each[name], k)
            for k, each in enumerate(sets)
            if all(each.get(other) == chosen[other] for other in chosen if other != name)
        ]
        near += [max(((v, k) for v, k in along if v < value), default=(0, -1))[1]]
        near += [min(((v, k) for v, k in along if v > value), default=(0, -1))[1]]
    return [k for k in near if k >= 0]
