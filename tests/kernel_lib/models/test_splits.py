"""Purged and embargoed splits by hand, and against skfolio's."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models.splits import backtest_paths, combinatorial_purged, fixed_ends, purged_k_fold, walk_forward


def rows(splits: list) -> list[tuple[list[int], list[int]]]:
    return [(each.train.tolist(), each.test.tolist()) for each in splits]


def test_an_anchored_walk_trains_from_the_first_row_and_drops_open_outcomes() -> None:
    assert rows(walk_forward(fixed_ends(9, 2), 2)) == [
        ([0], [3, 4, 5]),  # rows 1 and 2 are known at 3 and 4
        ([0, 1, 2, 3], [6, 7, 8]),
    ]


def test_a_rolling_walk_keeps_its_length_and_an_embargo_leaves_a_gap() -> None:
    splits = walk_forward(fixed_ends(20, 1), 3, anchored=False, embargo=2, train_rows=6, least_train=8)
    assert rows(splits) == [
        ([2, 3, 4, 5], [8, 9, 10, 11]),
        ([6, 7, 8, 9], [12, 13, 14, 15]),
        ([10, 11, 12, 13], [16, 17, 18, 19]),
    ]


def test_no_training_outcome_is_known_after_the_test_began() -> None:
    random = np.random.default_rng(0)
    ends = np.arange(300) + random.integers(0, 30, 300)
    for split in walk_forward(ends, 5):
        assert (ends[split.train] < split.test[0]).all()
    for split in combinatorial_purged(ends, 6, 2, embargo=4):
        for start, stop in zip(split.test, split.test, strict=True):
            overlaps = (split.train <= ends[stop]) & (ends[split.train] >= start)
            assert not overlaps.any()


def test_purging_takes_both_sides_of_a_test_block_and_the_embargo_what_follows() -> None:
    splits = purged_k_fold(fixed_ends(12, 1), 3, embargo=2)
    # the middle block tests 4 to 7, known by 8: row 3 is open at 4, row 8 meets it, rows 9 and 10 are embargoed
    assert rows(splits)[1] == ([0, 1, 2, 11], [4, 5, 6, 7])


def test_combinations_agree_with_skfolio() -> None:
    from skfolio.model_selection import CombinatorialPurgedCV

    theirs = list(
        CombinatorialPurgedCV(n_folds=6, n_test_folds=2, purged_size=3, embargo_size=2).split(np.zeros((60, 1)))
    )
    ours = combinatorial_purged(np.arange(60) + 3, 6, 2, embargo=2)
    assert len(ours) == len(theirs) == 15
    assert sorted(tuple(each.train.tolist()) for each in ours) == sorted(tuple(train.tolist()) for train, _ in theirs)


def test_paths_use_every_test_block_once() -> None:
    splits = combinatorial_purged(fixed_ends(60, 1), 6, 2)
    paths = backtest_paths(splits)
    assert len(paths) == 5  # C(6, 2) * 2 / 6
    used = [pair for path in paths for pair in path]
    assert len(used) == len(set(used)) == 30
    assert all([group for group, _ in path] == list(range(6)) for path in paths)
    assert all(group in splits[number].groups for group, number in used)


def test_paths_need_all_splits() -> None:
    with pytest.raises(BadData):
        backtest_paths(combinatorial_purged(fixed_ends(60, 1), 6, 2)[:-1])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: walk_forward(fixed_ends(5, 1), 9), "number of folds"),
        (lambda: walk_forward(fixed_ends(20, 15), 4), "left to train on"),
        (lambda: walk_forward([0.5, 1.5], 1), "row numbers"),
        (lambda: walk_forward([1, 0, 2], 1), "never known before"),
        (lambda: purged_k_fold(fixed_ends(20, 1), 1), "number of folds"),
        (lambda: purged_k_fold(fixed_ends(20, 1), 2, embargo=-1), "embargo"),
        (lambda: combinatorial_purged(fixed_ends(20, 1), 4, 4), "n_test_groups"),
        (lambda: combinatorial_purged(fixed_ends(20, 19), 4, 1), "left to train on"),
    ],
)
def test_splits_that_cannot_be_are_refused(make: object, says: str) -> None:
    with pytest.raises(BadData, match=says):
        make()  # type: ignore[operator]
