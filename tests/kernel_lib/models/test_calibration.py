"""Calibration against the textbook, scikit-learn, and coins whose chance is known; in NumPy and as a graph."""

import numpy as np
import onnxruntime
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from kernel_lib.errors import BadData
from kernel_lib.models.calibration import Calibration, fit_chances, fit_score, fit_side
from kernel_lib.models.curve import Curve, quantile_curve, rising_curve
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.scores import calibration_error


def coins(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Chances that are too sure of themselves: the true log odds are half of what is said, plus a third."""
    random = np.random.default_rng(seed)
    said = random.normal(0, 2, n)
    truth = 1 / (1 + np.exp(-(0.5 * said + 0.3)))
    up = np.where(random.random(n) < truth, 1.0, -1.0)
    chance = 1 / (1 + np.exp(-said))
    return np.column_stack([1 - chance, chance]), up


def through_graph(calibration: Calibration, raw: np.ndarray) -> np.ndarray:
    """Answer row by row in ONNX Runtime."""
    graph = Graph()
    # the file takes float32; what is compared are chances that float32 can hold
    columns = calibration.graph(graph, graph.cast("row", np.float64), raw.shape[1])
    width = calibration.columns(raw[:1]).shape[1]
    graph.alias(columns, "columns")
    session = onnxruntime.InferenceSession(
        graph.model([("row", (1, raw.shape[1]))], [("columns", np.float64, (1, width))]),
        providers=["CPUExecutionProvider"],
    )
    return np.concatenate([session.run(None, {"row": row[None].astype(np.float32)})[0] for row in raw])


def test_the_sigmoid_finds_the_true_chances() -> None:
    chances, up = coins(40_000)
    fitted = fit_chances(chances, up, (-1, 1), "sigmoid")
    # softmax(a ln p + b) over two classes has the log odds a * logit + (b_up - b_down)
    assert fitted.slope == pytest.approx(0.5, abs=0.02)
    assert fitted.offsets[1] - fitted.offsets[0] == pytest.approx(0.3, abs=0.03)


def test_the_sigmoid_is_platts_scaling_as_scikit_learn_fits_it() -> None:
    chances, up = coins(4_000, seed=1)
    logit = np.log(chances[:, 1] / chances[:, 0])
    theirs = LogisticRegression(C=1e6).fit(logit[:, None], up).predict_proba(logit[:, None])
    ours = fit_chances(chances, up, (-1, 1), "sigmoid").columns(chances)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_isotonic_is_as_near_the_truth_as_scikit_learns() -> None:
    chances, up = coins(8_000, seed=2)
    truth = 1 / (1 + np.exp(-(0.5 * np.log(chances[:, 1] / chances[:, 0]) + 0.3)))
    theirs = IsotonicRegression(out_of_bounds="clip").fit(chances[:, 1], up > 0).predict(chances[:, 1])
    ours = fit_chances(chances, up, (-1, 1), "isotonic").columns(chances)[:, 1]
    assert np.abs(ours - truth).mean() <= np.abs(theirs - truth).mean() + 1e-3


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated_chances_hold_on_rows_that_were_not_fitted(method: str) -> None:
    chances, up = coins(6_000, seed=3)
    later, later_up = coins(6_000, seed=4)
    hits = (np.where(later[:, 1] > 0.5, 1.0, -1.0) == later_up).astype(float)
    before = calibration_error(later.max(axis=1), hits)
    after = fit_chances(chances, up, (-1, 1), method).columns(later)  # type: ignore[arg-type]
    hits_after = (np.where(after[:, 1] > 0.5, 1.0, -1.0) == later_up).astype(float)
    assert before > 0.1
    assert calibration_error(after.max(axis=1), hits_after) < 0.03


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "none"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_rest", [0, 2])
def test_the_graph_says_what_the_arrays_say(method: str, n_classes: int, n_rest: int) -> None:
    random = np.random.default_rng(5)
    raw = random.dirichlet(np.ones(n_classes), 300).astype(np.float32).astype(float)
    classes = (-1, 0, 1) if n_classes == 3 else (-1, 1)
    outcomes = np.array([random.choice(classes, p=row / row.sum()) for row in raw], dtype=float)
    fitted = fit_chances(raw, outcomes, classes, method)  # type: ignore[arg-type]
    rows = np.column_stack([raw, random.normal(size=(300, n_rest)).astype(np.float32).astype(float)])
    rows[0, :n_classes] = np.eye(n_classes)[0]
    shown = fitted.columns(rows)
    np.testing.assert_allclose(through_graph(fitted, rows), shown, atol=1e-9)
    np.testing.assert_allclose(shown[:, :n_classes].sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(shown[:, n_classes:], rows[:, n_classes:])


def test_the_confidence_of_a_number_is_how_often_its_side_is_right() -> None:
    random = np.random.default_rng(6)
    said = random.normal(0, 1, 20_000)
    outcomes = said + random.normal(0, 1, 20_000)
    fitted = fit_side(said, outcomes)
    shown = fitted.columns(said[:, None])
    sure = np.abs(said) > 1.5
    hits = (said > 0) == (outcomes > 0)
    assert fitted.reference == 0.0
    assert shown[sure, 1].mean() == pytest.approx(hits[sure].mean(), abs=0.02)
    assert shown[~sure, 1].mean() == pytest.approx(hits[~sure].mean(), abs=0.02)
    np.testing.assert_allclose(
        through_graph(fitted, said[:50, None].astype(np.float32).astype(float)),
        fitted.columns(said[:50, None].astype(np.float32).astype(float)), atol=1e-12,
    )  # fmt: skip


def test_numbers_of_one_sign_are_above_or_below_their_median() -> None:
    assert fit_side(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 8.0])).reference == 2.5


def test_an_anomalys_confidence_is_the_share_of_lower_scores() -> None:
    scores = np.random.default_rng(7).exponential(size=5_000)
    fitted = fit_score(scores, None)
    shown = fitted.columns(np.array([[np.median(scores)], [np.quantile(scores, 0.9)], [-1.0], [1e9]]))
    np.testing.assert_allclose(shown[:, 1], [0.5, 0.9, 0.0, 1.0], atol=0.01)
    rows = scores[:200, None].astype(np.float32).astype(float)
    np.testing.assert_allclose(through_graph(fitted, rows), fitted.columns(rows), atol=1e-9)


def test_a_curve_is_flat_outside_even_far_out() -> None:
    curve = Curve((0.0, 1.0, 3.0), (0.1, 0.9, 0.5))
    graph = Graph()
    graph.alias(curve.graph(graph, graph.cast("row", np.float64)), "columns")
    session = onnxruntime.InferenceSession(graph.model([("row", (1, 1))], [("columns", np.float64, (1, 1))]))
    at = np.array([-1e30, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 9.0, 1e30])
    shown = [float(session.run(None, {"row": np.float32([[x]])})[0][0, 0]) for x in at]
    np.testing.assert_allclose(shown[:-1], curve(at)[:-1], atol=1e-9)
    np.testing.assert_allclose(curve(at), [0.1, 0.1, 0.1, 0.5, 0.9, 0.7, 0.5, 0.5, 0.5])
    assert 0.1 <= shown[-1] <= 0.9


def test_curves_rise_and_keep_few_knots() -> None:
    random = np.random.default_rng(8)
    scores = random.random(3_000)
    curve = rising_curve(scores, (random.random(3_000) < scores).astype(float))
    assert (np.diff(curve.y) >= 0).all()
    assert len(curve.x) <= 65
    assert len(quantile_curve(scores).x) <= 65
    assert rising_curve(np.ones(9), np.array([1.0] * 3 + [0.0] * 6)).y == pytest.approx((1 / 3,))


@pytest.mark.parametrize(("x", "y"), [((1.0, 1.0), (0.0, 1.0)), ((0.0,), ()), ((), ()), ((0.0, np.nan), (0.0, 1.0))])
def test_a_curve_that_is_none_is_refused(x: tuple, y: tuple) -> None:
    with pytest.raises(BadData, match="curve"):
        Curve(x, y)
