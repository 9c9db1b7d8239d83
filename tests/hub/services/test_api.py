"""The api lets each role do its part, keeps maker and checker apart, and leaves a trail."""

import asyncio
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import msgspec
import pytest
from tornado import web

from hub.services.api import api_app
from hub.services.desk import EngineControl
from hub.services.doorman import Doorman
from kernel_lib.config import Home
from kernel_lib.errors import Refused
from kernel_lib.keys import Claims, create_keys, read_private_key, read_public_key, verify_token
from kernel_lib.market.instrument import EURUSD
from kernel_lib.passport import MAX_BUNDLE_BYTES, Passport, decode_passport, load_approved, verify
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.live import RedisLive
from kernel_lib.trading.account import RiskLimits
from kernel_lib.wire import OutsideValue, Streams, decode
from tests.hub.services.running import AbsentDesk, NameTokens, ObedientDesk, SilentLive, running, token

PREFIX = "/services/api"


@pytest.fixture(scope="module")
def api(accounts: PostgresAccounts, live: RedisLive) -> Iterator[tuple[httpx.Client, ObedientDesk, Home]]:
    desk = ObedientDesk()
    with TemporaryDirectory() as place:
        home = Home(Path(place) / "home").create()
        create_keys(home)

        def build() -> object:
            doorman = Doorman(NameTokens(), accounts)
            return api_app(doorman, live, accounts, desk, home, read_private_key(home))

        with running(build, Path(place) / "api.sock", max_body_bytes=MAX_BUNDLE_BYTES) as client:  # type: ignore[arg-type]
            yield client, desk, home


def bundle_of(tenant: str, author: str, name: str = "ema_cross") -> bytes:
    return Passport(
        name=name, source="# a strategy", entry="ema_cross", instrument=EURUSD, author=author, tenant=tenant,
        created_ns=1, limits=RiskLimits(max_lots=0.1),
    ).encode()  # fmt: skip


def submit(client: httpx.Client, tenant: str, name: str = "ema_cross") -> str:
    user = f"{tenant}-quant"
    response = client.post(f"{PREFIX}/strategies", content=bundle_of(tenant, user, name), headers=token(user))
    assert response.status_code == 201, response.text
    return str(response.json()["hash"])


def test_me_says_who_and_what_is_allowed(api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str]) -> None:
    tenant = tenants["free"]
    answer = api[0].get(f"{PREFIX}/me", headers=token(f"{tenant}-trader")).json()
    assert (answer["user"], answer["tenant"], answer["role"]) == (f"{tenant}-trader", tenant, "trader")
    assert (answer["tier"], answer["limits"]["rows_per_query"]) == ("free", 100)


def test_a_strategy_goes_from_quant_to_engine(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    client, desk, home = api
    tenant = tenants["pro"]
    bundle_hash = submit(client, tenant)
    assert submit(client, tenant) == bundle_hash
    own = client.post(f"{PREFIX}/strategies/{bundle_hash}/approve", headers=token(f"{tenant}-quant"))
    assert (own.status_code, own.json()["error"]) == (403, "role")
    done = client.post(
        f"{PREFIX}/strategies/{bundle_hash}/approve", json={"mode": "paper"}, headers=token(f"{tenant}-admin")
    )
    assert done.json() == {"hash": bundle_hash, "status": "approved", "engine_told": True}
    assert desk.calls[-1] == (tenant, f"{tenant}-admin", "reload", {"reason": "approvals changed"})
    stored = next(iter(load_approved(home, tenant)))
    approved = verify(
        stored.bundle, stored.approval, stored.signature, read_public_key(home), tenant=tenant, now_ns=time.time_ns()
    )
    assert (approved.approval.approver, approved.approval.mode) == (f"{tenant}-admin", "paper")
    read = client.get(f"{PREFIX}/strategies/{bundle_hash}", headers=token(f"{tenant}-admin")).json()
    assert read["author"] == f"{tenant}-quant"
    assert read["source"]
    assert read["limits"]["max_lots"] > 0
    unread = client.get(f"{PREFIX}/strategies/{bundle_hash}", headers=token(f"{tenant}-trader"))
    assert unread.status_code == 403
    listed = client.get(f"{PREFIX}/strategies", headers=token(f"{tenant}-trader")).json()
    assert [(each["hash"], each["status"]) for each in listed] == [(bundle_hash, "approved")]
    again = client.post(f"{PREFIX}/strategies/{bundle_hash}/approve", headers=token(f"{tenant}-admin"))
    assert (again.status_code, again.json()["error"]) == (409, "already_approved")
    trail = [(entry.who, entry.what) for entry in reversed(accounts.audit(tenant))]
    assert trail[-1] == (f"{tenant}-admin", "strategy_approved")
    assert (f"{tenant}-quant", "strategy_submitted") in trail
    rejected = client.post(
        f"{PREFIX}/strategies/{bundle_hash}/reject",
        json={"reason": "second thoughts"},
        headers=token(f"{tenant}-admin"),
    )
    assert rejected.json()["status"] == "rejected"
    assert list(load_approved(home, tenant)) == []


def test_an_admin_cannot_approve_the_own_strategy(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str]
) -> None:
    client, _, home = api
    tenant, admin = tenants["pro"], f"{tenants['pro']}-admin"
    mine = client.post(f"{PREFIX}/strategies", content=bundle_of(tenant, admin), headers=token(admin)).json()["hash"]
    refused = client.post(f"{PREFIX}/strategies/{mine}/approve", headers=token(admin))
    assert refused.status_code == 403
    assert refused.json()["error"] in {"author_is_approver", "approver_is_author"}
    assert mine not in {stored.hash for stored in load_approved(home, tenant)}


def test_limits_above_the_tier_are_refused(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str]
) -> None:
    client = api[0]
    tenant = tenants["free"]
    bundle_hash = submit(client, tenant)
    wish = {"limits": msgspec.to_builtins(RiskLimits(max_lots=5.0))}
    refused = client.post(f"{PREFIX}/strategies/{bundle_hash}/approve", json=wish, headers=token(f"{tenant}-admin"))
    assert (refused.status_code, refused.json()["error"]) == (403, "tier_lots")


def test_what_runs_on_paper_only_is_not_approved_for_a_terminal(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str]
) -> None:
    client, tenant = api[0], tenants["pro"]
    bundle = msgspec.structs.replace(
        decode_passport(bundle_of(tenant, f"{tenant}-quant", "trails")), evidence={"paper_only": "a trailing stop"}
    ).encode()
    sent = client.post(f"{PREFIX}/strategies", content=bundle, headers=token(f"{tenant}-quant"))
    approve = f"{PREFIX}/strategies/{sent.json()['hash']}/approve"
    refused = client.post(approve, json={"mode": "mt5", "agent": "a"}, headers=token(f"{tenant}-admin"))
    assert (refused.status_code, refused.json()["error"]) == (403, "paper_only")
    assert "a trailing stop" in refused.json()["message"]
    assert client.post(approve, json={"mode": "paper"}, headers=token(f"{tenant}-admin")).status_code == 200


def test_a_second_strategy_on_one_netting_position_is_not_approved(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str]
) -> None:
    client, tenant = api[0], tenants["pro"]
    first, second = submit(client, tenant, "first"), submit(client, tenant, "second")
    admin, wish = token(f"{tenant}-admin"), {"mode": "mt5", "agent": "pc1"}

    def approve(bundle_hash: str) -> tuple[int, str]:
        answer = client.post(f"{PREFIX}/strategies/{bundle_hash}/approve", json=wish, headers=admin)
        return answer.status_code, answer.json().get("error", "")

    assert approve(first) == (200, "")
    assert approve(second) == (409, "symbol_taken")
    assert client.post(f"{PREFIX}/strategies/{first}/reject", json={}, headers=admin).status_code == 200
    assert approve(second) == (200, "")
    assert client.post(f"{PREFIX}/strategies/{second}/reject", json={}, headers=admin).status_code == 200


def test_another_tenant_cannot_touch_a_strategy(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str]
) -> None:
    client = api[0]
    bundle_hash = submit(client, tenants["pro"], "canary")
    theirs = token(f"{tenants['free']}-admin")
    assert client.get(f"{PREFIX}/strategies", headers=theirs).json() == []
    for verb in ("approve", "reject"):
        refused = client.post(f"{PREFIX}/strategies/{bundle_hash}/{verb}", headers=theirs)
        assert (refused.status_code, refused.json()["error"]) == (404, "unknown_strategy")
    # A bundle that names another tenant or author is not taken.
    for tenant, author in ((tenants["pro"], f"{tenants['free']}-quant"), (tenants["free"], f"{tenants['pro']}-quant")):
        refused = client.post(
            f"{PREFIX}/strategies", content=bundle_of(tenant, author), headers=token(f"{tenants['free']}-quant")
        )
        assert (refused.status_code, refused.json()["error"]) == (403, "wrong_author")


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"\xff" * 100, 400), (b"{}", 400), (b"x" * (MAX_BUNDLE_BYTES + 1), 413), (b"\x80", 400)],
    ids=["empty", "noise", "json", "too long", "empty map"],
)
def test_a_bundle_of_garbage_is_refused(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str], content: bytes, status: int
) -> None:
    user = f"{tenants['pro']}-quant"
    try:
        response = api[0].post(f"{PREFIX}/strategies", content=content, headers=token(user))
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        # Too long a body is cut off before it is read.
        assert status == 413
        return
    assert response.status_code in {status, 400}
    assert api[0].get(f"{PREFIX}/strategies", headers=token(user)).json() == []


def test_traders_switch_the_desk_and_quants_do_not(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    client, desk, _ = api
    tenant = tenants["pro"]
    trader = token(f"{tenant}-trader")
    assert client.get(f"{PREFIX}/desk", headers=trader).json() == {"tenant": tenant, "user": f"{tenant}-trader"}
    for verb in ("pause", "resume", "kill"):
        assert client.post(f"{PREFIX}/desk/{verb}", json={"reason": "r"}, headers=trader).json() == {"state": verb}
        assert desk.calls[-1] == (tenant, f"{tenant}-trader", verb, {"reason": "r"})
        assert accounts.audit(tenant, 1)[0].what == f"desk_{verb}"
        refused = client.post(f"{PREFIX}/desk/{verb}", headers=token(f"{tenant}-quant"))
        assert (refused.status_code, refused.json()["error"]) == (403, "role")
    for body in (b"[]", b"{", b'{"reason": 1}', b'{"tenant": "x"}', b"\xff"):
        assert client.post(f"{PREFIX}/desk/pause", content=body, headers=trader).status_code == 400


def test_a_stream_ticket_names_the_caller(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str], live: RedisLive
) -> None:
    tenant = tenants["pro"]
    ticket = api[0].post(f"{PREFIX}/stream-ticket", headers=token(f"{tenant}-trader")).json()["ticket"]
    content = msgspec.json.decode(live.redeem_ticket(ticket))
    assert content == {"tenant": tenant, "user": f"{tenant}-trader", "tier": "pro"}
    with pytest.raises(Refused):
        live.redeem_ticket(ticket)


def test_the_trail_is_for_admins(api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str]) -> None:
    tenant = tenants["pro"]
    assert api[0].get(f"{PREFIX}/audit", headers=token(f"{tenant}-quant")).json()["error"] == "role"
    assert api[0].get(f"{PREFIX}/audit", headers=token(f"{tenant}-admin")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path", ["me", "strategies", f"strategies/{'0' * 64}/approve", "strategies/zz/approve", "desk", "desk/pause",
             "desk/explode", "stream-ticket", "audit", "", "..%2fdata", "me%00", "me?x=" + "y" * 5000],
)  # fmt: skip
def test_without_a_token_every_route_is_closed(
    api: tuple[httpx.Client, ObedientDesk, Home], method: str, path: str
) -> None:
    response = api[0].request(method, f"{PREFIX}/{path}")
    assert (response.status_code, response.json()["error"]) == (401, "no_token")


def test_an_absent_engine_is_named(
    accounts: PostgresAccounts, live: RedisLive, tenants: dict[str, str], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home").create()
    create_keys(home)

    def build() -> object:
        doorman = Doorman(NameTokens(), accounts)
        return api_app(doorman, live, accounts, AbsentDesk(), home, read_private_key(home))

    tenant = tenants["pro"]
    with running(build, tmp_path / "api.sock") as client:  # type: ignore[arg-type]
        answer = client.get(f"{PREFIX}/desk", headers=token(f"{tenant}-trader"))
        assert (answer.status_code, answer.json()["error"]) == (503, "engine_unreachable")
        bundle_hash = submit(client, tenant)
        done = client.post(f"{PREFIX}/strategies/{bundle_hash}/approve", headers=token(f"{tenant}-admin")).json()
        # The approval stands; the engine finds it when it starts.
        assert (done["status"], done["engine_told"]) == ("approved", False)
        assert len(list(load_approved(home, tenant))) == 1


class _StrictEngine(web.RequestHandler):
    """An engine's control that checks the token as the real one does, and says what it was asked."""

    def initialize(self, home: Home) -> None:
        self._home = home

    def _claims(self) -> Claims:
        token = self.request.headers["Authorization"].removeprefix("Bearer ")
        return verify_token(
            read_public_key(self._home), token, audience="control", now_s=int(time.time()), max_lifetime_s=60
        )

    def get(self, tenant: str) -> None:
        self.finish({"ok": True, "desk": tenant, "claims": [self._claims().tenant, self._claims().subject]})

    def post(self, tenant: str, verb: str) -> None:
        if verb == "kill":
            self.set_status(409)
            self.finish({"ok": False, "code": "desk_down", "message": "the desk is down"})
        else:
            self.finish({"ok": True, "verb": verb, "body": json.loads(self.request.body)})


async def test_the_engine_is_called_with_a_short_token_for_one_tenant(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").create()
    create_keys(home)
    routes = [("/desks/([^/]+)", _StrictEngine, {"home": home}), ("/desks/([^/]+)/(.+)", _StrictEngine, {"home": home})]
    server = web.Application(routes).listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    control = EngineControl(f"http://127.0.0.1:{port}", read_private_key(home))
    assert (await control.state("demo", "ann"))["claims"] == ["demo", "ann"]
    answer = await control.command("demo", "ann", "pause", {"reason": "lunch"})
    assert answer["body"] == {"by": "ann", "reason": "lunch"}
    with pytest.raises(Refused, match="the desk is down") as refused:
        await control.command("demo", "ann", "kill", {})
    assert refused.value.code == "desk_down"
    server.stop()
    await server.close_all_connections()


class _LateEngine(web.RequestHandler):
    async def get(self, tenant: str) -> None:
        await asyncio.sleep(0.5)
        self.finish({"ok": True})

    async def post(self, tenant: str, verb: str) -> None:
        await self.get(tenant)


async def test_a_command_that_is_obeyed_late_is_not_told_as_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk that takes a strategy in compiles it before it answers."""
    monkeypatch.setattr("hub.services.desk._TIMEOUT_S", 0.1)
    home = Home(tmp_path / "home").create()
    create_keys(home)
    server = web.Application([("/desks/([^/]+)", _LateEngine), ("/desks/([^/]+)/(.+)", _LateEngine)]).listen(
        0, "127.0.0.1"
    )
    port = next(iter(server._sockets.values())).getsockname()[1]
    control = EngineControl(f"http://127.0.0.1:{port}", read_private_key(home))
    assert await control.command("demo", "ann", "reload", {}) == {"ok": True}
    with pytest.raises(Refused, match="it did not"):
        await control.state("demo", "ann")
    server.stop()
    await server.close_all_connections()


async def test_a_closed_port_is_an_absent_engine(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").create()
    create_keys(home)
    with pytest.raises(Refused, match="it did not"):
        await EngineControl("http://127.0.0.1:9", read_private_key(home)).state("demo", "ann")


def test_a_value_from_outside_goes_to_the_own_tenants_desk_only(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str], live: RedisLive
) -> None:
    client, tenant = api[0], tenants["pro"]
    said = {"channel": "news:EURUSD", "number": 0.5}
    assert client.post(f"{PREFIX}/outside", json=said, headers=token(f"{tenant}-quant")).json() == said
    unknown = client.post(f"{PREFIX}/outside", json={"channel": "news:EURUSD"}, headers=token(f"{tenant}-quant"))
    assert unknown.status_code == 200
    entries = live.read({Streams(tenant).outside: "0-0"}, count=10)[Streams(tenant).outside]
    values = [each for each in (decode(raw) for _, raw in entries) if isinstance(each, OutsideValue)]
    assert [(each.channel, each.by) for each in values] == [("news:EURUSD", f"{tenant}-quant")] * 2
    assert values[0].number == 0.5
    assert math.isnan(values[1].number)
    assert not live.read({Streams(tenants["free"]).outside: "0-0"}, count=10)
    refused = client.post(f"{PREFIX}/outside", json=said, headers=token(f"{tenant}-trader"))
    assert (refused.status_code, refused.json()["error"]) == (403, "role")
    wrongs: list[dict[str, object]] = [
        {"channel": "a b", "number": 1.0}, {"channel": "", "number": 1.0}, {"number": 1.0}, {"channel": "x", "n": 1},
    ]  # fmt: skip
    for wrong in wrongs:
        assert client.post(f"{PREFIX}/outside", json=wrong, headers=token(f"{tenant}-quant")).status_code == 400


def test_features_of_a_higher_tier_are_refused_by_name(
    api: tuple[httpx.Client, ObedientDesk, Home], tenants: dict[str, str]
) -> None:
    tenant = tenants["free"]
    author = f"{tenant}-quant"
    passport = msgspec.structs.replace(
        decode_passport(bundle_of(tenant, author)),
        features=["own = my_idea(n=3)", "slow = sma(window=20)", "r = rsi(14)"],
    )
    refused = api[0].post(f"{PREFIX}/strategies", content=passport.encode(), headers=token(author))
    assert (refused.status_code, refused.json()["error"]) == (403, "tier")
    assert "the feature rsi needs the pro tier" in refused.json()["message"]
    for listed, needed in (
        ("up = predicted(name='d', learner='xgboost', bars='1h')", "the model xgboost needs the pro tier"),
        ("p = consensus(tier='enterprise', bars='5m')", "needs the enterprise tier"),
    ):
        closed = msgspec.structs.replace(passport, features=[listed])
        answer = api[0].post(f"{PREFIX}/strategies", content=closed.encode(), headers=token(author))
        assert (answer.status_code, answer.json()["error"]) == (403, "tier")
        assert needed in answer.json()["message"]
    allowed = msgspec.structs.replace(passport, features=passport.features[:2])
    assert api[0].post(f"{PREFIX}/strategies", content=allowed.encode(), headers=token(author)).status_code == 201


def test_a_desk_is_switched_while_the_bus_is_down_and_nothing_else_goes_through(
    accounts: PostgresAccounts, tenants: dict[str, str], home: Home
) -> None:
    create_keys(home)
    desk, trader = ObedientDesk(), token(f"{tenants['pro']}-trader")

    def build() -> web.Application:
        doorman = Doorman(NameTokens(), accounts)
        return api_app(doorman, SilentLive(), accounts, desk, home, read_private_key(home))  # type: ignore[arg-type]

    with running(build, home / "run" / "api.sock") as client:
        assert client.get(f"{PREFIX}/me", headers=trader).status_code == 503
        assert client.post(f"{PREFIX}/stream-ticket", headers=trader).status_code == 503
        for verb in ("pause", "kill"):
            answer = client.post(f"{PREFIX}/desk/{verb}", json={"reason": "bus down"}, headers=trader)
            assert answer.status_code == 200, answer.text
        refused = client.post(f"{PREFIX}/desk/kill", headers=token(f"{tenants['pro']}-quant"))
        assert refused.status_code == 403
    assert [call[2] for call in desk.calls] == ["pause", "kill"]
