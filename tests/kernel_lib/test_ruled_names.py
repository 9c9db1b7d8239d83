"""The agents, learners and features that the papers and the rulings name: each is there, under its name and tier."""

import pytest

from kernel_lib import agents, features, models
from kernel_lib.tiers import TIERS, Kind, lowest, require_agents, tier

# Rulings C-01, C-02, C-03: pro has four named agents and room for a fifth; enterprise has the twelve and the four that
# watch; an unknown tier is as free.
GROUPS = {
    "research": ("market_analysis", "news_sentiment", "technical_indicator", "fundamental_analysis"),
    "decision": ("strategy_formulation", "risk_assessment", "portfolio_optimization", "execution_timing"),
    "learning": ("performance_analysis", "model_improvement", "adaptation", "knowledge_synthesis"),
    "monitoring": ("data_quality", "model_drift", "execution_quality", "system_health"),
}
AGENT_TIERS = {
    "market_analysis": "free", "technical_indicator": "pro", "risk_assessment": "pro", "strategy_formulation": "pro",
}  # fmt: skip
# Rulings C-04, C-05: five networks and eight algorithms, each tier with all of the one below.
LEARNER_TIERS = {
    "lstm_predictor": "free", "linear_regression": "free", "kmeans_clustering": "free",
    "cnn_pattern_recognizer": "pro", "autoencoder_anomaly_detector": "pro", "random_forest": "pro", "xgboost": "pro",
    "svm": "pro", "logistic_regression": "pro", "transformer_sequence_analyzer": "enterprise",
    "gan_data_augmenter": "enterprise", "isolation_forest": "enterprise", "gradient_boosting": "enterprise",
}  # fmt: skip
# Rulings C-05b and C-36: MACD and Bollinger are pro; price_change is open to all; the rest of the catalogue is
# enterprise. By the words of the ruled catalogue.
FEATURES = {
    "SMA": "sma", "EMA": "ema", "WMA": "wma", "DEMA": "dema", "TEMA": "tema", "KAMA": "kama", "HMA": "hma",
    "MACD": "macd", "ADX/DI": "adx", "Aroon": "aroon", "Parabolic SAR": "parabolic_sar", "Ichimoku lines": "ichimoku",
    "linear-regression slope": "linear_slope", "RSI": "rsi", "stochastic": "stochastic", "StochRSI": "stoch_rsi",
    "CCI": "cci", "Williams %R": "williams_r", "ROC": "roc", "momentum": "momentum", "TRIX": "trix",
    "ultimate oscillator": "ultimate_oscillator", "ATR": "atr", "Bollinger bands": "bollinger",
    "Bollinger width": "bollinger_width", "Keltner": "keltner", "Donchian": "donchian",
    "realised volatility": "realised_volatility", "Parkinson": "parkinson", "Garman-Klass": "garman_klass",
    "spread": "spread", "tick rate": "tick_rate", "tick imbalance": "tick_imbalance",
    "quote-return autocorrelation": "return_autocorrelation", "VWAP-like tick mean": "tick_mean", "session": "session",
    "minutes to release": "minutes_to_release", "rolling correlation": "correlation", "beta": "beta",
    "spread z-score": "spread_zscore", "regime": "regime", "candlestick patterns": "candlesticks",
    "rolling z-score": "zscore", "min-max": "minmax", "rank": "rank", "price change": "price_change",
}  # fmt: skip
FEATURE_TIERS = {
    "sma": "free", "price_change": "free", "ema": "pro", "rsi": "pro", "macd": "pro", "bollinger": "pro",
    "bollinger_width": "pro",
}  # fmt: skip


def test_the_sixteen_agents_are_there_in_their_groups() -> None:
    assert {key: made.group for key, made in agents.CATALOGUE.items()} == {
        key: group for group, keys in GROUPS.items() for key in keys
    }


@pytest.mark.parametrize("key", [key for keys in GROUPS.values() for key in keys])
def test_an_agent_opens_with_its_tier(key: str) -> None:
    assert lowest("agent", key) == AGENT_TIERS.get(key, "enterprise")
    assert key in {each.key for each in agents.Orchestrator("enterprise").agents}


def test_a_tier_asks_the_agents_that_the_rulings_give_it() -> None:
    asked = {name: {each.key for each in agents.Orchestrator(name).agents} for name in ("free", "pro", "platinum")}
    assert asked["free"] == asked["platinum"] == {"market_analysis"}
    assert asked["pro"] == set(AGENT_TIERS)
    require_agents(TIERS["pro"], [*AGENT_TIERS, "adaptation"])  # the fifth
    assert tier(None).agent_count == 1


def test_the_thirteen_learners_are_there_with_their_tiers() -> None:
    assert {key: lowest("model", key) for key in models.CATALOGUE} == LEARNER_TIERS


@pytest.mark.parametrize("word", FEATURES)
def test_a_ruled_feature_is_there_with_its_tier(word: str) -> None:
    name = FEATURES[word]
    assert callable(features.CATALOGUE[name])
    assert getattr(features, name) is features.CATALOGUE[name]
    assert lowest("feature", name) == FEATURE_TIERS.get(name, "enterprise")


def test_the_five_features_named_with_their_windows_can_be_made() -> None:
    assert repr(features.sma(20)) == "sma(window=20)"
    assert repr(features.ema(12)) == "ema(span=12)"
    assert repr(features.rsi(14)) == "rsi(window=14)"
    assert features.macd().outputs == ("value", "signal", "histogram")
    assert features.bollinger().outputs == ("middle", "upper", "lower")
    assert features.adx().outputs == ("value", "plus", "minus")


@pytest.mark.parametrize("kind", ["feature", "model", "agent"])
def test_nothing_in_a_catalogue_is_without_a_tier(kind: Kind) -> None:
    names: dict[Kind, set[str]] = {
        "feature": set(features.CATALOGUE), "model": set(models.CATALOGUE), "agent": set(agents.CATALOGUE),
    }  # fmt: skip
    assert {lowest(kind, name) for name in names[kind]} == {"free", "pro", "enterprise"}
