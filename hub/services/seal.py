"""Where the sealed hold-out of a symbol begins: the last part of its recorded history, which no notebook reads.

One number for each tenant and symbol decides, kept in the accounts database: the time up to which history was
*opened*. What lies before it may be read, what lies at it or later may not. It only moves forward, because what has
been read can never be sealed again. When history is asked for, with ``first`` and ``last`` the times of the first and
last recorded tick:

- shorter than ``least_days``: all is opened, up to the midnight (UTC) after ``last``; there is no hold-out yet;
- longer: opened up to the midnight at or before ``last - share * (last - first)``, unless it stands further on.

So an imported history of years is sealed before anybody has seen its end. A history that grew live begins its hold-out
when it has become ``least_days`` long, at what comes in from then on; as it grows further the seal moves forward with
it, a day at a time, and always covers the newest part. Whole days, so that two reads of one day see the same.

The live stream is not sealed: strategies trade on it and pages show it. Whoever recorded the stream has that part; so a
verdict says on how many days of the hold-out somebody of the tenant was listening.
"""

import threading
from collections.abc import Mapping

import msgspec

from kernel_lib.errors import Misconfigured
from kernel_lib.stores.hold_out import HoldOutStore
from kernel_lib.stores.ticks import Span

__all__ = ["Seal", "SealConfig"]

_DAY_NS = 86_400 * 10**9


class SealConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How much is sealed.

    Parameters
    ----------
    share : float
        Of the recorded history, from 0 (nothing is sealed) to 0.5.
    least_days : int
        Days of history below which nothing is sealed.
    """

    share: float = 0.2
    least_days: int = 60

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 0.5 or self.least_days < 1:
            raise Misconfigured(
                f"a hold-out must have a share from 0 to 0.5 and at least 1 day of history, they were {self.share} and "
                f"{self.least_days}; set TICKHUB_HOLD_OUT_SHARE and TICKHUB_HOLD_OUT_LEAST_DAYS"
            )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "SealConfig":
        """Read ``TICKHUB_HOLD_OUT_SHARE`` and ``TICKHUB_HOLD_OUT_LEAST_DAYS``."""
        try:
            return cls(
                share=float(environ.get("TICKHUB_HOLD_OUT_SHARE", "0.2")),
                least_days=int(environ.get("TICKHUB_HOLD_OUT_LEAST_DAYS", "60")),
            )
        except ValueError as error:
            raise Misconfigured(f"the hold-out's share and least days must be numbers: {error}") from error


class Seal:
    """The mark of opened history of every tenant and symbol.

    Parameters
    ----------
    store : HoldOutStore
    config : SealConfig
    """

    def __init__(self, store: HoldOutStore, config: SealConfig | None = None) -> None:
        self._store = store
        self._config = config or SealConfig()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], int] = {}

    def opened_until(self, tenant: str, span: Span) -> int:
        """Open what may be read of a symbol, and give up to where that is, UTC nanoseconds."""
        wanted, key = self._wanted(span), (tenant, span.symbol)
        with self._lock:
            known = self._known.get(key, -1)
        if wanted > known:
            known = self._store.open_until(tenant, span.symbol, wanted)
            with self._lock:
                self._known[key] = max(known, self._known.get(key, -1))
        return known

    def would_open_until(self, tenant: str, span: Span) -> int:
        """Give what :meth:`opened_until` would, and open nothing."""
        return max(self._wanted(span), self._store.opened_until(tenant, span.symbol))

    def _wanted(self, span: Span) -> int:
        length = span.last_ns - span.first_ns
        if self._config.share == 0.0 or length < self._config.least_days * _DAY_NS:
            return (span.last_ns // _DAY_NS + 1) * _DAY_NS
        return int(span.last_ns - self._config.share * length) // _DAY_NS * _DAY_NS
