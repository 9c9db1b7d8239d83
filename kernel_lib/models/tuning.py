"""Search for better hyper-parameters, by scores on rows that no fold's model had seen.

The score of a trial is that of the card: walk-forward, purged, calibrated with earlier folds. A trial that is worse
than half of the others after the same folds is given up. The best of many is better by luck too: the number of trials
belongs to the result, and the winner's score is no forecast.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.learner import Learner, judged, one_thread
from kernel_lib.models.sample import Sample, make_sample
from kernel_lib.models.scores import judged_by, log_loss
from kernel_lib.models.space import Choice, Range, Space
from kernel_lib.trial_count import count_trials

__all__ = ["Trial", "Tuned", "tune"]

Floats = npt.NDArray[np.float64]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One set of parameters and its score; ``state`` is complete, pruned or failed, and ``reason`` says why."""

    number: int
    state: str
    score: float | None
    parameters: dict[str, float | int | str | bool]
    reason: str = ""


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found.

    Parameters
    ----------
    best : Learner
        Not yet fitted.
    score : float
        Its score; ``score_name`` says which.
    default_score : float
        Of the learner that the search began with, which is trial 0.
    higher_is_better : bool
    trials : tuple of Trial
        All of them, in order.
    """

    best: Learner
    score: float
    default_score: float
    score_name: str
    higher_is_better: bool
    trials: tuple[Trial, ...]

    def frame(self) -> Any:
        """Give the trials as a pandas DataFrame, one row each."""
        import pandas as pd

        return pd.DataFrame(
            [{"trial": t.number, "state": t.state, self.score_name: t.score, **t.parameters} for t in self.trials]
        ).set_index("trial")

    def plot(self) -> Any:
        """Draw the score of each trial and the best so far; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 3.2), layout="constrained")
        axes = figure.subplots()
        done = [(t.number, t.score) for t in self.trials if t.state == "complete" and t.score is not None]
        numbers, scores = [each[0] for each in done], [each[1] for each in done]
        best = (np.maximum if self.higher_is_better else np.minimum).accumulate(scores)
        axes.plot(numbers, scores, "o", ms=4, alpha=0.6, label="trial")
        axes.plot(numbers, best, drawstyle="steps-post", label="best so far")
        axes.axhline(self.default_score, color="black", lw=0.6, ls=":", label="as given")
        axes.set_xlabel("trial")
        axes.set_ylabel(f"{self.score_name}, out of sample")
        axes.legend(frameon=False)
        axes.grid(alpha=0.2)
        return figure

    def __repr__(self) -> str:
        n_pruned = sum(each.state == "pruned" for each in self.trials)
        return (
            f"{self.best!r}\n{self.score_name} {self.score:.5f} out of sample, {self.default_score:.5f} as given; best "
            f"of {len(self.trials)} trials, {n_pruned} of them given up early"
        )


@declared
def tune(
    learner: Learner,
    X: Any,  # noqa: N803
    y: Any,
    *,
    names: Sequence[str] | None = None,
    times_ns: npt.ArrayLike | None = None,
    trials: int = 30,
    seconds: float | None = None,
    space: Space | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Tuned:
    """Search a learner's space with the tree-structured Parzen estimator (Bergstra et al., 2011) of Optuna.

    Parameters
    ----------
    learner : Learner
        Where the search begins; what its space does not name stays as it is.
    X, y, names, times_ns
        As for :meth:`Learner.fit`.
    trials : int
        Budget of trials, the one as given among them; 1 to 10,000.
    seconds : float or None
        Budget of time: no trial begins after it. With one, the number of trials depends on the machine.
    space : dict or None
        Instead of the learner's own.
    seed : int
    progress : bool
        Show a bar.

    Raises
    ------
    BadData
        The learner has no outcome to be judged by, nothing to search, or the rows are refused.
    """
    import optuna

    chosen = learner.space if space is None else space
    if not learner.kinds or not chosen:
        raise BadData(f"a search needs outcomes to be judged by and a space, {learner.key} has none")
    unknown = [name for name in chosen if name not in learner.__struct_fields__]
    if unknown:
        raise BadData(
            f"a space must name parameters of {learner.key}, {unknown} are none of {learner.__struct_fields__}"
        )
    wrong = [f"{name}={each!r}" for name, each in chosen.items() if not isinstance(each, Choice | Range)]
    if wrong:
        raise BadData(f"a space must hold models.Range(low, high) or models.Choice((...)), it held {', '.join(wrong)}")
    if isinstance(trials, bool) or not isinstance(trials, int) or not 1 <= trials <= 10_000:
        raise BadData(f"trials must be a whole number from 1 to 10000, it was {trials!r}")
    if not 0 <= seed < 2**31:
        raise BadData(f"a seed must be a whole number from 0 to 2147483647, it was {seed!r}")
    sample = make_sample(X, y, names=names, times_ns=times_ns, kinds=learner.kinds, least_rows=learner.least_rows)
    learner.check(sample)
    score_name, higher = judged_by(sample.kind)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            direction="maximize" if higher else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(2, trials // 3))),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        )
        given = {name: getattr(learner, name) for name in chosen}
        study.enqueue_trial(given, skip_if_exists=True)
        bar = _bar(trials, learner.key) if progress else None

        def objective(trial: Any) -> float:
            parameters = given if trial.number == 0 else {name: _suggest(trial, name, chosen) for name in chosen}
            trial.set_user_attr("parameters", parameters)
            return _trial_score(msgspec.structs.replace(learner, **parameters), sample, trial, score_name, seed)

        with one_thread():
            study.optimize(
                objective, n_trials=trials, timeout=seconds, catch=(BadData,),
                callbacks=[lambda *_: bar.update()] if bar is not None else None,
            )  # fmt: skip
        if bar is not None:
            bar.close()
    finally:
        optuna.logging.set_verbosity(level)
    _count(learner, study, sample)
    return _tuned(learner, study, score_name, higher)


def _count(learner: Learner, study: Any, sample: Sample) -> None:
    # A search belongs to a hypothesis, and to no instrument.
    rows = hashlib.blake2b(np.ascontiguousarray(sample.X).tobytes(), digest_size=16)
    if sample.y is not None:
        rows.update(np.ascontiguousarray(sample.y).tobytes())
    trials = []
    for each in study.trials:
        chosen = sorted(each.user_attrs.get("parameters", each.params).items())
        trial = hashlib.blake2b(f"{learner!r} {chosen!r}".encode(), digest_size=16)
        trial.update(rows.digest())
        trials.append(trial.digest())
    count_trials("tuning", learner.key, "", b"".join(trials), np.full(len(trials), np.nan), 0.0)


def _trial_score(learner: Learner, sample: Sample, trial: Any, score_name: str, seed: int) -> float:
    import optuna

    try:
        learner.check(sample)
        folds = []
        for fold in learner.out_of_sample(sample, seed=seed):
            folds.append(fold)
            trial.report(_plain_score(sample, folds), len(folds))
            if trial.number and trial.should_prune():
                raise optuna.TrialPruned
        return judged(learner, learner.shape(sample), sample, folds, None)[1][score_name]
    except BadData as error:
        trial.set_user_attr("reason", str(error))
        raise


def _plain_score(sample: Sample, folds: Sequence[tuple[Any, npt.NDArray[np.int64], Floats]]) -> float:
    """Score the folds so far without calibration: enough to see that a trial is lost."""
    raw = np.concatenate([each for _, _, each in folds])
    rows = np.concatenate([each for _, each, _ in folds])
    outcomes = np.zeros(0) if sample.y is None else sample.y[rows]
    known = ~np.isnan(raw).any(axis=1)
    raw, outcomes = raw[known], outcomes[known]
    if sample.kind == "value":
        return float(np.sqrt(np.mean((raw[:, 0] - outcomes) ** 2)))
    direction = outcomes if outcomes.ndim == 1 else outcomes[:, 0]
    occurred = (direction[:, None] == np.asarray(sample.classes)[None, :]).astype(np.float64)
    return log_loss(raw[:, : len(sample.classes)], occurred)


def _suggest(trial: Any, name: str, space: Space) -> float | int | str | bool:
    within = space[name]
    found: float | int | str | bool
    if isinstance(within, Choice):
        found = trial.suggest_categorical(name, list(within.of))
    elif within.is_whole:
        found = trial.suggest_int(name, int(within.low), int(within.high), log=within.log)
    else:
        found = trial.suggest_float(name, within.low, within.high, log=within.log)
    return found


def _tuned(learner: Learner, study: Any, score_name: str, higher: bool) -> Tuned:
    trials = tuple(
        Trial(
            number=each.number,
            state={"COMPLETE": "complete", "PRUNED": "pruned"}.get(each.state.name, "failed"),
            score=each.value if each.state.name == "COMPLETE" else None,
            parameters=each.user_attrs.get("parameters", each.params),
            reason=each.user_attrs.get("reason", ""),
        )
        for each in study.trials
    )
    done = [each for each in trials if each.score is not None]
    if not done or trials[0].score is None:
        raise BadData(f"the learner as given must train, it failed: {trials[0].reason if trials else 'no trial'}")
    best = (max if higher else min)(done, key=lambda each: each.score if each.score is not None else 0.0)
    return Tuned(
        best=msgspec.structs.replace(learner, **best.parameters), score=float(best.score or 0.0),
        default_score=trials[0].score, score_name=score_name, higher_is_better=higher, trials=trials,
    )  # fmt: skip


def _bar(trials: int, key: str) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=trials, desc=f"{key}, search", leave=False)
