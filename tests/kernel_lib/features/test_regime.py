"""Regimes: the online filter against hmmlearn and scikit-learn, and the fit."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.errors import BadData
from kernel_lib.features.regime import observations


def prices(n_bars: int = 1500, seed: int = 4) -> np.ndarray:
    """A market that really has regimes: falls wildly, rests, rises calmly."""
    random = np.random.default_rng(seed)
    moves = np.array([[0.98, 0.02, 0.0], [0.01, 0.98, 0.01], [0.0, 0.02, 0.98]])
    drift, noise = np.array([-0.002, 0.0, 0.002]), np.array([0.003, 0.0006, 0.001])
    states = np.empty(n_bars, int)
    states[0] = 1
    for row in range(1, n_bars):
        states[row] = random.choice(3, p=moves[states[row - 1]])
    return 1.1 * np.exp(np.cumsum(random.normal(drift[states], noise[states])))


@pytest.fixture(scope="module")
def fitted() -> f.Feature:
    return f.fit_regime(prices(), "hmm", window=10, seed=1, starts=2, bars="1h")


def as_hmm(feature: f.Feature):
    from hmmlearn.hmm import GaussianHMM

    model = GaussianHMM(3, covariance_type="diag", init_params="", params="")
    model.n_features = 2
    model.means_ = np.array(feature.params["means"])
    model.covars_ = np.array(feature.params["deviations"]) ** 2
    model.transmat_ = np.array(feature.params["transition"])
    model.startprob_ = np.array(feature.params["start"])
    return model


def test_the_filter_gives_hmmlearns_probabilities_of_the_newest_state(fitted: f.Feature) -> None:
    """At the end of a stretch smoothed and filtered probabilities are one, so each row's future is cut off."""
    close = prices(400, seed=6)
    shown = fitted(close)
    seen = observations(close, 10)
    model = as_hmm(fitted)
    for row in [0, 1, 2, 10, 57, 200, len(seen) - 1]:
        want = model.predict_proba(seen[: row + 1])[-1]
        ours = [shown[name][10 + row] for name in ("bear", "sideways", "bull")]
        np.testing.assert_allclose(ours, want, rtol=1e-6, atol=1e-9)


def test_smoothed_probabilities_would_have_read_the_future(fitted: f.Feature) -> None:
    close = prices(400, seed=6)
    smoothed = as_hmm(fitted).predict_proba(observations(close, 10))[:, 2]
    assert np.abs(smoothed - fitted(close)["bull"][10:]).max() > 0.2


def test_the_filter_of_a_mixture_gives_scikit_learns_probabilities() -> None:
    from sklearn.mixture import GaussianMixture

    feature = f.fit_regime(prices(), "mixture", window=10, seed=1)
    model = GaussianMixture(3, covariance_type="diag")
    model.means_ = np.array(feature.params["means"])
    model.covariances_ = np.array(feature.params["deviations"]) ** 2
    model.precisions_cholesky_ = 1.0 / np.array(feature.params["deviations"])
    model.weights_ = np.array(feature.params["start"])
    close = prices(400, seed=6)
    shown = feature(close)
    ours = np.column_stack([shown[name][10:] for name in ("bear", "sideways", "bull")])
    np.testing.assert_allclose(ours, model.predict_proba(observations(close, 10)), rtol=1e-6, atol=1e-9)


def test_a_fit_finds_the_regimes_that_are_there(fitted: f.Feature) -> None:
    means = np.array(fitted.params["means"])
    assert means[0, 0] < -0.0008
    assert abs(means[1, 0]) < 0.0005
    assert means[2, 0] > 0.0008
    assert np.exp(means[0, 1]) > 2 * np.exp(means[1, 1])
    assert np.diag(np.array(fitted.params["transition"])).min() > 0.9


def test_the_same_seed_gives_the_same_feature() -> None:
    again = [f.fit_regime(prices(), "hmm", window=1, seed=5, starts=1) for _ in range(2)]
    assert again[0] == again[1]
    assert len(again[0].params["means"][0]) == 1


def test_it_survives_as_source_text(fitted: f.Feature) -> None:
    from kernel_lib.backtest import replay
    from kernel_lib.market.tick import make_ticks
    from kernel_lib.strategy import load_strategy

    assert eval(fitted.to_source(), {"f": f}) == fitted
    source = f"""
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(features={{"market": {fitted.to_source().replace("1h", "1m")}}})
def follow(x, position, p):
    return x.market
"""
    close = prices(900, seed=6)
    ticks = make_ticks(1_549_238_400 * 10**9 + np.arange(900) * 30 * 10**9, close, close + 1e-5)
    done = replay(load_strategy(source, "follow"), ticks, progress=False)
    assert done.fault == ""
    assert done.book.numbers["n_orders"] > 0


def test_an_outlier_leaves_probabilities() -> None:
    feature = f.fit_regime(prices(), "mixture", window=10, seed=1)
    close = prices(400, seed=6)
    close[200] *= 1e6
    shown = np.column_stack(list(feature(close).values()))[10:]
    assert np.isfinite(shown).all()
    np.testing.assert_allclose(shown[:, 1:].sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("series", "settings", "message"),
    [
        (prices(50), {}, "at least 120 bars"),
        (np.ones(500), {}, "must move"),
        (np.r_[prices(300), -1.0], {}, "finite and positive"),
        (np.r_[prices(300), np.nan], {}, "finite and positive"),
        (prices(300), {"method": "guess"}, "'hmm' or 'mixture'"),
        (prices(300), {"window": 0}, "window must be"),
    ],
)
def test_what_cannot_be_fitted_is_refused(series: np.ndarray, settings: dict[str, object], message: str) -> None:
    with pytest.raises(BadData, match=message):
        f.fit_regime(series, **settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means": [[0.0], [1.0]]}, "means must be finite numbers of shape"),
        ({"means": [[1.0], [0.0], [2.0]]}, "must rise"),
        ({"deviations": [[1.0], [0.0], [1.0]]}, "above 0"),
        ({"transition": [[1.0, 0.0, 0.1]] * 3}, "sum to 1"),
        ({"start": [0.5, 0.5, 0.5]}, "sum to 1"),
        ({"start": "abc"}, "start must be numbers"),
    ],
)
def test_numbers_that_are_no_model_are_refused(change: dict[str, object], message: str) -> None:
    good = {"means": [[-1.0], [0.0], [1.0]], "deviations": [[1.0]] * 3, "transition": np.full((3, 3), 1 / 3),
            "start": [0.2, 0.6, 0.2], "window": 1}  # fmt: skip
    with pytest.raises(BadData, match=message):
        f.regime(**{**good, **change})
