"""What the news says about the instrument."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.lexicon import sentiment
from kernel_lib.agents.reading import Reading, clip, lean
from kernel_lib.agents.snapshot import Headline, Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["NewsSentiment"]

_HOUR_NS = 3600 * 10**9


class NewsSentiment(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Weigh headlines by age: ``direction = sum(w s) / sum(w)``, ``w = 0.5 ** (age / half_life)``.

    A headline's score s is the classifier's where it was scored, else the lexicon's. What is good for the quote
    currency is bad for the pair. Confidence is ``n / (n + 3) * |direction|`` for the weighted number n of headlines
    that say something. A score that came through the channel ``news`` counts as one headline.

    Parameters
    ----------
    half_life_h, oldest_h : float
        Hours.
    most : int
        Headlines looked at, the newest.
    """

    key: ClassVar[str] = "news_sentiment"
    group: ClassVar[Group] = "research"
    reads: ClassVar[tuple[str, ...]] = ()
    half_life_h: float = 4.0
    oldest_h: float = 24.0
    most: int = 20

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        now = snapshot.time_ns
        oldest = now - int(self.oldest_h * _HOUR_NS)
        heard = [
            (each, side) for each in snapshot.headlines
            if oldest <= each.known_ns <= now and (side := _side(each, snapshot.symbol))
        ]  # fmt: skip
        heard.sort(key=lambda pair: (-pair[0].known_ns, pair[0].text))
        weighed = pull = 0.0
        strongest: tuple[float, str] = (0.0, "")
        for each, side in heard[: self.most]:
            score = side * (sentiment(each.text) if each.score != each.score else clip(each.score, -1.0, 1.0))
            if score == 0.0:
                continue
            weight = 0.5 ** ((now - each.known_ns) / (self.half_life_h * _HOUR_NS))
            weighed += weight
            pull += weight * score
            if abs(weight * score) > abs(strongest[0]):
                strongest = (weight * score, each.text)
        if "news" in snapshot.features:
            score_outside = reading.feature("news")
            age_s = reading.feature("news_age")
            if score_outside is not None and age_s is not None and 0.0 <= age_s <= self.oldest_h * 3600.0:
                weight = 0.5 ** (age_s / (self.half_life_h * 3600.0))
                weighed += weight
                pull += weight * clip(score_outside, -1.0, 1.0)
        reading.note("headlines", float(len(heard)))
        reading.note("weight", weighed)
        if weighed <= 0.0:
            reading.missing.append("headlines that say something" if heard else "headlines")
            return reading.without("no news to go by")
        direction = pull / weighed
        confidence = weighed / (weighed + 3.0) * abs(direction)
        quoted = f"; strongest: {strongest[1][:80]!r}" if strongest[1] else ""
        return reading.finish(f"news {lean(direction)}, {len(heard)} headlines in {self.oldest_h:g} h{quoted}",
                              direction, confidence)  # fmt: skip


def _side(headline: Headline, symbol: str) -> float:
    # Good news for the base currency lifts the pair, for the quote currency it sinks it.
    if not headline.about or symbol in headline.about:
        return 1.0
    base, quote = symbol[:3], symbol[-3:]
    return float(base in headline.about) - float(quote in headline.about)
