"""Several models as one: their chances or numbers, weighted and added.

Three ways to weigh, one formula: ``answer = sum_m w_m * answer_m`` with weights from 0 that add to 1.

``equal``
    All alike: hard to beat (Genre et al., 2013).
``stacked``
    The weights that would have been best on rows that no member had seen (Breiman, *Stacked regressions*, 1996).
``recent``
    ``w_m ~ exp(-sum of losses, older ones fading)``: the aggregating algorithm for the Brier game (Vovk, 2001). Learned
    between sessions, from outcomes that are known.

A bundle of an ensemble holds the members' bundles and the weights; :func:`~kernel_lib.models.loaded.load_model` reads
it like any other.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kernel_lib.arrays import numbers
from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.bundle import pack_ensemble
from kernel_lib.models.card import Facts
from kernel_lib.models.model import Model
from kernel_lib.models.prediction import Prediction, Shape
from kernel_lib.models.scores import scores

__all__ = ["Ensemble", "average", "recent_weights", "stack"]

Floats = npt.NDArray[np.float64]
Method = Literal["equal", "stacked", "recent"]


class Ensemble:
    """Models that answer together.

    Parameters
    ----------
    members : sequence of Model
        Of one shape, over the same features in the same order.
    weights : sequence of float
        0 or more each; they are brought to the sum of 1.
    method : {"equal", "stacked", "recent"}
        How the weights came about.
    scores : dict of str to float
        Out of sample, where they are known.
    """

    @declared
    def __init__(
        self,
        members: Sequence[Model],
        weights: Sequence[float],
        method: Method = "equal",
        scores: dict[str, float] | None = None,
    ) -> None:
        if len(members) < 2 or len(weights) != len(members):
            raise BadData(f"an ensemble needs two or more models and a weight each, it had {len(members)} and "
                          f"{len(weights)}")  # fmt: skip
        unfitted = [type(each).__name__ for each in members if not isinstance(each, Model)]
        if unfitted:
            raise BadData(f"the members of an ensemble must be fitted models, {', '.join(unfitted)} are none; fit them")
        given = numbers(weights, "weights")
        if not np.isfinite(given).all() or given.min() < 0 or given.sum() <= 0:
            raise BadData(f"weights must be 0 or more and not all 0, they were {list(weights)!r}")
        _require_alike(members)
        self.members = tuple(members)
        self.weights = tuple((given / given.sum()).tolist())
        self.method = method
        self.scores = dict(scores or {})

    @property
    def shape(self) -> Shape:
        """What it shows: as its members."""
        return self.members[0].card.shape

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features it reads, in order."""
        return self.members[0].features

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the numbers it shows."""
        return self.shape.outputs

    @declared
    def predict(self, X: Any, *, names: Sequence[str] | None = None) -> Prediction:  # noqa: N803
        """Answer rows; NaN while any member has nothing to say."""
        said = [model.predict(X, names=names) for model in self.members]
        columns = np.zeros((len(said[0]), len(self.shape.columns)))
        for weight, each in zip(self.weights, said, strict=True):
            columns += weight * np.column_stack([each[name] for name in self.shape.columns])
        return self.shape.show(columns)

    @declared
    def weighed(self, weights: Sequence[float]) -> "Ensemble":
        """Give the same members with other weights, as learned from recent outcomes."""
        return Ensemble(self.members, weights, "recent")

    @declared
    def bundle(self, facts: Facts | None = None) -> bytes:
        """Pack the members' bundles and the weights."""
        return pack_ensemble([each.bundle(facts) for each in self.members], self.weights, self.method)

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{weight:.2f} {each.card.learner}" for weight, each in zip(self.weights, self.members, strict=True)
        )
        return f"Ensemble({self.method}: {parts})"


@declared
def average(members: Sequence[Model]) -> Ensemble:
    """Weigh all alike."""
    found = Ensemble(members, [1.0] * len(members), "equal")
    rows, columns, outcomes, reference = _shared(members)
    found.scores = scores(found.shape, columns.mean(axis=0), outcomes, reference) if len(rows) else {}
    return found


@declared
def stack(members: Sequence[Model]) -> Ensemble:
    """Find the weights that were best on the rows that all members answered unseen.

    For chances the likelihood is maximised (by expectation and maximisation, as for a mixture), for numbers the
    squared error minimised. The scores that come with it are of the weights found on the first half of those rows,
    measured on the second; none where outcomes are open too long for that.

    Raises
    ------
    BadData
        Fewer than 40 rows that all members answered unseen: fit them on the same rows, with the same folds.
    """
    found = Ensemble(members, [1.0] * len(members), "stacked")
    rows, columns, outcomes, reference = _shared(members)
    if len(rows) < 40:
        raise BadData(f"stacking needs 40 rows that all members answered unseen, there were {len(rows)}")
    half = len(rows) // 2
    known = members[0].unseen.ends[np.searchsorted(members[0].unseen.rows, rows[:half])] < rows[half]
    weights = _best_weights(found.shape, columns, outcomes)
    if known.sum() < 20:
        return Ensemble(members, weights.tolist(), "stacked")
    early = _best_weights(found.shape, columns[:, :half][:, known], outcomes[:half][known])
    later = np.tensordot(early, columns[:, half:], axes=1)
    return Ensemble(members, weights.tolist(), "stacked", scores(found.shape, later, outcomes[half:], reference[half:]))


@declared
def recent_weights(losses: npt.ArrayLike, *, half_life: float = 250.0, rate: float = 1.0) -> tuple[float, ...]:
    """Weigh members by their recent losses.

    Parameters
    ----------
    losses : array_like, shape (n_rows, n_members)
        Of each member on outcomes that are known, oldest first, from 0 to 1: half the squared distance of chances
        (:func:`~kernel_lib.models.scores.brier` of a row), or 0 for a hit and 1 for a miss.
    half_life : float
        Rows after which a loss counts half.
    rate : float
        Above 0; 1 is Vovk's for the Brier game.

    >>> recent_weights([[0.1, 0.3]] * 10, half_life=1e9)
    (0.8808, 0.1192)
    """
    given = numbers(losses, "losses")
    if given.ndim != 2 or given.shape[1] < 2 or not np.isfinite(given).all():
        raise BadData(f"losses must be finite, a column for each of two or more members; the shape was {given.shape}")
    if given.size and (given.min() < 0 or given.max() > 1):
        raise BadData(f"losses must be from 0 to 1, they were from {given.min():g} to {given.max():g}")
    if not (half_life > 0 and 0 < rate < 1e6):
        raise BadData(f"half_life and rate must be positive and rate below 1e6, they were {half_life!r} and {rate!r}")
    fading = 0.5 ** (np.arange(len(given))[::-1] / half_life)
    exponents = -rate * (fading @ given)
    powers = np.exp(exponents - exponents.max())
    return tuple(round(float(each), 4) for each in powers / powers.sum())


def _best_weights(shape: Shape, columns: Floats, outcomes: Floats) -> Floats:
    n_members = len(columns)
    weights = np.full(n_members, 1.0 / n_members)
    if shape.kind == "value":
        return _least_squares(columns[:, :, 0], outcomes)
    direction = outcomes if outcomes.ndim == 1 else outcomes[:, 0]
    index = np.searchsorted(shape.classes, direction)
    chances = np.clip(columns[:, np.arange(len(index)), index], 1e-6, 1.0)
    for _ in range(5_000):
        shares = weights[:, None] * chances
        found = (shares / shares.sum(axis=0)).mean(axis=1)
        if np.abs(found - weights).max() < 1e-10:
            break
        weights = found
    return weights


def _least_squares(said: Floats, outcomes: Floats) -> Floats:
    from scipy.optimize import minimize

    n_members, unit = len(said), float(np.var(outcomes)) or 1.0
    cross = said @ said.T / said.shape[1] / unit
    aim = said @ outcomes / said.shape[1] / unit
    found = minimize(
        lambda w: float(w @ cross @ w - 2.0 * aim @ w), np.full(n_members, 1.0 / n_members),
        jac=lambda w: 2.0 * (cross @ w - aim), method="SLSQP", bounds=[(0.0, 1.0)] * n_members,
        constraints={"type": "eq", "fun": lambda w: float(w.sum() - 1.0), "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    weights: Floats = np.clip(found.x, 0.0, None)
    weights /= weights.sum()
    return weights


def _shared(members: Sequence[Model]) -> tuple[npt.NDArray[np.int64], Floats, Floats, Floats]:
    """Find the rows that all members answered unseen; their columns ``(n_members, n, n_columns)``, outcomes, reference.

    What a value is above or below of is the first member's: members that share rows and folds have the same.
    """
    rows = members[0].unseen.rows
    for each in members[1:]:
        rows = np.intersect1d(rows, each.unseen.rows)
    places = [np.searchsorted(each.unseen.rows, rows) for each in members]
    columns = np.stack([each.unseen.columns[at] for each, at in zip(members, places, strict=True)])
    first = members[0].unseen
    return rows, columns, first.outcomes[places[0]], first.reference[places[0]]


def _require_alike(members: Sequence[Model]) -> None:
    first = members[0].card
    for each in members[1:]:
        card = each.card
        if card.names != first.names:
            raise BadData(f"all members must read {first.names} in that order, {card.learner} reads {card.names}")
        if card.shape != first.shape or card.shape.kind in ("clusters", "anomaly"):
            raise BadData(
                "members must predict directions, values or outlooks, all the same; they predict "
                f"{first.shape.kind} {first.shape.classes} and {card.shape.kind} {card.shape.classes}"
            )
        if (card.label, card.outcomes_sha256) != (first.label, first.outcomes_sha256):
            raise BadData(f"all members must have learned {first.label} of the same rows, {card.learner} did not")
