"""Whether the numbers can be trusted."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["DataQuality"]


class DataQuality(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shrink the size by what is missing, refused, doubtful or old.

    The least of: share of features that are known; ``1 - refused share / most_refused``; mean quality of the ticks;
    ``1`` until the last tick is ``stale_s`` old, 0 from twice that on; 0 without a quote.

    Parameters
    ----------
    most_refused : float
        Share of refused ticks at which nothing is traded.
    stale_s : float
        Seconds.
    """

    key: ClassVar[str] = "data_quality"
    group: ClassVar[Group] = "monitoring"
    reads: ClassVar[tuple[str, ...]] = ()
    most_refused: float = 0.2
    stale_s: float = 30.0

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        bid, ask = reading.look("bid", snapshot.bid), reading.look("ask", snapshot.ask)
        parts: list[tuple[float, str]] = []
        if bid is None or ask is None:
            parts.append((0.0, "there is no quote"))
        elif not 0.0 < bid <= ask:
            parts.append((0.0, f"the quote is crossed or not positive: {bid:g} and {ask:g}"))
        n_features = len(snapshot.features)
        if n_features:
            known = sum(-1e15 < each < 1e15 for each in snapshot.features.values())
            share = reading.note("share of features known", known / n_features)
            if share < 1.0:
                parts.append((share, f"{n_features - known} of {n_features} features are not known"))
        quality = snapshot.quality
        if quality is not None and quality.ticks > 0:
            refused = reading.note("refused", clip(quality.refused / quality.ticks, 0.0, 1.0))
            if refused > 0.0:
                parts.append((clip(1.0 - refused / self.most_refused, 0.0, 1.0), f"{100 * refused:.1f} % refused"))
            mean = reading.look("mean quality", quality.mean_quality)
            if mean is not None and mean < 1.0:
                parts.append((clip(mean, 0.0, 1.0), f"mean quality {mean:.2f}"))
        age = None if quality is None else reading.look("age of the quote, s", quality.age_s)
        if age is not None and age > self.stale_s:
            parts.append((clip(2.0 - age / self.stale_s, 0.0, 1.0), f"the last tick is {age:.0f} s old"))
        if not n_features and quality is None and (bid is None or ask is None):
            return reading.without("there is nothing to look at", scale=0.0)
        scale, why = min(parts, default=(1.0, "quotes and features are sound"))
        return reading.finish(why, confidence=0.6 if quality is None else 1.0, scale=scale)
