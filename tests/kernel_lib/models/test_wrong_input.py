"""What a quant hands over by mistake is refused by name, never learned from and never a traceback of a library."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import features as f
from kernel_lib import models as typed
from kernel_lib.errors import BadData
from kernel_lib.models.scores import scores

models: Any = typed  # wrong types are given on purpose
N_ROWS = 300
HOURS = pd.date_range("2024-01-01", periods=N_ROWS, freq="h")
RANDOM = np.random.default_rng(0)
X = pd.DataFrame({"a": RANDOM.normal(size=N_ROWS), "b": RANDOM.normal(size=N_ROWS)}, index=HOURS)
Y = pd.Series(np.sign(RANDOM.normal(size=N_ROWS)), index=HOURS)


def fit(rows: Any, outcomes: Any = Y, learner: Any = None) -> Any:
    return (learner or models.LogisticRegression()).fit(rows, outcomes)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: fit(X.assign(a=X["a"].astype(str))), "the dtype of 'a' was .*turn it into float64 or leave it out"),
        (lambda: fit(X.assign(a=HOURS)), "the dtype of 'a' was datetime64"),
        (lambda: fit(X.assign(a=pd.Categorical(["u"] * N_ROWS))), "the dtype of 'a' was object"),
        (lambda: fit(X.iloc[:0], []), "at least 60 complete rows are needed, there were none"),
        (lambda: fit(X.iloc[:3], Y.iloc[:3]), "at least 60 complete rows with an outcome are needed, there were 3"),
        (lambda: fit(X["a"]), r"it was \(300,\); give a DataFrame"),
        (lambda: fit(None), "give a DataFrame, a mapping of columns"),
        (lambda: fit({"a": 1, "b": 2}), "the column 'a' must have one dimension"),
        (lambda: fit(X.set_axis(["a", "a"], axis=1)), "every feature must have a name of its own"),
        (lambda: fit(X.iloc[::-1]), "times must increase strictly"),
        (lambda: fit(X, np.ones(N_ROWS)), "at least two directions must occur"),
        (lambda: fit(X, Y > 0), r"they were true and false; say np.where\(y, 1, -1\)"),
        (lambda: fit(X, Y.iloc[::-1]), "outcomes must be indexed like the features, at row 0"),
        (lambda: fit(X, np.full(N_ROWS, 2.0), models.LinearRegression()), "outcomes must vary to be learned"),
        (lambda: fit(X.abs() > 1, None, models.KMeansClustering(clusters=5)), "5 clusters need as many different rows"),
        (lambda: fit(X, None, models.KMeansClustering(clusters=64)), "64 clusters need as many different rows"),
        (lambda: models.LogisticRegression.fit(X, Y), "a learner must be made before it is fitted"),
        (lambda: models.Facts(sources={"a": "sma"}), "sources must be the repr of each feature in the order"),
        (lambda: models.Facts(sources="ab"), "sources must be the repr"),
        (lambda: models.Facts(bars=5), "bars must be a text, it was 5"),
        (lambda: models.Facts(created_ns=1.5), "created_ns must be a whole number, it was 1.5"),
        (
            lambda: models.stack([models.Svm(), models.Svm()]),
            r"members at 0 must be a Model \(what .* gives\), it was a Svm",
        ),
        (lambda: models.judge(models.Svm(), X, Y), "must be a GanDataAugmenter, it was a Svm"),
        (
            lambda: models.feature_drift(X, X),
            r"card must be a Card \(as in model.card\), it was DataFrame",
        ),
        (lambda: models.LiveAccuracy(X), "LiveAccuracy: card must be a Card .* or None, it was DataFrame"),
        (
            lambda: models.tune(models.LogisticRegression(), X, Y, trials=2, space={"strength": (1, 2)}),
            r"tune: space of strength must be a Range or a Choice, it was \(1, 2\)",
        ),
    ],
)
def test_it_is_refused_in_words(call: Callable[[], Any], what: str) -> None:
    with pytest.raises(BadData, match=what):
        call()


def test_what_is_sound_in_another_dress_gives_the_same_model() -> None:
    known = fit(X).card
    whole = X.assign(a=np.arange(N_ROWS, dtype=np.int32))
    dressed = {
        "outcomes as a table of one column": fit(X, Y.to_frame()).card,
        "times with a zone": fit(X.tz_localize("UTC"), Y.tz_localize("UTC")).card,
        "outcomes that only count their rows": fit(X, Y.reset_index(drop=True)).card,
        "plain arrays": fit(X.to_numpy(), Y.to_numpy()).card,
    }
    for what, card in dressed.items():
        assert card.scores == known.scores, what
    assert fit(whole).card.scores == fit(whole.astype(np.float64)).card.scores
    # A zone moves the stamps, not the order: nine hours earlier in UTC.
    east = fit(X.tz_localize("Asia/Tokyo"), Y.tz_localize("Asia/Tokyo")).card
    assert known.first_ns - east.first_ns == 9 * 3600 * 10**9


def test_features_themselves_say_how_they_are_made() -> None:
    assert models.Facts(sources=[f.sma(3), f.rsi(14, bars="1h")]).sources == (
        "sma(window=3)",
        "rsi(window=14, bars='1h')",
    )


def test_splits_take_labels_as_they_are() -> None:
    labels = models.labels.direction(np.exp(np.cumsum(RANDOM.normal(size=60))), 5)
    ours, known = models.splits.walk_forward(labels, 3), models.splits.walk_forward(labels.ends, 3)
    assert [each.train.tolist() for each in ours] == [each.train.tolist() for each in known]


def test_a_confidence_is_judged_by_what_was_known_when_it_was_given() -> None:
    # The level doubles half-way: the median of all outcomes lies where none of the first folds could have put it.
    level = np.where(np.arange(N_ROWS) < N_ROWS // 2, 1.0, 3.0)
    outcomes = level + np.abs(RANDOM.normal(size=N_ROWS)) * 0.2
    model = fit(X.to_numpy(), outcomes, models.LinearRegression(folds=4))
    unseen = model.unseen
    # Folds of 60 rows: the medians of the rows answered before each, by hand.
    for first in (120, 180, 240):
        before = outcomes[60 : first - 1]
        assert set(unseen.reference[(unseen.rows >= first) & (unseen.rows < first + 60)]) == {float(np.median(before))}
    hits = ((unseen.columns[:, 0] > unseen.reference) == (unseen.outcomes > unseen.reference)).astype(float)
    assert model.card.scores["brier"] == pytest.approx(float(np.mean((unseen.columns[:, 1] - hits) ** 2)))
    final = scores(model.card.shape, unseen.columns, unseen.outcomes, float(np.median(outcomes[60:])))
    assert final["side_hit_rate"] != model.card.scores["side_hit_rate"]
