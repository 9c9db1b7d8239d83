"""How good a model is while it is used: predictions meet their outcomes, and are held against the card."""

import math
from collections import OrderedDict, deque

import msgspec

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.card import Card

__all__ = ["AccuracyReport", "LiveAccuracy"]

_LEAST_OUTCOMES = 30
_MOST_OPEN = 100_000


class AccuracyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the last outcomes say.

    Parameters
    ----------
    outcomes : int
        Counted, the newest ``window`` at most.
    open_predictions : int
        Still waiting.
    hit_rate, expected_hit_rate : float or None
        Share of hits; that of the card, out of sample.
    brier : float or None
        Mean squared distance of confidence and hit (1) or miss (0).
    confidence_gap : float or None
        Mean confidence less hit rate; above 0 is too sure of itself.
    hit_deviations : float or None
        How far the hit rate is from the card's, in standard deviations of a coin with the card's rate.
    calibration_deviations : float or None
        Spiegelhalter's statistic (1986): beyond 2 the confidences do not hold.
    verdict : str
        In words.
    """

    outcomes: int
    open_predictions: int
    hit_rate: float | None
    expected_hit_rate: float | None
    brier: float | None
    confidence_gap: float | None
    hit_deviations: float | None
    calibration_deviations: float | None
    verdict: str


class LiveAccuracy:
    """A running account of predicted directions.

    Parameters
    ----------
    card : Card or None
        For the hit rate to be expected.
    window : int
        Outcomes that count, the newest; 30 to 1,000,000.

    >>> account = LiveAccuracy(window=30)
    >>> for row in range(40):
    ...     account.expect(row, direction=1.0, confidence=0.6)
    ...     hit = account.meet(row, outcome=1.0 if row % 5 < 3 else -1.0)
    >>> account.report().hit_rate, account.report().verdict
    (0.6, 'as good as its confidence says')
    """

    @declared
    def __init__(self, card: Card | None = None, *, window: int = 250) -> None:
        if isinstance(window, bool) or not isinstance(window, int) or not _LEAST_OUTCOMES <= window <= 1_000_000:
            raise BadData(f"window must be a whole number from {_LEAST_OUTCOMES} to 1000000, it was {window!r}")
        if card is not None and not isinstance(card, Card):
            raise BadData(f"a card must be given, as in LiveAccuracy(model.card), it was {type(card).__name__}")
        if card is not None and not card.shape.classes:
            raise BadData(f"hit rates are of models that predict directions, {card.learner} shows {card.shape.outputs}")
        found = None if card is None else card.scores.get("accuracy")
        self.expected_hit_rate = found
        self._open: OrderedDict[int, tuple[float, float]] = OrderedDict()
        self._met: deque[tuple[bool, float]] = deque(maxlen=window)

    @declared
    def expect(self, key: int, *, direction: float, confidence: float) -> None:
        """Note a prediction.

        Parameters
        ----------
        key : int
            Of the row, such as its time; its outcome comes with the same key.
        direction : float
            -1, 0 or +1; NaN is no prediction and is not counted.
        confidence : float
            0 to 1.
        """
        if direction not in (-1.0, 0.0, 1.0) and not math.isnan(direction):
            raise BadData(f"direction must be -1, 0 or +1, it was {direction!r}")
        if math.isnan(direction) or math.isnan(confidence):
            return
        if not 0.0 <= confidence <= 1.0:
            raise BadData(f"confidence must be from 0 to 1, it was {confidence!r}")
        if key in self._open:
            raise BadData(f"a prediction must have a key of its own, {key} is open already")
        self._open[key] = direction, confidence
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)

    @declared
    def meet(self, key: int, *, outcome: float) -> bool | None:
        """Give the outcome of a prediction; say whether it was a hit, None where nothing was predicted."""
        said = self._open.pop(key, None)
        if said is None or math.isnan(outcome):
            return None
        hit = said[0] == outcome
        self._met.append((hit, said[1]))
        return hit

    def report(self) -> AccuracyReport:
        """Sum up the newest outcomes."""
        n_met = len(self._met)
        if n_met == 0:
            return self._report(0, None, None, None, None, None, "no outcome yet")
        hits = sum(hit for hit, _ in self._met)
        rate = hits / n_met
        gap = sum(confidence for _, confidence in self._met) / n_met - rate
        brier = sum((confidence - hit) ** 2 for hit, confidence in self._met) / n_met
        pull = sum((hit - p) * (1.0 - 2.0 * p) for hit, p in self._met)
        spread = math.sqrt(sum((1.0 - 2.0 * p) ** 2 * p * (1.0 - p) for _, p in self._met))
        calibration = pull / spread if spread > 0 else None
        expected = self.expected_hit_rate
        away = None
        if expected is not None and 0.0 < expected < 1.0:
            away = (rate - expected) / math.sqrt(expected * (1.0 - expected) / n_met)
        return self._report(n_met, rate, brier, gap, away, calibration, _verdict(n_met, away, calibration, gap))

    def _report(
        self, n_met: int, rate: float | None, brier: float | None, gap: float | None, away: float | None,
        calibration: float | None, verdict: str,
    ) -> AccuracyReport:  # fmt: skip
        return AccuracyReport(
            outcomes=n_met, open_predictions=len(self._open), hit_rate=rate, brier=brier, confidence_gap=gap,
            expected_hit_rate=self.expected_hit_rate, hit_deviations=away, calibration_deviations=calibration,
            verdict=verdict,
        )  # fmt: skip


def _verdict(n_met: int, away: float | None, calibration: float | None, gap: float) -> str:
    if n_met < _LEAST_OUTCOMES:
        return f"too few outcomes to tell: {n_met} of {_LEAST_OUTCOMES}"
    if away is not None and away < -3.0:
        return "far worse than on the card: stop using it, and look for what changed"
    if away is not None and away < -2.0:
        return "worse than on the card: watch it, and think of a refit"
    if calibration is not None and abs(calibration) > 2.0:
        return "too sure of itself: calibrate anew" if gap > 0 else "less sure than it could be: calibrate anew"
    return "as good as its confidence says" if away is None else "as good as on the card"
