"""The networks: they learn what can be learned, leave the caller's random numbers alone, keep their memory's rules."""

import numpy as np
import pytest
import torch

from kernel_lib.errors import BadData
from kernel_lib.models import CATALOGUE
from kernel_lib.models import labels as lab
from kernel_lib.models.heads import Heads
from kernel_lib.models.sample import make_sample
from kernel_lib.models.torch_training import hold_out_newest

SEQUENCES = ("lstm_predictor", "cnn_pattern_recognizer", "transformer_sequence_analyzer")


def echoes(n_rows: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """A return is the shock of three rows before, which a row by itself does not show, and some noise."""
    random = np.random.default_rng(4)
    shocks = random.normal(size=n_rows)
    returns = 1e-3 * (np.concatenate([np.zeros(3), shocks[:-3]]) + 0.3 * random.normal(size=n_rows))
    return np.exp(np.cumsum(returns)), np.column_stack([shocks, random.normal(size=n_rows)])


@pytest.mark.parametrize("key", SEQUENCES)
def test_a_sequence_network_sees_what_a_single_row_does_not_show(key: str) -> None:
    close, rows = echoes()
    labels = lab.direction(close, 1)
    network = CATALOGUE[key](window=8, epochs=60, rate=5e-3, patience=10, folds=2).fit(rows, labels, seed=1)
    plain = CATALOGUE["logistic_regression"](folds=2).fit(rows, labels)
    assert network.card.scores["accuracy"] > 0.8
    assert plain.card.scores["accuracy"] < 0.6


def test_an_outlook_learns_volatility_and_momentum_too() -> None:
    random = np.random.default_rng(5)
    scale = np.repeat(random.choice([0.5, 2.0], 30), 30)
    close = np.exp(np.cumsum(1e-3 * scale * random.normal(size=900)))
    rows = np.column_stack([scale + 0.1 * random.normal(size=900), random.normal(size=900)])
    model = CATALOGUE["cnn_pattern_recognizer"](window=8, epochs=30, folds=2).fit(rows, lab.outlook(close, 4), seed=1)
    assert model.outputs == ("direction", "p_down", "p_up", "volatility", "momentum", "confidence")
    assert model.card.scores["volatility_rank_correlation"] > 0.6
    shown = model.predict(rows)
    assert (shown["volatility"][7:] > 0).all()


@pytest.mark.parametrize("key", ["lstm_predictor", "autoencoder_anomaly_detector", "gan_data_augmenter"])
def test_training_leaves_the_callers_random_numbers_and_threads_alone(key: str) -> None:
    close, rows = echoes(300)
    small = {"lstm_predictor": {"epochs": 2, "window": 8}, "autoencoder_anomaly_detector": {"epochs": 2},
             "gan_data_augmenter": {"steps": 3, "inner": CATALOGUE["logistic_regression"]()}}[key]  # fmt: skip
    torch.manual_seed(123)
    np.random.seed(123)
    before = torch.get_rng_state(), torch.get_num_threads(), np.random.get_state()[1].tolist()
    CATALOGUE[key](**small).fit(rows, lab.direction(close, 1), seed=9)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]


def test_another_seed_gives_another_network() -> None:
    close, rows = echoes(300)
    made = [
        CATALOGUE["cnn_pattern_recognizer"](window=8, epochs=2).fit(rows, lab.direction(close, 1), seed=s)
        for s in (1, 2)
    ]
    assert not np.array_equal(made[0].predict(rows).values[9:], made[1].predict(rows).values[9:])


def test_the_newest_rows_stop_the_training_and_outcomes_open_then_are_purged() -> None:
    close, rows = echoes(200)
    labels = lab.direction(close, 5)
    sample = make_sample(rows, labels, names=None, times_ns=None, kinds=("direction",), least_rows=60)
    older, newest = hold_out_newest(sample)
    assert newest.tolist() == list(range(166, 195))  # 15 % of 195 rows with an outcome
    assert older.tolist() == list(range(161))  # row 161 is known at 166


def test_heads_measure_outcomes_and_give_them_back() -> None:
    close, rows = echoes(200)
    labels = lab.outlook(close, 3, span=10)
    sample = make_sample(rows, labels, names=None, times_ns=None, kinds=("outlook",), least_rows=60)
    heads = Heads.of(sample)
    index, levels = heads.targets(labels.values)
    known = ~np.isnan(labels.values).any(axis=1) & (np.abs(levels) < 4.9).all(axis=1)
    last = np.column_stack([np.where(index == 0, 50.0, 0.0), np.where(index == 1, 50.0, 0.0), levels])
    back = heads.columns(last[known].astype(np.float32))
    np.testing.assert_allclose(back[:, 2:], labels.values[known, 1:], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(np.array([-1, 1])[back[:, :2].argmax(axis=1)], labels.values[known, 0])
    assert (index[-3:] == -1).all()


@pytest.mark.parametrize("key", SEQUENCES)
def test_memory_of_a_window_forgets_what_is_older_and_an_lstm_never_quite_does(key: str) -> None:
    close, rows = echoes(300)
    model = CATALOGUE[key](window=8, epochs=2).fit(rows, lab.direction(close, 1), seed=1)
    whole, late = model.predict(rows).values, model.predict(rows[100:]).values
    same = np.allclose(whole[107:], late[7:], atol=2e-6)
    assert same == (key != "lstm_predictor")
    assert model.card.warmup_rows == 8


def test_too_few_rows_for_the_window_say_how_many_are_needed() -> None:
    close, rows = echoes(200)
    with pytest.raises(BadData, match=r"needs 400 rows, there were 199"):
        CATALOGUE["lstm_predictor"](window=32).fit(rows, lab.direction(close, 1))


def test_made_rows_look_like_the_real_ones() -> None:
    random = np.random.default_rng(6)
    rows = random.normal(size=(400, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, 1.0]
    up = np.where(rows[:, 0] + 0.5 * random.normal(size=400) > 0, 1, -1)
    model = CATALOGUE["gan_data_augmenter"](folds=2, inner=CATALOGUE["logistic_regression"]()).fit(rows, up, seed=1)
    made, directions = model.sample(4_000, seed=3)
    again, _ = model.sample(4_000, seed=3)
    np.testing.assert_array_equal(made, again)
    assert np.abs((made.mean(axis=0) - rows.mean(axis=0)) / rows.std(axis=0)).max() < 0.6
    assert (np.abs(np.log(made.std(axis=0) / rows.std(axis=0))) < np.log(2)).all()
    assert np.corrcoef(made[:, 0], directions)[0, 1] > 0.4
    assert np.mean(directions == 1) == pytest.approx(np.mean(up == 1), abs=0.05)
    with pytest.raises(BadData, match="gan_data_augmenter"):
        CATALOGUE["logistic_regression"]().fit(rows, up).sample(3, seed=0)
