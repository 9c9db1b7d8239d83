"""The judgement on made rows is honest: a generator that knows nothing does not help, whatever one hopes."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models import CATALOGUE
from kernel_lib.models.augmentation import judge

RANDOM = np.random.default_rng(12)
ROWS = RANDOM.normal(size=(240, 3))
UP = np.where(ROWS[:, 0] + 0.5 * RANDOM.normal(size=240) > 0, 1, -1)
INNER = CATALOGUE["logistic_regression"](strength=1.0)


def test_both_ways_are_scored_on_the_same_unseen_rows() -> None:
    augmenter = CATALOGUE["gan_data_augmenter"](inner=INNER, steps=30, folds=3)
    found = judge(augmenter, ROWS, UP, seeds=(0, 1))
    plain = CATALOGUE["logistic_regression"](strength=1.0, folds=3).fit(ROWS, UP).card.scores["log_loss"]
    made = np.mean([augmenter.fit(ROWS, UP, seed=seed).card.scores["log_loss"] for seed in (0, 1)])
    assert found.without == pytest.approx(plain)
    assert found.with_made_rows == pytest.approx(made)
    assert found.gain == pytest.approx(found.without - found.with_made_rows)
    assert found.helps == (found.gain > 2 * found.standard_error)
    assert found.rows == 120  # three test blocks of 60; the first calibrates the second


def test_a_generator_that_learned_nothing_is_told_so() -> None:
    untrained = CATALOGUE["gan_data_augmenter"](inner=INNER, steps=1, share=10.0, folds=3)
    found = judge(untrained, ROWS, UP, seeds=(0,))
    assert not found.helps
    assert "do without" in found.verdict


def test_a_judgement_needs_a_seed() -> None:
    with pytest.raises(BadData, match="seed"):
        judge(CATALOGUE["gan_data_augmenter"](), ROWS, UP, seeds=())
