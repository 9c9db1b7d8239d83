"""Drift: the index by hand, markets that moved and markets that did not, and streams of errors."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models import CATALOGUE
from kernel_lib.models.card import FeatureNote, note_features
from kernel_lib.models.drift import ErrorDrift, feature_drift, population_stability

RANDOM = np.random.default_rng(10)
ROWS = RANDOM.normal(size=(2_000, 3))
CARD = CATALOGUE["linear_regression"](folds=2).fit(ROWS, RANDOM.normal(size=2_000), names=("a", "b", "c")).card


def test_the_index_by_hand() -> None:
    note = FeatureNote(name="x", lowest=0, highest=4, edges=(1.0, 2.0), shares=(0.5, 0.3, 0.2))
    recent = [0.5] * 2 + [1.5] * 4 + [3.0] * 4
    expected = (0.2 - 0.5) * np.log(0.2 / 0.5) + (0.4 - 0.3) * np.log(0.4 / 0.3) + (0.4 - 0.2) * np.log(0.4 / 0.2)
    assert population_stability(note, recent) == pytest.approx(expected)


def test_a_number_on_an_edge_belongs_to_the_bin_below_as_in_training() -> None:
    note = note_features(("x",), np.repeat([0.0, 1.0], 50)[:, None])[0]
    assert population_stability(note, [0.0, 1.0] * 20) == pytest.approx(0.0, abs=1e-12)


def test_rows_of_the_same_world_have_not_moved() -> None:
    found = feature_drift(CARD, RANDOM.normal(size=(1_000, 3)))
    assert found.verdict == "the features are as in training"
    assert max(found.stability.values()) < 0.05


def test_a_feature_that_moved_is_named() -> None:
    moved = RANDOM.normal([0.0, 0.4, 0.0], 1.0, (1_000, 3))
    assert feature_drift(CARD, moved).verdict.startswith("moved: b;")
    shifted = RANDOM.normal(size=(1_000, 3)) * [1.0, 1.0, 3.0]
    found = feature_drift(CARD, shifted)
    assert found.verdict.startswith("shifted: c;")
    assert found.outside["c"] > 0.2 > 0.01 > found.outside["a"]


def test_few_rows_are_no_ground_for_a_verdict_and_their_noise_is_known() -> None:
    assert feature_drift(CARD, ROWS[:50]).verdict == "too few rows to tell: 50 of 100"
    indices = [list(feature_drift(CARD, RANDOM.normal(size=(200, 3))).stability.values()) for _ in range(60)]
    assert np.mean(indices) == pytest.approx(feature_drift(CARD, ROWS[:200]).expected, rel=0.25)


def test_rows_in_another_order_or_none_are_refused() -> None:
    with pytest.raises(BadData, match="in its order"):
        feature_drift(CARD, {"b": ROWS[:, 0], "a": ROWS[:, 1], "c": ROWS[:, 2]})
    with pytest.raises(BadData, match="none"):
        feature_drift(CARD, np.full((5, 3), np.nan))


def test_errors_that_rise_are_noticed_soon_and_steady_ones_never() -> None:
    watch = ErrorDrift()
    steady = RANDOM.random(2_000) < 0.4
    assert not any(watch.update(float(each)) for each in steady)
    assert watch.verdict == "no change of the errors in 2000 outcomes"
    worse = RANDOM.random(2_000) < 0.7
    found = [watch.update(float(each)) for each in worse]
    assert found.index(True) < 400
    assert "refit it" in watch.verdict
    assert {name for _, name in watch.changes} == {"adwin", "page-hinkley"}
    assert watch.update(float("nan")) is False


def test_errors_that_fall_are_no_ground_to_refit() -> None:
    watch = ErrorDrift()
    for each in RANDOM.random(1_000) < 0.7:
        watch.update(float(each))
    found = [watch.update(float(each)) for each in RANDOM.random(1_000) < 0.2]
    assert any(found)
    assert {name for _, name in watch.changes} == {"adwin, for the better"}
    assert watch.verdict.endswith("nothing to refit for")


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(BadData):
        ErrorDrift(confidence=0.0)
