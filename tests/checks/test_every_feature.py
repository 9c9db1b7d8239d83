"""What every feature in the catalogue must pass, unasked."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.market.bar import BAR
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import Proposer, strategy
from kernel_lib.trading.record import VIEW

NEEDED = {"ema": (5,), "sma": (5,)}
FEATURES = [make(*NEEDED.get(name, ())) for name, make in f.CATALOGUE.items()]


def market(n_bars: int = 700, seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    close = 1.1 + np.cumsum(random.normal(0, 1e-4, n_bars))
    bars = np.zeros(n_bars, BAR)
    bars["time_ns"] = 1_549_238_400 * 10**9 + np.cumsum(random.integers(1, 90, n_bars)) * 10**9
    bars["close"] = close
    bars["open"] = close + random.normal(0, 5e-5, n_bars)
    bars["high"] = np.maximum(bars["open"], close) + random.exponential(5e-5, n_bars)
    bars["low"] = np.minimum(bars["open"], close) - random.exponential(5e-5, n_bars)
    bars["volume"] = random.integers(1, 50, n_bars)
    bars["spread"] = random.uniform(1e-5, 5e-5, n_bars)
    return bars


def columns(shown: object) -> np.ndarray:
    return np.column_stack(list(shown.values())) if isinstance(shown, dict) else np.asarray(shown)[:, None]


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_it_is_nan_until_warm_and_a_number_after(feature: f.Feature) -> None:
    shown = columns(feature(market()))
    assert np.isnan(shown[: feature.warmup - 1]).all()
    assert np.isfinite(shown[feature.warmup - 1 :]).all()


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_cutting_off_the_future_changes_nothing(feature: f.Feature) -> None:
    bars = market()
    whole = columns(feature(bars))
    for n_bars in (1, feature.warmup, 333):
        np.testing.assert_array_equal(columns(feature(bars[:n_bars])), whole[:n_bars])


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_a_second_run_starts_afresh(feature: f.Feature) -> None:
    bars = market()
    np.testing.assert_array_equal(columns(feature(bars)), columns(feature(bars)))


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_one_tick_at_a_time_gives_what_the_array_gives(feature: f.Feature) -> None:
    """Streaming through the compiled step, with a state that went through bytes in the middle."""

    @strategy(on="tick", features={"one": feature})
    def idle(x, position, p):
        return 0.0

    bars = market()
    ticks = make_ticks(bars["time_ns"], bars["close"], bars["close"] + bars["spread"])
    expected = columns(feature(ticks))
    live = Proposer(idle, EURUSD)
    view = np.zeros(1, VIEW)
    for row, tick in enumerate(ticks):
        if row == 350:
            saved = live.snapshot()
            live = Proposer(idle, EURUSD)
            live.restore(saved)
        live.on_tick(int(tick["time_ns"]), float(tick["bid"]), float(tick["ask"]), view)
        np.testing.assert_array_equal(live.features[: len(feature.outputs)], expected[row])


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_constant_single_and_huge_inputs_stay_finite_once_warm(feature: f.Feature) -> None:
    for level in (1.0, 1e12):
        flat = np.full(300, level)
        shown = columns(feature(flat))
        assert np.isfinite(shown[feature.warmup - 1 :]).all()
    assert columns(feature(np.array([1.0]))).shape == (1, len(feature.outputs))
    assert columns(feature(np.zeros(0))).shape == (0, len(feature.outputs))


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_its_repr_makes_it_again(feature: f.Feature) -> None:
    again = eval(repr(feature), dict(f.CATALOGUE))
    assert again == feature
