"""Every public call of the package, with each of its arguments in turn replaced by what a notebook may hold by mistake.

The call is sound but for the one argument. It then answers, or refuses with an error of the library. Parameters of a
learner go on to its own check, which comes before any training.
"""

import contextlib
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import features as f
from kernel_lib import models as typed
from kernel_lib.errors import BadData, TickhubError
from kernel_lib.models.sample import Sample, make_sample

models: Any = typed  # wrong types are given on purpose
N_ROWS = 240
RANDOM = np.random.default_rng(0)
HOURS = pd.date_range("2024-01-01", periods=N_ROWS, freq="h")
X = pd.DataFrame(RANDOM.normal(size=(N_ROWS, 2)), columns=["a", "b"], index=HOURS)
Y = np.sign(RANDOM.normal(size=N_ROWS))
CLOSE = np.exp(np.cumsum(RANDOM.normal(0.0, 1e-3, N_ROWS)))
ENDS = np.arange(N_ROWS) + 1
FAST = models.LogisticRegression(folds=2)
FITTED: dict[str, Any] = {"X": X, "y": Y, "names": ["a", "b"], "times_ns": None, "seed": 0, "progress": False}


@functools.cache
def fitted() -> Any:
    return FAST.fit(X, Y)


@functools.cache
def loaded() -> Any:
    return models.load_model(fitted().bundle())


def sample_for(learner: Any) -> Sample:
    outcomes = {"direction": Y, "value": CLOSE, "outlook": models.labels.outlook(CLOSE, 3)}
    given = outcomes[learner.kinds[0]] if learner.kinds else None
    return make_sample(X, given, names=None, times_ns=None, kinds=learner.kinds, least_rows=10)


def learner_call(kind: Any) -> Callable[..., Any]:
    def made(**words: Any) -> Any:
        learner = kind(**words)
        learner.check(sample_for(learner))
        return learner

    return made


def parameters(kind: Any) -> dict[str, Any]:
    small = {"window": 8, "folds": 2} if "window" in kind.__struct_fields__ else {"folds": 2}
    return {name: small.get(name, getattr(kind(), name)) for name in kind.__struct_fields__}


def met(**words: Any) -> Any:
    accuracy = models.LiveAccuracy(window=100)
    accuracy.expect(words["key"], direction=words["direction"], confidence=words["confidence"])
    accuracy.meet(words["key"], outcome=words["outcome"])
    return accuracy.report()


#: A sound call of everything public, by name: what is called, and with what.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    **{kind.__name__: (learner_call(kind), parameters(kind)) for kind in models.CATALOGUE.values()},
    "Learner.fit": (FAST.fit, FITTED),
    "Choice": (models.Choice, {"of": (1, 2)}),
    "Range": (models.Range, {"low": 0.1, "high": 1.0, "log": True}),
    "Facts": (models.Facts, {"symbol": "EURUSD", "bars": "1h", "sources": ("a", "b"), "created_ns": 0, "note": ""}),
    "ErrorDrift": (models.ErrorDrift, {"confidence": 0.002, "threshold": 50.0, "rise": 0.005}),
    "ErrorDrift.update": (lambda **words: models.ErrorDrift().update(**words), {"loss": 0.5}),
    "LiveAccuracy": (models.LiveAccuracy, {"card": None, "window": 250}),
    "LiveAccuracy.meet": (met, {"key": 1, "direction": 1.0, "confidence": 0.5, "outcome": 1.0}),
    "Model.predict": (lambda **words: fitted().predict(**words), {"X": X, "names": ["a", "b"]}),
    "Model.bundle": (lambda **words: fitted().bundle(**words), {"facts": models.Facts()}),
    "LoadedModel.predict": (lambda **words: loaded().predict(**words), {"X": X, "names": ["a", "b"]}),
    "LoadedModel.predict_row": (lambda **words: loaded().predict_row(**words), {"row": np.array([0.1, 0.2])}),
    "LoadedModel.restore": (lambda **words: loaded().restore(**words), {"state": bytes(8)}),
    "Ensemble": (models.Ensemble, {"members": [fitted(), fitted()], "weights": [0.5, 0.5]}),
    "analyse": (models.analyse, {"models": {"mine": loaded()}, "features": {"a": 0.1, "b": 0.2}}),
    "average": (models.average, {"members": [fitted(), fitted()]}),
    "stack": (models.stack, {"members": [fitted(), fitted()]}),
    "explore": (models.explore, {"model": fitted(), "rows": X}),
    "feature_drift": (models.feature_drift, {"card": fitted().card, "recent": X}),
    "keep": (models.keep, {"name": "mine", "bundle": fitted().bundle()}),
    "kept": (models.kept, {"name": "mine"}),
    "load_model": (models.load_model, {"bundle": fitted().bundle()}),
    "predicted": (models.predicted, {"name": "mine", "inputs": {"a": f.sma(3), "b": f.ema(3)}, "bars": "1h"}),
    "recent_weights": (models.recent_weights, {"losses": [[0.1, 0.2], [0.3, 0.4]], "half_life": 10.0, "rate": 1.0}),
    "retrain": (models.retrain, {"learner": FAST, **FITTED, "every": 100, "first": 120, "most_rows": None}),
    "judge": (models.judge, {"augmenter": None, "X": X, "y": Y}),
    "tune": (models.tune, {"learner": FAST, **FITTED, "trials": 1, "seconds": None, "space": None}),
    "labels.forward_return": (models.labels.forward_return, {"close": CLOSE, "horizon": 3}),
    "labels.direction": (models.labels.direction, {"close": CLOSE, "horizon": 3, "threshold_pct": 0.0}),
    "labels.volatility": (models.labels.volatility, {"close": CLOSE, "horizon": 3}),
    "labels.momentum": (models.labels.momentum, {"close": CLOSE, "horizon": 3, "span": 10}),
    "labels.outlook": (models.labels.outlook, {"close": CLOSE, "horizon": 3, "threshold_pct": 0.0, "span": 10}),
    "labels.triple_barrier": (models.labels.triple_barrier, {"close": CLOSE}),
    "splits.walk_forward": (models.splits.walk_forward, {"ends": ENDS, "n_folds": 3, "embargo": 1, "anchored": True}),
    "splits.purged_k_fold": (models.splits.purged_k_fold, {"ends": ENDS, "n_folds": 3, "embargo": 1}),
    "splits.combinatorial_purged": (models.splits.combinatorial_purged, {"ends": ENDS}),
}  # fmt: skip
#: Modules, answers and the shape that learners share; and a judgement, whose fits have a file of their own.
ELSEWHERE = {"CATALOGUE", "Learner", "LoadedModel", "Model", "labels", "splits"}
UNSOUND = {"judge"}
NO_NUMBER: dict[str, Any] = {
    "numeric texts": ["0.01", "0.02"], "object array with a text": np.array([0.01, "0.02"] * 120, dtype=object),
    "complex": np.array([1j] * N_ROWS), "a complex number": 1j, "object": object(),
    "table of texts": X.astype(str), "set": {0.1},
}  # fmt: skip
STRANGE: dict[str, Any] = {
    "none": None, "text": "text", "bytes": b"\xff\x00", "empty": [], "one NaN": [math.nan], "NaN": math.nan,
    "infinity": math.inf, "huge": 1e308, "a huge whole number": 2**70, "bool": True, "negative": -1.0, "zero": 0,
    "many huge": [1e308] * N_ROWS, "infinite": np.where(np.arange(N_ROWS) == 5, np.inf, CLOSE),
    "bools": [True, False] * (N_ROWS // 2), "not in order": X.iloc[::-1], "twice": X.iloc[[0] * N_ROWS],
    "with a zone": X.tz_localize("Asia/Tokyo"), "empty table": X.iloc[:0], "another table": X[["b"]],
    "columns turned": X[["b", "a"]], "series": pd.Series(CLOSE, HOURS), "in no order": pd.Series(CLOSE, HOURS[::-1]),
    "times": HOURS, "missing": pd.Series([1.0, None] * (N_ROWS // 2), dtype="Float64"), "cube": np.ones((2, 2, 2)),
    "mapping of text": {"a": "1.0"}, "mapping of nothing": {"a": None}, "empty mapping": {},
    "numpy whole number": np.int64(3),
}  # fmt: skip
TEXTS: set[tuple[str, str]] = set()
#: Texts are what is wanted, or stand for themselves.
ANY = {("Choice", "of"), ("Facts", "sources"), ("Learner.fit", "names"), ("LoadedModel.predict", "names")}


def spoiled() -> list[Any]:
    """Every argument of every call."""
    return [
        pytest.param(name, argument, id=f"{name}-{argument}") for name in sorted(CALLS) for argument in CALLS[name][1]
    ]


def answer(name: str, words: dict[str, Any]) -> Any:
    return CALLS[name][0](**words)


def test_nothing_public_is_left_out() -> None:
    assert {each.partition(".")[0] for each in CALLS} | ELSEWHERE == set(models.__all__)


@pytest.mark.parametrize("name", sorted(set(CALLS) - UNSOUND))
def test_the_call_that_is_spoiled_is_sound(name: str) -> None:
    answer(name, CALLS[name][1])


@pytest.mark.parametrize(("name", "argument"), spoiled())
def test_what_is_no_number_is_refused(name: str, argument: str) -> None:
    for called, wrong in NO_NUMBER.items():
        if (name, argument) not in ANY or "texts" not in called:
            with pytest.raises(TickhubError, match=r"must|no model is kept|needs|are needed|takes"):
                answer(name, {**CALLS[name][1], argument: wrong})


@pytest.mark.parametrize(("name", "argument"), spoiled())
def test_what_may_or_may_not_make_sense_is_answered_or_refused(name: str, argument: str) -> None:
    for wrong in STRANGE.values():
        with contextlib.suppress(TickhubError):
            answer(name, {**CALLS[name][1], argument: wrong})


def test_a_parameter_that_does_not_exist_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(
        BadData,
        match=r"XGBoost takes folds, .*, rounds, depth, .*; it was given rouns \(did you mean rounds\?\)",
    ):
        models.XGBoost(rouns=50)
    with pytest.raises(BadData, match=r"LstmPredictor takes .*; it was given hiden \(did you mean hidden\?\)"):
        models.LstmPredictor(hiden=8)
    with pytest.raises(BadData, match="XGBoost: rounds must be a whole number, it was 'many'"):
        models.XGBoost(rounds="many")
