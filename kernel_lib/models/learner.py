"""The shape of a learner: a frozen configuration that fits a model, and says on unseen rows how good it is.

A fit is the same for every learner. The rows are split walk-forward, purged of outcomes that were open when the test
began; each fold's model answers rows it has not seen; on those answers the calibration is fitted and the scores of
the card are computed; then one model is trained on all rows.

To add one: a file with a subclass that trains a :class:`~kernel_lib.models.core.Core`, and a line in
``models/__init__.py``.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NoReturn

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.declared import Declared, declared
from kernel_lib.errors import BadData, Misconfigured, Refused
from kernel_lib.models.calibration import Calibration, Method, fit_chances, fit_score, fit_side
from kernel_lib.models.card import Card, array_identity, note_features, versions
from kernel_lib.models.core import Core, raw_rows
from kernel_lib.models.model import Model
from kernel_lib.models.prediction import Shape
from kernel_lib.models.sample import Sample, make_sample
from kernel_lib.models.scores import scores
from kernel_lib.models.space import Space
from kernel_lib.models.splits import walk_forward
from kernel_lib.models.unseen import Unseen

__all__ = ["Learner", "judged", "one_thread"]

Floats = npt.NDArray[np.float64]


class Learner(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all learners share.

    Parameters
    ----------
    folds : int
        Test blocks of the walk-forward on which calibration and scores rest, 2 to 50.
    embargo : int
        Rows left out between the training and the test of a fold, over what is purged.
    anchored : bool
        Each fold trains on all rows before its test; False: on as many as the first fold had.
    calibration : {"sigmoid", "isotonic", "none"}
        How chances of directions are calibrated. Isotonic wants a thousand rows or more.

    Attributes
    ----------
    key : str
        Name in the catalogue.
    kinds : tuple of str
        Kinds of label it takes; empty: it needs none.
    shows : str
        Kind of its predictions; empty: that of the label.
    space : dict
        Where a search looks for better parameters.
    packages : tuple of str
        What it is made with, for the card.
    least_rows : int
        Complete rows with an outcome that a fit needs.
    """

    folds: int = 4
    embargo: int = 0
    anchored: bool = True
    calibration: Method = "sigmoid"

    key: ClassVar[str] = ""
    kinds: ClassVar[tuple[str, ...]] = ("direction",)
    shows: ClassVar[str] = ""
    space: ClassVar[Space] = {}
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn", "onnx")
    least_rows: ClassVar[int] = 60

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        """Train on ``sample.rows``; the other rows are context that came before or between, never outcomes."""
        raise Misconfigured(f"every learner must say how it trains, {type(self).__name__} defines no train()")

    def check(self, sample: Sample) -> None:
        """Refuse parameters or rows that cannot work; called before anything is trained."""

    def agreed(self, final: Core, others: Sequence[tuple[Core, npt.NDArray[np.int64]]], x: Floats) -> Floats | None:
        """For clusters: 1 where a fold's model puts a row where the next one does, over the rows of all folds.

        The next of the last is the final one, so that what a fold is judged by is known when the next begins.
        """
        return None

    @declared
    def fit(
        self,
        X: Any,  # noqa: N803  (the field's name for it)
        y: Any = None,
        *,
        names: Sequence[str] | None = None,
        times_ns: npt.ArrayLike | None = None,
        seed: int = 0,
        progress: bool = False,
    ) -> Model:
        """Learn from rows in the order of time.

        Parameters
        ----------
        X : array_like (n_rows, n_features), mapping of columns, or frame
            NaN in the first rows only, while features warm up; those rows are left out.
        y : Labels or array_like or None
            Outcomes; a plain array is taken as known one row later. Ignored by learners that need none.
        names : sequence of str or None
            Of the features; by default those of the mapping or frame, or ``feature_0`` and so on.
        times_ns : array_like of int or None
            Strictly increasing UTC nanoseconds; None: the index of a frame, where that is of times.
        seed : int
            The same seed and rows give the same model.
        progress : bool
            Show a bar.

        Raises
        ------
        BadData
            What :func:`~kernel_lib.models.sample.make_sample` refuses, or parameters out of range.
        """
        made: Any = self
        if not isinstance(made, Learner):
            raise BadData("a learner must be made before it is fitted, as in LogisticRegression().fit(X, y)")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**31:
            raise BadData(f"a seed must be a whole number from 0 to 2147483647, it was {seed!r}")
        if self.calibration not in ("sigmoid", "isotonic", "none"):
            raise BadData(f"calibration must be 'sigmoid', 'isotonic' or 'none', it was {self.calibration!r}")
        if isinstance(self.folds, bool) or not isinstance(self.folds, int) or not 2 <= self.folds <= 50:
            raise BadData(f"folds must be a whole number from 2 to 50, it was {self.folds!r}")
        sample = make_sample(X, y, names=names, times_ns=times_ns, kinds=self.kinds, least_rows=self.least_rows)
        self.check(sample)
        shape = self.shape(sample)
        with one_thread():
            folds = list(_watched(self.out_of_sample(sample, seed=int(seed)), self.folds, self.key, progress))
            core = self.train(sample, seed=int(seed), progress=progress)
        agreed = self.agreed(core, [(each, rows) for each, rows, _ in folds], sample.X)
        calibration, found, unseen = judged(self, shape, sample, folds, agreed)
        times = sample.times_ns
        card = Card(
            learner=self.key,
            parameters={name: _plain(each) for name, each in msgspec.structs.asdict(self).items()},
            shape=shape,
            features=note_features(sample.names, sample.inputs),
            label=sample.label,
            horizon_rows=sample.horizon,
            warmup_rows=core.warmup,
            states=core.states,
            seed=int(seed),
            trained_rows=len(sample.rows),
            dropped_rows=len(sample.X) - len(sample.rows),
            first_ns=0 if times is None else int(times[sample.rows[0]]),
            last_ns=0 if times is None else int(times[sample.rows[-1]]),
            features_sha256=array_identity(sample.X),
            outcomes_sha256=array_identity(sample.y),
            scores={name: float(each) if np.isfinite(each) else None for name, each in found.items()},
            scored_rows=len(unseen.rows),
            calibration=calibration,
            versions=versions(self.packages),
        )
        return Model(core, card, unseen)

    def predict(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: a learner has not learned yet.

        Raises
        ------
        Refused
            With the code ``not_fitted``.
        """
        raise Refused(
            "not_fitted", f"a model must be fitted before it predicts: model = {type(self).__name__}(...).fit(X, y)"
        )

    def shape(self, sample: Sample) -> Shape:
        """Say what a model of these rows will show."""
        kind = self.shows or sample.kind
        return Shape(kind=kind, classes=sample.classes)  # type: ignore[arg-type]

    def out_of_sample(self, sample: Sample, *, seed: int) -> Iterator[tuple[Core, npt.NDArray[np.int64], Floats]]:
        """Train on the past, answer what came next: each fold's core, its test rows, and its raw answers to them.

        Folds whose training rows lack a direction are left out.
        """
        for train, test in purged_folds(sample, self.folds, embargo=self.embargo, anchored=self.anchored):
            part = sample.only(train)
            if sample.classes and len(np.unique(_first(part.outcomes))) < len(sample.classes):
                continue
            core = self.train(part, seed=seed, progress=False)
            yield core, test, answers(core, sample.X, test)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread inside, so that sums are added in one order on every machine."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        yield


def purged_folds(
    sample: Sample, n_folds: int, *, embargo: int = 0, anchored: bool = True
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Split the rows to learn from walk-forward; give row numbers of the whole sample."""
    known = np.searchsorted(sample.rows, sample.ends[sample.rows], side="right") - 1
    ends = np.maximum(known, np.arange(len(known)))
    for split in walk_forward(ends, n_folds, embargo=embargo, anchored=anchored):
        yield sample.rows[split.train], sample.rows[split.test]


def answers(core: Core, x: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Give a core's raw answers to some rows; a core with memory first reads what came before them."""
    if core.warmup == 1 and not core.states:
        return core.raw(x[rows])
    width = core.raw(x[rows[:1]]).shape[1]
    return raw_rows(core, x[: rows[-1] + 1], width)[rows]


def judged(
    learner: Learner,
    shape: Shape,
    sample: Sample,
    folds: Sequence[tuple[Core, npt.NDArray[np.int64], Floats]],
    agreed: Floats | None,
) -> tuple[Calibration, dict[str, float], Unseen]:
    """Fit the calibration on all unseen answers; score each fold with the calibration of the folds before it."""
    if not folds:
        raise BadData("out-of-sample answers need training rows with every direction; the first ones have too few")
    raw = np.concatenate([each for _, _, each in folds])
    rows = np.concatenate([each for _, each, _ in folds])
    outcomes = np.zeros(len(rows)) if agreed is None else agreed
    if sample.y is not None:
        outcomes = sample.y[rows]
    usable = ~np.isnan(raw).any(axis=1)
    if usable.sum() < 10:
        raise BadData(f"at least 10 out-of-sample answers are needed to calibrate, there were {usable.sum()}")
    raw, outcomes, rows = raw[usable], outcomes[usable], rows[usable]
    ends = sample.ends[rows]
    fold_of = np.repeat(np.arange(len(folds)), [len(each) for _, each, _ in folds])[usable]

    def calibrated(chosen: npt.NDArray[np.bool_]) -> Calibration:
        said, happened = raw[chosen], outcomes[chosen]
        if shape.kind == "direction":
            return fit_chances(said, happened, shape.classes, learner.calibration)
        if shape.kind == "outlook":
            return fit_chances(said[:, : len(shape.classes)], happened[:, 0], shape.classes, learner.calibration)
        if shape.kind == "value":
            return fit_side(said[:, 0], happened)
        return fit_score(said[:, -1], happened if shape.kind == "clusters" else None)

    final = calibrated(np.ones(len(raw), dtype=bool))
    columns, taken, references = [], [], []
    for fold in range(1, len(folds)):
        here = fold_of == fold
        # What an earlier fold said counts once its outcome was known, as it would have been then.
        before = (fold_of < fold) & (ends < rows[here].min(initial=len(sample.X)))
        if before.sum() >= 10 and here.any():
            then = calibrated(before)
            columns.append(then.columns(raw[here]))
            taken.append(np.flatnonzero(here))
            # A confidence is about the reference that was known then; the final one has seen these outcomes.
            references.append(np.full(int(here.sum()), getattr(then, "reference", 0.0)))
    if not columns:
        raise BadData("at least two folds with answers are needed to score a model; give more rows or fewer folds")
    scored = np.concatenate(taken)
    unseen = Unseen(rows[scored], np.concatenate(columns), outcomes[scored], ends[scored], np.concatenate(references))
    found = scores(shape, unseen.columns, unseen.outcomes, unseen.reference)
    return final, found, unseen


def _watched(folds: Iterator[Any], n_folds: int, key: str, progress: bool) -> Iterator[Any]:
    if not progress:
        return folds
    from tqdm.auto import tqdm

    return iter(tqdm(folds, total=n_folds, desc=f"{key}, walk-forward", leave=False))


def _first(outcomes: Floats) -> Floats:
    return outcomes if outcomes.ndim == 1 else outcomes[:, 0]


def _plain(parameter: Any) -> float | int | str | bool | None:
    return parameter if isinstance(parameter, float | int | str | bool | None) else repr(parameter)
