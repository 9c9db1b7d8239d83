"""A curve through knots, straight between them and flat outside: in NumPy, and as four ONNX nodes."""

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.models.onnx_graph import Graph

__all__ = ["Curve", "quantile_curve", "rising_curve"]

Floats = npt.NDArray[np.float64]


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Knots ``x`` (strictly rising) and heights ``y``.

    >>> Curve((0.0, 1.0), (0.0, 10.0))(np.array([-1.0, 0.25, 2.0])).tolist()
    [0.0, 2.5, 10.0]
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or not self.x:
            raise BadData(f"a curve needs as many heights as knots, it had {len(self.y)} and {len(self.x)}")
        if not (np.isfinite(self.x).all() and np.isfinite(self.y).all() and (np.diff(self.x) > 0).all()):
            raise BadData("the knots of a curve must be finite and rise strictly")

    def __call__(self, at: Floats) -> Floats:
        height: Floats = np.interp(at, self.x, self.y)
        return height

    def graph(self, graph: Graph, at: str) -> str:
        """Add the curve over a double tensor of shape (1, 1).

        A continuous curve of straight pieces is ``y0 + sum_k (change of slope at x_k) * max(at - x_k, 0)``.
        """
        x, y = np.asarray(self.x), np.asarray(self.y)
        slopes = np.concatenate([[0.0], np.diff(y) / np.diff(x), [0.0]])
        hinges = graph.add("Relu", graph.add("Sub", at, graph.constant(x[None, :])))
        weighted = graph.add("MatMul", hinges, graph.constant(np.diff(slopes)[:, None]))
        # Far outside, the hinges are huge and their sum loses digits; the ends of the curve bound it again.
        height = graph.add("Add", weighted, graph.constant([[y[0]]]))
        return graph.add("Clip", height, graph.constant(y.min()), graph.constant(y.max()))


def rising_curve(scores: Floats, hits: Floats, *, weight: float = 2.0) -> Curve:
    """Fit the isotonic regression of ``hits`` (0 or 1) on ``scores``: the chance of a hit, never falling.

    Parameters
    ----------
    scores, hits : ndarray, shape (n,)
    weight : float
        Pseudo-observations at the mean hit rate in each half, so that a few rows cannot claim 0 or 1.
    """
    from sklearn.isotonic import IsotonicRegression

    mean = float(hits.mean())
    lowest, highest = float(scores.min()), float(scores.max())
    if highest - lowest < 1e-12:
        return Curve((lowest,), (mean,))
    x = np.concatenate([scores, [lowest, highest]])
    y = np.concatenate([hits, [mean, mean]])
    weights = np.concatenate([np.ones(len(scores)), [weight, weight]])
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(x, y, sample_weight=weights)
    return _thinned(np.asarray(fitted.X_thresholds_, np.float64), np.asarray(fitted.y_thresholds_, np.float64))


def quantile_curve(scores: Floats, n_knots: int = 65) -> Curve:
    """Fit the share of rows with a lower score; 0 below all of them, 1 above."""
    shares = np.linspace(0.0, 1.0, min(n_knots, max(2, len(scores))))
    return _thinned(np.quantile(scores, shares), shares)


def _thinned(x: Floats, y: Floats, most: int = 65) -> Curve:
    """Keep knots that are apart, and no more than ``most``: steep steps would cost digits, many knots time."""
    apart = max(1e-9, 5e-3 * float(x[-1] - x[0]))
    kept = [0]
    for knot in range(1, len(x)):
        if x[knot] - x[kept[-1]] >= apart:
            kept.append(knot)
    if kept[-1] != len(x) - 1 and len(kept) > 1:
        kept[-1] = len(x) - 1
    if len(kept) > most:
        kept = [kept[k] for k in np.linspace(0, len(kept) - 1, most).round().astype(int)]
    return Curve(tuple(x[kept].tolist()), tuple(y[kept].tolist()))
