"""What every feature in the catalogue must pass, unasked."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.market.bar import BAR, Bar
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import Proposer, strategy
from kernel_lib.trading.record import VIEW

REGIME = {
    "means": ((-2e-5, -9.5), (0.0, -9.0), (2e-5, -8.5)),
    "deviations": ((3e-5, 0.4), (2e-5, 0.3), (3e-5, 0.4)),
    "transition": ((0.9, 0.1, 0.0), (0.05, 0.9, 0.05), (0.0, 0.1, 0.9)),
    "start": (0.2, 0.6, 0.2),
}
NEEDED = {
    "ema": {"span": 5}, "sma": {"window": 5}, "wma": {"window": 5}, "dema": {"span": 5}, "tema": {"span": 5},
    "correlation": {"other": "GBPUSD"}, "beta": {"other": "GBPUSD"}, "spread_zscore": {"other": "GBPUSD"},
    "outside": {"channel_name": "news:EURUSD"}, "regime": REGIME,
}  # fmt: skip
FEATURES = [make(**NEEDED.get(name, {})) for name, make in f.CATALOGUE.items()]
ON_BARS = [make(**NEEDED.get(name, {}), bars="20s") for name, make in f.CATALOGUE.items()]
AT_ONCE = 9
BATCHES = [each[at : at + AT_ONCE] for each in (FEATURES, ON_BARS) for at in range(0, len(FEATURES), AT_ONCE)]


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


def elsewhere(n_rows: int = 700, seed: int = 4) -> np.ndarray:
    return 1.3 + np.cumsum(np.random.default_rng(seed).normal(0, 1e-4, n_rows))


def run(feature: f.Feature, series: object, other: np.ndarray | None = None) -> np.ndarray:
    n_rows = len(series)  # type: ignore[arg-type]
    beside = (elsewhere(n_rows) if other is None else other) if feature.other else None
    shown = feature(series, beside)
    return np.column_stack(list(shown.values())) if isinstance(shown, dict) else np.asarray(shown)[:, None]


def as_bar(row: np.void, other: float) -> Bar:
    return Bar(*row.item(), other)


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_it_is_nan_until_warm_and_a_number_after(feature: f.Feature) -> None:
    shown = run(feature, market())
    assert np.isnan(shown[: feature.warmup - 1]).all()
    assert np.isfinite(shown[feature.warmup - 1 :]).all()


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_it_is_all_nan_with_fewer_rows_than_its_warmup(feature: f.Feature) -> None:
    assert np.isnan(run(feature, market()[: feature.warmup - 1])).all()


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_another_future_changes_nothing(feature: f.Feature) -> None:
    bars, beside = market(), elsewhere()
    whole = run(feature, bars, beside)
    for n_bars in (1, feature.warmup, 333):
        np.testing.assert_array_equal(run(feature, bars[:n_bars], beside[:n_bars]), whole[:n_bars])
    crash = bars.copy()
    for name in ("open", "high", "low", "close"):
        crash[name][333:] *= 0.5
    np.testing.assert_array_equal(run(feature, crash, beside)[:333], whole[:333])


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_a_second_run_starts_afresh(feature: f.Feature) -> None:
    np.testing.assert_array_equal(run(feature, market()), run(feature, market()))


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_one_bar_at_a_time_gives_what_the_array_gives(feature: f.Feature) -> None:
    """With an outside value on each update, and a state that goes through bytes in the middle."""
    bars, beside = market(), elsewhere()
    expected = run(feature, bars, beside)
    state = feature.state.copy()
    for row, (bar, other) in enumerate(zip(bars, beside, strict=True)):
        if row == 350:
            state = np.frombuffer(bytearray(state.tobytes()), np.float64)
        feature.update(state, as_bar(bar, other if feature.other else np.nan))
        np.testing.assert_array_equal(state[: len(feature.outputs)], expected[row])


@pytest.mark.parametrize("some", BATCHES, ids=lambda some: f"{some[0]!r}-{some[-1].name}")
def test_the_compiled_step_gives_what_the_array_gives(some: list[f.Feature]) -> None:
    """On ticks and on bars of them, a value from outside before each tick, a snapshot restored in the middle."""

    @strategy(on="tick", features={f"feature_{index}": each for index, each in enumerate(some)})
    def idle(x, position, p):
        return 0.0

    bars = market()
    ticks = make_ticks(bars["time_ns"], bars["close"], bars["close"] + bars["spread"])
    beside = elsewhere(len(ticks))
    beside[300:310] = np.nan
    expected = [run(each, ticks, beside) for each in some]
    live = Proposer(idle, EURUSD)
    view = np.zeros(1, VIEW)
    for row, tick in enumerate(ticks):
        if row == 350:
            saved = live.snapshot()
            live = Proposer(idle, EURUSD)
            live.restore(saved)
        for channel in range(len(live.channels)):
            live.tell(channel, beside[row])
        live.on_tick(int(tick["time_ns"]), float(tick["bid"]), float(tick["ask"]), view)
        at = 0
        for each, shown in zip(some, expected, strict=True):
            np.testing.assert_array_equal(live.features[at : at + len(each.outputs)], shown[row], err_msg=repr(each))
            at += each.state.size


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_a_row_without_a_price_shows_nan_and_is_left_out(feature: f.Feature) -> None:
    bars, beside = market(), elsewhere()
    missing = np.zeros(len(bars), bool)
    missing[np.random.default_rng(5).integers(0, len(bars), 40)] = True
    holed = bars.copy()
    holed["close"][missing] = np.nan
    holed["high"][np.flatnonzero(missing)[::2]] = np.inf
    shown = run(feature, holed, beside)
    assert np.isnan(shown[missing]).all()
    np.testing.assert_array_equal(shown[~missing], run(feature, bars[~missing], beside[~missing]))


@pytest.mark.parametrize("feature", [each for each in FEATURES if each.other], ids=repr)
def test_an_outside_value_that_is_missing_shows_nan_and_poisons_nothing(feature: f.Feature) -> None:
    beside = elsewhere()
    missing = np.zeros(len(beside), bool)
    missing[100:140] = True
    shown = run(feature, market(), np.where(missing, np.nan, beside))
    assert np.isnan(shown[missing]).all()
    assert np.isfinite(shown[140 + feature.warmup :]).all()


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_constant_single_and_huge_inputs_stay_finite_once_warm(feature: f.Feature) -> None:
    for level in (1.0, 1e12, 1e-12):
        shown = run(feature, np.full(300, level), np.full(300, level))
        assert np.isfinite(shown[feature.warmup - 1 :]).all()
    jumps = np.where(np.arange(300) % 7 == 0, 1e15, 1e-5)
    assert np.isfinite(run(feature, jumps, jumps[::-1])[feature.warmup - 1 :]).all()
    assert run(feature, np.array([1.0])).shape == (1, len(feature.outputs))
    assert run(feature, np.zeros(0)).shape == (0, len(feature.outputs))


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_its_source_makes_it_again(feature: f.Feature) -> None:
    assert eval(repr(feature), dict(f.CATALOGUE)) == feature
    assert eval(feature.to_source(), {"f": f}) == feature


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_it_says_in_a_notebook_what_it_is(feature: f.Feature) -> None:
    shown = feature._repr_html_()
    assert "formula" in shown
    assert f"{feature.warmup:,} updates" in shown
    for name in feature.params:
        assert f">{name}<" in shown
