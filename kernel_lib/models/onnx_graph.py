"""Write an ONNX graph node by node: names that never clash, constants, and pieces that other exporters made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Broken

__all__ = ["ML_DOMAIN", "OPSET", "OPSET_ML", "Graph"]

OPSET = 18
OPSET_ML = 3
ML_DOMAIN = "ai.onnx.ml"


class Graph:
    """A graph that grows; every method gives the name of the tensor it made.

    Names are counted, so that the same model gives the same bytes.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._n_names = 0

    def constant(self, numbers: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> str:
        """Hold numbers."""
        from onnx import numpy_helper

        name = self._name("c")
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(np.asarray(numbers, dtype=dtype)), name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output."""
        return self.add_many(operator, 1, *inputs, domain=domain, **attributes)[0]

    def add_many(
        self, operator: str, n_outputs: int, *inputs: str, domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """Append a node with several outputs."""
        from onnx import helper

        outputs = tuple(self._name(operator.lower()) for _ in range(n_outputs))
        self.nodes.append(helper.make_node(operator, list(inputs), list(outputs), domain=domain, **attributes))
        return outputs

    def cast(self, tensor: str, dtype: type[np.floating[Any]]) -> str:
        """Change a tensor's floats to ``dtype``."""
        from onnx import TensorProto

        return self.add("Cast", tensor, to=TensorProto.DOUBLE if dtype is np.float64 else TensorProto.FLOAT)

    def alias(self, tensor: str, name: str) -> None:
        """Give a tensor the name by which the outside knows it."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [tensor], [name]))

    def splice(self, model: Any, inputs: Mapping[str, str], output: str) -> str:
        """Take the nodes of another model in, its inputs tied to tensors here; give its ``output``."""
        from onnx import TensorProto

        renamed = {"": "", **inputs}
        for kept in model.graph.initializer:
            renamed[kept.name] = self._name("c")
            copy = TensorProto()
            copy.CopyFrom(kept)
            copy.name = renamed[kept.name]
            self.initializers.append(copy)
        for node in model.graph.node:
            if any(each not in renamed for each in node.input):
                raise Broken(f"a spliced graph must come in order, {node.op_type} reads what nobody made")
            copy = type(node)()
            copy.CopyFrom(node)
            copy.name = ""
            del copy.input[:], copy.output[:]
            copy.input.extend(renamed[each] for each in node.input)
            for each in node.output:
                renamed[each] = self._name(node.op_type.lower()) if each else ""
            copy.output.extend(renamed[each] for each in node.output)
            self.nodes.append(copy)
        return renamed[output]

    def model(
        self, inputs: Sequence[tuple[str, tuple[int, ...]]], outputs: Sequence[tuple[str, Any, tuple[int, ...]]]
    ) -> bytes:
        """Close the graph: float inputs, outputs of the dtypes named, all of fixed shapes.

        Nodes whose result nobody reads are left out.
        """
        from onnx import TensorProto, checker, helper

        kinds: dict[Any, int] = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}
        needed = {name for name, _, _ in outputs}
        kept = []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                needed |= set(node.input)
                kept.append(node)
        graph = helper.make_graph(
            kept[::-1],
            "model",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
            [helper.make_tensor_value_info(name, kinds[dtype], shape) for name, dtype, shape in outputs],
            initializer=[each for each in self.initializers if each.name in needed],
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, OPSET_ML)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="tickhub")
        checker.check_model(model)
        written: bytes = model.SerializeToString(deterministic=True)
        return written

    def _name(self, stem: str) -> str:
        self._n_names += 1
        return f"{stem}_{self._n_names}"
