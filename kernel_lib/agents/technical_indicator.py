"""A panel of indicators, each with a named rule."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip, lean, squash
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["TechnicalIndicator"]

#: Label, name of its rule, where it is neutral, and the distance at which it is fully convinced. A negative distance
#: bets on the way back. Marks are those of the indicators' authors: RSI 30 and 70, stochastic 20 and 80, CCI 100.
_FOLLOWING = (("aroon_25", "Aroon", 0.0, 70.0), ("cci_20", "CCI trend", 0.0, 100.0))
_RETURNING = (("rsi_14", "RSI", 50.0, -20.0), ("stochastic_14", "stochastic", 50.0, -30.0),
              ("percent_b_20", "Bollinger band", 0.5, -0.5))  # fmt: skip


class TechnicalIndicator(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ask nine indicators by named rules, and every model as one more.

    Each rule gives a number from -1 to 1. Rules that follow the market weigh ``share``, rules that bet on the way back
    ``1 - share``, where ``share = (adx - 15) / 15`` in [0, 1] (one half while the average directional index is not
    known). A model weighs its confidence times the weight it has earned. The direction is the weighted mean;
    confidence is ``|sum(w r)| / sum(w |r|)``, how far the rules agree, times the share of rules that are known.

    Parameters
    ----------
    least_rules : int
        With fewer known, it has no opinion.
    """

    key: ClassVar[str] = "technical_indicator"
    group: ClassVar[Group] = "research"
    reads: ClassVar[tuple[str, ...]] = (
        "adx_14", "adx_14_plus", "adx_14_minus", "atr_14", "ema_12", "ema_26", "macd_histogram", "aroon_25", "cci_20",
        "supertrend_side", "rsi_14", "stochastic_14", "percent_b_20",
    )  # fmt: skip
    least_rules: int = 3

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        adx = reading.feature("adx_14")
        share = 0.5 if adx is None else clip((adx - 15.0) / 15.0, 0.0, 1.0)
        rules = [(name, rule, share) for name, rule in self._following(reading)]
        n_wanted = 9.0
        for label, name, neutral, distance in _RETURNING:
            number = reading.feature(label)
            if number is not None:
                rules.append((name, clip((number - neutral) / distance, -1.0, 1.0), 1.0 - share))
        for model in snapshot.models:
            said = reading.look(f"model {model.name}", model.direction)
            sure = reading.look(f"model {model.name} confidence", model.confidence)
            earned = reading.look(f"model {model.name} weight", model.weight)
            if said is not None and sure is not None and earned is not None:
                weight = clip(sure, 0.0, 1.0) * clip(earned, 0.0, 2.0)
                rules.append((f"model {model.name}", clip(said, -1.0, 1.0), weight))
        if len(rules) < self.least_rules:
            return reading.without(f"{len(rules)} of at least {self.least_rules} rules can speak")
        weighed = sum(weight for _, _, weight in rules)
        pull = sum(rule * weight for _, rule, weight in rules)
        force = sum(abs(rule) * weight for _, rule, weight in rules)
        if weighed <= 0.0 or force <= 0.0:
            return reading.finish("no rule has an opinion here")
        direction, agreement = pull / weighed, abs(pull) / force
        for name, rule, _ in rules:
            reading.note(f"rule {name}", rule)
        confidence = agreement * min(1.0, len(rules) / n_wanted) * (0.4 + 0.6 * abs(direction))
        for_it = [name for name, rule, weight in rules if rule * pull > 0.1 * abs(pull) and weight > 0.0]
        against = [name for name, rule, weight in rules if rule * pull < -0.1 * abs(pull) and weight > 0.0]
        return reading.finish(
            f"{lean(direction)}: {', '.join(for_it[:4]) or 'none clearly'} for it"
            f"{', ' + ', '.join(against[:3]) + ' against' if against else ''}", direction, confidence,
        )  # fmt: skip

    def _following(self, reading: Reading) -> list[tuple[str, float]]:
        rules: list[tuple[str, float]] = []
        plus, minus = reading.feature("adx_14_plus"), reading.feature("adx_14_minus")
        if plus is not None and minus is not None and plus + minus > 0.0:
            rules.append(("directional movement", (plus - minus) / (plus + minus)))
        atr = reading.feature("atr_14")
        fast, slow, histogram = (reading.feature(each) for each in ("ema_12", "ema_26", "macd_histogram"))
        if atr is not None and atr > 0.0:
            if fast is not None and slow is not None:
                rules.append(("moving averages", squash((fast - slow) / atr)))
            if histogram is not None:
                rules.append(("MACD", squash(4.0 * histogram / atr)))
        for label, name, neutral, distance in _FOLLOWING:
            number = reading.feature(label)
            if number is not None:
                rules.append((name, clip((number - neutral) / distance, -1.0, 1.0)))
        side = reading.feature("supertrend_side")
        if side is not None:
            rules.append(("supertrend", clip(side, -1.0, 1.0)))
        return rules
