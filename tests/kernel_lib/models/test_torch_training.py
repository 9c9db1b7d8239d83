"""Where a network is trained, and that it is the same one: what can be shown of a GPU on a machine without one.

That a GPU gives the CPU's network is tried where there is one, and skipped by name where not.
"""

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from kernel_lib.models import CATALOGUE, torch_training
from kernel_lib.models import labels as lab
from kernel_lib.models.torch_training import seeded, where_it_fits

RANDOM = np.random.default_rng(2)
ROWS = RANDOM.normal(size=(260, 2))
CLOSE = np.exp(np.cumsum(1e-3 * RANDOM.normal(size=260)))
SMALL: dict[str, dict[str, Any]] = {
    "lstm_predictor": {"epochs": 2, "window": 6, "hidden": 4, "folds": 2},
    "cnn_pattern_recognizer": {"epochs": 2, "window": 6, "folds": 2},
    "transformer_sequence_analyzer": {"epochs": 2, "window": 6, "width": 4, "folds": 2},
    "autoencoder_anomaly_detector": {"epochs": 2, "folds": 2},
    "gan_data_augmenter": {"steps": 2, "folds": 2, "inner": CATALOGUE["logistic_regression"]()},
}


def bundle(key: str) -> bytes:
    return CATALOGUE[key](**SMALL[key]).fit(ROWS, lab.direction(CLOSE, 1), seed=4).bundle()


@pytest.mark.parametrize("key", SMALL)
def test_a_gpu_gives_the_network_that_the_cpu_gives(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU here: training on one is not tried")
    learner = CATALOGUE[key](**SMALL[key])
    torch.cuda.manual_seed(9)
    drawn, held = torch.cuda.get_rng_state(), torch.cuda.memory_allocated()
    there = learner.fit(ROWS, lab.direction(CLOSE, 1), seed=4)
    assert torch.equal(torch.cuda.get_rng_state(), drawn)
    assert torch.cuda.memory_allocated() == held
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here = learner.fit(ROWS, lab.direction(CLOSE, 1), seed=4)
    np.testing.assert_allclose(there.predict(ROWS).values, here.predict(ROWS).values, atol=0.02)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that PyTorch says is there and that nothing can be moved to, as with a driver that does not fit."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here: one that is seen and does not work is not tried")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.parametrize("key", SMALL)
def test_a_gpu_that_is_seen_and_does_not_work_is_not_needed(key: str, request: pytest.FixtureRequest) -> None:
    here = bundle(key)
    request.getfixturevalue("seen")
    assert torch_training.device().type == "cuda"
    with pytest.warns(RuntimeWarning, match=rf"{key} is trained on the CPU: the GPU failed \(.*CUDA"):
        there = bundle(key)
    assert there == here


def test_one_without_memory_left_hands_over_to_the_cpu_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_training, "device", lambda: torch.device("cuda"))
    held: list[weakref.ref[torch.Tensor]] = []

    def train(place: torch.device) -> str:
        if place.type == "cuda":
            large = torch.zeros(1000)
            held.append(weakref.ref(large))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        assert held[0]() is None  # what the first attempt had taken is free before the second begins
        return place.type

    with pytest.warns(RuntimeWarning, match="mine is trained on the CPU: the GPU failed .CUDA out of memory"):
        assert where_it_fits(train, "mine") == "cpu"


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("CUDA"), KeyError("loss")])
def test_an_error_that_is_not_the_gpus_goes_on(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_training, "device", lambda: torch.device("cuda"))
    places = []

    def train(place: torch.device) -> None:
        places.append(place.type)
        raise error

    with pytest.raises(type(error)):
        where_it_fits(train, "mine")
    assert places == ["cuda"]


@pytest.fixture
def odd_defaults() -> Iterator[None]:
    """What a notebook may have set before."""
    kind, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    yield
    torch.set_default_dtype(kind)
    torch.set_default_device(None)
    torch.set_float32_matmul_precision(precision)


@pytest.mark.parametrize("key", SMALL)
def test_what_the_caller_made_the_default_does_not_reach_the_network(key: str, odd_defaults: None) -> None:
    expected = bundle(key)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_float32_matmul_precision("medium")
    assert bundle(key) == expected
    assert torch.get_default_dtype() == torch.float64
    assert torch.get_default_device().type == "meta"
    assert torch.get_float32_matmul_precision() == "medium"


def test_inside_nothing_is_drawn_from_the_callers_numbers() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with seeded(7) as generator:
        first = torch.rand(3, generator=generator), torch.rand(3)
    with seeded(7) as generator:
        again = torch.rand(3, generator=generator), torch.rand(3)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert torch.equal(torch.get_rng_state(), before)
