"""What a learner fits: numbers out of rows, before any calibration, in Python and as a graph."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from kernel_lib.models.onnx_graph import Graph

__all__ = ["Core", "raw_rows"]

Floats = npt.NDArray[np.float64]


class Core(Protocol):
    """A fitted estimator.
    Attributes
    ----------
    warmup : int
        Rows in a row before it answers; 1 without memory.
    states : tuple of tuple of int
        Shapes of what it carries from one row to the next, zero at the start.
    """

    @property
    def warmup(self) -> int: ...

    @property
    def states(self) -> tuple[tuple[int, ...], ...]: ...

    def raw(self, x: Floats) -> Floats:
        """Answer consecutive complete rows ``(n, n_features)``: ``(n, n_raw)``, NaN in the first ``warmup - 1``.

        Direction: chances of the sample's classes in order. Value: the number. Clusters: number of the cluster and a
        margin. Anomaly: the score. Outlook: chances, volatility, momentum.
        """

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """Add the same for one row: a float tensor (1, n_features) and the states in, a double (1, n_raw) out."""


def raw_rows(core: Core, x: Floats, n_raw: int) -> Floats:
    """Answer rows of which some may hold NaN: those give NaN, and memory begins anew after each."""
    shown = np.full((len(x), n_raw), np.nan)
    complete = ~np.isnan(x).any(axis=1)
    if core.warmup == 1 and not core.states:
        if complete.any():
            shown[complete] = core.raw(x[complete])
        return shown
    edges = np.flatnonzero(np.diff(np.concatenate([[False], complete, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        shown[start:stop] = core.raw(x[start:stop])
    return shown
