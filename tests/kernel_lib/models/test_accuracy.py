"""Live accuracy: counted by hand, and coins that hold or do not hold what they promise."""

import msgspec
import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models.accuracy import LiveAccuracy
from tests.checks.test_every_learner import fitted

CARD = msgspec.structs.replace(fitted("logistic_regression", "direction").card, scores={"accuracy": 0.6})


def played(true_rate: float, confidence: float, n: int = 400, seed: int = 0) -> LiveAccuracy:
    account = LiveAccuracy(CARD, window=400)
    random = np.random.default_rng(seed)
    for key in range(n):
        account.expect(key, direction=1.0, confidence=confidence)
        account.meet(key, outcome=1.0 if random.random() < true_rate else -1.0)
    return account


def test_four_outcomes_by_hand() -> None:
    account = LiveAccuracy(window=30)
    for key, (said, confidence, came) in enumerate([(1, 0.8, 1), (-1, 0.6, 1), (1, 0.7, 1), (-1, 0.9, -1)]):
        account.expect(key, direction=said, confidence=confidence)
        assert account.meet(key, outcome=came) == (said == came)
    account.expect(99, direction=1.0, confidence=0.5)
    report = account.report()
    assert (report.outcomes, report.open_predictions, report.hit_rate) == (4, 1, 0.75)
    assert report.brier == pytest.approx((0.04 + 0.36 + 0.09 + 0.01) / 4)
    assert report.confidence_gap == pytest.approx(0.75 - 0.75)
    # Spiegelhalter: sum (o - p)(1 - 2p) over the root of sum (1 - 2p)^2 p (1 - p)
    top = 0.2 * -0.6 + -0.6 * -0.2 + 0.3 * -0.4 + 0.1 * -0.8
    bottom = np.sqrt(0.36 * 0.16 + 0.04 * 0.24 + 0.16 * 0.21 + 0.64 * 0.09)
    assert report.calibration_deviations == pytest.approx(top / bottom)
    assert report.verdict == "too few outcomes to tell: 4 of 30"


def test_only_the_newest_outcomes_count() -> None:
    account = LiveAccuracy(window=30)
    for key in range(100):
        account.expect(key, direction=1.0, confidence=0.5)
        account.meet(key, outcome=1.0 if key >= 70 else -1.0)
    assert (account.report().outcomes, account.report().hit_rate) == (30, 1.0)


@pytest.mark.parametrize(
    ("true_rate", "confidence", "says"),
    [
        (0.6, 0.6, "as good as on the card"),
        (0.45, 0.6, "far worse"),
        (0.54, 0.55, "worse than on the card"),
        (0.6, 0.9, "too sure of itself"),
        (0.85, 0.55, "less sure than it could be"),
    ],
)
def test_the_verdict_says_what_is_wrong(true_rate: float, confidence: float, says: str) -> None:
    assert says in played(true_rate, confidence).report().verdict


def test_a_coin_that_holds_its_promise_is_rarely_accused() -> None:
    verdicts = [played(0.6, 0.6, seed=seed).report().verdict for seed in range(40)]
    assert sum(each == "as good as on the card" for each in verdicts) >= 34


def test_what_was_never_said_is_not_counted() -> None:
    account = LiveAccuracy()
    account.expect(1, direction=float("nan"), confidence=float("nan"))
    assert account.meet(1, outcome=1.0) is None
    assert account.meet(2, outcome=1.0) is None
    account.expect(3, direction=1.0, confidence=0.6)
    assert account.meet(3, outcome=float("nan")) is None
    assert account.report().verdict == "no outcome yet"


def test_odd_input_is_refused() -> None:
    account = LiveAccuracy()
    account.expect(1, direction=1.0, confidence=0.6)
    with pytest.raises(BadData, match="open already"):
        account.expect(1, direction=1.0, confidence=0.6)
    with pytest.raises(BadData, match="from 0 to 1"):
        account.expect(2, direction=1.0, confidence=1.6)
    with pytest.raises(BadData, match="window"):
        LiveAccuracy(window=3)
    with pytest.raises(BadData, match="predict directions"):
        LiveAccuracy(fitted("kmeans_clustering", "").card)
