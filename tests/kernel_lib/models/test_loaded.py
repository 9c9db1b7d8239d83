"""A loaded model at the edges of its use; what every learner's must do is in tests/checks/test_every_learner.py."""

import subprocess
import sys

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models.loaded import LoadedModel
from kernel_lib.models.loading import load_model
from kernel_lib.models.prediction import Prediction, Shape
from tests.checks.test_every_learner import bundled, market


def model(key: str = "logistic_regression", kind: str = "direction") -> LoadedModel:
    loaded = load_model(bundled(key, kind))
    assert isinstance(loaded, LoadedModel)
    return loaded


def test_loading_and_answering_needs_no_library_that_trains() -> None:
    code = (
        "import sys\nfrom kernel_lib.models.loading import load_model\nimport numpy as np\n"
        "model = load_model(sys.stdin.buffer.read())\nassert len(model.predict_row(np.ones(3))) == 4\n"
        "heavy = {'sklearn', 'torch', 'xgboost', 'pandas', 'onnx', 'skl2onnx', 'optuna', 'river'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], input=bundled("xgboost", "direction"), check=True, timeout=60)


def test_a_row_of_another_length_or_kind_is_refused() -> None:
    live = model()
    for odd in (np.ones(2), np.ones(1), np.ones((1, 3)), [1.0, 2.0], ["a", "b", "c"]):
        with pytest.raises(BadData, match="a row must"):
            live.predict_row(odd)  # type: ignore[arg-type]
    assert live.predict_row([1, 2, 3]) == live.predict_row(np.array([1.0, 2.0, 3.0]))  # type: ignore[arg-type]


def test_an_answer_keeps_nothing_of_the_row_before() -> None:
    live = model()
    _, rows = market()
    first = live.predict_row(rows[10])
    live.predict_row(rows[11])
    assert live.predict_row(rows[10]) == first
    row = rows[10].copy()
    live.predict_row(row)
    row[:] = 9.0
    assert live.predict_row(rows[10]) == first


def test_two_loaded_models_do_not_share_memory() -> None:
    _, rows = market()
    one, other = model("lstm_predictor", "outlook"), model("lstm_predictor", "outlook")
    expected = one.predict(rows[5:60]).values
    shown = []
    for row in rows[5:60]:
        shown.append(one.predict_row(row))
        other.predict_row(row * 3)
    np.testing.assert_array_equal(np.array(shown), expected)


def test_a_batch_leaves_the_live_memory_alone() -> None:
    _, rows = market()
    live, still = model("cnn_pattern_recognizer", "direction"), model("cnn_pattern_recognizer", "direction")
    for row in rows[5:40]:
        live.predict_row(row)
        still.predict_row(row)
    live.predict(rows[100:200])
    assert live.predict_row(rows[40]) == still.predict_row(rows[40])


def test_a_damaged_memory_is_refused() -> None:
    live = model("lstm_predictor", "direction")
    kept = live.state()
    with pytest.raises(BadData, match="bytes"):
        live.restore(kept[:-1])
    broken = bytearray(kept)
    broken[-4:] = np.float32(np.nan).tobytes()
    with pytest.raises(BadData, match="finite"):
        live.restore(bytes(broken))
    assert model().state() == bytes(8)


def test_no_rows_give_no_predictions() -> None:
    live = model()
    assert live.predict(np.zeros((0, 3))).values.shape == (0, 4)


def test_a_prediction_is_read_by_name() -> None:
    _, rows = market()
    shown = model().predict(rows)
    assert shown.shape.outputs == ("direction", "p_down", "p_up", "confidence")
    np.testing.assert_array_equal(shown["p_up"], shown.probability[:, 1])
    np.testing.assert_array_equal(shown.confidence[9:], shown.probability[9:].max(axis=1))
    np.testing.assert_array_equal(shown.value[9:], np.where(shown["p_up"][9:] > shown["p_down"][9:], 1, -1))
    assert list(shown.frame().columns) == list(shown.shape.outputs)
    with pytest.raises(BadData, match="none of them"):
        shown["p_flat"]


def test_what_is_shown_of_columns_by_kind() -> None:
    assert Shape(kind="direction", classes=(-1, 0, 1)).show_row([0.2, 0.5, 0.3]) == (0.0, 0.2, 0.5, 0.3, 0.5)
    assert Shape(kind="anomaly", alert=0.9).show_row([1.5, 0.95]) == (1.5, 1.0, 0.95)
    assert Shape(kind="value").show_row([1.23456789, 0.5]) == (1.234568, 0.5)
    outlook = Shape(kind="outlook", classes=(-1, 1)).show_row([0.4, 0.6, 0.02, -1.0])
    assert outlook == (1.0, 0.4, 0.6, 0.02, -1.0, 0.6)
    nothing = Shape(kind="anomaly").show(np.full((2, 2), np.nan))
    assert isinstance(nothing, Prediction)
    assert np.isnan(nothing.values).all()
