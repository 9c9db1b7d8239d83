"""Agents, one per file: each looks at a snapshot and votes; together they form a consensus.

``agents.consensus("pro", bars="5m")`` is a feature of a strategy; ``agents.Orchestrator("pro").decide(snapshot)`` asks
them by hand. Importing this loads nothing heavy. To add one: a file, and a line in ``catalogue.py``.
"""

from typing import TYPE_CHECKING, Any

from kernel_lib.agents.agent import GROUPS, Agent, Group
from kernel_lib.agents.calendar import next_releases, read_calendar
from kernel_lib.agents.catalogue import CATALOGUE
from kernel_lib.agents.consensus import Consensus, agree, quorum_of
from kernel_lib.agents.inputs import panel_features
from kernel_lib.agents.language import LanguageConfig, LanguageModel
from kernel_lib.agents.lexicon import sentiment
from kernel_lib.agents.orchestrator import Decision, Orchestrator
from kernel_lib.agents.should_trade import TradeRules, Verdict, should_trade
from kernel_lib.agents.snapshot import (
    AgentRecord,
    Execution,
    Headline,
    Health,
    ModelReport,
    Portfolio,
    Quality,
    Release,
    Snapshot,
    Trade,
    TradeTotals,
)
from kernel_lib.agents.track_record import AgentReport, TrackRecord, earned_weight
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import no_such

if TYPE_CHECKING:
    from kernel_lib.agents.news_classifier import scored
    from kernel_lib.agents.over_time import votes_over_time

# Last, as the function takes the name of the module that the lines above loaded.
from kernel_lib.agents.as_feature import consensus  # isort: skip

__all__ = [
    "CATALOGUE",
    "GROUPS",
    "Agent",
    "AgentRecord",
    "AgentReport",
    "Consensus",
    "Decision",
    "Execution",
    "Group",
    "Headline",
    "Health",
    "LanguageConfig",
    "LanguageModel",
    "ModelReport",
    "Orchestrator",
    "Portfolio",
    "Quality",
    "Release",
    "Snapshot",
    "TrackRecord",
    "Trade",
    "TradeRules",
    "TradeTotals",
    "Verdict",
    "Vote",
    "agree",
    "consensus",
    "earned_weight",
    "next_releases",
    "panel_features",
    "quorum_of",
    "read_calendar",
    "scored",
    "sentiment",
    "should_trade",
    "votes_over_time",
]

#: What needs numpy, and is loaded on use.
_LATER = {"scored": "news_classifier", "votes_over_time": "over_time"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(f"kernel_lib.agents.{_LATER[name]}"), name)
    raise no_such(__name__, name, __all__)


def __dir__() -> list[str]:
    """What a notebook completes: what the package is for, not the files it stands in."""
    return sorted(__all__)
