"""Looking for good parameters on some stretches of the ticks: a grid, a random sample, or Optuna's samplers.

Sets are run in batches by the sweep's engine, also where a sampler learns from what came before. Every set that ran is
counted. With several scores the choice is made among the sets that no other beats in all of them (Pareto), by the
smallest sum of ranks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from kernel_lib.backtest.grid import Grid, check_names, parameter_sets, random_sets
from kernel_lib.backtest.sweep_engine import Engine, empty_totals
from kernel_lib.backtest.sweep_lanes import run_sets
from kernel_lib.backtest.sweep_result import Sweep, score_sign
from kernel_lib.backtest.sweep_totals import joined_totals
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.models.space import Choice, Range

__all__ = ["Search", "chosen_row", "evaluated", "searched"]


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A search of a space rather than of a grid.

    Parameters
    ----------
    space : dict of str to Range or Choice
    n_trials : int
        Sets to run, in each fold.
    sampler : {"random", "tpe", "nsga2"}
        Even draws; the tree-structured Parzen estimator (Bergstra et al. 2011); the non-dominated sorting genetic
        algorithm (Deb et al. 2002), for several scores.
    seed : int
    batch : int
        Sets that run at the same time before the sampler learns of them.
    """

    space: dict[str, Range | Choice]
    n_trials: int = 100
    sampler: Literal["random", "tpe", "nsga2"] = "random"
    seed: int = 0
    batch: int = 8


def searched(
    engine: Engine, segments: Sequence[tuple[int, int]], search: "Grid | Search", by: tuple[str, ...],
    threads: int | None = None,
) -> Sweep:  # fmt: skip
    """Run the sets of a search over stretches of an engine's ticks, and give them all."""
    if not isinstance(search, Search):
        return evaluated(engine, segments, parameter_sets(search), threads)
    if not search.space or search.n_trials < 1 or search.batch < 1:
        raise Misconfigured("a search must have a space, and at least one trial and one set in a batch")
    if search.sampler == "random":
        sets = random_sets(search.space, search.n_trials, seed=search.seed)
        return evaluated(engine, segments, sets, threads)
    if search.sampler == "tpe" and len(by) > 1:
        raise Misconfigured(f"several scores {by} need sampler='nsga2', it was 'tpe'")
    return _by_optuna(engine, segments, search, by, threads)


def evaluated(
    engine: Engine, segments: Sequence[tuple[int, int]], sets: list[dict[str, Any]], threads: int | None = None
) -> Sweep:
    """Run sets over each stretch with an account of its own, and join their totals."""
    check_names(engine.strategy, sets)
    parts, reasons, done = [], [""] * len(sets), np.ones(len(sets), bool)
    note = ""
    for start, stop in segments:
        part = engine.part(start, stop)
        totals, ran, words = empty_totals(len(sets)), np.zeros(len(sets), bool), [""] * len(sets)
        note = run_sets(part, sets, totals, ran, words, threads=threads) or note
        parts.append(totals)
        done &= ran
        reasons = [old or new for old, new in zip(reasons, words, strict=True)]
        if note:
            break
    joined = joined_totals(np.stack(parts))
    joined[~done] = 0
    return Sweep(engine.strategy, sets, joined, done, reasons, engine.account.digits, note)


def chosen_row(found: Sweep, by: tuple[str, ...], least_trades: int) -> int:
    """Give the number of the best set; of several scores a compromise that no other set beats in all.

    Raises
    ------
    BadData
        No set has the scores.
    """
    if len(by) == 1:
        return int(found.best(by[0], least_trades=least_trades).name)
    table = found.table
    scores = np.column_stack([table[name].to_numpy(float) * score_sign(name) for name in by])
    fit = (table["reason"] == "").to_numpy() & (table["trades_count"] >= least_trades).to_numpy()
    rows = np.flatnonzero(fit & np.isfinite(scores).all(axis=1))
    if len(rows) == 0:
        raise BadData(f"no set has {', '.join(by)} with {least_trades} trades or more; see .table")
    good = scores[rows]
    beaten = [bool(((good >= each).all(axis=1) & (good > each).any(axis=1)).any()) for each in good]
    front = rows[~np.array(beaten)]
    ranks = sum((-scores[front, k]).argsort(kind="stable").argsort() for k in range(len(by)))
    return int(front[int(np.argmin(ranks))])


def _by_optuna(
    engine: Engine, segments: Sequence[tuple[int, int]], search: Search, by: tuple[str, ...], threads: int | None
) -> Sweep:
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        sampler = (
            optuna.samplers.TPESampler(seed=search.seed)
            if search.sampler == "tpe"
            else optuna.samplers.NSGAIISampler(seed=search.seed, population_size=min(50, max(4, search.n_trials // 4)))
        )
        directions: Any = ["maximize" if score_sign(name) > 0 else "minimize" for name in by]
        study = optuna.create_study(directions=directions, sampler=sampler)
        batches: list[Sweep] = []
        while (n_done := sum(len(each.sets) for each in batches)) < search.n_trials:
            trials = [study.ask() for _ in range(min(search.batch, search.n_trials - n_done))]
            sets = [_suggested(trial, search.space) for trial in trials]
            batches.append(evaluated(engine, segments, sets, threads))
            scores = batches[-1].table[list(by)].to_numpy(float)
            for trial, score in zip(trials, scores, strict=True):
                if np.isfinite(score).all():
                    study.tell(trial, score.tolist())
                else:
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
            if batches[-1].note:
                break
    finally:
        optuna.logging.set_verbosity(level)
    return Sweep(
        engine.strategy, [one for each in batches for one in each.sets],
        np.concatenate([each.totals for each in batches]), np.concatenate([each.done for each in batches]),
        [one for each in batches for one in each.reasons], engine.account.digits, batches[-1].note,
    )  # fmt: skip


def _suggested(trial: Any, space: Mapping[str, Range | Choice]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, within in space.items():
        if isinstance(within, Choice):
            found[name] = trial.suggest_categorical(name, list(within.of))
        elif within.is_whole:
            found[name] = trial.suggest_int(name, int(within.low), int(within.high), log=within.log)
        else:
            found[name] = trial.suggest_float(name, within.low, within.high, log=within.log)
    return found
