"""Whether a confidence holds: of all rows that were said to be 60 % sure, were about 60 % right?"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.models.card import Card
from kernel_lib.models.unseen import Unseen

__all__ = ["Bin", "plot_reliability", "reliability"]

Floats = npt.NDArray[np.float64]


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of like confidence: their number, mean confidence, hit rate, and the hit rate's standard error."""

    rows: int
    confidence: float
    hit_rate: float
    standard_error: float


def reliability(confidence: Floats, hits: Floats, n_bins: int = 10) -> list[Bin]:
    """Sort rows by confidence and cut them into bins of equal number.

    Parameters
    ----------
    confidence, hits : ndarray, shape (n,)
        From 0 to 1; 0 or 1.
    n_bins : int

    >>> bins = reliability(np.array([0.6, 0.6, 0.9, 0.9]), np.array([1.0, 0.0, 1.0, 1.0]), n_bins=2)
    >>> [(each.rows, each.confidence, each.hit_rate) for each in bins]
    [(2, 0.6, 0.5), (2, 0.9, 1.0)]
    """
    if confidence.shape != hits.shape or confidence.ndim != 1 or len(confidence) == 0 or n_bins < 1:
        raise BadData(f"each confidence needs its hit, there were {confidence.shape} and {hits.shape}")
    order = np.argsort(confidence, kind="stable")
    bins = []
    for rows in np.array_split(order, min(n_bins, len(order))):
        rate = float(hits[rows].mean())
        error = float(np.sqrt(rate * (1.0 - rate) / len(rows)))
        bins.append(Bin(rows=len(rows), confidence=float(confidence[rows].mean()), hit_rate=rate, standard_error=error))
    return bins


def plot_reliability(card: Card, unseen: Unseen) -> Any:
    """Draw hit rate against confidence on unseen rows, and how often each confidence was given.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    confidence, hits = _hits(card, unseen)
    figure = Figure(figsize=(5, 5), layout="constrained")
    top, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    if hits is None:
        ranks = (np.arange(len(confidence)) + 0.5) / len(confidence)
        top.plot(np.sort(confidence), ranks, drawstyle="steps-post")
        top.set_ylabel("share of unseen rows below")
    else:
        bins = reliability(confidence, hits)
        top.errorbar([b.confidence for b in bins], [b.hit_rate for b in bins], [2 * b.standard_error for b in bins],
                     fmt="o", ms=4, capsize=2)  # fmt: skip
        top.set_ylabel("hit rate, two standard errors")
    low, high = float(confidence.min()), float(confidence.max())
    top.plot([low, high], [low, high], color="black", lw=0.6, ls=":")
    top.set_title(f"{card.learner}, {len(confidence):,} unseen rows")
    top.grid(alpha=0.2)
    below.hist(confidence, bins=30, color="tab:gray")
    below.set_xlabel("confidence")
    below.set_ylabel("rows")
    return figure


def _hits(card: Card, unseen: Unseen) -> tuple[Floats, Floats | None]:
    shape = card.shape
    if shape.classes:
        chances = unseen.columns[:, : len(shape.classes)]
        came = unseen.outcomes if unseen.outcomes.ndim == 1 else unseen.outcomes[:, 0]
        said = np.asarray(shape.classes, dtype=np.float64)[chances.argmax(axis=1)]
        return chances.max(axis=1), (said == came).astype(np.float64)
    if shape.kind == "value":
        same = (unseen.columns[:, 0] > unseen.reference) == (unseen.outcomes > unseen.reference)
        return unseen.columns[:, 1], same.astype(np.float64)
    return unseen.columns[:, 1], unseen.outcomes if shape.kind == "clusters" else None
