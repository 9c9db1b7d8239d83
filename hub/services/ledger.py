"""What the api says and takes about trials and quotas: posted by kernels, believed from the platform's ledger alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hub.services.web import ServiceHandler
from kernel_lib.counter import Runs
from kernel_lib.errors import BadData, Refused
from kernel_lib.passport import Passport
from kernel_lib.stores.hold_out import LOOKS_DAYS, HoldOutStore
from kernel_lib.stores.trials import TrialLedger
from kernel_lib.tiers import Tier

__all__ = ["QuotaHandler", "TrialsHandler", "backtest_seconds", "claimed_evidence", "trial_finding"]

_MOST_BATCHES = 1000
_MOST_RUNS = 250_000
_decoder = msgspec.msgpack.Decoder(list[Runs])
#: What a passport may claim of the ledger, and the field of a tally that it must equal.
_CLAIMS = {"trials": "n_trials", "trials_run": "n_runs", "trials_on_instrument": "n_on_instrument"}
#: What only the platform finds; a passport that carries such words is refused.
_RESERVED = ("hold_out",)


class TrialsHandler(ServiceHandler):
    """``POST /trials``: batches of runs, msgpack. ``GET /trials[?hypothesis=[&symbol=]]``: what was counted."""

    def initialize(self, *, ledger: TrialLedger, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self._ledger = ledger

    async def post(self) -> None:
        self.require_role("quant", "admin")
        caller, batches, today = self.caller, _decoded(self.request.body), _today()
        n_new = await self.blocking(lambda: self._ledger.add(caller.tenant, caller.user, batches, today))
        used = await self.blocking(lambda: self._ledger.seconds(caller.tenant, today))
        self.answer({"counted": n_new, "backtest_seconds": backtest_seconds(caller.tier, used)})

    async def get(self) -> None:
        given, tenant = self.only_arguments("hypothesis", "symbol"), self.caller.tenant
        hypothesis, symbol = given.get("hypothesis"), given.get("symbol")
        if symbol is not None:
            if hypothesis is None:
                raise BadData("a query with a symbol must name a hypothesis too")
            self.answer(await self.blocking(lambda: self._ledger.tally(tenant, hypothesis, symbol)))
            return
        found = await self.blocking(lambda: self._ledger.hypotheses(tenant, hypothesis=hypothesis))
        totals = await self.blocking(lambda: self._ledger.instruments(tenant))
        self.answer({"hypotheses": found, "instruments": totals})


class QuotaHandler(ServiceHandler):
    """``GET /quota``: what the tier gives, what of it is used, and when it begins anew."""

    def initialize(self, *, ledger: TrialLedger, looks: HoldOutStore, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self._ledger = ledger
        self._looks = looks

    async def get(self) -> None:
        self.only_arguments()
        caller, today = self.caller, _today()
        used = await self.blocking(lambda: self._ledger.seconds(caller.tenant, today))
        looks = await self.blocking(lambda: self._looks.recent_looks(caller.tenant))
        self.answer({
            "tier": caller.tier.name, "day": today, "resets_at": datetime(
                today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1),
            "backtest_seconds": backtest_seconds(caller.tier, used),
            "hold_out_looks": {"limit": caller.tier.hold_out_looks, "days": LOOKS_DAYS, "used": looks},
        })  # fmt: skip


def backtest_seconds(held: Tier, used: float) -> dict[str, float | None]:
    """Give limit, use and rest of a day's backtest-seconds; limit and rest None where the tier has no limit."""
    limit = held.backtest_seconds
    return {"limit": limit, "used": used, "left": None if limit is None else max(0.0, limit - used)}


def claimed_evidence(passport: Passport, tally: dict[str, Any]) -> None:
    """Refuse a passport whose evidence says something else of its trials than the ledger does.

    Raises
    ------
    Refused
        Code ``bundle_evidence``.
    """
    for name in _RESERVED:
        if name in passport.evidence:
            raise Refused(
                "bundle_evidence",
                f"evidence {name!r} must come from the platform, the passport brings its own; leave it out",
            )
    for name, field in _CLAIMS.items():
        claimed = passport.evidence.get(name)
        if claimed is not None and claimed != str(tally[field]):
            raise Refused(
                "bundle_evidence",
                f"evidence {name!r} must be what the platform counted, {tally[field]}, the passport says "
                f"{claimed[:40]!r}; promote again, client.promote() puts the count in",
            )


def trial_finding(tally: dict[str, Any]) -> dict[str, Any]:
    """Give what approvers see of the ledger as it stood at submission."""
    return {"at": datetime.now(UTC).isoformat(timespec="seconds"), **tally}


def _decoded(body: bytes) -> Sequence[Runs]:
    try:
        batches = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadData(f"trials must be a list of runs in msgpack: {error}") from None
    if len(batches) > _MOST_BATCHES or sum(batch.n_runs for batch in batches) > _MOST_RUNS:
        raise BadData(f"one post must have at most {_MOST_BATCHES} batches and {_MOST_RUNS:,} runs")
    return batches


def _today() -> Any:
    return datetime.now(UTC).date()
