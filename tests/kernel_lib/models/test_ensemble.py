"""Ensembles: weights by hand and from other optimisers, one bundle, and members that do not fit together."""

from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from kernel_lib.errors import BadData
from kernel_lib.models import CATALOGUE
from kernel_lib.models.bundle import ENSEMBLE_FORMAT, pack_ensemble
from kernel_lib.models.ensemble import Ensemble, average, recent_weights, stack
from kernel_lib.models.labels import Labels, direction
from kernel_lib.models.loading import load_model
from kernel_lib.models.model import Model

RANDOM = np.random.default_rng(8)
ROWS = RANDOM.normal(size=(500, 4))
SIGNAL = ROWS[:, 0] + 0.8 * ROWS[:, 1] * ROWS[:, 2] + 0.7 * RANDOM.normal(size=500)
UP = np.where(SIGNAL > 0, 1, -1)
VALUES = Labels(name="s", kind="value", horizon=1, values=SIGNAL, ends=np.minimum(np.arange(500) + 1, 499))


@cache
def members(kind: str = "direction") -> tuple[Model, ...]:
    keys = ("svm", "logistic_regression") if kind == "direction" else ("svm", "linear_regression")
    return tuple(CATALOGUE[key]().fit(ROWS, UP if kind == "direction" else VALUES) for key in keys)


def test_an_average_is_the_mean_of_the_chances() -> None:
    together = average(members())
    chances = np.mean([each.predict(ROWS).probability for each in members()], axis=0)
    np.testing.assert_allclose(together.predict(ROWS).probability, chances, atol=1.01e-6)
    assert together.weights == (0.5, 0.5)
    assert 0.5 < together.scores["accuracy"] < 1.0


def test_stacked_weights_are_the_most_likely_ones() -> None:
    together = stack(members())
    chances = np.stack([each.unseen.columns for each in members()])
    index = (members()[0].unseen.outcomes > 0).astype(int)
    said = chances[:, np.arange(len(index)), index]
    best = minimize(lambda w: -np.log(w[0] * said[0] + (1 - w[0]) * said[1]).sum(), [0.5], bounds=[(1e-6, 1 - 1e-6)])
    assert together.weights[0] == pytest.approx(best.x[0], abs=2e-3)
    assert together.method == "stacked"


def test_stacked_weights_of_numbers_have_the_least_squared_error() -> None:
    together = stack(members("value"))
    said = np.column_stack([each.unseen.columns[:, 0] for each in members("value")])
    # weights that add to 1, as a heavily weighted row of the least squares without negative weights
    heavy = 1e4
    theirs, _ = nnls(np.vstack([said, heavy * np.ones(2)]), np.append(members("value")[0].unseen.outcomes, heavy))
    np.testing.assert_allclose(together.weights, theirs, atol=1e-3)


def test_recent_weights_by_hand() -> None:
    # half life of one row: losses weigh 0.25, 0.5, 1: sums 0.25 * 1 + 1 * 0.2 = 0.45 and 0.5 * 1 + 1 * 0.2 = 0.7
    weights = recent_weights([[1.0, 0.0], [0.0, 1.0], [0.2, 0.2]], half_life=1.0, rate=2.0)
    assert weights[0] == pytest.approx(1 / (1 + np.exp(-2 * (0.7 - 0.45))), abs=1e-4)
    assert sum(weights) == pytest.approx(1.0)
    reweighted = average(members()).weighed(weights)
    assert reweighted.method == "recent"
    assert reweighted.weights == pytest.approx(weights, abs=1e-3)


def test_an_ensemble_is_one_bundle_that_answers_as_its_members_do() -> None:
    together = stack(members())
    bundle = together.bundle()
    assert bundle == stack(members()).bundle()
    live = load_model(bundle)
    shown = live.predict(ROWS[:50]).values
    np.testing.assert_allclose(shown, together.predict(ROWS[:50]).values, atol=3e-6)
    np.testing.assert_array_equal(np.array([live.predict_row(row) for row in ROWS[:50]]), shown)
    assert np.isnan(live.predict_row(np.full(4, np.nan))).all()
    assert live.outputs == together.outputs
    live.restore(live.state())


def test_members_with_memory_keep_it_through_bytes() -> None:
    close = np.exp(np.cumsum(1e-3 * ROWS[:, 0]))
    labels = direction(close, 1)
    both = [
        CATALOGUE["lstm_predictor"](window=8, hidden=4, epochs=2, folds=2).fit(ROWS, labels),
        CATALOGUE["cnn_pattern_recognizer"](window=12, filters=4, epochs=2, folds=2).fit(ROWS, labels),
    ]
    live, other = (load_model(average(both).bundle()) for _ in range(2))
    assert live.warmup == 12
    expected = live.predict(ROWS[:60]).values
    assert np.isnan(expected[:11]).all()
    first = [live.predict_row(row) for row in ROWS[:30]]
    other.restore(live.state())
    np.testing.assert_array_equal(np.array(first + [other.predict_row(row) for row in ROWS[30:60]]), expected)
    with pytest.raises(BadData):
        other.restore(live.state()[:-3])


def test_members_that_do_not_fit_together_are_refused() -> None:
    one = members()[0]
    other_rows = CATALOGUE["svm"]().fit(ROWS[:400], UP[:400])
    renamed = CATALOGUE["svm"]().fit(ROWS, UP, names=("d", "c", "b", "a"))
    clusters = CATALOGUE["kmeans_clustering"]().fit(ROWS)
    for odd, says in ((other_rows, "same rows"), (renamed, "in that order"), (members("value")[0], "all the same"),
                      (clusters, "all the same")):  # fmt: skip
        with pytest.raises(BadData, match=says):
            average([one, odd])
    for weights in ([1.0], [0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]):
        with pytest.raises(BadData, match="weight"):
            Ensemble(members(), weights)


def test_a_damaged_ensemble_is_refused() -> None:
    bundle = average(members()).bundle()
    for odd in (bundle[:-9], bundle[:60], pack_ensemble([b"x", b"y"], [0.5, 0.5], "equal"),
                pack_ensemble([members()[0].bundle()] * 2, [0.9, 0.9], "equal"),
                pack_ensemble([members()[0].bundle()], [1.0], "equal"),
                pack_ensemble([bundle, bundle], [0.5, 0.5], "equal")):  # fmt: skip
        with pytest.raises(BadData):
            load_model(odd)
    assert ENSEMBLE_FORMAT.encode() in bundle[:64]


def test_losses_out_of_range_are_refused() -> None:
    for losses in ([[0.1]], [0.1, 0.2], [[2.0, 0.1]], [[np.nan, 0.1]]):
        with pytest.raises(BadData, match="losses"):
            recent_weights(losses)
