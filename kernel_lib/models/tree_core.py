"""Fitted trees of scikit-learn or XGBoost, exported by their own converters as one ONNX node."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.models.onnx_graph import OPSET, OPSET_ML, Graph

__all__ = ["TreeCore"]

Floats = npt.NDArray[np.float64]


class TreeCore:
    """An ensemble of trees over plain features; trees need no scaling.

    Parameters
    ----------
    estimator : object
        Fitted, with ``predict_proba`` where ``is_chance``, else ``predict``.
    is_chance : bool
    maker : {"sklearn", "xgboost"}
    """

    warmup = 1
    states: tuple[tuple[int, ...], ...] = ()

    def __init__(self, estimator: Any, *, is_chance: bool, maker: str) -> None:
        self.estimator = estimator
        self.is_chance = is_chance
        self.maker = maker

    def raw(self, x: Floats) -> Floats:
        # float32 is what the exported trees read; scikit-learn's forests read it too.
        rows = x.astype(np.float32)
        if self.is_chance:
            chances: Floats = np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)
            return chances
        return np.asarray(self.estimator.predict(rows), dtype=np.float64).reshape(-1, 1)

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        model = self._converted()
        output = "probabilities" if self.is_chance else model.graph.output[0].name
        return graph.cast(graph.splice(model, {model.graph.input[0].name: x}, output), np.float64), ()

    def _converted(self) -> Any:
        n_features = int(self.estimator.n_features_in_)
        with warnings.catch_warnings():
            # The converters warn of their own dependencies' coming changes, which the caller cannot mend.
            warnings.simplefilter("ignore")
            if self.maker == "xgboost":
                from onnxmltools import convert_xgboost  # type: ignore[import-untyped]
                from onnxmltools.convert.common.data_types import FloatTensorType  # type: ignore[import-untyped]

                return convert_xgboost(
                    self.estimator, initial_types=[("x", FloatTensorType([None, n_features]))], target_opset=15
                )
            from skl2onnx import convert_sklearn  # type: ignore[import-untyped]
            from skl2onnx.common.data_types import FloatTensorType as SklearnFloats  # type: ignore[import-untyped]

            return convert_sklearn(
                self.estimator,
                initial_types=[("x", SklearnFloats([None, n_features]))],
                options={id(self.estimator): {"zipmap": False}} if self.is_chance else None,
                target_opset={"": OPSET, "ai.onnx.ml": OPSET_ML},
            )
