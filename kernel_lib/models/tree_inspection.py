"""Check that the trees in a model file are trees: every node reached once, every leaf, feature and target in range.

ONNX Runtime walks them by the numbers in the file; a cycle or a number out of range would be its problem, and ours.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData

__all__ = ["check_trees"]

_BRANCHES = (b"BRANCH_LEQ", b"BRANCH_LT")
_LEAVES = {"TreeEnsembleClassifier": "class", "TreeEnsembleRegressor": "target"}
Ints = npt.NDArray[np.int64]


def check_trees(operator: str, attributes: Mapping[str, Any], n_features: int) -> None:
    """Check the attributes of a TreeEnsemble node.

    Parameters
    ----------
    operator : str
        ``TreeEnsembleClassifier`` or ``TreeEnsembleRegressor``.
    attributes : mapping of str
    n_features : int
        Width of a row.

    Raises
    ------
    BadData
        Lists of unequal length, a child that is missing, shared or its own ancestor, a number out of range.
    """
    trees, nodes = _ints(attributes, "nodes_treeids"), _ints(attributes, "nodes_nodeids")
    features = _ints(attributes, "nodes_featureids")
    left, right = _ints(attributes, "nodes_truenodeids"), _ints(attributes, "nodes_falsenodeids")
    modes = attributes.get("nodes_modes")
    n_nodes = len(trees)
    if not isinstance(modes, list) or n_nodes == 0:
        raise BadData("trees must have nodes with modes")
    thresholds = _numbers(attributes, "nodes_values")
    if not n_nodes == len(nodes) == len(features) == len(left) == len(right) == len(modes) == len(thresholds):
        raise BadData(f"trees must say everything of each of their {n_nodes} nodes")
    is_leaf = np.array([each == b"LEAF" for each in modes])
    if not all(each == b"LEAF" or each in _BRANCHES for each in modes):
        raise BadData("trees must branch by <= or <")
    if min(trees.min(), nodes.min()) < 0 or max(trees.max(), nodes.max()) >= 2**31:
        raise BadData("trees and nodes must be numbered from 0")
    if (features < 0).any() or (features[~is_leaf] >= n_features).any():
        raise BadData(f"trees must read the {n_features} features of a row, one reads feature {features.max()}")
    keys = trees << 32 | nodes
    order = np.argsort(keys, kind="stable")
    if (np.diff(keys[order]) == 0).any():
        raise BadData("every node of a tree must have a number of its own")

    def place(tree_keys: Ints, what: str) -> Ints:
        at = np.minimum(np.searchsorted(keys, tree_keys, sorter=order), n_nodes - 1)
        found: Ints = order[at]
        if (keys[found] != tree_keys).any():
            raise BadData(f"{what} of a tree must be one of its nodes")
        return found

    branch = np.flatnonzero(~is_leaf)
    if (left[branch] < 0).any() or (right[branch] < 0).any() or max(left.max(), right.max()) >= 2**31:
        raise BadData("the children of a node must be numbered from 0")
    children = np.concatenate([place(trees[branch] << 32 | side[branch], "a child") for side in (left, right)])
    n_parents = np.bincount(children, minlength=n_nodes)
    roots = np.flatnonzero(n_parents == 0)
    if n_parents.max(initial=0) > 1 or len(roots) != len(np.unique(trees)):
        raise BadData("every node of a tree must have one parent, its root none")
    parent = np.full(n_nodes, -1)
    parent[children] = np.concatenate([branch, branch])
    _rooted(parent)
    kind = _LEAVES[operator]
    leaf_keys = _ints(attributes, f"{kind}_treeids") << 32 | _ints(attributes, f"{kind}_nodeids")
    targets = _ints(attributes, f"{kind}_ids")
    if not len(leaf_keys) == len(targets) == len(_numbers(attributes, f"{kind}_weights")):
        raise BadData("leaves must have a target and a weight each")
    if not is_leaf[place(leaf_keys, "a leaf")].all():
        raise BadData("weights must belong to leaves")
    n_targets = _n_targets(operator, attributes)
    if len(targets) == 0 or targets.min() < 0 or targets.max() >= n_targets:
        raise BadData(f"leaves must speak of the {n_targets} targets, one speaks of {targets.max(initial=-1)}")
    n_bases = len(_numbers(attributes, "base_values", optional=True))
    if n_bases > n_targets:
        raise BadData(f"there must be at most {n_targets} base values, there were {n_bases}")


def _rooted(parent: Ints) -> None:
    """Double the steps towards the root until all are there; a node that never arrives stands in a ring."""
    n_nodes = len(parent)
    ahead = np.append(np.where(parent < 0, n_nodes, parent), n_nodes)  # one place more: above the root
    for _ in range(n_nodes.bit_length() + 1):
        ahead = ahead[ahead]
    if (ahead != n_nodes).any():
        raise BadData("a tree must not lead back into itself")


def _n_targets(operator: str, attributes: Mapping[str, Any]) -> int:
    if operator == "TreeEnsembleRegressor":
        n_targets = attributes.get("n_targets")
        n_targets = n_targets if isinstance(n_targets, int) else 0
    else:
        n_targets = len(attributes.get("classlabels_int64s", ()))
    if not 1 <= n_targets <= 64:
        raise BadData(f"trees must speak of 1 to 64 targets, they speak of {n_targets}")
    return n_targets


def _ints(attributes: Mapping[str, Any], name: str) -> Ints:
    found = attributes.get(name)
    if not isinstance(found, np.ndarray) or found.dtype != np.int64:
        raise BadData(f"trees must have whole numbers as {name}")
    return found


def _numbers(attributes: Mapping[str, Any], name: str, *, optional: bool = False) -> npt.NDArray[Any]:
    found = attributes.get(name, attributes.get(f"{name}_as_tensor"))
    if found is None and optional:
        return np.zeros(0)
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or not np.isfinite(found).all():
        raise BadData(f"trees must have finite numbers as {name}")
    return found
