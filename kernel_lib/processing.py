"""Ticks on their way into a tenant's research: validated at its tier's level, turned into the features it opens.

One function for a notebook and for the services: what may be computed, how strictly ticks are checked and what is
kept afterwards all follow from the one table in :mod:`kernel_lib.tiers`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Misconfigured
from kernel_lib.features import CATALOGUE
from kernel_lib.features.feature import Feature
from kernel_lib.market.quality import TickQuality
from kernel_lib.market.quality_report import QualityReport
from kernel_lib.market.tick import Ticks
from kernel_lib.tiers import Tier, require_access

__all__ = ["Processed", "StoragePolicy", "process", "storage_policy"]


class StoragePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What of a tenant's processed data is kept, and where.

    Parameters
    ----------
    realtime : bool
        Accepted ticks and features go to the tick store.
    user_data : bool
        Derived results go to the accounts store.
    ai_features : bool
        Feature vectors go to the research store as embeddings.
    caching : bool
        Latest values are cached in the live store.
    """

    realtime: bool
    user_data: bool
    ai_features: bool
    caching: bool

    @property
    def stores(self) -> tuple[str, ...]:
        """Names of the stores to write: of ``ticks``, ``accounts``, ``research`` and ``live``."""
        named = (("ticks", self.realtime), ("accounts", self.user_data), ("research", self.ai_features),
                 ("live", self.caching))  # fmt: skip
        return tuple(store for store, wanted in named if wanted)


class Processed(msgspec.Struct, frozen=True, kw_only=True):
    """A block of ticks after processing.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n_accepted,)
        What passed validation.
    quality : ndarray of float, shape (n_accepted,)
        Above 0, at most 1.
    features : dict
        By the name given: an array, or one by output, as long as the ticks; NaN until warm.
    report : QualityReport
        What was refused, and why.
    storage : StoragePolicy
    tier : str
    """

    ticks: Ticks
    quality: npt.NDArray[np.float64]
    features: dict[str, Any]
    report: QualityReport
    storage: StoragePolicy
    tier: str

    def _repr_html_(self) -> str:
        names = ", ".join(self.features) or "none"
        return f"{self.report._repr_html_()}<p>features: {names}; kept in: {', '.join(self.storage.stores)}</p>"


def storage_policy(held: Tier) -> StoragePolicy:
    """Give what is kept for a tier.

    >>> from kernel_lib.tiers import TIERS
    >>> storage_policy(TIERS["free"]).stores
    ('ticks', 'live')
    """
    return StoragePolicy(
        realtime=held.store_realtime, user_data=held.store_user_data, ai_features=held.store_ai_features,
        caching=held.enable_caching,
    )  # fmt: skip


def process(
    ticks: Ticks,
    features: Mapping[str, Feature],
    held: Tier,
    *,
    symbol: str = "",
    source: str = "",
    now_ns: int | None = None,
    quality: TickQuality | None = None,
) -> Processed:
    """Validate ticks at a tier's level and compute the features that it opens.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n_ticks,)
        Of one symbol.
    features : mapping of str to Feature
        By the name to give them; those of the tenant's own making are open to every tier.
    held : Tier
    symbol, source : str
        For the report and the source's record.
    now_ns : int or None
        The clock, UTC nanoseconds; None for recorded data.
    quality : TickQuality or None
        To go on after earlier blocks; its level must be the tier's. None starts anew.

    Raises
    ------
    Refused
        Code ``tier``: a feature that the tier does not open; the message names the tier that does.

    >>> from kernel_lib import features as f
    >>> from kernel_lib.market.tick import make_ticks
    >>> from kernel_lib.tiers import TIERS
    >>> ticks = make_ticks([1, 2, 3], [1.0, 1.2, 9.0], [1.1, 1.3, 1.4])
    >>> done = process(ticks, {"mean": f.sma(2)}, TIERS["free"])
    >>> done.features["mean"].round(3).tolist(), done.report.refused["crossed"]
    ([nan, 1.15], 1)
    """
    require_access(held, "feature", *(each.name for each in features.values() if each.name in CATALOGUE))
    checked = quality or TickQuality(held.validation, symbol=symbol)
    if checked.level != held.validation:
        raise Misconfigured(f"the {held.name} tier validates at {held.validation}, this validator at {checked.level}")
    verdict = checked.check(ticks, now_ns, source=source)
    return Processed(
        ticks=verdict.accepted, quality=verdict.quality,
        features={name: feature(verdict.accepted) for name, feature in features.items()},
        report=checked.report(), storage=storage_policy(held), tier=held.name,
    )  # fmt: skip
