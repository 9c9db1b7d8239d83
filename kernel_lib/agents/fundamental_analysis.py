"""What the economic calendar says: surprises that are past, releases that are ahead."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip, lean, squash
from kernel_lib.agents.snapshot import Release, Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["FundamentalAnalysis", "minutes_ahead"]

_MINUTE_NS = 60 * 10**9
_IMPACT = {"low": 0.25, "medium": 0.5, "high": 1.0}


class FundamentalAnalysis(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the base currency's surprises against the quote currency's.

    A surprise is ``(actual - forecast) / deviation``, at most 3 either way, turned where lower is better; where the
    typical deviation is not known, half its sign. Each weighs its impact (1, 1/2, 1/4) and fades,
    ``0.5 ** (age / half_life)``. ``direction = tanh(base - quote)``; confidence ``n / (n + 2)`` for the weights' sum n,
    halved within the blackout of a release ahead: what is known will soon be old.

    Parameters
    ----------
    half_life_h, oldest_h : float
        Hours.
    blackout_min : float
        Minutes before a release of high impact.
    """

    key: ClassVar[str] = "fundamental_analysis"
    group: ClassVar[Group] = "research"
    reads: ClassVar[tuple[str, ...]] = ()
    half_life_h: float = 12.0
    oldest_h: float = 72.0
    blackout_min: float = 30.0

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        base, quote = snapshot.symbol[:3], snapshot.symbol[-3:]
        strength = {base: 0.0, quote: 0.0}
        weighed = 0.0
        told: list[str] = []
        for each in snapshot.releases:
            surprise = _surprise(each, snapshot.time_ns)
            if surprise is None or each.currency not in strength:
                continue
            age_h = (snapshot.time_ns - each.time_ns) / (60.0 * _MINUTE_NS)
            if age_h > self.oldest_h:
                continue
            weight = _IMPACT[each.impact] * 0.5 ** (age_h / self.half_life_h)
            strength[each.currency] += weight * surprise
            weighed += weight
            told.append(
                f"{each.currency} {each.name} {'beat' if surprise > 0 else 'missed' if surprise < 0 else 'met'}"
            )
        ahead = minutes_ahead(reading)
        near = ahead is not None and 0.0 <= ahead <= self.blackout_min
        coming = "" if ahead is None or ahead < 0.0 else f"; next release in {ahead:.0f} min"
        if weighed <= 0.0:
            reading.missing.append("surprises of the last days" if snapshot.releases else "calendar")
            return reading.without(f"no surprise to go by{coming}")
        reading.note(f"strength of {base}", strength[base])
        reading.note(f"strength of {quote}", strength[quote])
        direction = squash(strength[base] - strength[quote]) if base != quote else 0.0
        confidence = weighed / (weighed + 2.0) * (0.5 if near else 1.0)
        return reading.finish(f"fundamentals {lean(direction)}: {', '.join(told[-3:])}{coming}", direction, confidence)


def minutes_ahead(reading: Reading, after_min: float = 0.0) -> float | None:
    """Give the minutes to the next release of high impact, by the calendar or by its channel; None: not known.

    Below 0 for one that is past: of the calendar while it is at most ``after_min`` minutes ago, of the channel as long
    as that tells it.
    """
    snapshot = reading.snapshot
    pair = (snapshot.symbol[:3], snapshot.symbol[-3:])
    now = snapshot.time_ns
    times = [
        each.time_ns for each in snapshot.releases
        if each.impact == "high" and each.known_ns <= now and (not pair[0] or each.currency in pair)
    ]  # fmt: skip
    past = max((each for each in times if each < now), default=None)
    if past is not None and now - past <= after_min * _MINUTE_NS:
        return reading.note("minutes to release", (past - now) / _MINUTE_NS)
    ahead = min((each for each in times if each >= now), default=None)
    if ahead is not None:
        return reading.note("minutes to release", (ahead - now) / _MINUTE_NS)
    if "minutes_to_release" in snapshot.features:
        return reading.feature("minutes_to_release")
    return None


def _surprise(each: Release, now: int) -> float | None:
    if each.time_ns > now or each.known_ns > now:
        return None
    distance = each.actual - each.forecast
    if not abs(distance) < 1e15:
        return None
    sign = 1.0 if each.higher_is_better else -1.0
    if 0.0 < each.deviation < 1e15:
        return sign * clip(distance / each.deviation, -3.0, 3.0)
    return sign * (0.5 if distance > 0.0 else -0.5 if distance < 0.0 else 0.0)
