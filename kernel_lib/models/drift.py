"""Whether the world moved away from what a model learned: its features, and its errors."""

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.card import Card, FeatureNote
from kernel_lib.models.sample import rows_in_order

__all__ = ["ErrorDrift", "FeatureDrift", "feature_drift", "population_stability"]

Floats = npt.NDArray[np.float64]
#: An empty bin would make the index infinite; a share this small is what one row in two thousand gives.
_LEAST_SHARE = 5e-4
_LEAST_ROWS = 100
_MOVED, _SHIFTED = 0.10, 0.25


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far recent rows are from the training rows.

    Parameters
    ----------
    rows : int
        Complete rows looked at.
    stability : dict of str to float
        Population stability index of each feature; 0 is the same, from 0.1 moved, from 0.25 shifted.
    outside : dict of str to float
        Share of rows beyond the range of the training.
    expected : float
        What the index is on average where nothing changed, for this many rows.
    verdict : str
        In words.
    """

    rows: int
    stability: dict[str, float]
    outside: dict[str, float]
    expected: float
    verdict: str


@declared
def population_stability(note: FeatureNote, recent: npt.ArrayLike) -> float:
    """Give the population stability index of a feature against its histogram on the card.

    ``sum((a - e) * ln(a / e))`` over the card's bins, ``e`` the training's shares and ``a`` the recent ones: Jeffreys'
    divergence, with the marks 0.1 and 0.25 of Siddiqi, *Credit Risk Scorecards* (2006).

    >>> note = FeatureNote(name="x", lowest=0, highest=1, edges=(0.5,), shares=(0.5, 0.5))
    >>> population_stability(note, [0.1, 0.2, 0.3, 0.9]).__round__(4)
    0.2747
    """
    numbers = np.asarray(recent, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if len(numbers) == 0:
        raise BadData(f"drift needs rows to look at, {note.name} had none")
    counts = np.bincount(np.searchsorted(note.edges, numbers, side="left"), minlength=len(note.shares))
    now = np.maximum(counts / len(numbers), _LEAST_SHARE)
    then = np.maximum(np.asarray(note.shares), _LEAST_SHARE)
    return float(np.sum((now - then) * np.log(now / then)))


@declared
def feature_drift(card: Card, recent: Any) -> FeatureDrift:
    """Hold recent rows against the training rows on a card.

    Parameters
    ----------
    card : Card
    recent : array_like (n_rows, n_features), mapping of columns, or frame
        The features of the card in its order; rows with NaN are left out. At least 100 are needed for a verdict.
    """
    if not isinstance(card, Card):
        raise BadData(f"drift is held against a card, as in feature_drift(model.card, rows), not {type(card).__name__}")
    rows = rows_in_order(recent, None, card.names)
    rows = rows[~np.isnan(rows).any(axis=1)]
    if len(rows) == 0:
        raise BadData("drift needs complete rows to look at, there were none")
    stability = {note.name: population_stability(note, rows[:, k]) for k, note in enumerate(card.features)}
    outside = {
        note.name: float(np.mean((rows[:, k] < note.lowest) | (rows[:, k] > note.highest)))
        for k, note in enumerate(card.features)
    }
    n_bins = max(len(note.shares) for note in card.features)
    # Twice the divergence times the harmonic size is near chi-squared with bins - 1 degrees (Yurdakul, 2018).
    expected = (n_bins - 1) * (1.0 / len(rows) + 1.0 / max(1, card.trained_rows))
    return FeatureDrift(
        rows=len(rows), stability=stability, outside=outside, expected=expected,
        verdict=_verdict(len(rows), stability, expected),
    )  # fmt: skip


def _verdict(n_rows: int, stability: dict[str, float], expected: float) -> str:
    if n_rows < _LEAST_ROWS:
        return f"too few rows to tell: {n_rows} of {_LEAST_ROWS}"
    noise = 3.0 * expected
    shifted = [name for name, index in stability.items() if index >= max(_SHIFTED, noise)]
    moved = [name for name, index in stability.items() if max(_MOVED, noise) <= index < max(_SHIFTED, noise)]
    if shifted:
        return f"shifted: {', '.join(shifted)}; the model no longer sees what it learned from, refit it"
    if moved:
        return f"moved: {', '.join(moved)}; watch it"
    return "the features are as in training"


class ErrorDrift:
    """Watch a stream of losses for a change of level, with river's ADWIN and Page-Hinkley test.

    ADWIN (Bifet and Gavalda, 2007) keeps a window that it cuts where two parts of it differ, be it up or down;
    Page-Hinkley (1954) adds up what lies above the mean and speaks of a rise alone.

    Attributes
    ----------
    seen : int
        Losses looked at.
    changes : list of (int, str)
        After how many losses which test saw a change: ``adwin``, ``page-hinkley``, or ``adwin, for the better``.

    Parameters
    ----------
    confidence : float
        ADWIN's delta, the chance of a false alarm; above 0, below 1.
    threshold : float
        Page-Hinkley's lambda in units of the losses: 50 for losses of 0 and 1.
    rise : float
        Page-Hinkley's delta: a rise of the mean that is let pass.

    >>> watch = ErrorDrift()
    >>> any([watch.update(float(k % 10 < 3)) for k in range(1000)])
    False
    >>> any([watch.update(float(k % 10 < 8)) for k in range(1000)])
    True
    """

    @declared
    def __init__(self, *, confidence: float = 0.002, threshold: float = 50.0, rise: float = 0.005) -> None:
        from river.drift import ADWIN, PageHinkley

        if not 0 < confidence < 1 or not threshold > 0 or not rise >= 0:
            raise BadData("confidence must be between 0 and 1, threshold above 0, rise 0 or more")
        self._adwin = ADWIN(delta=confidence)  # type: ignore[no-untyped-call]
        self._page_hinkley = PageHinkley(threshold=threshold, delta=rise, mode="up")
        self.seen = 0
        self.changes: list[tuple[int, str]] = []

    @declared
    def update(self, loss: float) -> bool:
        """Add a loss; say whether either test sees a change now. NaN is left out."""
        if math.isnan(loss):
            return False
        self.seen += 1
        found = False
        for name, test in (("adwin", self._adwin), ("page-hinkley", self._page_hinkley)):
            before = self._adwin.estimation
            test.update(loss)  # type: ignore[no-untyped-call]
            if test.drift_detected:
                fell = name == "adwin" and self._adwin.estimation < before
                self.changes.append((self.seen, f"{name}, for the better" if fell else name))
                found = True
        return found

    @property
    def verdict(self) -> str:
        """What was found, in words."""
        if not self.changes:
            return f"no change of the errors in {self.seen} outcomes"
        at, name = self.changes[-1]
        advice = "nothing to refit for" if name.endswith("better") else "refit it"
        return f"the errors changed {len(self.changes)} times in {self.seen} outcomes, last at {at} ({name}); {advice}"
