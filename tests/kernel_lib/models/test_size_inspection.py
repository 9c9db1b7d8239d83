"""Shapes followed through a graph, by hand, for every operator that an export may hold."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models.onnx_inspection import OPERATORS
from kernel_lib.models.size_inspection import LARGEST_TENSOR, Node, follow_shapes


@pytest.mark.parametrize("operator", sorted(OPERATORS[""] | OPERATORS["ai.onnx.ml"]))
def test_every_operator_on_the_list_has_a_rule(operator: str) -> None:
    with pytest.raises(BadData, match="the shapes of a model must fit"):
        follow_shapes([Node(operator, [], ["y"], {})], {}, {})


def test_an_operator_without_a_rule_or_a_tensor_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadData, match="in order"):
        follow_shapes([Node("Tile", ["x"], ["y"], {})], {"x": (1,)}, {})
    with pytest.raises(BadData, match="missing"):
        follow_shapes([Node("Relu", ["missing"], ["y"], {})], {}, {})
    with pytest.raises(BadData, match="made again"):
        follow_shapes([Node("Relu", ["x"], ["x"], {})], {"x": (1,)}, {})


def test_the_largest_tensor_is_taken_and_one_more_is_not() -> None:
    def product(rows: int) -> None:
        shapes = {"tall": (rows, 1), "wide": (1, 2048)}
        follow_shapes([Node("MatMul", ["tall", "wide"], ["y"], {})], shapes, {})

    product(LARGEST_TENSOR // 2048)
    with pytest.raises(BadData, match="at most"):
        product(LARGEST_TENSOR // 2048 + 1)


def test_shapes_by_hand() -> None:
    nodes = [
        Node("MatMul", ["row", "weights"], ["product"], {}),
        Node("Add", ["product", "column"], ["spread"], {}),
        Node("Transpose", ["spread"], ["turned"], {"perm": np.array([1, 0])}),
        Node("Slice", ["turned", "one", "three", "axis"], ["cut"], {}),
        Node("Concat", ["cut", "turned"], ["joined"], {"axis": 0}),
        Node("ReduceSum", ["joined", "axis"], ["sums"], {"keepdims": 0}),
    ]
    shapes = {"row": (1, 3), "weights": (3, 5), "column": (2, 1), "one": (1,), "three": (1,), "axis": (1,)}
    known = follow_shapes(nodes, shapes, {"one": [1], "three": [3], "axis": [0]})
    assert [known[name] for name in ("product", "spread", "turned", "cut", "joined", "sums")] == [
        (1, 5), (2, 5), (5, 2), (2, 2), (7, 2), (2,),
    ]  # fmt: skip
