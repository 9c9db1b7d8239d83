"""A history of models: each knows what was known then and no more, whatever came later."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models import CATALOGUE
from kernel_lib.models import labels as lab
from kernel_lib.models.learner import Learner
from kernel_lib.models.retraining import retrain
from tests.checks.test_every_learner import CASES, IDS, learner, market

EVERY, FIRST = 80, 200


@pytest.mark.parametrize(("key", "kind"), CASES, ids=IDS)
def test_what_came_later_changes_nothing_that_was_said_before(key: str, kind: str) -> None:
    """From row 290 on both features and prices are others; the second model is fitted before row 280."""
    close, rows = market()
    random = np.random.default_rng(0)
    other_rows, other_close = rows.copy(), close.copy()
    other_rows[290:] = random.normal(5.0, 9.0, (70, 3))
    other_close[290:] = 2.0 * np.exp(0.1 * random.normal(size=70))
    whole = retrain(learner(key), rows, made(kind, close), every=EVERY, first=FIRST, seed=1)
    other = retrain(learner(key), other_rows, made(kind, other_close), every=EVERY, first=FIRST, seed=1)
    assert [(each.start, each.stop) for each in whole.stages] == [(200, 280), (280, 360)]
    np.testing.assert_array_equal(other.prediction.values[:290], whole.prediction.values[:290])
    assert np.isnan(whole.prediction.values[:FIRST]).all()
    assert np.isfinite(whole.prediction.values[FIRST:]).all()


def made(kind: str, close: np.ndarray) -> lab.Labels | None:
    makers = {"direction": lab.direction, "value": lab.forward_return, "outlook": lab.outlook}
    return makers[kind](close, 2) if kind else None


def plain() -> Learner:
    return CATALOGUE["logistic_regression"](folds=2)


def test_each_model_is_the_one_fitted_on_what_was_known_then() -> None:
    close, rows = market()
    labels = lab.direction(close, 12)
    found = retrain(plain(), rows, labels, every=EVERY, first=FIRST)
    for stage in found.stages:
        alone = plain().fit(rows[: stage.start], labels[: stage.start])
        assert alone.card == stage.model.card
        expected = alone.predict(rows[: stage.stop]).values[stage.start :]
        np.testing.assert_array_equal(found.prediction.values[stage.start : stage.stop], expected)
    assert found.latest is found.stages[-1].model
    assert "2 models over rows 200 to 360" in repr(found)


def test_a_fit_may_look_back_a_number_of_rows_only() -> None:
    close, rows = market()
    labels = lab.direction(close, 2)
    found = retrain(plain(), rows, labels, every=EVERY, first=FIRST, most_rows=150)
    assert [each.model.card.trained_rows for each in found.stages] == [148, 148]  # two outcomes are open
    spoilt = rows.copy()
    spoilt[5:130] *= -3.0
    again = retrain(plain(), spoilt, labels, every=EVERY, first=FIRST, most_rows=150)
    np.testing.assert_array_equal(again.prediction.values[280:], found.prediction.values[280:])
    assert not np.array_equal(again.prediction.values[200:280], found.prediction.values[200:280])


def test_plain_outcomes_are_known_a_row_later() -> None:
    close, rows = market()
    up = np.sign(np.diff(close, append=2 * close[-1]))
    found = retrain(plain(), rows, up, every=EVERY, first=FIRST)
    assert found.stages[0].model.card.trained_rows == FIRST - 5 - 1


@pytest.mark.parametrize(
    "wrong", [{"every": 0, "first": 200}, {"every": 80, "first": 360}, {"every": 80, "first": 200, "most_rows": 0}]
)
def test_numbers_of_rows_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    close, rows = market()
    with pytest.raises(BadData, match="whole number of rows"):
        retrain(plain(), rows, lab.direction(close, 2), **wrong)


def test_a_history_that_begins_before_every_direction_occurred_is_refused() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(700, 2))
    three = random.choice([-1.0, 0.0, 1.0], 700)
    three[:200] = np.where(three[:200] == 0.0, 1.0, three[:200])
    with pytest.raises(BadData, match="same outputs"):
        retrain(CATALOGUE["logistic_regression"](), rows, three, every=300, first=200)
