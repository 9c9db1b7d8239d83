"""What each tier opens by name, against the papers' tables made cumulative; refusals name the tier needed."""

import importlib

import pytest

from kernel_lib.errors import BadData, Refused
from kernel_lib.tiers import TIERS, Kind, lowest, opens, require_access, require_agents, require_search, tier

FREE, PRO, ENTERPRISE = TIERS["free"], TIERS["pro"], TIERS["enterprise"]

OPEN: dict[tuple[str, Kind], set[str]] = {
    ("free", "feature"): {"outside", "sma", "price_change"},
    ("pro", "feature"): {"outside", "sma", "price_change", "ema", "rsi", "macd", "bollinger", "bollinger_width"},
    ("free", "model"): {"lstm_predictor", "linear_regression", "kmeans_clustering"},
    ("pro", "model"): {
        "lstm_predictor", "linear_regression", "kmeans_clustering", "cnn_pattern_recognizer", "random_forest",
        "autoencoder_anomaly_detector", "xgboost", "svm", "logistic_regression",
    },
    ("free", "agent"): {"market_analysis"},
    ("pro", "agent"): {"market_analysis", "technical_indicator", "risk_assessment", "strategy_formulation"},
}  # fmt: skip
MODELS = OPEN["pro", "model"] | {
    "transformer_sequence_analyzer", "gan_data_augmenter", "isolation_forest", "gradient_boosting",
}  # fmt: skip
AGENTS = OPEN["pro", "agent"] | {
    "news_sentiment", "fundamental_analysis", "portfolio_optimization", "execution_timing", "performance_analysis",
    "model_improvement", "adaptation", "knowledge_synthesis", "data_quality", "model_drift", "execution_quality",
    "system_health",
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), OPEN)
def test_a_tier_opens_what_the_table_says_and_nothing_else(name: str, kind: Kind) -> None:
    everything = {"model": MODELS, "agent": AGENTS, "feature": OPEN["pro", "feature"] | {"atr", "adx"}}[kind]
    assert {each for each in everything if opens(TIERS[name], kind, each)} == OPEN[name, kind]
    assert all(opens(ENTERPRISE, kind, each) for each in everything)


@pytest.mark.parametrize("kind", ["feature", "model", "agent"])
def test_tiers_are_cumulative(kind: Kind) -> None:
    assert OPEN["free", kind] <= OPEN["pro", kind]


def test_the_rest_of_the_table() -> None:
    assert [each.agent_count for each in TIERS.values()] == [1, 5, None]
    assert [each.hyperparameter_search for each in TIERS.values()] == [False, True, True]
    assert [each.validation for each in TIERS.values()] == ["basic", "pro", "enterprise"]
    assert [each.backtest_seconds for each in TIERS.values()] == [1_000.0, 20_000.0, None]
    assert [each.hold_out_looks for each in TIERS.values()] == [2, 10, 50]
    for flag in ("store_realtime", "store_user_data", "store_ai_features", "enable_caching"):
        flags = [getattr(each, flag) for each in TIERS.values()]
        assert flags == sorted(flags), flag
        assert flags[-1], flag


@pytest.mark.parametrize(
    ("kind", "name", "needed"),
    [("feature", "sma", "free"), ("feature", "rsi", "pro"), ("model", "gan_data_augmenter", "enterprise"),
     ("agent", "risk_assessment", "pro"), ("agent", "data_quality", "enterprise")],
)  # fmt: skip
def test_the_lowest_tier_that_opens_it(kind: Kind, name: str, needed: str) -> None:
    assert lowest(kind, name) == needed


def test_a_refusal_names_what_is_closed_the_tier_needed_and_what_is_open() -> None:
    with pytest.raises(Refused, match="the features atr, rsi need the enterprise tier, this tenant has free") as caught:
        require_access(FREE, "feature", "rsi", "sma", "atr")
    assert caught.value.code == "tier"
    assert "which opens outside, price_change, sma" in str(caught.value)
    with pytest.raises(Refused, match="the feature rsi needs the pro tier"):
        require_access(FREE, "feature", "rsi")


def test_an_unknown_tier_opens_what_free_opens() -> None:
    with pytest.raises(Refused):
        require_access(tier("platinum"), "model", "xgboost")


def test_an_unknown_kind_is_bad_data() -> None:
    with pytest.raises(BadData, match="feature, model, agent"):
        opens(FREE, "broker", "x")  # type: ignore[arg-type]


def test_pro_has_one_place_for_an_agent_of_its_own_choice() -> None:
    require_agents(PRO, [*OPEN["pro", "agent"], "news_sentiment"])
    with pytest.raises(Refused, match=r"room for 1 agent beyond .*there were 2: adaptation, news_sentiment; the enter"):
        require_agents(PRO, ["market_analysis", "news_sentiment", "adaptation"])
    with pytest.raises(Refused, match="the agent risk_assessment needs the pro tier"):
        require_agents(FREE, ["market_analysis", "risk_assessment"])
    require_agents(ENTERPRISE, sorted(AGENTS))


def test_a_search_of_hyper_parameters_opens_at_pro() -> None:
    require_search(PRO)
    with pytest.raises(Refused, match="a search of hyper-parameters needs the pro tier, this tenant has free"):
        require_search(FREE)


@pytest.mark.parametrize(("package", "kind"), [("features", "feature"), ("models", "model"), ("agents", "agent")])
def test_a_name_in_the_table_is_in_the_catalogue(package: str, kind: Kind) -> None:
    try:
        module = importlib.import_module(f"kernel_lib.{package}")
    except ModuleNotFoundError as error:
        if error.name != f"kernel_lib.{package}":
            raise
        pytest.skip(f"kernel_lib.{package} is not there yet")
    named = {"feature": OPEN["pro", kind], "model": MODELS, "agent": AGENTS}[kind]
    assert named <= set(module.CATALOGUE)
