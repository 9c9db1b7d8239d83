"""Look through a model file before ONNX Runtime does: it holds only what our exports write.

A model comes from a tenant. ONNX Runtime is a large C++ program that reads files beside a model, runs loops and
allocates what a graph asks for, so a graph is taken only if its operators are on a short list, its constants are
inside it and as long as they say, its inputs and outputs are those of the card, and its trees are trees.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData, Refused
from kernel_lib.models.size_inspection import Node, follow_shapes
from kernel_lib.models.tree_inspection import check_trees
from kernel_lib.models.wire_format import as_signed, fields, repeated_floats, repeated_ints, text, varints

__all__ = ["OPERATORS", "inspect"]

#: Every operator that an export may hold, by domain; none makes a tensor whose size its numbers choose.
OPERATORS = {
    "": frozenset({
        "Abs", "Add", "Cast", "Clip", "Concat", "Conv", "Div", "Exp", "Gemm", "Identity", "LSTM", "LayerNormalization",
        "Log", "MatMul", "Mul", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Sigmoid", "Slice", "Softmax", "Split",
        "Sqrt", "Sub", "Tanh", "TopK", "Transpose",
    }),
    "ai.onnx.ml": frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor"}),
}  # fmt: skip
_OPSETS = {"": range(13, 22), "ai.onnx.ml": range(1, 5)}
_MOST_NODES = 2000
_FLOAT, _INT64, _DOUBLE = 1, 7, 11
_ITEMS = {_FLOAT: "<f4", _INT64: "<i8", _DOUBLE: "<f8"}
_FLOATS, _INTS, _STRINGS = 6, 7, 8

_WHAT = "a model file"


class _Constant(NamedTuple):
    name: str
    kind: int
    shape: tuple[int, ...]
    is_packed: bool
    held: memoryview

    def numbers(self) -> npt.NDArray[Any]:
        if self.is_packed:
            return varints(self.held, _WHAT)
        return np.frombuffer(self.held, dtype=_ITEMS[self.kind])


def inspect(model: bytes, *, n_features: int, n_columns: int, states: Sequence[tuple[int, ...]]) -> None:
    """Check an ONNX file against its card.

    Parameters
    ----------
    model : bytes
    n_features, n_columns : int
        Width of ``row`` in and ``columns`` out.
    states : sequence of tuple of int
        Shapes of ``state_k`` in and ``next_k`` out.

    Raises
    ------
    BadData
        Not an ONNX file, damaged, or not the graph that the card describes.
    Refused
        ``"model_operator"``: an operator, function or nested graph that no export writes; ``"model_external"``:
        numbers in another file; ``"model_opset"``: a version of the operators that is not known here;
        ``"model_size"``: too many nodes.
    """
    graph: memoryview | None = None
    opsets: dict[str, int] = {}
    for number, value in fields(memoryview(model), _WHAT):
        if number == 7 and isinstance(value, memoryview):
            if graph is not None:
                raise BadData("a model file must have one graph, it has several")
            graph = value
        elif number == 8 and isinstance(value, memoryview):
            domain, version = "", 0
            for inner, each in fields(value, _WHAT):
                domain = text(each, _WHAT) if inner == 1 else domain
                version = each if inner == 2 and isinstance(each, int) else version
            opsets[domain] = version
        elif number not in (1, 2, 3, 4, 5, 6):
            _refuse("model_operator", f"holds field {number} of a model, functions or training, which no export writes")
    if graph is None or "" not in opsets:
        raise BadData("a model file must have a graph and say its version of the operators")
    for domain, version in opsets.items():
        if version not in _OPSETS.get(domain, ()):
            _refuse("model_opset", f"uses version {version} of the operators {domain or 'ai.onnx'!r}; export it again")
    _graph(graph, n_features, n_columns, states)


def _graph(graph: memoryview, n_features: int, n_columns: int, states: Sequence[tuple[int, ...]]) -> None:
    inputs: dict[str, tuple[int, tuple[int, ...]]] = {}
    outputs: dict[str, tuple[int, tuple[int, ...]]] = {}
    nodes: list[Node] = []
    shapes: dict[str, tuple[int, ...]] = {}
    numbers: dict[str, list[int]] = {}
    for number, value in fields(graph, _WHAT):
        if not isinstance(value, memoryview):
            raise BadData(f"a graph must have no number in field {number}")
        if number == 1:
            if len(nodes) == _MOST_NODES:
                _refuse("model_size", f"has more than {_MOST_NODES} nodes")
            nodes.append(_node(value, n_features))
        elif number == 5:
            constant = _tensor(value)
            shapes[constant.name] = constant.shape
            if constant.kind == _INT64 and len(constant.shape) == 1 and constant.shape[0] <= 64:
                numbers[constant.name] = constant.numbers().tolist()
        elif number in (11, 12):
            name, declared = _declared(value)
            (inputs if number == 11 else outputs)[name] = declared
        elif number not in (2, 10):
            _refuse("model_operator", f"holds field {number} of a graph, which no export writes")
    wanted_in = {"row": (_FLOAT, (1, n_features))} | {f"state_{k}": (_FLOAT, each) for k, each in enumerate(states)}
    wanted_out = {"columns": (_DOUBLE, (1, n_columns))} | {f"next_{k}": (_FLOAT, s) for k, s in enumerate(states)}
    for what, found, wanted in (("inputs", inputs, wanted_in), ("outputs", outputs, wanted_out)):
        if found != wanted:
            raise BadData(f"the {what} of a model must be those of its card, {wanted}, they were {found}")
    known = follow_shapes(nodes, shapes | {name: shape for name, (_, shape) in inputs.items()}, numbers)
    for name, (_, shape) in outputs.items():
        if known.get(name) != shape:
            raise BadData(f"the output {name} of a model must have the shape {shape}, it would be {known.get(name)}")


def _node(node: memoryview, n_features: int) -> Node:
    operator = domain = ""
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: list[memoryview] = []
    for number, value in fields(node, _WHAT):
        if number == 4:
            operator = text(value, _WHAT)
        elif number == 7:
            domain = text(value, _WHAT)
        elif number == 5 and isinstance(value, memoryview):
            attributes.append(value)
        elif number in (1, 2):
            (inputs if number == 1 else outputs).append(text(value, _WHAT))
        elif number != 3:
            _refuse("model_operator", f"holds field {number} of a node, which no export writes")
    domain = "" if domain == "ai.onnx" else domain
    if operator not in OPERATORS.get(domain, ()):
        _refuse("model_operator", f"uses the operator {operator[:60]!r} of {domain[:60] or 'ai.onnx'!r}")
    read = dict(_attribute(each) for each in attributes)
    if len(read) != len(attributes):
        raise BadData(f"a node must name each attribute once, {operator} did not")
    if domain:
        check_trees(operator, read, n_features)
    return Node(operator, inputs, outputs, read)


def _attribute(attribute: memoryview) -> tuple[str, Any]:
    """Give name and content of an attribute."""
    # Long rows of numbers stand between the name and the type, in that order, as protobuf writes them.
    if len(attribute) < 3 or attribute[0] != 0x0A:
        raise BadData("an attribute must begin with its name")
    for name_field, value in fields(attribute[: 2 + attribute[1]], _WHAT):
        name = text(value, _WHAT) if name_field == 1 else ""
    kind = attribute[-1] if bytes(attribute[-3:-1]) == b"\xa0\x01" else 0
    body = attribute[2 + attribute[1] : -3]
    if kind in (_FLOATS, _INTS):
        numbers = repeated_floats(body, 7) if kind == _FLOATS else repeated_ints(body, 8)
        if numbers is None and len(body):
            raise BadData(f"the numbers of an attribute must be written one by one, those of {name} were not")
        return name, np.zeros(0, np.int64) if numbers is None else numbers
    found: Any = None
    strings: list[bytes] = []
    for number, value in fields(body, _WHAT):
        if number == 3 and isinstance(value, int):
            found = as_signed(value)
        elif number in (2, 4) and isinstance(value, memoryview):
            found = bytes(value[:1000])
        elif number == 5 and isinstance(value, memoryview):
            found = _tensor(value).numbers()
        elif number == 9 and isinstance(value, memoryview):
            strings.append(bytes(value[:100]))
        else:
            _refuse("model_operator", f"holds a nested graph, sparse numbers or the like (attribute field {number})")
    return name, strings if kind == _STRINGS else found


def _tensor(tensor: memoryview) -> _Constant:
    """Check that a tensor holds its own numbers, as many as its shape says."""
    shape: list[int] = []
    kind, name = 0, ""
    held: tuple[int, memoryview] | None = None
    for number, value in fields(tensor, _WHAT):
        if number == 1:
            shape += [as_signed(value)] if isinstance(value, int) else varints(value, _WHAT).tolist()
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number in (13, 14):
            _refuse("model_external", "keeps numbers in another file")
        elif number in (4, 7, 9, 10) and isinstance(value, memoryview) and held is None:
            held = number, value
        elif number == 8:
            name = text(value, _WHAT)
        elif number != 12:
            raise BadData(f"a constant must be plain numbers, it has the field {number} of a tensor")
    if kind not in _ITEMS:
        raise BadData(f"a constant must be float32, float64 or int64, its type was {kind}")
    if len(shape) > 5 or min(shape, default=0) < 0 or max(shape, default=0) > 2**31:
        raise BadData(f"a constant must have at most 5 dimensions of sizes 0 or more, its shape was {shape[:9]}")
    where, numbers = held if held is not None else (9, memoryview(b""))
    items = varints(numbers, _WHAT) if where == 7 else np.zeros(0)
    if where in (4, 10) and kind != {4: _FLOAT, 10: _DOUBLE}[where]:
        raise BadData("a constant must hold numbers of its own type")
    n_items = len(items) if where == 7 else len(numbers) / np.dtype(_ITEMS[kind]).itemsize
    if n_items != math.prod(shape):
        raise BadData(f"a constant must be as long as its shape {shape} says, it had {n_items:g} numbers")
    return _Constant(name, kind, tuple(shape), where == 7, numbers)


def _declared(part: memoryview) -> tuple[str, tuple[int, tuple[int, ...]]]:
    """Read name, element type and fixed shape of an input or output."""
    name, kind, shape = "", 0, []
    for number, value in fields(part, _WHAT):
        if number == 1:
            name = text(value, _WHAT)
        elif number == 2 and isinstance(value, memoryview):
            for tensor in _inside(value, 1):
                for inner, each in fields(tensor, _WHAT):
                    if inner == 1 and isinstance(each, int):
                        kind = each
                    elif inner == 2 and isinstance(each, memoryview):
                        shape = [_fixed(dimension) for dimension in _inside(each, 1)]
    return name, (kind, tuple(shape))


def _inside(part: memoryview, number: int) -> list[memoryview]:
    return [value for found, value in fields(part, _WHAT) if found == number and isinstance(value, memoryview)]


def _fixed(dimension: memoryview) -> int:
    sizes = [value for number, value in fields(dimension, _WHAT) if number == 1 and isinstance(value, int)]
    return sizes[0] if sizes else -1


def _refuse(code: str, what: str) -> NoReturn:
    raise Refused(code, f"a model file may hold only what Tickhub's exports write, this one {what}")
