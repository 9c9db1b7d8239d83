"""One row through a model, as a strategy reads it when a bar closes; beside the library that trained it."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.result import Figure, Outcome
from kernel_lib.models import LstmPredictor, RandomForest, XGBoost, load_model
from kernel_lib.models.labels import direction

__all__ = ["measure"]

_N_FEATURES = 20
_TREES = {
    "XGBoost, 100 rounds": (XGBoost(rounds=100, depth=6, least_weight=1.0, folds=2), "xgboost predict_proba"),
    "forest, 100 trees": (RandomForest(trees=100, depth=10, least_leaf=5, folds=2), "scikit-learn predict_proba"),
}
_STEP_GOALS = (40.0, 250.0)


def measure(quick: bool) -> Outcome:
    """Median and 99th percentile in microseconds of a row in, its answer with a calibrated confidence out."""
    outcome = Outcome()
    n_calls = 3_000 if quick else 20_000
    close, rows = _market(1_500 if quick else 3_000)
    labels = direction(close, 5)
    for name, (learner, peer) in _TREES.items():
        model = learner.fit(rows, labels)
        taken = _timed(load_model(model.bundle()).predict_row, rows, n_calls)
        peers = _timed(_trained(model), rows, max(200, n_calls // 40))
        outcome.figures += _figures(name, taken, 20.0, 100.0, peer, peers)
        outcome.failures += _disagreement(name, model, rows)
    model = LstmPredictor(hidden=64, epochs=1, folds=2).fit(rows, labels)
    taken = _timed(load_model(model.bundle()).predict_row, rows, n_calls)
    peers = _timed(_torch_step(model.core.network), rows, max(200, n_calls // 10))  # type: ignore[attr-defined]
    outcome.figures += _figures("LSTM, one step of 64 cells", taken, *_STEP_GOALS, "torch, one step", peers)
    outcome.failures += _disagreement("LSTM", model, rows)
    bundle = XGBoost(folds=2).fit(rows, labels).bundle()
    began = time.perf_counter()
    load_model(bundle)
    outcome.figures.append(Figure(name="load a model's bundle", value=1e3 * (time.perf_counter() - began), unit="ms",
                                  best="low"))  # fmt: skip
    outcome.notes.append(f"{_N_FEATURES} features in, calibrated probabilities and confidence out, one thread")
    return outcome


def _market(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    rows = random.normal(size=(n_rows, _N_FEATURES))
    returns = 1e-4 * (0.5 * rows[:, 0] + 0.5 * rows[:, 1] * rows[:, 2] + random.normal(size=n_rows))
    return np.exp(np.cumsum(returns)), rows


def _timed(call: Callable[[np.ndarray], object], rows: np.ndarray, n_calls: int) -> np.ndarray:
    """Microseconds of each call, the first tenth left out."""
    taken = np.empty(n_calls)
    each = list(rows)
    for k in range(n_calls):
        row = each[k % len(each)]
        began = time.perf_counter_ns()
        call(row)
        taken[k] = time.perf_counter_ns() - began
    return taken[n_calls // 10 :] / 1e3


def _trained(model: Any) -> Callable[[np.ndarray], object]:
    """The estimator itself, asked for one row."""
    predict_proba = model.core.estimator.predict_proba

    def ask(row: np.ndarray) -> object:
        return predict_proba(row[None, :])

    return ask


def _torch_step(network: Any) -> Callable[[np.ndarray], object]:
    import torch

    memory = [torch.zeros(1, 1, 64), torch.zeros(1, 1, 64)]
    torch.set_num_threads(1)

    def step(row: np.ndarray) -> object:
        with torch.no_grad():
            answer, (memory[0], memory[1]) = network.memory(
                torch.from_numpy(row.astype(np.float32))[None, None], (memory[0], memory[1])
            )
            return torch.softmax(network.head(answer[:, 0]), dim=1).numpy()

    return step


def _figures(
    name: str, taken: np.ndarray, median_us: float, slowest_us: float, peer: str, peers: np.ndarray
) -> list[Figure]:
    return [
        Figure(name=f"{name}: median", value=float(np.median(taken)), unit="us", peer=peer,
               peer_value=float(np.median(peers)), goal=median_us, best="low"),
        Figure(name=f"{name}: 99th percentile", value=float(np.percentile(taken, 99)), unit="us", peer=peer,
               peer_value=float(np.percentile(peers, 99)), goal=slowest_us, best="low"),
    ]  # fmt: skip


def _disagreement(name: str, model: Any, rows: np.ndarray) -> list[str]:
    from kernel_lib.models.onnx_export import agreement

    found = agreement(model, model.bundle(), rows[:500])
    fits = found.largest < 1e-5 and found.nan_agrees
    return [] if fits else [f"{name} must answer as its original, {found.output} differed by {found.largest:g}"]
