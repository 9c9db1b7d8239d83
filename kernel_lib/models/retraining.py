"""What a model would have said of the past had it been trained as time went on: the only honest input to a backtest.

A model that was trained on all rows knows them. Here the history is cut into blocks; before each block a model is
fitted, calibration and all, on what was known then, and it answers that block alone.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.labels import Labels
from kernel_lib.models.learner import Learner
from kernel_lib.models.model import Model
from kernel_lib.models.prediction import Prediction
from kernel_lib.models.sample import Sample, make_sample

__all__ = ["Retrained", "Stage", "retrain"]


class Stage(msgspec.Struct, frozen=True):
    """A model and the rows that it answered: from ``start`` up to ``stop``, which is not among them."""

    model: Model
    start: int
    stop: int


class Retrained(msgspec.Struct, frozen=True):
    """A history of models.

    Parameters
    ----------
    stages : tuple of Stage
        In the order of time.
    prediction : Prediction
        A row for each row of the history; NaN before the first stage, and where nothing could be said.
    """

    stages: tuple[Stage, ...]
    prediction: Prediction

    @property
    def latest(self) -> Model:
        """The newest model; one fitted on all rows would be newer still."""
        return self.stages[-1].model

    def __repr__(self) -> str:
        first, last = self.stages[0], self.stages[-1]
        return f"Retrained({last.model.card.learner}: {len(self.stages)} models over rows {first.start} to {last.stop})"


@declared
def retrain(
    learner: Learner,
    X: Any,  # noqa: N803
    y: Any = None,
    *,
    every: int,
    first: int,
    most_rows: int | None = None,
    names: Sequence[str] | None = None,
    times_ns: npt.ArrayLike | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Retrained:
    """Fit a learner again and again, each time on what was known then, and let it answer what came next.

    Parameters
    ----------
    learner : Learner
    X, y, names, times_ns, seed
        As for :meth:`Learner.fit`. Of ``y`` each fit sees the outcomes that were known before its block.
    every : int
        Rows between two fits.
    first : int
        Rows before the first fit.
    most_rows : int or None
        Rows that a fit looks back at most; None: all.
    progress : bool
        Show a bar.

    Raises
    ------
    BadData
        Too few rows, or what a fit refuses.
    """
    given = make_sample(X, y, names=names, times_ns=times_ns, kinds=learner.kinds, least_rows=learner.least_rows)
    n_rows = len(given.X)
    _positive("every", every, n_rows)
    _positive("first", first, n_rows - 1)
    if most_rows is not None:
        _positive("most_rows", most_rows, n_rows)
    starts: Any = range(first, n_rows, every)
    if progress:
        from tqdm.auto import tqdm

        starts = tqdm(starts, desc=f"{learner.key}, retraining", leave=False)
    stages: list[Stage] = []
    shown: list[Prediction] = []
    for start in starts:
        oldest = 0 if most_rows is None else max(0, start - most_rows)
        model = learner.fit(
            given.X[oldest:start], _known(given, oldest, start),
            names=given.names, times_ns=None if given.times_ns is None else given.times_ns[oldest:start], seed=seed,
        )  # fmt: skip
        stop = min(start + every, n_rows)
        if stages and model.outputs != stages[0].model.outputs:
            raise BadData(
                f"all fits must show the same outputs, the one before row {start} shows {model.outputs} and the first "
                f"{stages[0].model.outputs}; begin later, when every direction has occurred"
            )
        stages.append(Stage(model, start, stop))
        shown.append(model.predict(given.X[oldest:stop]))
    values = np.full((n_rows, len(stages[0].model.outputs)), np.nan)
    for stage, each in zip(stages, shown, strict=True):
        values[stage.start : stage.stop] = each.values[stage.start - stage.stop :]
    return Retrained(tuple(stages), Prediction(shape=stages[0].model.card.shape, values=values))


def _known(given: Sample, oldest: int, start: int) -> Labels | None:
    """Give the outcomes of some rows as they were known just before ``start``."""
    if given.y is None:
        return None
    values, ends = given.y[oldest:start].copy(), given.ends[oldest:start] - oldest
    is_open = ends >= start - oldest
    values[is_open] = np.nan
    ends = np.where(is_open, np.arange(start - oldest), ends)
    kind: Any = given.kind
    return Labels(name=given.label, kind=kind, horizon=given.horizon, values=values, ends=ends)


def _positive(name: str, rows: int, most: int) -> None:
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or not 1 <= rows <= most:
        raise BadData(f"{name} must be a whole number of rows from 1 to {most}, it was {rows!r}")
