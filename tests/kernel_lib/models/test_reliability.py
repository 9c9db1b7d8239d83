"""Reliability of confidences, and what is drawn and shown of long work."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models import CATALOGUE, tune
from kernel_lib.models.reliability import reliability
from tests.checks.test_every_learner import CASES, IDS, fitted, loaded, market, outcomes


def test_bins_hold_equally_many_rows_in_order_of_confidence() -> None:
    random = np.random.default_rng(0)
    confidence = random.random(1_000)
    hits = (random.random(1_000) < confidence).astype(float)
    bins = reliability(confidence, hits)
    assert [each.rows for each in bins] == [100] * 10
    assert all(abs(each.hit_rate - each.confidence) < 4 * each.standard_error + 0.01 for each in bins)
    first = np.argsort(confidence)[:100]
    assert bins[0].hit_rate == hits[first].mean()
    assert bins[0].standard_error == pytest.approx(np.sqrt(hits[first].var() / 100))


def test_confidences_without_hits_are_refused() -> None:
    with pytest.raises(BadData):
        reliability(np.array([0.5]), np.array([]))


@pytest.mark.parametrize(("key", "kind"), CASES, ids=IDS)
def test_every_model_draws_its_reliability(key: str, kind: str) -> None:
    figure = fitted(key, kind).plot()
    assert key in figure.axes[0].get_title()
    assert figure.axes[1].get_xlabel() == "confidence"


def test_long_work_shows_a_bar_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    _, rows = market()
    y = outcomes("direction")
    CATALOGUE["lstm_predictor"](window=8, epochs=1, folds=2).fit(rows, y, progress=True)
    loaded("logistic_regression", "direction").predict(rows, progress=True)
    tune(CATALOGUE["logistic_regression"](folds=2), rows, y, trials=2, progress=True)
    shown = capsys.readouterr().err
    assert all(each in shown for each in ("lstm_predictor, walk-forward", "logistic_regression", "search"))
