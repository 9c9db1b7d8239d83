"""Scores against scikit-learn, SciPy and hand arithmetic."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import metrics

from kernel_lib.models.prediction import Shape
from kernel_lib.models.scores import brier, calibration_error, direction_scores, log_loss, scores, value_scores

RANDOM = np.random.default_rng(3)
UP = RANDOM.random(500)
CHANCES = np.column_stack([1 - UP, UP])
OUTCOMES = np.where(RANDOM.random(500) < UP, 1.0, -1.0)


def test_directions_score_as_in_scikit_learn() -> None:
    found = direction_scores(CHANCES, OUTCOMES, (-1, 1))
    said = np.where(UP > 0.5, 1.0, -1.0)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(OUTCOMES, said))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(OUTCOMES, said))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(OUTCOMES, CHANCES))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(OUTCOMES, UP, pos_label=1))
    frequency = (OUTCOMES > 0).mean()
    assert found["accuracy_of_the_most_frequent"] == pytest.approx(max(frequency, 1 - frequency))
    assert found["brier_of_frequencies"] == pytest.approx(frequency * (1 - frequency))


def test_numbers_score_as_in_scikit_learn_and_scipy() -> None:
    truth = RANDOM.normal(size=300)
    said = 0.5 * truth + RANDOM.normal(size=300)
    found = value_scores(said, truth, 0.0)
    assert found["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(truth, said))
    assert found["root_mean_square_error"] == pytest.approx(metrics.root_mean_squared_error(truth, said))
    assert found["r_squared"] == pytest.approx(metrics.r2_score(truth, said))
    assert found["rank_correlation"] == pytest.approx(spearmanr(said, truth).statistic)
    assert found["side_hit_rate"] == np.mean(np.sign(said) == np.sign(truth))


def test_the_calibration_error_by_hand() -> None:
    # bin 0.7-0.8: mean confidence 0.75, hit rate 0.5, two of four rows; bin 0.9-1.0: 0.95 and 1.0, two of four
    error = calibration_error(np.array([0.72, 0.78, 0.92, 0.98]), np.array([1.0, 0.0, 1.0, 1.0]))
    assert error == pytest.approx(0.5 * 0.25 + 0.5 * 0.05)


def test_certainty_that_is_wrong_costs_no_more_than_its_bound() -> None:
    assert log_loss(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(1e-6))
    assert brier(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) == 1.0


def test_constant_predictions_have_no_rank_correlation() -> None:
    assert np.isnan(value_scores(np.ones(5), np.arange(5.0), 0.0)["rank_correlation"])


def test_an_anomalys_confidence_is_scored_by_how_even_it_is() -> None:
    found = scores(Shape(kind="anomaly", alert=0.9), np.column_stack([np.zeros(10), (np.arange(10) + 0.5) / 10]),
                   np.zeros(10))  # fmt: skip
    assert found == pytest.approx({"alert_rate": 0.1, "calibration_error": 0.0})
