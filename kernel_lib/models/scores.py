"""How good predictions were, on rows that the model had not seen."""

import numpy as np
import numpy.typing as npt

from kernel_lib.models.labels import Labels
from kernel_lib.models.prediction import Shape

__all__ = ["brier", "calibration_error", "direction_scores", "judged_by", "log_loss", "scores", "side_reference",
           "value_scores"]  # fmt: skip

Floats = npt.NDArray[np.float64]


def brier(probabilities: Floats, occurred: Floats) -> float:
    """Give half the squared distance between chances and what occurred; 0 is perfect, for two classes 0.25 is a coin.

    Half of Brier's sum over classes (1950), so that with two classes it is ``mean((p - o)^2)``.

    Parameters
    ----------
    probabilities : ndarray, shape (n, n_classes)
    occurred : ndarray, shape (n, n_classes)
        One 1 in each row.

    >>> brier(np.array([[0.2, 0.8]]), np.array([[0.0, 1.0]])).__round__(6)
    0.04
    """
    return float(0.5 * np.mean(np.sum((probabilities - occurred) ** 2, axis=1)))


def log_loss(probabilities: Floats, occurred: Floats) -> float:
    """Give the mean of ``-ln(chance of what occurred)``; chances are held at 1e-6 or more."""
    return float(-np.mean(np.log(np.clip(np.sum(probabilities * occurred, axis=1), 1e-6, 1.0))))


def calibration_error(confidence: Floats, hits: Floats, n_bins: int = 10) -> float:
    """Give the expected calibration error: how far confidence is from the hit rate, over bins of equal width.

    Guo et al., *On Calibration of Modern Neural Networks* (2017), equation 3.

    >>> calibration_error(np.array([0.9, 0.9]), np.array([1.0, 0.0])).__round__(6)
    0.4
    """
    bins = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    gap = np.bincount(bins, confidence, n_bins) - np.bincount(bins, hits, n_bins)
    return float(np.abs(gap).sum() / max(1, counts.sum()))


def direction_scores(probabilities: Floats, outcomes: Floats, classes: tuple[int, ...]) -> dict[str, float]:
    """Score chances of directions.

    Returns
    -------
    dict
        ``accuracy`` and ``accuracy_of_the_most_frequent`` (what always naming the commonest direction gives),
        ``balanced_accuracy`` (mean over directions that occur), ``log_loss``, ``brier``, ``brier_of_frequencies``
        (what always giving the frequencies gives), ``calibration_error``.
    """
    names = np.asarray(classes, dtype=np.float64)
    occurred = (outcomes[:, None] == names[None, :]).astype(np.float64)
    best = probabilities.argmax(axis=1)
    hits = occurred[np.arange(len(best)), best]
    frequencies = occurred.mean(axis=0)
    recalls = [hits[occurred[:, k] == 1].mean() for k in range(len(names)) if frequencies[k] > 0]
    return {
        "accuracy": float(hits.mean()),
        "accuracy_of_the_most_frequent": float(frequencies.max()),
        "balanced_accuracy": float(np.mean(recalls)),
        "log_loss": log_loss(probabilities, occurred),
        "brier": brier(probabilities, occurred),
        "brier_of_frequencies": brier(np.broadcast_to(frequencies, occurred.shape), occurred),
        "calibration_error": calibration_error(probabilities.max(axis=1), hits),
    }


def value_scores(values: Floats, outcomes: Floats, reference: float | Floats) -> dict[str, float]:
    """Score numbers.

    Returns
    -------
    dict
        ``mean_absolute_error``, ``root_mean_square_error`` (units of the label), ``r_squared`` (against the mean of
        the outcomes themselves; below 0 is worse than it), ``rank_correlation`` (Spearman), ``side_hit_rate`` (share
        of rows whose outcome lies on the same side of ``reference``).
    """
    from scipy.stats import rankdata

    errors = values - outcomes
    total = float(np.sum((outcomes - outcomes.mean()) ** 2))
    ranks, truth = rankdata(values), rankdata(outcomes)
    both = float(np.std(ranks) * np.std(truth))
    covariance = float(np.mean((ranks - ranks.mean()) * (truth - truth.mean())))
    return {
        "mean_absolute_error": float(np.abs(errors).mean()),
        "root_mean_square_error": float(np.sqrt(np.mean(errors**2))),
        "r_squared": 1.0 - float(np.sum(errors**2)) / total if total > 0 else float("nan"),
        "rank_correlation": covariance / both if both > 0 else float("nan"),
        "side_hit_rate": float(np.mean((values > reference) == (outcomes > reference))),
    }


def scores(shape: Shape, columns: Floats, outcomes: Floats, reference: float | Floats = 0.0) -> dict[str, float]:
    """Score the columns of a model against outcomes, whatever its kind.

    Parameters
    ----------
    shape : Shape
    columns : ndarray, shape (n, n_columns)
        As :attr:`Shape.columns` names them, without NaN.
    outcomes : ndarray, shape (n,) or (n, 3)
        For clusters: 1 where another model agreed, else 0. For anomaly: not used.
    reference : float or ndarray, shape (n,)
        For values: what a number is above or below of.
    """
    n_classes = len(shape.classes)
    if shape.kind == "direction":
        return direction_scores(columns, outcomes, shape.classes)
    if shape.kind == "outlook":
        shown = direction_scores(columns[:, :n_classes], outcomes[:, 0], shape.classes)
        for column, name in ((1, "volatility"), (2, "momentum")):
            known = ~np.isnan(outcomes[:, column])
            level = float(np.median(outcomes[known, column])) if name == "volatility" else 0.0
            each = value_scores(columns[known, n_classes - 1 + column], outcomes[known, column], level)
            shown |= {f"{name}_{key}": number for key, number in each.items()}
        return shown
    confidence = columns[:, 1]
    if shape.kind == "value":
        values = columns[:, 0]
        hits = ((values > reference) == (outcomes > reference)).astype(np.float64)
        return {
            **value_scores(values, outcomes, reference),
            "brier": float(np.mean((confidence - hits) ** 2)),
            "calibration_error": calibration_error(confidence, hits),
        }
    if shape.kind == "clusters":
        return {
            "agreement": float(outcomes.mean()),
            "brier": float(np.mean((confidence - outcomes) ** 2)),
            "calibration_error": calibration_error(confidence, outcomes),
        }
    ranks = np.sort(confidence)
    return {
        "alert_rate": float(np.mean(confidence >= shape.alert)),
        # Kolmogorov's distance from uniform: a confidence of 0.9 should be reached by a tenth of the rows.
        "calibration_error": float(np.abs(ranks - (np.arange(len(ranks)) + 0.5) / len(ranks)).max()),
    }


#: The one number by which a kind is judged, and whether more of it is better.
_JUDGED = {
    "direction": ("log_loss", False),
    "outlook": ("log_loss", False),
    "value": ("root_mean_square_error", False),
    "clusters": ("agreement", True),
    "anomaly": ("calibration_error", False),
}


def judged_by(kind: str) -> tuple[str, bool]:
    """Name the score by which models of a kind are compared, and say whether more is better.

    >>> judged_by("direction")
    ('log_loss', False)
    """
    return _JUDGED[kind]


def side_reference(labels: Labels | Floats) -> float:
    """Give what values are above or below of: 0 where the label takes both signs, else its median."""
    values = labels.values if isinstance(labels, Labels) else labels
    known = values[~np.isnan(values)]
    return 0.0 if known.min() < 0 < known.max() else float(np.median(known))
