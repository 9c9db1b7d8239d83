"""What every learner in the catalogue must pass, unasked."""

from functools import cache

import msgspec
import numpy as np
import pytest

from kernel_lib.errors import BadData, Refused
from kernel_lib.models import CATALOGUE
from kernel_lib.models import labels as lab
from kernel_lib.models.bundle import identity, unpack
from kernel_lib.models.card import Facts
from kernel_lib.models.labels import Labels
from kernel_lib.models.learner import Learner
from kernel_lib.models.loaded import LoadedModel
from kernel_lib.models.loading import load_model
from kernel_lib.models.model import Model
from kernel_lib.models.onnx_export import probing_rows, require_agreement

NAMES = ("change", "noise", "level")
#: So that a fit takes a second: the default sizes are for real data.
SMALL: dict[str, dict[str, object]] = {
    "random_forest": {"trees": 20},
    "xgboost": {"rounds": 20},
    "gradient_boosting": {"rounds": 20},
    "isolation_forest": {"trees": 20},
    "lstm_predictor": {"window": 8, "hidden": 8, "epochs": 4},
    "cnn_pattern_recognizer": {"window": 8, "filters": 4, "epochs": 4},
    "transformer_sequence_analyzer": {"window": 8, "width": 8, "epochs": 4},
    "gan_data_augmenter": {"inner": CATALOGUE["logistic_regression"](), "steps": 20},
    "autoencoder_anomaly_detector": {"epochs": 5},
}
CASES = [(key, kind) for key, learner in CATALOGUE.items() for kind in learner.kinds or ("",)]
IDS = [f"{key}-{kind or 'unlabelled'}" for key, kind in CASES]
every_case = pytest.mark.parametrize(("key", "kind"), CASES, ids=IDS)


@cache
def market() -> tuple[np.ndarray, np.ndarray]:
    """Prices whose next return leans on the last one, and three features of them; the first rows warm up."""
    random = np.random.default_rng(11)
    noise = random.normal(0, 1e-3, 360)
    returns = noise.copy()
    for row in range(1, len(returns)):
        returns[row] += 0.5 * returns[row - 1]
    close = 1.1 * np.exp(np.cumsum(returns))
    rows = np.column_stack([returns * 1e3, random.normal(size=360), np.log(close) * 100])
    rows[:5] = np.nan
    return close, rows


def outcomes(kind: str, close: np.ndarray | None = None) -> Labels | None:
    close = market()[0] if close is None else close
    made = {"direction": lab.direction, "value": lab.forward_return, "outlook": lab.outlook}
    return made[kind](close, 2) if kind else None


def learner(key: str) -> Learner:
    return CATALOGUE[key](**SMALL.get(key, {}), folds=2)


def fitted_on(key: str, kind: str, n_rows: int, seed: int = 5) -> Model:
    _, rows = market()
    y = outcomes(kind)
    return learner(key).fit(rows[:n_rows], None if y is None else y[:n_rows], names=NAMES, seed=seed)


@cache
def fitted(key: str, kind: str) -> Model:
    return fitted_on(key, kind, 300)


@cache
def bundled(key: str, kind: str) -> bytes:
    return fitted(key, kind).bundle(Facts(symbol="EURUSD", sources=("a()", "b()", "c()"), created_ns=7))


def loaded(key: str, kind: str) -> LoadedModel:
    return load_model(bundled(key, kind))


def same(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_array_equal(ours, theirs)


@every_case
def test_a_prediction_has_a_row_for_each_row_and_nan_only_where_nothing_can_be_said(key: str, kind: str) -> None:
    _, rows = market()
    model = fitted(key, kind)
    shown = model.predict(rows)
    assert shown.values.shape == (360, len(model.outputs))
    first = 5 + model.card.warmup_rows - 1
    assert np.isnan(shown.values[:first]).all()
    assert np.isfinite(shown.values[first:]).all()
    confidence = shown.confidence[first:]
    assert ((confidence >= 0) & (confidence <= 1)).all()
    if model.card.shape.classes:
        np.testing.assert_allclose(shown.probability[first:].sum(axis=1), 1.0, atol=3e-6)
        assert set(np.unique(shown.value[first:])) <= set(model.card.shape.classes)


@every_case
def test_the_same_seed_and_rows_give_the_same_model_and_a_refit_begins_anew(key: str, kind: str) -> None:
    again = fitted_on(key, kind, 300)
    assert again.bundle(Facts(symbol="EURUSD", sources=("a()", "b()", "c()"), created_ns=7)) == bundled(key, kind)


@every_case
def test_learning_from_other_rows_leaves_a_fitted_model_as_it_was(key: str, kind: str) -> None:
    _, rows = market()
    model = fitted(key, kind)
    before = model.predict(rows).values
    fitted_on(key, kind, 260, seed=6)
    same(model.predict(rows).values, before)


@every_case
def test_the_export_says_what_the_original_says(key: str, kind: str) -> None:
    _, rows = market()
    model = fitted(key, kind)
    found = require_agreement(model, bundled(key, kind), rows)
    assert (found.rows, found.nan_agrees) == (360, True)
    assert require_agreement(model, bundled(key, kind), probing_rows(model)).nan_agrees


@every_case
def test_a_bundle_gives_back_card_and_features(key: str, kind: str) -> None:
    model, live = fitted(key, kind), loaded(key, kind)
    assert live.features == model.features == NAMES
    assert live.outputs == model.outputs
    assert live.identity == identity(bundled(key, kind))
    assert live.card.features[1].source == "b()"
    assert (live.card.facts.symbol, live.card.facts.created_ns) == ("EURUSD", 7)
    assert unpack(bundled(key, kind)).card == live.card
    assert live.card.learner == key
    assert live.card.scored_rows > 0
    assert live.card.features_sha256


@every_case
def test_one_row_at_a_time_gives_what_a_batch_gives(key: str, kind: str) -> None:
    _, rows = market()
    live = loaded(key, kind)
    batch = live.predict(rows).values
    same(np.array([live.predict_row(row) for row in rows]), batch)
    live.reset()
    same(np.array([live.predict_row(row) for row in rows]), batch)


@every_case
def test_memory_goes_through_bytes_in_the_middle(key: str, kind: str) -> None:
    _, rows = market()
    one, other = loaded(key, kind), loaded(key, kind)
    expected = one.predict(rows).values
    first = [one.predict_row(row) for row in rows[:200]]
    other.restore(one.state())
    same(np.array(first + [other.predict_row(row) for row in rows[200:]]), expected)


@every_case
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e200])
def test_a_row_that_cannot_be_read_gives_nan_and_empties_the_memory(key: str, kind: str, odd: float) -> None:
    _, rows = market()
    live = loaded(key, kind)
    broken = rows[5:100].copy()
    broken[50, 1] = odd
    shown = live.predict(broken).values
    assert np.isnan(shown[50]).all()
    same(shown[51:], live.predict(broken[51:]).values)
    same(np.isnan(fitted(key, kind).predict(broken).values), np.isnan(shown))


@every_case
def test_cutting_off_the_future_changes_nothing(key: str, kind: str) -> None:
    _, rows = market()
    model, live = fitted(key, kind), loaded(key, kind)
    for n_rows in (30, 111):
        same(live.predict(rows[:n_rows]).values, live.predict(rows).values[:n_rows])
        np.testing.assert_allclose(model.predict(rows[:n_rows]).values, model.predict(rows).values[:n_rows], atol=2e-6)


@every_case
def test_later_rows_change_nothing_that_was_answered_before(key: str, kind: str) -> None:
    """The card's scores rest on answers to rows before row 220; features and prices from row 240 on are others."""
    close, rows = market()
    random = np.random.default_rng(2)
    other_rows, other_close = rows.copy(), close.copy()
    other_rows[240:] = random.normal(5.0, 9.0, (120, 3))
    other_close[240:] = close[240:] * np.exp(0.1 * random.normal(size=120))
    made = msgspec.structs.replace(learner(key), folds=3)
    found = []
    for given, prices in ((rows, close), (other_rows, other_close)):
        y = outcomes(kind, prices)
        unseen = made.fit(given[:300], None if y is None else y[:300], names=NAMES, seed=5).unseen
        early = unseen.rows < 220
        later = np.column_stack([unseen.columns, unseen.outcomes])[~early]
        found.append((unseen.rows[early], unseen.columns[early], later))
    assert len(found[0][0]) > 50
    same(found[1][0], found[0][0])
    same(found[1][1], found[0][1])
    assert not np.array_equal(found[1][2], found[0][2])


@every_case
def test_features_in_another_order_are_refused(key: str, kind: str) -> None:
    _, rows = market()
    turned = ("noise", "change", "level")
    for model in (fitted(key, kind), loaded(key, kind)):
        with pytest.raises(BadData, match="in its order"):
            model.predict(rows, names=turned)
        with pytest.raises(BadData, match="in its order"):
            model.predict({name: rows[:, NAMES.index(name)] for name in turned})
        with pytest.raises(BadData, match="3 features"):
            model.predict(rows[:, :2])


@every_case
def test_a_learner_that_has_not_learned_refuses_to_predict(key: str, kind: str) -> None:
    _, rows = market()
    with pytest.raises(Refused, match="must be fitted"):
        learner(key).predict(rows)


@every_case
def test_too_few_rows_are_refused(key: str, kind: str) -> None:
    with pytest.raises(BadData, match="rows"):
        fitted_on(key, kind, 40)


@every_case
def test_a_feature_that_never_varies_is_refused(key: str, kind: str) -> None:
    _, rows = market()
    flat = rows[:300].copy()
    flat[:, 1] = 3.0
    y = outcomes(kind)
    with pytest.raises(BadData, match="'noise'"):
        learner(key).fit(flat, None if y is None else y[:300], names=NAMES)


def test_every_learner_of_the_missions_list_is_there() -> None:
    assert list(CATALOGUE) == [
        "random_forest", "xgboost", "svm", "linear_regression", "logistic_regression", "kmeans_clustering",
        "isolation_forest", "gradient_boosting", "lstm_predictor", "cnn_pattern_recognizer",
        "transformer_sequence_analyzer", "gan_data_augmenter", "autoencoder_anomaly_detector",
    ]  # fmt: skip
    assert all(learner.key == key for key, learner in CATALOGUE.items())
    assert all(bool(learner.space) == bool(learner.kinds) for learner in CATALOGUE.values())
