"""The api service: ``python -m hub.services.api``. Who am I, strategies and their approval, the desk's switches.

Routes, below ``/services/api``; every answer is JSON, every refusal ``{"error", "message"}``::

    GET  /me
    GET  /strategies
    POST /strategies                  a passport's canonical bytes
    GET  /strategies/HASH             what its passport states, to read                 role quant or admin
    POST /strategies/HASH/approve     {"mode": "paper" | "mt5", "agent"?, "limits"?}   role admin, not the author
    POST /strategies/HASH/reject      {"reason"?}                                       role admin
    GET  /desk
    POST /desk/{pause,resume,kill}    {"reason"?, "strategy"?}                          role trader or admin
    POST /outside                     {"channel", "number"}                             role quant or admin
    POST /stream-ticket
    POST /trials                      runs, msgpack, see kernel_lib/counter.py          role quant or admin
    GET  /trials                      what was tried; ?hypothesis=H[&symbol=S] of one
    GET  /quota                       backtest-seconds and looks at the hold-out: limits and use
    GET  /audit                                                                         role admin
"""

import asyncio
import contextlib
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tornado import web

import kernel_lib
from hub.roster import read_token
from hub.services.desk import DeskControl, EngineControl
from hub.services.doorman import Doorman, HubTokens
from hub.services.ledger import QuotaHandler, TrialsHandler, claimed_evidence, trial_finding
from hub.services.tiers_told import keep_tiers_told
from hub.services.web import NoSuchRoute, ServiceHandler, listen, serve_forever
from hub.sockets import hub_socket, service_socket, unix_url
from kernel_lib.agents.access import require_panels
from kernel_lib.certificate import evidence_for_reading
from kernel_lib.config import Home, Ports, StoreUrls
from kernel_lib.errors import BadData, Refused, TickhubError
from kernel_lib.keys import read_private_key
from kernel_lib.one_position import require_own_position
from kernel_lib.passport import (
    MAX_BUNDLE_BYTES,
    Approval,
    Approved,
    Passport,
    check_mode,
    decode_passport,
    for_reading,
    load_approved,
    sign_approval,
    store_approved,
    verify,
    withdraw_approved,
)
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.hold_out import HoldOutStore
from kernel_lib.stores.live import LiveStore, RedisLive
from kernel_lib.stores.trials import TrialLedger
from kernel_lib.tiers import require_access
from kernel_lib.trading.account import RiskLimits
from kernel_lib.wire import OutsideValue, Streams, decode, encode

__all__ = ["api_app"]

_HASH = "([0-9a-f]{64})"
#: Values of channels that the bus keeps for a desk that starts later.
_VALUES_KEPT = 10_000
_FEATURES = Path(kernel_lib.__file__).parent / "features"


class ApproveRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an approver decides; ``limits`` absent means those of the passport."""

    mode: Literal["paper", "mt5"] = "paper"
    agent: str = ""
    limits: RiskLimits | None = None


class OutsideRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value for the strategies that read a channel; ``number`` null says that nothing is known any more."""

    channel: str
    number: float | None = None


class RejectRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a strategy is refused."""

    reason: str = ""


class DeskRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a switch is thrown, and for which strategy; empty means all."""

    reason: str = ""
    strategy: str = ""


class _Api(ServiceHandler):
    def initialize(  # type: ignore[override]
        self, *, accounts: PostgresAccounts, desk: DeskControl, home: Home, key: Ed25519PrivateKey, **shared: Any
    ) -> None:
        super().initialize(**shared)
        self._accounts = accounts
        self._ledger = TrialLedger(accounts)
        self._looks = HoldOutStore(accounts)
        self._desk = desk
        self._home = home
        self._key = key

    async def record(self, what: str, details: dict[str, Any]) -> None:
        caller = self.caller
        await self.blocking(lambda: self._accounts.record(caller.tenant, caller.user, what, details))

    async def poke_engine(self) -> bool:
        # The approval stands on disk already; an engine that is down finds it there when it starts.
        try:
            await self._desk.command(self.caller.tenant, self.caller.user, "reload", {"reason": "approvals changed"})
        except Refused:
            return False
        return True


class _Me(_Api):
    async def get(self) -> None:
        caller = self.caller
        self.answer({"user": caller.user, "tenant": caller.tenant, "role": caller.role, "tier": caller.tier.name,
                     "limits": msgspec.to_builtins(caller.tier)})  # fmt: skip


class _Strategies(_Api):
    async def get(self) -> None:
        tenant = self.caller.tenant
        self.answer(await self.blocking(lambda: self._accounts.strategies(tenant)))

    async def post(self) -> None:
        self.require_role("quant", "admin")
        bundle, caller = self.request.body, self.caller
        passport = decode_passport(bundle)
        if (passport.tenant, passport.author) != (caller.tenant, caller.user):
            raise Refused(
                "wrong_author",
                f"a bundle must name its submitter {caller.user} of {caller.tenant} as author, it names "
                f"{passport.author} of {passport.tenant}",
            )
        # Which features there are is read off the library's files: importing them would compile them here. A feature
        # that is not among them is the tenant's own, and no tier closes it.
        families = [each.partition(" = ")[2].partition("(")[0] for each in passport.features]
        catalogued = [each for each in families if each.isidentifier() and (_FEATURES / f"{each}.py").is_file()]
        require_access(caller.tier, "feature", *catalogued)
        require_access(caller.tier, "model", *_learners(passport))
        require_panels(caller.tier, *passport.features)
        hypothesis = passport.evidence.get("hypothesis", passport.name)
        tally = await self.blocking(lambda: self._ledger.tally(caller.tenant, hypothesis, passport.instrument.symbol))
        known = await self.blocking(lambda: self._accounts.strategy(caller.tenant, hashlib.sha256(bundle).hexdigest()))
        if known is None:  # one that is submitted again was checked when it came first
            claimed_evidence(passport, tally)
        strategy = await self.blocking(lambda: self._accounts.submit(caller.tenant, caller.user, passport.name, bundle))
        finding = trial_finding(tally)
        await self.blocking(lambda: self._ledger.note_finding(caller.tenant, strategy.hash, "trials", finding))
        await self.record("strategy_submitted", {"hash": strategy.hash, "name": strategy.name})
        self.set_status(201)
        self.answer(strategy)


class _Strategy(_Api):
    async def get(self, bundle_hash: str) -> None:
        self.require_role("quant", "admin")
        tenant = self.caller.tenant
        bundle = await self.blocking(lambda: self._accounts.bundle(tenant, bundle_hash))
        if bundle is None:
            raise Refused("unknown_strategy", f"no strategy {bundle_hash[:12]} of this tenant")
        passport = decode_passport(bundle)
        evidence = await self.blocking(lambda: evidence_for_reading(self._home, passport, self._key.public_key()))
        findings = await self.blocking(lambda: self._ledger.findings(tenant, bundle_hash))
        look = await self.blocking(lambda: self._looks.look(tenant, bundle_hash))
        if look is not None:
            findings["hold_out"] = look.content or {"verdict": "running"}
        self.answer({"hash": bundle_hash, **for_reading(passport), "evidence": evidence, "findings": findings})


def _learners(passport: Passport) -> list[str]:
    # As a passport lists a model's prediction: "up = predicted(name='direction', learner='xgboost', bars='1h')".
    listed = (re.fullmatch(r"\w+ = predicted\(.*\blearner='(\w+)'.*\)", each) for each in passport.features)
    return [each[1] for each in listed if each is not None]


class _Approve(_Api):
    async def post(self, bundle_hash: str) -> None:
        self.require_role("admin")
        wish, caller = self.body_as(ApproveRequest), self.caller
        bundle = await self.blocking(lambda: self._accounts.bundle(caller.tenant, bundle_hash))
        if bundle is None:
            raise Refused("unknown_strategy", f"no strategy {bundle_hash[:12]} of this tenant")
        passport = decode_passport(bundle)
        check_mode(passport, wish.mode)
        limits, most_lots = wish.limits or passport.limits, caller.tier.max_position_lots
        if most_lots is not None and limits.max_lots > most_lots:
            raise Refused(
                "tier_lots",
                f"the {caller.tier.name} tier allows positions up to {most_lots:g} lots, the limits say "
                f"{limits.max_lots:g}; approve with limits.max_lots at most {most_lots:g}",
            )
        approval = Approval(
            hash=bundle_hash, tenant=caller.tenant, author=passport.author, approver=caller.user, mode=wish.mode,
            agent=wish.agent, limits=limits, at_ns=time.time_ns(),
        )  # fmt: skip
        running = await self.blocking(lambda: list(self._running(caller.tenant)))
        require_own_position(Approved(passport, approval), running)
        statement, signature = sign_approval(approval, self._key)
        await self.blocking(
            lambda: self._accounts.approve(
                caller.tenant, bundle_hash, caller.user, wish.mode, signature=signature, statement=statement
            )
        )
        await self.blocking(lambda: store_approved(self._home, bundle, statement, signature))
        await self.record("strategy_approved", {"hash": bundle_hash, "mode": wish.mode})
        self.answer({"hash": bundle_hash, "status": "approved", "engine_told": await self.poke_engine()})

    def _running(self, tenant: str) -> Iterator[Approved]:
        key, now_ns = self._key.public_key(), time.time_ns()
        for each in load_approved(self._home, tenant):
            with contextlib.suppress(Refused):  # what the engine does not run is in nobody's way
                yield verify(each.bundle, each.approval, each.signature, key, tenant=tenant, now_ns=now_ns)


class _Reject(_Api):
    async def post(self, bundle_hash: str) -> None:
        self.require_role("admin")
        wish, caller = self.body_as(RejectRequest), self.caller
        await self.blocking(lambda: self._accounts.set_status(caller.tenant, bundle_hash, "rejected"))
        await self.blocking(lambda: withdraw_approved(self._home, caller.tenant, bundle_hash))
        await self.record("strategy_rejected", {"hash": bundle_hash, "reason": wish.reason[:500]})
        self.answer({"hash": bundle_hash, "status": "rejected", "engine_told": await self.poke_engine()})


class _Desk(_Api):
    async def get(self) -> None:
        self.answer(await self._desk.state(self.caller.tenant, self.caller.user))


class _DeskSwitch(_Api):
    # The engine is reached without the bus, and trading must be stopped most of all when something is down.
    uncounted_too = True

    async def post(self, verb: str) -> None:
        self.require_role("trader", "admin")
        wish = self.body_as(DeskRequest)
        details = {"reason": wish.reason[:500]} | ({"strategy": wish.strategy[:64]} if wish.strategy else {})
        # Recorded before it is asked for: a switch that was thrown must not be missing from the trail.
        await self.record(f"desk_{verb}", details)
        self.answer(await self._desk.command(self.caller.tenant, self.caller.user, verb, details))


class _Outside(_Api):
    async def post(self) -> None:
        self.require_role("quant", "admin")
        said, caller = self.body_as(OutsideRequest), self.caller
        number = float("nan") if said.number is None else said.number
        value = encode(OutsideValue(channel=said.channel, number=number, known_ns=time.time_ns(), by=caller.user))
        try:
            decode(value)
        except BadData:
            raise BadData(f"a channel must be 1 to 64 letters, digits or _.:-, it was {said.channel[:80]!r}") from None
        stream = Streams(caller.tenant).outside
        await self.blocking(lambda: self._live.append(stream, value, most=_VALUES_KEPT))
        self.answer({"channel": said.channel, "number": said.number})


class _StreamTicket(_Api):
    async def post(self) -> None:
        caller = self.caller
        content = msgspec.json.encode({"tenant": caller.tenant, "user": caller.user, "tier": caller.tier.name})
        ticket = await self.blocking(lambda: self._live.issue_ticket(content))
        await self.blocking(lambda: self._looks.count_watching(caller.tenant, datetime.now(UTC).date()))
        self.answer({"ticket": ticket.reveal()})


class _Audit(_Api):
    async def get(self) -> None:
        self.require_role("admin")
        tenant = self.caller.tenant
        self.answer(await self.blocking(lambda: self._accounts.audit(tenant)))


class _Health(web.RequestHandler):
    def get(self) -> None:
        self.write({"ok": True})


def api_app(
    doorman: Doorman, live: LiveStore, accounts: PostgresAccounts, desk: DeskControl, home: Home, key: Ed25519PrivateKey
) -> web.Application:
    """Build the service's web application."""
    shared: dict[str, Any] = {"doorman": doorman, "live": live}
    given = shared | {"accounts": accounts, "desk": desk, "home": home, "key": key}
    ledger = shared | {"ledger": TrialLedger(accounts)}
    prefix = "/services/api"
    return web.Application(
        [
            (f"{prefix}/me", _Me, given),
            (f"{prefix}/strategies", _Strategies, given),
            (f"{prefix}/strategies/{_HASH}", _Strategy, given),
            (f"{prefix}/strategies/{_HASH}/approve", _Approve, given),
            (f"{prefix}/strategies/{_HASH}/reject", _Reject, given),
            (f"{prefix}/desk", _Desk, given),
            (f"{prefix}/desk/(pause|resume|kill)", _DeskSwitch, given),
            (f"{prefix}/outside", _Outside, given),
            (f"{prefix}/stream-ticket", _StreamTicket, given),
            (f"{prefix}/audit", _Audit, given),
            (f"{prefix}/trials", TrialsHandler, ledger),
            (f"{prefix}/quota", QuotaHandler, ledger | {"looks": HoldOutStore(accounts)}),
            (f"{prefix}/health", _Health),
        ],
        default_handler_class=NoSuchRoute,
        default_handler_args=shared,
        log_function=lambda handler: None,
    )


async def serve(home: Home, urls: StoreUrls, ports: Ports) -> None:
    """Open the stores and answer until told to stop."""
    accounts, live = PostgresAccounts(urls.accounts), RedisLive(urls.live)
    key = read_private_key(home)
    tokens = HubTokens(f"{unix_url(hub_socket(home))}/hub/api", "api", read_token(home, "api").reveal())
    desk = EngineControl(f"http://127.0.0.1:{ports.control}", key)
    app = api_app(Doorman(tokens, accounts), live, accounts, desk, home, key)
    telling = asyncio.create_task(keep_tiers_told(accounts, live))
    try:
        await serve_forever(listen(app, service_socket(home, "api"), max_body_bytes=MAX_BUNDLE_BYTES))
    finally:
        telling.cancel()
        live.close()
        accounts.close()


def main() -> None:
    home = Home.from_environ()
    try:
        asyncio.run(serve(home, StoreUrls.from_environ(home, os.environ), Ports.from_environ(os.environ)))
    except TickhubError as error:
        sys.exit(f"tickhub: {error}")


if __name__ == "__main__":
    main()
