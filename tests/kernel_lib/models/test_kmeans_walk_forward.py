"""What is said of a row's cluster, and how sure, rests on nothing that came later than the fold after it began."""

import numpy as np
import pytest

from kernel_lib.models import KMeansClustering
from kernel_lib.models.unseen import Unseen

RANDOM = np.random.default_rng(5)
#: Three clouds that drift and trade places, so that a centre found late is not one found early.
DRIFT = np.linspace(0.0, 3.0, 600)[:, None]
ROWS = RANDOM.normal(size=(600, 2)) + 3.0 * RANDOM.integers(0, 3, (600, 1)) * np.array([1.0, 0.4]) + DRIFT


def unseen(rows: np.ndarray, folds: int) -> Unseen:
    return KMeansClustering(clusters=3, folds=folds).fit(rows, seed=3).unseen


def test_cutting_the_future_off_changes_nothing_that_was_said_before() -> None:
    # 600 rows and 5 folds, 400 rows and 3 folds: both are blocks of 100, and the first three folds are the same.
    whole, cut = unseen(ROWS, 5), unseen(ROWS[:400], 3)
    known = whole.rows < 400
    assert cut.rows.tolist() == whole.rows[known].tolist() == list(range(200, 400))
    np.testing.assert_array_equal(cut.columns, whole.columns[known])
    np.testing.assert_array_equal(cut.outcomes, whole.outcomes[known])
    assert len(np.unique(whole.columns[:, -1])) > 10
    assert 0.0 < whole.outcomes.mean() < 1.0


@pytest.mark.parametrize("start", [300, 400, 500])
def test_another_future_changes_nothing_that_was_said_before(start: int) -> None:
    other = ROWS.copy()
    other[start:] = RANDOM.normal(-20.0, 9.0, (600 - start, 2))
    here, there = unseen(ROWS, 5), unseen(other, 5)
    known = here.rows < start
    assert known.any()
    np.testing.assert_array_equal(here.columns[known], there.columns[known])
    np.testing.assert_array_equal(here.outcomes[known], there.outcomes[known])
    assert not np.array_equal(here.columns[~known], there.columns[~known])
