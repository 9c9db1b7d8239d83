"""No bundle leaves a model that it does not agree with."""

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from kernel_lib.errors import Broken
from kernel_lib.models import CATALOGUE
from kernel_lib.models.bundle import pack, unpack
from kernel_lib.models.loading import load_model
from kernel_lib.models.model import Model
from kernel_lib.models.onnx_export import agreement, export, probing_rows, require_agreement
from tests.checks.test_every_learner import bundled, fitted, market


def drifted(model: Model) -> Model:
    """The same card over an estimator whose weights moved by a thousandth."""
    core = model.core
    moved = SimpleNamespace(warmup=1, states=(), raw=lambda x: core.raw(x * 1.001), graph=core.graph)
    return Model(moved, model.card, model.unseen)


def test_an_export_that_says_something_else_never_becomes_a_bundle() -> None:
    with pytest.raises(Broken, match="must answer as its original"):
        drifted(fitted("logistic_regression", "direction")).bundle()


def test_a_difference_is_measured_and_named() -> None:
    _, rows = market()
    model = fitted("linear_regression", "value")
    found = agreement(drifted(model), bundled("linear_regression", "value"), rows)
    ours = model.predict(rows[5:] * 1.001).values
    theirs = model.predict(rows[5:]).values
    assert found.largest == pytest.approx(np.abs(ours - theirs).max(), abs=3e-6)
    assert found.output in model.outputs
    with pytest.raises(Broken, match=found.output):
        require_agreement(drifted(model), bundled("linear_regression", "value"), rows)


def test_a_row_that_only_one_of_both_can_answer_is_a_difference() -> None:
    _, rows = market()
    model = fitted("lstm_predictor", "direction")
    parts = unpack(bundled("lstm_predictor", "direction"))
    hasty = pack(parts.model, msgspec.structs.replace(parts.card, warmup_rows=3))
    assert not agreement(model, hasty, rows).nan_agrees
    with pytest.raises(Broken, match="same NaN: False"):
        require_agreement(model, hasty, rows)


def test_the_same_model_is_written_the_same_way_twice() -> None:
    model = CATALOGUE["random_forest"](trees=5, folds=2).fit(market()[1], np.sign(np.diff(market()[0], append=2.0)))
    assert export(model) == export(model)


def test_probing_rows_hold_what_is_usual_and_what_is_not() -> None:
    model = fitted("lstm_predictor", "outlook")
    rows = probing_rows(model)
    usual = rows[: 2 * model.card.warmup_rows + 30]
    lowest = np.array([each.lowest for each in model.card.features])
    highest = np.array([each.highest for each in model.card.features])
    assert ((usual >= lowest) & (usual <= highest)).all()
    assert np.isnan(rows).any()
    assert np.isinf(rows).any()
    assert (rows == 0).all(axis=1).any()


@pytest.mark.parametrize(
    ("key", "sizes"),
    [("gradient_boosting", {"rounds": 30, "least_leaf": 5, "leaves": 31}),
     ("random_forest", {"trees": 10, "least_leaf": 3, "depth": 12, "feature_share": 1.0}),
     ("xgboost", {"rounds": 30, "depth": 8, "least_weight": 0.1})],
)  # fmt: skip
def test_a_threshold_between_neighbours_of_float32_is_not_rounded_onto_one(key: str, sizes: dict[str, Any]) -> None:
    # From 2 ** 24 on every second whole number is a float32, and the one between them, where trees split, is none.
    random = np.random.default_rng(0)
    step = random.integers(0, 40, 600)
    rows = (2.0**24 + 2 * step)[:, None]
    up = np.where((step % 2 == 0) ^ (random.random(600) < 0.05), 1.0, -1.0)
    model = CATALOGUE[key](**sizes).fit(rows, up)
    every = (2.0**24 + 2 * np.arange(40))[:, None]
    shown = model.predict(every)
    assert (np.abs(np.diff(shown.value)) == 2.0).sum() > 30  # it tells neighbours apart
    np.testing.assert_allclose(load_model(model.bundle()).predict(every).values, shown.values, atol=1e-5)
