"""Every public call of the package, with each of its arguments in turn replaced by what a notebook may hold by mistake.

The call is sound but for the one argument. It then answers, or refuses with an error of the library. A snapshot goes
on to the whole panel and to the verdict: nobody may fail over what it let in.
"""

import contextlib
import math
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from kernel_lib import agents as typed
from kernel_lib.errors import BadData, TickhubError
from kernel_lib.market.tick import make_ticks
from tests.kernel_lib.agents.moments import NOW, full

agents: Any = typed  # wrong types are given on purpose
MOMENT = full()
PANEL = agents.Orchestrator("enterprise")
SAID = PANEL.decide(MOMENT).consensus
UP = {"agent": "market_analysis", "direction": 1.0, "confidence": 0.6, "reason": "up", "inputs": {"a": 1.0},
      "known_ns": NOW, "veto": False, "scale": 1.0}  # fmt: skip
DAYS = pd.date_range("2024-01-01", periods=3)
TICKS = make_ticks(np.arange(40) * 60 * 10**9 + NOW, np.full(40, 1.1), np.full(40, 1.1001))
RELEASES = list(MOMENT.releases)


def fields(made: Any) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__struct_fields__}


#: A sound call of everything public, by name.
CALLS: dict[str, dict[str, Any]] = {
    "AgentRecord": fields(MOMENT.records[0]),
    "Execution": fields(MOMENT.execution),
    "Headline": fields(MOMENT.headlines[0]),
    "Health": fields(MOMENT.health),
    "LanguageConfig": {"url": "", "model": "", "secret": None, "timeout_s": 10.0, "calls_a_day": 200},
    "ModelReport": fields(MOMENT.models[0]),
    "Orchestrator": {
        "tier": "pro", "agents": (), "extra": (), "weights": {"market_analysis": 1.0}, "muted": (), "quorum": 1,
        "clock_ns": None, "agent_budget_ms": 5.0, "warn_ms": 15.0, "keep": 2,
    },
    "Portfolio": fields(MOMENT.portfolio),
    "Quality": fields(MOMENT.quality),
    "Release": fields(MOMENT.releases[0]),
    "Snapshot": fields(MOMENT),
    "TrackRecord": {"horizon": 2},
    "Trade": fields(MOMENT.portfolio.trades[0]) if MOMENT.portfolio else {},
    "TradeTotals": {"closed": 40, "won": 24, "gained": 300.0, "lost": 120.0},
    "TradeRules": {"threshold": 0.2, "most_spread": 3.0, "stale_s": 30.0, "before_min": 15.0, "needs_calendar": True},
    "Vote": UP,
    "agree": {
        "votes": [agents.Vote(**UP)], "now_ns": NOW, "weights": {"market_analysis": 1.0}, "quorum": 1,
        "left_out": [("news_sentiment", "muted")], "groups": {"mine": "research"},
    },
    "consensus": {
        "tier": "pro", "bars": "5m", "agents": ("market_analysis",), "muted": (), "symbol": "EURUSD",
        "calendar": "calendar:USD", "news": "news:USD", "models": (), "horizon": 6,
    },
    "earned_weight": {"hits": 10.0, "misses": 8.0, "prior": 50.0},
    "next_releases": {"releases": RELEASES, "currencies": ("USD",), "impact": "high", "after_min": 5.0},
    "panel_features": {"labels": ["rsi_14"], "bars": "5m"},
    "quorum_of": {"n_research": 4},
    "read_calendar": {"content": b"datetime_utc,event,currency,impact\n"},
    "scored": {"headlines": list(MOMENT.headlines)},
    "sentiment": {"text": "profit soars"},
    "should_trade": {"said": SAID, "snapshot": MOMENT, "rules": agents.TradeRules()},
    "votes_over_time": {"feature": agents.consensus("free"), "ticks": TICKS},
}  # fmt: skip
#: Answers, not questions: nobody makes them by hand.
ANSWERS = {"Agent", "AgentReport", "CATALOGUE", "Consensus", "Decision", "GROUPS", "Group", "LanguageModel", "Verdict"}
NO_NUMBER: dict[str, Any] = {
    "numeric texts": ["0.01", "0.02"], "object array with a text": np.array([0.01, "0.02"], dtype=object),
    "complex": np.array([1j]), "a complex number": 1j, "object": object(), "times": DAYS,
    "table of texts": pd.DataFrame({"a": ["1", "2"]}),
}  # fmt: skip
STRANGE: dict[str, Any] = {
    "none": None, "text": "text", "numeric text": "0.01", "bytes": b"\xff\x00", "empty": [], "one NaN": [math.nan],
    "NaN": math.nan, "infinity": math.inf, "huge": 1e308, "a huge whole number": 2**70, "bool": True,
    "negative": -1.0, "zero": 0, "not in order": pd.Series([1.0, 2.0], DAYS[1::-1]),
    "with a zone": pd.Series([1.0, 2.0], DAYS[:2].tz_localize("UTC")), "mapping of text": {"rsi_14": "1.0"},
    "mapping of nothing": {"rsi_14": None}, "mapping of huge": {"rsi_14": 1e308}, "empty mapping": {},
    "pairs of nothing": ((None, None),), "a pair": (("GBPUSD", math.inf),), "nested": [[1.0], [2.0]],
    "numpy number": np.float64(0.5), "numpy whole number": np.int64(3),
}  # fmt: skip
TEXTS: set[tuple[str, str]] = set()
#: Where texts in a sequence are what is wanted, or where anything but NaN is left to those who read it.
ANY = {
    ("Headline", "about"), ("next_releases", "currencies"), ("Orchestrator", "clock_ns"), ("Health", "links_down"),
}  # fmt: skip


def spoiled() -> list[Any]:
    """Every argument of every call."""
    return [pytest.param(name, argument, id=f"{name}-{argument}") for name in sorted(CALLS) for argument in CALLS[name]]


def answer(name: str, words: dict[str, Any]) -> Any:
    """Call it; what a moment is made of goes on to the whole panel."""
    made = getattr(agents, name)(**words)
    holds = {
        "AgentRecord": "records", "Headline": "headlines", "ModelReport": "models", "Release": "releases",
        "Execution": "execution", "Health": "health", "Portfolio": "portfolio", "Quality": "quality",
    }  # fmt: skip
    if name in holds:
        field = holds[name]
        held = (made,) if isinstance(getattr(MOMENT, field), tuple) else made
        made = msgspec.structs.replace(MOMENT, **{field: held})
    if name == "Trade":
        made = msgspec.structs.replace(MOMENT, portfolio=msgspec.structs.replace(MOMENT.portfolio, trades=(made,) * 30))
    if name == "TradeTotals":
        made = msgspec.structs.replace(MOMENT, portfolio=agents.Portfolio(equity=1e4, totals=made))
    if isinstance(made, agents.Snapshot):
        decision = PANEL.decide(made)
        failed = [why for _, why in decision.consensus.left_out if why.startswith("failed")]
        assert not failed, failed
        agents.should_trade(decision.consensus, made)
    if name == "Orchestrator":
        made.decide(MOMENT)
    if name == "Vote":
        agents.agree([made], now_ns=NOW)
    if name == "TradeRules":
        agents.should_trade(SAID, MOMENT, made)
    if name == "LanguageConfig":
        agents.LanguageModel(made).explain(SAID, now_ns=NOW)
    return made


def test_nothing_public_is_left_out() -> None:
    assert set(CALLS) | ANSWERS == set(agents.__all__)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_the_call_that_is_spoiled_is_sound(name: str) -> None:
    answer(name, CALLS[name])


@pytest.mark.parametrize(("name", "argument"), spoiled())
def test_what_is_no_number_is_refused(name: str, argument: str) -> None:
    for called, wrong in NO_NUMBER.items():
        if (name, argument) not in ANY or "texts" not in called:
            with pytest.raises(
                TickhubError, match=r"must|are formed over ticks|are those of|no model is kept|may read"
            ):
                answer(name, {**CALLS[name], argument: wrong})


@pytest.mark.parametrize(("name", "argument"), spoiled())
def test_what_may_or_may_not_make_sense_is_answered_or_refused(name: str, argument: str) -> None:
    for wrong in STRANGE.values():
        with contextlib.suppress(TickhubError):
            answer(name, {**CALLS[name], argument: wrong})


def test_nothing_is_none() -> None:
    with pytest.raises(BadData, match=r"should_trade: said must be a Consensus .*, it was None"):
        agents.should_trade(None, None)
    with pytest.raises(BadData, match=r"should_trade: snapshot must be a Snapshot, it was {'bid': 1.1}"):
        agents.should_trade(SAID, {"bid": 1.1})


def test_a_word_that_does_not_exist_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(
        BadData, match=r"Snapshot takes time_ns, symbol, .*; it was given time_n \(did you mean time_ns"
    ):
        agents.Snapshot(time_n=1)
    with pytest.raises(BadData, match=r"TradeRules takes threshold, .*treshold \(did you mean threshold\?\)"):
        agents.TradeRules(treshold=0.3)
