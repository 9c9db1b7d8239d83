"""The only table of limits by tier; nothing else names a limit.

``None`` means no product limit; a technical ceiling may still be configured where the limit is enforced. For what a
tier opens by name (features, models, agents) ``None`` means all there is.

Features are named by family: ``sma`` opens a moving average of any window, on ticks and on bars. A feature that a
tenant wrote itself is in no catalogue, and no tier closes it.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from kernel_lib.errors import BadData, Refused

__all__ = [
    "KINDS", "TIERS", "Kind", "Tier", "lowest", "opens", "require", "require_access", "require_agents",
    "require_search", "tier",
]  # fmt: skip

Kind = Literal["feature", "model", "agent"]
#: What a tier opens by name.
KINDS: tuple[Kind, ...] = ("feature", "model", "agent")

_GIB = 1024**3


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant of this tier may use; cumulative from free to enterprise."""

    name: str
    rank: int
    # Notebook server
    cpu: float
    memory_bytes: int
    processes: int
    disk_bytes: int
    named_servers: int
    idle_stop_s: int
    # Recorded market data
    rows_per_query: int | None
    history_days: int | None
    symbols: int | None
    # Live stream
    update_interval_ms: int
    hot_buffer_s: int
    stream_connections: int | None
    # Gateway
    requests_per_minute: int
    burst: int
    # Trading
    daily_trades: int | None
    max_position_lots: float | None
    # Research: what is open by name, cumulative, and how ticks are validated
    features: tuple[str, ...] | None
    models: tuple[str, ...] | None
    agents: tuple[str, ...] | None
    agent_count: int | None
    hyperparameter_search: bool
    # Research: of a tenant, each day (UTC); and looks at the sealed hold-out, of an instrument, each 30 days
    backtest_seconds: float | None
    hold_out_looks: int
    validation: Literal["basic", "pro", "enterprise"]
    # Storage policy: what of the tenant's processed data is kept, and whether answers are cached
    store_realtime: bool
    store_user_data: bool
    store_ai_features: bool
    enable_caching: bool


# ``outside`` hands in what a model or an agent says, and those are opened by their own names.
_FREE_FEATURES = ("outside", "price_change", "sma")
_PRO_FEATURES = (*_FREE_FEATURES, "bollinger", "bollinger_width", "ema", "macd", "rsi")
_FREE_MODELS = ("lstm_predictor", "linear_regression", "kmeans_clustering")
_PRO_MODELS = (
    *_FREE_MODELS, "cnn_pattern_recognizer", "autoencoder_anomaly_detector", "random_forest", "xgboost", "svm",
    "logistic_regression",
)  # fmt: skip
_FREE_AGENTS = ("market_analysis",)
_PRO_AGENTS = (*_FREE_AGENTS, "technical_indicator", "risk_assessment", "strategy_formulation")

TIERS: dict[str, Tier] = {
    each.name: each
    for each in (
        Tier(
            name="free", rank=0, cpu=1.0, memory_bytes=2 * _GIB, processes=128, disk_bytes=5 * _GIB,
            named_servers=1, idle_stop_s=1800, rows_per_query=100, history_days=7, symbols=5,
            update_interval_ms=1000, hot_buffer_s=3600, stream_connections=1, requests_per_minute=100, burst=10,
            daily_trades=10, max_position_lots=0.1, features=_FREE_FEATURES, models=_FREE_MODELS, agents=_FREE_AGENTS,
            agent_count=1, hyperparameter_search=False, backtest_seconds=1_000.0, hold_out_looks=2,
            validation="basic", store_realtime=True,
            store_user_data=False, store_ai_features=False, enable_caching=True,
        ),
        Tier(
            name="pro", rank=1, cpu=2.0, memory_bytes=6 * _GIB, processes=512, disk_bytes=50 * _GIB,
            named_servers=3, idle_stop_s=4 * 3600, rows_per_query=10_000, history_days=90, symbols=50,
            update_interval_ms=100, hot_buffer_s=24 * 3600, stream_connections=5, requests_per_minute=1000, burst=100,
            daily_trades=100, max_position_lots=1.0, features=_PRO_FEATURES, models=_PRO_MODELS, agents=_PRO_AGENTS,
            agent_count=5, hyperparameter_search=True, backtest_seconds=20_000.0, hold_out_looks=10,
            validation="pro", store_realtime=True, store_user_data=True,
            store_ai_features=False, enable_caching=True,
        ),
        Tier(
            name="enterprise", rank=2, cpu=8.0, memory_bytes=24 * _GIB, processes=4096, disk_bytes=500 * _GIB,
            named_servers=10, idle_stop_s=24 * 3600, rows_per_query=None, history_days=None, symbols=None,
            update_interval_ms=10, hot_buffer_s=7 * 24 * 3600, stream_connections=None, requests_per_minute=10_000,
            burst=1000, daily_trades=None, max_position_lots=None, features=None, models=None, agents=None,
            agent_count=None, hyperparameter_search=True, backtest_seconds=None, hold_out_looks=50,
            validation="enterprise", store_realtime=True,
            store_user_data=True, store_ai_features=True, enable_caching=True,
        ),
    )
}  # fmt: skip


def tier(name: str | None) -> Tier:
    """Give the tier by name; an unknown name is the free tier.

    >>> tier("pro").rows_per_query
    10000
    >>> tier("platinum").name
    'free'
    """
    return TIERS.get(name or "", TIERS["free"])


def require(held: Tier, needed: str, what: str) -> None:
    """Refuse, in words that name the tier needed, unless ``held`` reaches it."""
    if held.rank < TIERS[needed].rank:
        raise Refused("tier", f"{what} needs the {needed} tier, this tenant has {held.name}; ask an admin to upgrade")


def opens(held: Tier, kind: Kind, name: str) -> bool:
    """Whether a tier opens a feature family, a model or an agent by its name in the catalogue.

    >>> opens(TIERS["free"], "feature", "sma"), opens(TIERS["free"], "feature", "rsi")
    (True, False)
    """
    named: tuple[str, ...] | None = getattr(held, f"{_kind(kind)}s")
    return named is None or name in named


def lowest(kind: Kind, name: str) -> str:
    """Give the name of the lowest tier that opens it.

    >>> lowest("model", "xgboost"), lowest("agent", "news_sentiment")
    ('pro', 'enterprise')
    """
    return next(each.name for each in TIERS.values() if opens(each, kind, name))


def require_access(held: Tier, kind: Kind, *names: str) -> None:
    """Refuse, naming the tier needed, unless the tier opens every one of the names.

    Raises
    ------
    Refused
        Code ``tier``; the message names what is closed, the tier that opens all of it, and what is open instead.

    >>> require_access(TIERS["pro"], "feature", "rsi", "macd")
    """
    closed = sorted({name for name in names if not opens(held, kind, name)})
    if not closed:
        return
    needed = max((TIERS[lowest(kind, name)] for name in closed), key=lambda each: each.rank)
    instead = ", ".join(getattr(held, f"{kind}s"))
    raise Refused(
        "tier",
        f"the {kind}{'s' * (len(closed) > 1)} {', '.join(closed)} need{'s' * (len(closed) == 1)} the {needed.name} "
        f"tier, this tenant has {held.name}, which opens {instead}; ask an admin to upgrade",
    )


def require_agents(held: Tier, names: Sequence[str]) -> None:
    """Refuse a panel of agents that the tier does not open, or that has too many of them.

    A tier's ``agent_count`` may exceed the agents it names: what is left are places for agents of the tenant's own
    choice (pro names four of five).

    Raises
    ------
    Refused
        Code ``tier``.

    >>> require_agents(TIERS["pro"], ["market_analysis", "risk_assessment", "news_sentiment"])
    """
    chosen = sorted(set(names))
    if held.agent_count is None or held.agents is None:
        return
    free = held.agent_count - len(held.agents)
    extra = [name for name in chosen if not opens(held, "agent", name)]
    if len(extra) <= free:
        return
    if free == 0:
        require_access(held, "agent", *extra)
    needed = next(
        each.name for each in TIERS.values() if each.agent_count is None or each.agents is None
        or len([name for name in chosen if not opens(each, "agent", name)]) <= each.agent_count - len(each.agents)
    )  # fmt: skip
    raise Refused(
        "tier",
        f"the {held.name} tier has room for {free} agent{'s' * (free != 1)} beyond {', '.join(held.agents)}, there "
        f"were {len(extra)}: {', '.join(extra)}; the {needed} tier allows it: ask an admin to upgrade",
    )


def require_search(held: Tier) -> None:
    """Refuse a search of hyper-parameters, naming the tier that opens it, unless the tier does.

    >>> require_search(TIERS["pro"])
    """
    if not held.hyperparameter_search:
        needed = next(each.name for each in TIERS.values() if each.hyperparameter_search)
        require(held, needed, "a search of hyper-parameters")


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise BadData(f"a tier opens one of {', '.join(KINDS)} by name, it was {kind!r}")
    return kind
