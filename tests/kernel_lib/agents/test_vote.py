"""A vote is in range and frozen; a snapshot has one name for equal moments."""

import math

import msgspec
import numpy as np
import pytest

from kernel_lib.agents import Headline, Snapshot, Vote
from kernel_lib.errors import BadData
from tests.kernel_lib.agents.moments import NOW, full

GOOD = {"agent": "a", "direction": 0.5, "confidence": 0.5, "reason": "why", "inputs": (), "known_ns": NOW}


@pytest.mark.parametrize(
    "wrong",
    [{"direction": 1.01}, {"direction": math.nan}, {"confidence": -0.1}, {"confidence": math.inf}, {"scale": 1.5},
     {"scale": math.nan}, {"reason": ""}, {"agent": ""}],
)  # fmt: skip
def test_a_vote_out_of_range_or_without_a_reason_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadData, match="must"):
        Vote(**{**GOOD, **wrong})  # type: ignore[arg-type]


def test_a_vote_keeps_its_inputs_by_name_and_nan_as_not_known() -> None:
    vote = Vote(**{**GOOD, "inputs": {"rsi": 30.0, "adx": math.nan}})  # type: ignore[arg-type]
    assert vote.inputs == (("rsi", 30.0), ("adx", None))
    assert vote.number["adx"] is None
    assert msgspec.json.decode(msgspec.json.encode(vote), type=Vote) == vote
    with pytest.raises(AttributeError):
        vote.direction = 1.0  # type: ignore[misc]


def test_numpys_numbers_are_taken_as_plain_ones() -> None:
    vote = Vote(**{**GOOD, "direction": np.float64(0.5), "confidence": 1})  # type: ignore[arg-type]
    assert (type(vote.direction), type(vote.confidence)) == (float, float)
    features = {"rsi_14": np.float32(0.5), "adx_14": np.float64(2.0)}
    plain = Snapshot(time_ns=1, features={"rsi_14": 0.5, "adx_14": 2.0})
    assert Snapshot(time_ns=1, features=features).digest == plain.digest  # type: ignore[arg-type]


def test_a_vote_shows_its_side_and_its_inputs() -> None:
    vote = Vote(**{**GOOD, "inputs": {"<rsi>": 30.0}, "veto": True, "scale": 0.5})  # type: ignore[arg-type]
    assert repr(vote) == "<Vote a: buy +0.50, confidence 0.50, size x 0.50, VETO: why>"
    assert "&lt;rsi&gt;" in vote._repr_html_()


def test_equal_snapshots_have_one_digest_and_any_change_gives_another() -> None:
    assert full() == full()
    assert hash(full()) == hash(full())
    turned = msgspec.structs.replace(full(), features=dict(reversed(full().features.items())))
    assert turned.digest == full().digest
    for change in (
        {"bid": 1.0}, {"symbol": "GBPUSD"}, {"features": {**full().features, "rsi_14": 1.0}}, {"headlines": ()},
        {"portfolio": None}, {"time_ns": NOW + 1},
    ):  # fmt: skip
        assert msgspec.structs.replace(full(), **change).digest != full().digest


def test_the_digest_is_the_same_in_every_process() -> None:
    news = (Headline(text="x", known_ns=0),)
    moment = Snapshot(time_ns=1, symbol="EURUSD", features={"b": 2.0, "a": math.nan}, headlines=news)
    assert moment.digest == "24ffb7372123e683dd01d66dcc06a336"


def test_a_snapshot_cannot_be_changed_by_whoever_made_it() -> None:
    features = {"rsi_14": 30.0}
    moment = Snapshot(time_ns=1, features=features)
    features["rsi_14"] = 99.0
    assert moment.features["rsi_14"] == 30.0
    with pytest.raises(TypeError):
        moment.features["rsi_14"] = 1.0  # type: ignore[index]
    with pytest.raises(BadData, match=r"time_ns must be a whole number, it was 1.5"):
        Snapshot(time_ns=1.5)  # type: ignore[arg-type]
