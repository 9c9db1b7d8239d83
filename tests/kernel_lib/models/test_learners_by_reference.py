"""Each estimator against the library that it comes from, or against a problem whose answer is known."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from kernel_lib.models import CATALOGUE
from kernel_lib.models.labels import Labels
from kernel_lib.models.learner import purged_folds
from kernel_lib.models.sample import make_sample

RANDOM = np.random.default_rng(9)
ROWS = RANDOM.normal(size=(400, 4)).astype(np.float32).astype(float) * [1, 5, 0.1, 2] + [0, 3, 0, 1]
ROWS = ROWS.astype(np.float32).astype(float)
SIGNAL = ROWS[:, 0] - 0.2 * ROWS[:, 1] + RANDOM.normal(size=400)
UP = np.where(SIGNAL.mean() < SIGNAL, 1, -1)
THREE = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.7])) - 1


def values(numbers: np.ndarray) -> Labels:
    ends = np.minimum(np.arange(len(numbers)) + 1, len(numbers) - 1)
    return Labels(name="signal", kind="value", horizon=1, values=numbers, ends=ends)


@pytest.mark.parametrize("ridge", [0.0, 1.0, 50.0])
def test_linear_regression_is_scikit_learns(ridge: float) -> None:
    model = CATALOGUE["linear_regression"](ridge=ridge).fit(ROWS, values(SIGNAL))
    scaled = StandardScaler().fit_transform(ROWS)
    theirs = (Ridge(alpha=ridge) if ridge else LinearRegression()).fit(scaled, SIGNAL).predict(scaled)
    np.testing.assert_allclose(model.predict(ROWS).value, theirs, atol=1e-6)


def test_least_squares_takes_the_smallest_weights_of_features_that_say_the_same() -> None:
    doubled = np.column_stack([ROWS[:, 0], ROWS[:, 0]])
    model = CATALOGUE["linear_regression"](ridge=0.0).fit(doubled, values(SIGNAL))
    weights = model.core.weights[:, 0]  # type: ignore[attr-defined]
    assert weights[0] == pytest.approx(weights[1])


def test_a_support_vector_machine_is_scikit_learns() -> None:
    scaled = StandardScaler().fit_transform(ROWS)
    core = CATALOGUE["svm"](calibration="none").fit(ROWS, UP).core
    theirs = SVC(C=1.0, gamma=0.25).fit(scaled, UP).decision_function(scaled)
    raw = core.raw(ROWS)
    np.testing.assert_allclose(np.log(raw[:, 1] / raw[:, 0]) / 2.0, theirs, atol=1e-9)
    numbers = CATALOGUE["svm"]().fit(ROWS, values(SIGNAL)).predict(ROWS).value
    mean, unit = SIGNAL.mean(), SIGNAL.std()
    expected = SVR(C=1.0, gamma=0.25, epsilon=0.1).fit(scaled, (SIGNAL - mean) / unit).predict(scaled) * unit + mean
    np.testing.assert_allclose(numbers, expected, atol=1e-6)


def test_an_isolation_forest_scores_as_scikit_learns() -> None:
    model = CATALOGUE["isolation_forest"](trees=30).fit(ROWS, seed=4)
    theirs = IsolationForest(n_estimators=30, max_samples=256, random_state=4).fit(ROWS)
    np.testing.assert_allclose(model.predict(ROWS).value, -theirs.score_samples(ROWS), atol=1e-6)


@pytest.mark.parametrize("key", ["isolation_forest", "autoencoder_anomaly_detector"])
def test_a_row_far_off_is_an_anomaly_and_a_usual_one_is_not(key: str) -> None:
    shown = CATALOGUE[key]().fit(ROWS, seed=1).predict([ROWS.mean(axis=0), ROWS.mean(axis=0) + 12 * ROWS.std(axis=0)])
    assert shown["anomaly"].tolist() == [0.0, 1.0]
    assert shown.confidence[1] > 0.99 > shown.confidence[0]


def test_clusters_are_found_and_numbered_by_their_first_feature() -> None:
    centres = np.array([[5.0, 0.0], [-5.0, 3.0], [0.0, -4.0]])
    which = RANDOM.integers(0, 3, 300)
    rows = centres[which] + 0.3 * RANDOM.normal(size=(300, 2))
    model = CATALOGUE["kmeans_clustering"](clusters=3).fit(rows)
    shown = model.predict(rows)
    np.testing.assert_array_equal(shown.value, np.array([2, 0, 1])[which])
    assert model.card.scores["agreement"] == 1.0
    assert model.predict([[2.5, -2.0]]).confidence[0] <= shown.confidence.max()


@pytest.mark.parametrize("key", ["random_forest", "xgboost", "svm", "logistic_regression", "gradient_boosting"])
def test_what_can_be_learned_is_learned_and_noise_is_not(key: str) -> None:
    model = CATALOGUE[key]().fit(ROWS, THREE, seed=1)
    found = model.card.scores
    assert found["log_loss"] < 1.0 < np.log(3)
    assert found["accuracy"] > found["accuracy_of_the_most_frequent"] + 0.1
    nothing = CATALOGUE[key]().fit(ROWS, RANDOM.choice([-1, 1], 400), seed=1).card.scores
    assert nothing["accuracy"] < 0.6
    assert nothing["calibration_error"] < 0.15


def test_calibration_and_scores_rest_on_rows_whose_outcome_no_fold_knew() -> None:
    horizon = 10
    labels = Labels(name="far", kind="direction", horizon=horizon, values=UP.astype(float),
                    ends=np.minimum(np.arange(400) + horizon, 399))  # fmt: skip
    sample = make_sample(ROWS, labels, names=None, times_ns=None, kinds=("direction",), least_rows=60)
    model = CATALOGUE["logistic_regression"]().fit(ROWS, labels)
    tests = []
    for train, test in purged_folds(sample, 4):
        assert (labels.ends[train] < test[0]).all()
        tests.append(test)
    np.testing.assert_array_equal(model.unseen.rows, np.concatenate(tests[1:]))


def test_an_outcome_that_was_open_when_a_fold_began_changes_nothing_in_it() -> None:
    """Neither the fold's model nor the calibration of its answers may know it."""
    horizon, starts = 20, (160, 240, 320)
    learner = CATALOGUE["logistic_regression"](folds=4)

    def answered(outcomes: np.ndarray) -> dict[int, tuple[float, ...]]:
        labels = Labels(name="far", kind="direction", horizon=horizon, values=outcomes,
                        ends=np.minimum(np.arange(400) + horizon, 399))  # fmt: skip
        unseen = learner.fit(ROWS, labels).unseen
        return dict(zip(unseen.rows.tolist(), map(tuple, unseen.columns.tolist()), strict=True))

    plain = answered(UP.astype(float))
    for start in starts:
        flipped = UP.astype(float)
        flipped[start - horizon : start] *= -1  # known at start at the earliest
        changed = answered(flipped)
        assert all(changed[row] == plain[row] for row in range(start, start + 80))
        earlier = UP.astype(float)
        earlier[start - horizon - 30 : start - horizon] *= -1
        assert answered(earlier)[start] != plain[start]


def test_an_embargo_keeps_rows_before_a_fold_out_of_its_training_and_a_rolling_fold_is_as_long_as_the_first() -> None:
    sample = make_sample(ROWS, UP, names=None, times_ns=None, kinds=("direction",), least_rows=60)
    folds = list(purged_folds(sample, 4, embargo=7, anchored=False))
    # blocks of 80 rows; the outcome of a row is known at the next, so an embargo of 7 leaves out the last 7
    assert [(int(train[0]), int(train[-1]), int(test[0])) for train, test in folds] == [
        (0, 72, 80), (80, 152, 160), (160, 232, 240), (240, 312, 320),
    ]  # fmt: skip
    model = CATALOGUE["logistic_regression"](embargo=7, anchored=False).fit(ROWS, UP)
    assert (model.card.parameters["embargo"], model.card.parameters["anchored"]) == (7, False)
    assert model.card.scores != CATALOGUE["logistic_regression"]().fit(ROWS, UP).card.scores
