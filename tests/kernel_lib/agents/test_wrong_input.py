"""What is handed to the agents by mistake is refused by name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import agents as typed
from kernel_lib import features as f
from kernel_lib.errors import BadData
from tests.kernel_lib.agents.moments import full

agents: Any = typed  # wrong types are given on purpose
PRICES = pd.Series([1.0, 1.1], index=pd.date_range("2024-01-01", periods=2))


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: agents.Orchestrator("pro", muted=["nobody"]), "an agent must be one of .*; it was nobody"),
        (
            lambda: agents.Orchestrator("pro", muted="market_analysis"),
            "Orchestrator: muted must be a sequence, each of them a text, it was 'market_analysis'",
        ),
        (
            lambda: agents.Orchestrator("pro", agents="market_analysis"),
            "agents must be a sequence, each of them a text",
        ),
        (
            lambda: agents.Orchestrator("pro", weights={"market_analysis": "2"}),
            "weights of market_analysis must be a number, it was '2'",
        ),
        (lambda: agents.Orchestrator("pro", weights={"market_analysis": np.nan}), "a weight must be a number from 0"),
        (lambda: agents.Orchestrator("pro", weights={"model x": -1.0}), "that of model x was -1.0"),
        (lambda: agents.Orchestrator("pro").decide({"rsi_14": 30.0}), "agents look at a Snapshot.*, it was dict"),
        (
            lambda: agents.consensus("pro", bars=5),
            "consensus: bars must be a text, it was 5",
        ),
        (
            lambda: agents.consensus("pro", models="mine"),
            "consensus: models must be a sequence, each of them a text, it was 'mine'",
        ),
        (lambda: agents.consensus("pro", muted=["nobody"]), "it was nobody"),
        (lambda: agents.votes_over_time(f.sma(3), PRICES), "votes are those of agents.consensus"),
        (lambda: agents.votes_over_time(agents.consensus("pro"), PRICES), "votes are formed over ticks.* not over Ser"),
        (
            lambda: agents.read_calendar("datetime_utc,event"),
            "read_calendar: content must be bytes, it was 'datetime_utc,event'",
        ),
        (lambda: agents.read_calendar(b"\xff\xfe"), "a calendar must be UTF-8"),
        (
            lambda: agents.Vote(agent="a", direction="up", confidence=1.0, reason="x", inputs=(), known_ns=0),
            "a: direction must be a number, it was 'up'",
        ),
    ],
)
def test_it_is_refused_in_words(call: Callable[[], Any], what: str) -> None:
    with pytest.raises(BadData, match=what):
        call()


def test_weights_are_numbers_from_whatever_gave_them() -> None:
    panel = agents.Orchestrator("pro", weights={"market_analysis": np.float32(0.5), "technical_indicator": 1})
    assert {type(each) for each in panel.weights.values()} == {float}
    assert dict(panel.decide(full()).consensus.weights) == {"market_analysis": 0.5, "technical_indicator": 1.0}
