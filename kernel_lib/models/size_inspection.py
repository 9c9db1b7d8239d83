"""Follow the shapes through a graph before it runs, so that no tensor is larger than the work of one row needs.

Two columns of a million numbers are a small file; their sum with one of them turned is a terabyte. All shapes of our
exports are fixed, so each can be known beforehand, and a graph whose shapes cannot be followed is refused.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kernel_lib.errors import BadData

__all__ = ["LARGEST_TENSOR", "Node", "follow_shapes"]

#: Attention of 16 heads over 512 rows; 16 MiB of float32.
LARGEST_TENSOR = 2**22

Shape = tuple[int, ...]


class Node:
    """A node as it was read.

    Parameters
    ----------
    operator : str
    inputs, outputs : sequence of str
        Names of tensors, empty where one is left out.
    attributes : mapping of str
    """

    __slots__ = ("attributes", "inputs", "operator", "outputs")

    def __init__(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Any]
    ) -> None:
        self.operator = operator
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.attributes = attributes


def follow_shapes(
    nodes: Sequence[Node], shapes: Mapping[str, Shape], numbers: Mapping[str, Sequence[int]]
) -> dict[str, Shape]:
    """Give the shape of every tensor.

    Parameters
    ----------
    nodes : sequence of Node
        In the order in which they run.
    shapes : mapping of str to tuple of int
        Of inputs and constants.
    numbers : mapping of str to sequence of int
        Whole numbers in constants, for the operators whose result depends on them.

    Raises
    ------
    BadData
        A shape that cannot be followed, does not fit, or holds more than :data:`LARGEST_TENSOR` numbers.
    """
    known = dict(shapes)
    for node in nodes:
        rule = _RULES.get(node.operator)
        missing = [name for name in node.inputs if name and name not in known]
        if rule is None or missing:
            raise BadData(
                f"the nodes of a model must stand in order, {node.operator} reads {missing} before it is made"
            )
        given = [known[name] if name else () for name in node.inputs]
        constants = [numbers.get(name) for name in node.inputs]
        try:
            made = rule(given, constants, node.attributes, len(node.outputs))
        except (ValueError, IndexError, TypeError, KeyError, OverflowError) as error:
            raise BadData(f"the shapes of a model must fit, {node.operator} was given {given}: {error}") from error
        for name, shape in zip(node.outputs, made, strict=False):
            if min(shape, default=0) < 0 or math.prod(shape) > LARGEST_TENSOR or len(shape) > 6:
                raise BadData(
                    f"a tensor of a model must have at most {LARGEST_TENSOR:,} numbers, one of {node.operator} would "
                    f"have the shape {shape}"
                )
            if name in known:
                raise BadData(f"every tensor of a model must be made once, {name[:40]!r} is made again")
            if name:
                known[name] = shape
    return known


Given = list[Shape]
Constants = list[Sequence[int] | None]
Rule = Callable[[Given, Constants, Mapping[str, Any], int], list[Shape]]


def _same(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    return [given[0]]


def _broadcast(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    left, right = given
    return [np.broadcast_shapes(left, right)]


def _matmul(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    left, right = given
    if len(left) < 2 or len(right) < 2 or left[-1] != right[-2]:
        raise ValueError("a product needs matrices whose inner sizes agree")
    return [(*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1])]


def _gemm(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    left = given[0][::-1] if attributes.get("transA") else given[0]
    right = given[1][::-1] if attributes.get("transB") else given[1]
    product = _matmul([left, right], constants, attributes, 1)[0]
    if len(given) > 2 and np.broadcast_shapes(product, given[2]) != product:
        raise ValueError("what is added must have the product's shape")
    return [product]


def _concat(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    axis = _axis(attributes["axis"], given[0])
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in given}
    if len(rest) != 1:
        raise ValueError("what is joined must agree on the other axes")
    return [(*given[0][:axis], sum(shape[axis] for shape in given), *given[0][axis + 1 :])]


def _split(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    axis = _axis(attributes.get("axis", 0), given[0])
    lengths = _constant(constants, 1)
    if len(lengths) != n_outputs or sum(lengths) != given[0][axis] or min(lengths) < 0:
        raise ValueError("the parts must add to the whole")
    return [(*given[0][:axis], length, *given[0][axis + 1 :]) for length in lengths]


def _reduce(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    axes = {_axis(axis, given[0]) for axis in _constant(constants, 1)}
    keep = attributes.get("keepdims", 1)
    return [tuple(1 if k in axes else size for k, size in enumerate(given[0]) if keep or k not in axes)]


def _reshape(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    shape = tuple(_constant(constants, 1))
    if math.prod(shape) != math.prod(given[0]) or min(shape, default=1) < 1:
        raise ValueError(f"{shape} holds another number of numbers")
    return [shape]


def _slice(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    if len(given) != 4:
        raise ValueError("a cut needs start, stop and axis")
    shape = list(given[0])
    starts, stops, axes = (_constant(constants, k) for k in (1, 2, 3))
    for start, stop, axis in zip(starts, stops, axes, strict=True):
        at = _axis(axis, given[0])
        shape[at] = len(range(*slice(start, stop).indices(shape[at])))
    return [tuple(shape)]


def _top(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    axis = _axis(attributes.get("axis", -1), given[0])
    (count,) = _constant(constants, 1)
    if not 0 < count <= given[0][axis]:
        raise ValueError("there are not as many")
    shape = (*given[0][:axis], count, *given[0][axis + 1 :])
    return [shape, shape]


def _transpose(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    order = [int(axis) for axis in attributes["perm"]]
    if sorted(order) != list(range(len(given[0]))):
        raise ValueError("every axis must be named once")
    return [tuple(given[0][axis] for axis in order)]


def _conv(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    (n, channels, length), (filters, inner, reach) = given[:2]
    if attributes or channels != inner or reach > length:
        raise ValueError("filters must be plain, over one axis, and fit")
    return [(n, filters, length - reach + 1)]


def _lstm(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    cells = attributes["hidden_size"]
    (length, n, n_features), weights, recurrent = given[:3]
    if (
        set(attributes) != {"hidden_size"}
        or weights != (1, 4 * cells, n_features)
        or recurrent != (1, 4 * cells, cells)
    ):
        raise ValueError("gates must be those of a plain layer")
    return [(length, 1, n, cells), (1, n, cells), (1, n, cells)]


def _trees(given: Given, constants: Constants, attributes: Mapping[str, Any], n_outputs: int) -> list[Shape]:
    if len(given[0]) != 2:
        raise ValueError("trees read rows")
    if "n_targets" in attributes:
        return [(given[0][0], attributes["n_targets"])]
    return [(given[0][0],), (given[0][0], len(attributes["classlabels_int64s"]))]


def _axis(axis: int, shape: Shape) -> int:
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"there is no axis {axis} in {shape}")
    return int(axis) % len(shape)


def _constant(constants: Constants, place: int) -> Sequence[int]:
    found = constants[place]
    if found is None:
        raise ValueError("what decides a shape must be a constant")
    return found


_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "Abs",
            "Cast",
            "Clip",
            "Exp",
            "Identity",
            "LayerNormalization",
            "Log",
            "Relu",
            "Sigmoid",
            "Softmax",
            "Sqrt",
            "Tanh",
        ),
        _same,
    ),
    **dict.fromkeys(("Add", "Div", "Mul", "Sub"), _broadcast),
    **dict.fromkeys(("ReduceMean", "ReduceSum"), _reduce),
    **dict.fromkeys(("TreeEnsembleClassifier", "TreeEnsembleRegressor"), _trees),
    "Concat": _concat,
    "Conv": _conv,
    "Gemm": _gemm,
    "LSTM": _lstm,
    "MatMul": _matmul,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "TopK": _top,
    "Transpose": _transpose,
}
