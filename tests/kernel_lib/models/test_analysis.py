"""Several models of one moment: each as by itself, together by hand arithmetic, and none silently missing."""

import math

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models.analysis import analyse
from kernel_lib.models.loaded import LoadedModel
from tests.checks.test_every_learner import CASES, NAMES, loaded, market


def row(at: int) -> dict[str, float]:
    return dict(zip(NAMES, market()[1][at].tolist(), strict=True))


def test_every_model_answers_as_by_itself() -> None:
    models = {f"{key} {kind}": loaded(key, kind) for key, kind in CASES}
    alone = {f"{key} {kind}": loaded(key, kind) for key, kind in CASES}
    for at in range(5, 20):
        found = analyse(models, row(at))
        for name, model in alone.items():
            shown = model.predict_row(market()[1][at])
            if math.isnan(shown[0]):
                assert found.left_out[name] == "it warms up, 8 rows"
            else:
                assert list(found.individual[name].values()) == list(shown)
    assert found.left_out == {}
    assert found.models_used == tuple(models)
    assert found.feature_count == 3


def test_directions_are_joined_by_how_much_surer_than_chance_they_are() -> None:
    models: dict[str, LoadedModel] = {key: loaded(key, "direction") for key in ("svm", "logistic_regression")}
    found = analyse({**models, "volatile": loaded("linear_regression", "value")}, row(30))
    shown = [found.individual[key] for key in models]
    weights = [each["confidence"] - 0.5 for each in shown]
    leans = [each["p_up"] - each["p_down"] for each in shown]
    expected = (weights[0] * leans[0] + weights[1] * leans[1]) / (weights[0] + weights[1])
    assert found.direction == pytest.approx(expected, abs=1e-6)
    agree = [each["confidence"] for each, lean in zip(shown, leans, strict=True) if lean * expected > 0]
    assert found.confidence == pytest.approx(np.mean(agree), abs=1e-6)
    assert "left out" not in repr(found)


def test_what_is_not_known_is_named_and_the_others_answer() -> None:
    models = {"a": loaded("svm", "direction"), "b": loaded("isolation_forest", "")}
    found = analyse(models, {**row(30), "noise": float("nan")})
    assert found.left_out == {"a": "noise is not known", "b": "noise is not known"}
    assert math.isnan(found.direction)
    missing = analyse(models, {"change": 1.0, "noise": 1.0})
    assert missing.left_out["a"] == "it reads level, which was not given"
    only = analyse({"b": models["b"]}, row(30))
    assert (only.models_used, math.isnan(only.direction)) == (("b",), True)


def test_odd_input_is_refused() -> None:
    with pytest.raises(BadData, match="at least one model"):
        analyse({}, row(30))
    with pytest.raises(BadData, match="features of noise must be a number"):
        analyse({"a": loaded("svm", "direction")}, {**row(30), "noise": "loud"})  # type: ignore[dict-item]
