"""What a learner refuses to learn from, and in which words."""

import numpy as np
import pandas as pd
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models import CATALOGUE
from kernel_lib.models import labels as lab
from kernel_lib.models.sample import make_sample, rows_in_order

RANDOM = np.random.default_rng(2)
ROWS = RANDOM.normal(size=(100, 2))
UP = np.where(ROWS[:, 0] > 0, 1, -1)


def sample(X: object = ROWS, y: object = UP, **given: object) -> object:
    asked = {"names": None, "times_ns": None, "kinds": ("direction",), "least_rows": 60} | given
    return make_sample(X, y, **asked)


def with_number(row: int, column: int, number: float) -> np.ndarray:
    changed = ROWS.copy()
    changed[row, column] = number
    return changed


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"X": ROWS.astype(str)}, "must be numbers, their dtype was"),
        ({"X": ROWS.astype(object)}, "dtype was object"),
        ({"X": ROWS.astype(complex)}, "dtype was complex"),
        ({"X": ROWS[:, 0]}, r"shape \(n_rows, n_features\)"),
        ({"X": np.zeros((100, 0))}, r"shape \(n_rows, n_features\)"),
        ({"X": with_number(7, 1, np.inf)}, "row 7 of 'feature_1' was inf"),
        ({"X": with_number(7, 1, 1e31)}, "within 1e30"),
        ({"X": with_number(7, 1, np.nan)}, "row 7 of 'feature_1' was NaN after row 0"),
        ({"X": ROWS * 0 + 3.0}, "must vary"),
        ({"X": ROWS[:30], "y": UP[:30]}, "at least 60 complete rows"),
        ({"names": ("a",)}, "one text for each of the 2"),
        ({"names": ("a", "a")}, "a name of its own"),
        ({"names": "ab"}, "one text for each"),
        ({"X": {"a": ROWS[:, 0], "b": ROWS[:50, 1]}}, "equally long"),
        ({"X": {"a": ROWS[:, 0]}, "names": ("a", "b")}, r"\['b'\] are missing"),
        ({"y": None}, "needs outcomes"),
        ({"y": UP[:99]}, "one outcome a row"),
        ({"y": UP * 2}, "must be -1, 0 or"),
        ({"y": np.ones(100)}, "at least two directions"),
        ({"y": np.where(np.arange(100) == 3, np.inf, UP)}, "row 3"),
        ({"y": ["up"] * 100}, "outcomes must be numbers"),
        ({"y": lab.forward_return(np.exp(np.cumsum(ROWS[:, 0])))}, "takes labels of kind direction"),
        ({"times_ns": np.arange(100)[::-1]}, "must increase strictly, row 1"),
        ({"times_ns": np.zeros(100, np.int64)}, "must increase strictly"),
        ({"times_ns": np.arange(100.0)}, "whole nanoseconds"),
        ({"times_ns": np.arange(99)}, "whole nanoseconds"),
    ],
)
def test_rows_that_nothing_can_be_learned_from_are_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(BadData, match=says):
        sample(**given)


def test_a_matrix_beyond_memory_is_refused_before_it_is_copied() -> None:
    endless = np.broadcast_to(np.float32(1.0), (2**28, 3))
    with pytest.raises(BadData, match="at most"):
        sample(X=endless, y=None, kinds=())


def test_rows_that_warm_up_are_left_out_and_the_rest_is_learned_from() -> None:
    warming = ROWS.copy()
    warming[:9, 1] = np.nan
    known = UP.astype(float)
    known[50] = np.nan
    assert make_sample(
        warming, known, names=None, times_ns=None, kinds=("direction",), least_rows=60
    ).rows.tolist() == [row for row in range(9, 100) if row != 50]


def test_features_are_learned_as_the_float32_that_a_live_model_reads() -> None:
    kept = make_sample(ROWS, UP, names=None, times_ns=None, kinds=("direction",), least_rows=60).X
    np.testing.assert_array_equal(kept, ROWS.astype(np.float32))
    assert kept.dtype == np.float64


def test_a_frame_and_a_mapping_give_their_names_and_times_may_be_datetimes() -> None:
    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    times = pd.date_range("2020-01-01", periods=100, freq="h").to_numpy()
    made = make_sample(frame, UP, names=None, times_ns=times, kinds=("direction",), least_rows=60)
    assert made.names == ("a", "b")
    assert made.times_ns is not None
    assert made.times_ns[1] - made.times_ns[0] == 3600 * 10**9
    mapped = make_sample({"b": ROWS[:, 1], "a": ROWS[:, 0]}, UP, names=("a", "b"), times_ns=None, kinds=("direction",),
                         least_rows=60)  # fmt: skip
    np.testing.assert_array_equal(mapped.X, made.X)


def test_rows_to_predict_must_hold_the_features_in_their_order() -> None:
    with pytest.raises(BadData, match="give them in that order"):
        rows_in_order(ROWS, ["b", "a"], ["a", "b"])
    with pytest.raises(BadData, match="must be those of the training"):
        rows_in_order(pd.DataFrame(ROWS, columns=["a", "c"]), None, ["a", "b"])
    with pytest.raises(BadData, match="it had 3"):
        rows_in_order(np.zeros((4, 3)), None, ["a", "b"])
    read = rows_in_order(with_number(3, 0, np.inf), ["a", "b"], ["a", "b"])
    assert np.isnan(read[3, 0])


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("random_forest", {"trees": 0}), ("random_forest", {"feature_share": 0.0}), ("xgboost", {"rate": 2.0}),
        ("svm", {"strength": -1.0}), ("linear_regression", {"ridge": float("nan")}),
        ("gradient_boosting", {"leaves": 1}),
        ("kmeans_clustering", {"clusters": 1}), ("isolation_forest", {"flagged": 0.9}),
        ("lstm_predictor", {"window": 1}),
        ("transformer_sequence_analyzer", {"width": 9}), ("gan_data_augmenter", {"share": 0.0}),
        ("gan_data_augmenter", {"inner": CATALOGUE["lstm_predictor"]()}),
        ("autoencoder_anomaly_detector", {"narrow": 0}), ("logistic_regression", {"folds": 1}),
        ("logistic_regression", {"calibration": "magic"}),
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(key: str, wrong: dict[str, object]) -> None:
    y = ROWS[:, 0] if key == "linear_regression" else UP
    with pytest.raises(BadData, match=r"must|cannot learn"):
        CATALOGUE[key](**wrong).fit(ROWS, y)


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**31])
def test_a_seed_must_be_a_whole_number(seed: object) -> None:
    with pytest.raises(BadData, match="seed"):
        CATALOGUE["logistic_regression"]().fit(ROWS, UP, seed=seed)


def test_a_frame_that_is_indexed_by_times_must_be_in_their_order() -> None:
    times = pd.date_range("2020-01-01", periods=100, freq="h", tz="Europe/Athens")
    frame = pd.DataFrame(ROWS, columns=["a", "b"], index=times)
    made = make_sample(frame, UP, names=None, times_ns=None, kinds=("direction",), least_rows=60)
    assert made.times_ns is not None
    assert made.times_ns[0] == 1_577_829_600 * 10**9  # midnight in Athens is 22:00 UTC
    model = CATALOGUE["logistic_regression"]().fit(frame, UP)
    assert model.card.first_ns == made.times_ns[0]
    for call in (lambda: CATALOGUE["logistic_regression"]().fit(frame[::-1], UP), lambda: model.predict(frame[::-1])):
        with pytest.raises(BadData, match="must increase strictly"):
            call()
    with pytest.raises(BadData, match="NaT"):
        model.predict(frame.set_index(times.where(times != times[3])))
