"""Which rows train and which test, so that no test outcome was known in training: purged and embargoed.

Each row ``i`` has an outcome that is known at row ``ends[i] >= i``. A training row is *purged* where the span from it
to its outcome meets the span of the test rows and their outcomes. Rows right after the test are *embargoed*: their
features still remember the test. Definitions of M. Lopez de Prado, *Advances in Financial Machine Learning* (2018):
purging 7.4.1, embargo 7.4.2, combinatorial purged cross-validation 12.3 and 12.4.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise
from math import comb

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.declared import declared
from kernel_lib.errors import BadData

__all__ = ["Split", "backtest_paths", "combinatorial_purged", "fixed_ends", "purged_k_fold", "walk_forward"]

Rows = npt.NDArray[np.int64]


class Split(msgspec.Struct, frozen=True):
    """Row numbers, in order: what trains, what tests, and the numbers of the groups that test."""

    train: Rows
    test: Rows
    groups: tuple[int, ...] = ()


@declared
def fixed_ends(n_rows: int, horizon: int) -> Rows:
    """Give the ends of labels with one horizon, the last rows ending at the last row.

    >>> fixed_ends(5, 2).tolist()
    [2, 3, 4, 4, 4]
    """
    return np.minimum(np.arange(n_rows) + horizon, n_rows - 1)


@declared
def walk_forward(
    ends: npt.ArrayLike,
    n_folds: int = 5,
    *,
    anchored: bool = True,
    embargo: int = 0,
    train_rows: int | None = None,
    least_train: int | None = None,
) -> list[Split]:
    """Train on the past, test on what came next, ``n_folds`` times.

    Parameters
    ----------
    ends : array_like of int, shape (n,), or Labels
        Row at which each row's outcome is known; see :func:`fixed_ends`.
    n_folds : int
        Number of test blocks, all of one length (the last takes the rest).
    anchored : bool
        True: training always begins at row 0. False: it rolls, with ``train_rows`` rows.
    embargo : int
        Rows left out between training and test, over what is purged.
    train_rows : int or None
        Length of a rolling window before purging; by default what comes before the first test block.
    least_train : int or None
        Rows before the first test block; by default ``n // (n_folds + 1)``.

    Returns
    -------
    list of Split
        In time order.

    Raises
    ------
    BadData
        Too few rows, or nothing is left to train on.

    >>> [(s.train.tolist(), s.test.tolist()) for s in walk_forward(fixed_ends(6, 1), 2)]
    [([0], [2, 3]), ([0, 1, 2], [4, 5])]
    """
    known = _ends(ends)
    n_rows = len(known)
    _folds(n_folds, n_rows, least=1)
    _embargo(embargo)
    first = n_rows // (n_folds + 1) if least_train is None else least_train
    if not 1 <= first <= n_rows - n_folds:
        raise BadData(f"least_train must leave {n_folds} rows to test on out of {n_rows}, it was {first}")
    window = first if train_rows is None else train_rows
    if window < 1:
        raise BadData(f"train_rows must be at least 1, it was {train_rows!r}")
    edges = np.linspace(first, n_rows, n_folds + 1).astype(np.int64)
    splits = []
    for fold, (start, stop) in enumerate(pairwise(edges.tolist())):
        candidates = np.arange(0 if anchored else max(0, start - window), max(0, start - embargo))
        train = candidates[known[candidates] < start]
        if len(train) == 0:
            raise BadData(
                f"rows must be left to train on in every fold, fold {fold} has none of {start} after purging and an "
                f"embargo of {embargo}; take fewer folds or a shorter horizon"
            )
        splits.append(Split(train, np.arange(start, stop), (fold,)))
    return splits


@declared
def purged_k_fold(ends: npt.ArrayLike, n_folds: int = 5, *, embargo: int = 0) -> list[Split]:
    """Test each of ``n_folds`` blocks once, training on the rest before and after, purged and embargoed.

    >>> [s.train.tolist() for s in purged_k_fold(fixed_ends(6, 1), 3, embargo=1)]
    [[4, 5], [0], [0, 1, 2]]
    """
    return combinatorial_purged(ends, n_folds, 1, embargo=embargo)


@declared
def combinatorial_purged(
    ends: npt.ArrayLike, n_groups: int = 6, n_test_groups: int = 2, *, embargo: int = 0
) -> list[Split]:
    """Test every choice of ``n_test_groups`` out of ``n_groups`` blocks, training on the rest.

    Parameters
    ----------
    ends : array_like of int, shape (n,)
    n_groups, n_test_groups : int
        There are ``C(n_groups, n_test_groups)`` splits; :func:`backtest_paths` joins them into
        ``n_test_groups / n_groups`` times as many whole histories.
    embargo : int
        Rows dropped from training after the last outcome of each test block.

    Raises
    ------
    BadData
        Too few rows or groups, or nothing is left to train on.
    """
    known = _ends(ends)
    n_rows = len(known)
    _folds(n_groups, n_rows, least=2)
    _embargo(embargo)
    if not 1 <= n_test_groups < n_groups:
        raise BadData(f"n_test_groups must be from 1 to {n_groups - 1}, it was {n_test_groups!r}")
    edges = np.linspace(0, n_rows, n_groups + 1).astype(np.int64)
    blocks = [(int(edges[k]), int(edges[k + 1])) for k in range(n_groups)]
    splits = []
    for chosen in combinations(range(n_groups), n_test_groups):
        keep = np.ones(n_rows, dtype=bool)
        for start, stop in _joined([blocks[k] for k in chosen]):
            last = int(known[start:stop].max())
            rows = np.arange(n_rows)
            keep &= ~((known >= start) & (rows <= last))
            keep[start:stop] = False
            keep[last + 1 : last + 1 + embargo] = False
        train = np.flatnonzero(keep)
        if len(train) == 0:
            raise BadData(f"rows must be left to train on, the split that tests blocks {chosen} has none of {n_rows}")
        test = np.concatenate([np.arange(*blocks[k]) for k in chosen])
        splits.append(Split(train, test, chosen))
    return splits


@declared
def backtest_paths(splits: Sequence[Split]) -> list[list[tuple[int, int]]]:
    """Join the splits of :func:`combinatorial_purged` into whole histories.

    Returns
    -------
    list of list of (int, int)
        For each path, the pairs (group, number of the split that tests it), in order of groups; every test block of
        every split is used exactly once.

    >>> len(backtest_paths(combinatorial_purged(fixed_ends(12, 1), 6, 2)))
    5
    """
    groups = sorted({group for split in splits for group in split.groups})
    testing = {group: [k for k, split in enumerate(splits) if group in split.groups] for group in groups}
    n_paths = len(testing[groups[0]]) if groups else 0
    if any(len(each) != n_paths for each in testing.values()) or len(splits) < n_paths:
        raise BadData("paths are joined from a whole set of combinatorial splits, some were missing")
    n_test = len(splits[0].groups) if splits else 0
    if splits and len(splits) != comb(len(groups), n_test):
        raise BadData(f"paths need all {comb(len(groups), n_test)} splits, there were {len(splits)}")
    return [[(group, testing[group][path]) for group in groups] for path in range(n_paths)]


def _joined(blocks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join blocks that touch, so that an embargo is not taken inside a test."""
    joined: list[tuple[int, int]] = []
    for start, stop in blocks:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def _ends(ends: npt.ArrayLike) -> Rows:
    known = np.asarray(getattr(ends, "ends", ends))  # labels bring theirs
    if known.ndim != 1 or known.dtype.kind not in "iu":
        raise BadData(f"ends must be row numbers in one dimension, it was {known.dtype} of shape {known.shape}")
    known = known.astype(np.int64)
    early = np.flatnonzero(known < np.arange(len(known)))
    if len(early):
        raise BadData(f"an outcome is never known before its row, row {early[0]} had {known[early[0]]}")
    return known


def _folds(n_folds: int, n_rows: int, least: int) -> None:
    if isinstance(n_folds, bool) or not isinstance(n_folds, int) or not least <= n_folds <= max(n_rows - 1, 0):
        raise BadData(f"the number of folds must be from {least} to {n_rows - 1} for {n_rows} rows, it was {n_folds!r}")


def _embargo(embargo: int) -> None:
    if isinstance(embargo, bool) or not isinstance(embargo, int | np.integer) or embargo < 0:
        raise BadData(f"embargo must be a whole number of rows, 0 or more, it was {embargo!r}")
