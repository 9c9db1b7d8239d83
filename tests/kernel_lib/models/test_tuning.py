"""The search: it improves on what was given, is repeatable, keeps to its budget and says what it did."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models import CATALOGUE
from kernel_lib.models.labels import forward_return
from kernel_lib.models.space import Choice, Range
from kernel_lib.models.tuning import tune

RANDOM = np.random.default_rng(7)
ROWS = RANDOM.normal(size=(300, 3))
UP = np.where(ROWS[:, 0] * ROWS[:, 1] + 0.3 * RANDOM.normal(size=300) > 0, 1, -1)


def test_the_best_is_better_than_what_was_given_and_scores_the_same_when_fitted() -> None:
    given = CATALOGUE["svm"](width=0.001)
    found = tune(given, ROWS, UP, trials=8, seed=1)
    assert found.score < found.default_score - 0.05
    assert found.trials[0].parameters["width"] == 0.001
    assert found.best.fit(ROWS, UP, seed=1).card.scores["log_loss"] == pytest.approx(found.score)
    assert found.score_name == "log_loss"


def test_the_same_seed_searches_the_same_way() -> None:
    runs = [tune(CATALOGUE["logistic_regression"](), ROWS, UP, trials=6, seed=s) for s in (3, 3, 4)]
    assert runs[0].trials == runs[1].trials
    assert runs[0].trials != runs[2].trials


def test_a_trial_is_reported_whatever_became_of_it() -> None:
    space = {"strength": Choice((-1.0, 1e-3, 1.0))}
    found = tune(CATALOGUE["logistic_regression"](), ROWS, UP, trials=12, space=space, seed=2)
    failed = [each for each in found.trials if each.state == "failed"]
    assert failed
    assert all("strength must be" in each.reason and each.score is None for each in failed)
    assert len(found.trials) == 12
    assert len(found.frame()) == 12
    assert "best of 12 trials" in repr(found)
    assert found.plot().axes[0].get_xlabel() == "trial"


def test_no_trial_begins_after_the_seconds_are_spent() -> None:
    found = tune(CATALOGUE["logistic_regression"](), ROWS, UP, trials=10_000, seconds=0.5, seed=2)
    assert 1 <= len(found.trials) < 10_000


def test_numbers_are_judged_by_their_error() -> None:
    close = np.exp(np.cumsum(1e-3 * ROWS[:, 0]))
    found = tune(CATALOGUE["linear_regression"](ridge=1e4), ROWS, forward_return(close, 1), trials=6, seed=1)
    assert found.score_name == "root_mean_square_error"
    assert found.score <= found.default_score


@pytest.mark.parametrize(
    ("key", "given", "says"),
    [
        ("kmeans_clustering", {}, "judged by"),
        ("svm", {"space": {"depth": Range(1, 2)}}, r"\['depth'\] are none"),
        ("svm", {"trials": 0}, "trials"),
    ],
)
def test_a_search_that_cannot_be_is_refused(key: str, given: dict[str, object], says: str) -> None:
    with pytest.raises(BadData, match=says):
        tune(CATALOGUE[key](), ROWS, UP, **given)


def test_optuna_speaks_to_others_as_before() -> None:
    import optuna

    level = optuna.logging.get_verbosity()
    tune(CATALOGUE["logistic_regression"](), ROWS, UP, trials=2)
    assert optuna.logging.get_verbosity() == level
