"""The published desk over HTTP: no code, no token and no foreign desk in reach; switches only for who may."""

import contextlib
import json
import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dashboards.viewers import ENDED
from tests.dashboards.conftest import DESK, OneDeskEngine, Opening, Viewing, wait_until
from tests.hub.platform_up import Platform


def kernels(platform: Platform) -> dict[int, dict[str, str]]:
    """The environments of this platform's page kernels, by process id."""
    found: dict[int, dict[str, str]] = {}
    for entry in Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0")
            if (
                b"python" in argv[0]
                and b"ipykernel_launcher" in argv
                and any(str(platform.home.root).encode() in each for each in argv)
            ):
                variables = (entry / "environ").read_bytes().decode().split("\0")
                found[int(entry.name)] = dict(each.split("=", 1) for each in variables if "=" in each)
        except (OSError, ValueError):
            continue
    return found


def channels(platform: Platform, viewing: Viewing, kernel_id: str, origin: str | None = None) -> connect:
    url = f"{platform.url.replace('http', 'ws')}{DESK}api/kernels/{kernel_id}/channels?session_id=test"
    return connect(
        url, origin=origin or platform.url, additional_headers={"Cookie": viewing.cookies}, proxy=None  # type: ignore[arg-type]
    )  # fmt: skip


async def ask_kernel(line: ClientConnection, kind: str, content: dict[str, object]) -> None:
    header = {"msg_id": f"id-{kind}", "msg_type": kind, "username": "", "session": "test", "version": "5.3", "date": ""}
    await line.send(
        json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"})
    )


def test_whoever_is_not_logged_in_is_sent_to_the_login(platform: Platform) -> None:
    with httpx.Client(base_url=platform.url, trust_env=False) as nobody:
        answer = nobody.get(DESK)
        assert answer.status_code == 302
        where = urlsplit(answer.headers["Location"])
        assert where.path == "/hub/api/oauth2/authorize"
        assert parse_qs(where.query)["client_id"] == ["service-desk"]
        assert nobody.get(f"{DESK}broker/desk").status_code == 403
        assert nobody.post(f"{DESK}broker/kill", json={}).status_code == 403


def test_a_page_holds_neither_code_nor_token(platform: Platform, trader: Viewing) -> None:
    assert trader.page.status_code == 200, trader.page.text
    assert "<title>Tickhub desk</title>" in trader.page.text
    for source in ("from dashboards", "import TraderDesk", "TraderDesk()", "language_info"):
        assert source not in trader.page.text
    assert len(trader.token) >= 24
    service = (platform.home / "keys" / "desk.token").read_text()
    for place in (trader.page.text, platform.log("desk"), platform.log("proxy"), str(trader.page.headers)):
        assert trader.token not in place
        assert service not in place
    assert not any(trader.token in str(each.url) for each in trader.page.history)


def test_a_page_asks_no_other_host(trader: Viewing) -> None:
    policy = trader.page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    for foreign in ("//cdn", "jsdelivr", "cdnjs", "unpkg"):
        assert foreign not in trader.page.text


def test_a_kernel_has_nothing_of_value_in_its_environment(platform: Platform, trader: Viewing) -> None:
    assert trader.kernel_id
    wait_until(lambda: kernels(platform), 20, "no kernel runs")
    allowed = {"PATH", "HOME", "LANG", "TZ", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "PYTHONNOUSERSITE", "OMP_NUM_THREADS",
               "PWD", "LC_CTYPE", "VOILA_KERNEL_ID"}  # fmt: skip
    for variables in kernels(platform).values():
        assert set(variables) <= allowed
        assert trader.token not in str(variables)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: without it kernels share the user of the page server")
def test_a_kernel_runs_as_nobody_in_particular_without_a_network(platform: Platform, trader: Viewing) -> None:
    assert trader.kernel_id
    for pid in kernels(platform):
        assert Path(f"/proc/{pid}").stat().st_uid >= 200_000
        interfaces = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
        assert [each.split(":")[0].strip() for each in interfaces] == ["lo"]


@pytest.mark.parametrize(
    "path",
    [
        "voila/query/KERNEL", "voila/files/trader.ipynb", "voila/render/trader.ipynb", "voila/tree",
        "voila/execution/KERNEL",
        "api/contents", "api/contents/trader.ipynb", "api/kernels", "api/sessions", "api/kernelspecs", "api/terminals",
        "api/status", "api/config/x", "api/me", "voila/api/contents", "voila/api/themes/x",
        "nbconvert/html/trader.ipynb",
        "files/trader.ipynb", "tree", "lab", "login", "metrics", "voila/static/../../../../etc/passwd", "nosuchpage",
    ],
)  # fmt: skip
def test_the_doors_of_the_stock_server_are_walled_up(trader: Viewing, path: str) -> None:
    answer = trader.client.get(DESK + path.replace("KERNEL", trader.kernel_id), headers=trader.headers)
    assert answer.status_code == 404
    assert "TraderDesk" not in answer.text


def test_no_kernel_is_started_or_deleted_by_request(trader: Viewing) -> None:
    client, headers = trader.client, trader.headers
    assert client.post(f"{DESK}api/kernels", json={"name": "python3"}, headers=headers).status_code == 404
    assert client.delete(f"{DESK}api/kernels/{trader.kernel_id}", headers=headers).status_code == 405
    assert client.post(f"{DESK}api/kernels/{trader.kernel_id}/restart", headers=headers).status_code == 404


def test_arguments_choose_no_template(trader: Viewing) -> None:
    answer = trader.client.get(f"{DESK}?template=../../x&theme=dark", follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"] == DESK


async def test_a_viewer_reaches_no_other_viewers_kernel(platform: Platform, trader: Viewing, outsider: Viewing) -> None:
    theirs = trader.kernel_id
    assert theirs != outsider.kernel_id
    assert outsider.client.get(f"{DESK}api/kernels/{theirs}", headers=outsider.headers).status_code == 404
    ended = outsider.client.post(f"{DESK}voila/api/shutdown/{theirs}", headers=outsider.headers)
    assert ended.status_code == 404
    with pytest.raises(InvalidStatus, match="404"):
        async with channels(platform, outsider, theirs):
            pass
    assert trader.client.get(f"{DESK}api/kernels/{theirs}", headers=trader.headers).status_code == 200


async def test_a_foreign_page_cannot_connect(platform: Platform, trader: Viewing) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        async with channels(platform, trader, trader.kernel_id, origin="http://elsewhere.example"):
            pass


async def test_a_kernel_answers_widgets_and_runs_nothing_that_is_sent(platform: Platform, trader: Viewing) -> None:
    async with channels(platform, trader, trader.kernel_id) as line:
        await ask_kernel(line, "execute_request", {"code": "open('/tmp/ran', 'w')", "silent": False})
        await ask_kernel(line, "shutdown_request", {"restart": False})
        await ask_kernel(line, "kernel_info_request", {})
        answered: list[str] = []
        while "kernel_info_reply" not in answered:
            message = json.loads(await line.recv())
            if message["parent_header"].get("session") == "test":
                assert message["parent_header"]["msg_type"] == "kernel_info_request"
            answered.append(message["msg_type"])
    assert "execute_reply" not in answered


def test_each_viewer_sees_the_own_tenants_desk(trader: Viewing, outsider: Viewing) -> None:
    assert trader.ask("desk").json()["state"]["profit"] == 77.5
    assert trader.ask("me").json() == {
        "user": "trader", "tenant": "demo", "role": "trader", "tier": "pro", "acts": True,
    }  # fmt: skip
    refused = outsider.ask("desk")
    assert refused.status_code == 404
    assert refused.json()["error"] == "no_such_desk"
    assert outsider.ask("me").json()["tenant"] == "other"


@pytest.mark.parametrize("address", ["/", "/hub/", "/hub/login"])
def test_a_trader_who_opens_the_printed_address_lands_on_the_desk(
    platform: Platform, engine: OneDeskEngine, address: str
) -> None:
    with httpx.Client(base_url=platform.url, follow_redirects=True, timeout=60, trust_env=False) as client:
        asked = client.get(address)
        assert asked.url.path == "/hub/login"
        xsrf = str(client.cookies.get("_xsrf", path="/hub/"))
        form = {"username": "trader", "password": platform.passwords["trader"].reveal(), "_xsrf": xsrf}
        landed = client.post(asked.url, params={"_xsrf": xsrf}, data=form)
        assert (landed.status_code, landed.url.path) == (200, DESK)
        assert "<title>Tickhub desk</title>" in landed.text


def test_the_hub_offers_a_trader_the_desk_and_no_server(trader: Viewing, quant: Viewing) -> None:
    home = trader.client.get("/hub/home").text
    assert f'href="{DESK}"' in home
    assert "Start" not in home
    assert "Add New Server" not in home
    assert "approvals" not in home
    refused = trader.client.get("/hub/admin")
    assert refused.status_code == 403
    assert "Your role does not open this page" in refused.text
    assert "scopes" not in refused.text
    assert "Add New Server" in quant.client.get("/hub/home").text


def test_the_hold_out_is_asked_of_the_data_service_in_the_viewers_name(trader: Viewing, quant: Viewing) -> None:
    refused = trader.tell(f"strategies/{'ab' * 32}/hold-out")
    assert (refused.status_code, refused.json()["error"]) == (403, "role")
    unknown = quant.tell(f"strategies/{'ab' * 32}/hold-out")
    assert unknown.json()["error"] == "unknown_strategy"
    assert quant.tell(f"strategies/{'ab' * 32}/hold-out/../x").status_code == 404


def test_only_a_trader_or_admin_throws_a_switch(engine: OneDeskEngine, trader: Viewing, quant: Viewing) -> None:
    before = len(engine.told)
    refused = quant.tell("pause", {"reason": "no"})
    assert (refused.status_code, refused.json()["error"]) == (403, "role")
    assert len(engine.told) == before
    assert quant.ask("desk").status_code == 200
    assert not quant.ask("me").json()["acts"]
    assert trader.tell("pause", {"reason": "lunch"}).status_code == 200
    assert engine.told[before:] == [("/desks/demo/pause", {"by": "trader", "reason": "lunch"})]


def test_a_switch_takes_the_pages_own_proof_and_origin(
    platform: Platform, engine: OneDeskEngine, trader: Viewing
) -> None:
    before = len(engine.told)
    bare = trader.client.post(f"{DESK}broker/kill", json={}, headers={"Sec-Fetch-Mode": "cors"})
    forged = trader.tell("kill", {}, **{"X-XSRFToken": "2|forged"})
    foreign = trader.tell("kill", {}, Origin="http://elsewhere.example")
    assert {bare.status_code, forged.status_code, foreign.status_code} <= {403, 404}
    assert len(engine.told) == before
    assert trader.tell("resume", {}, Origin=platform.url).status_code == 200


def test_bad_bodies_are_refused_in_words(engine: OneDeskEngine, trader: Viewing) -> None:
    before = len(engine.told)
    for body in (b"[", b'{"reason": 5}', b'{"unknown": "x"}', b"\xff"):
        answer = trader.client.post(f"{DESK}broker/pause", content=body, headers=trader.headers)
        assert answer.status_code == 400
        assert "JSON" in answer.json()["message"]
    long = trader.client.post(f"{DESK}broker/pause", content=b'"' + b"x" * 5000 + b'"', headers=trader.headers)
    assert long.status_code == 413
    assert trader.client.get(f"{DESK}broker/pause", headers=trader.headers).status_code == 405
    assert len(engine.told) == before


async def test_rights_that_end_stop_actions_at_once_and_close_the_page(
    platform: Platform, engine: OneDeskEngine, opening: Opening
) -> None:
    admin = opening("admin")
    async with channels(platform, admin, admin.kernel_id) as line:
        assert admin.tell("resume").status_code == 200
        before = len(engine.told)
        tokens = admin.client.get("/hub/api/users/admin/tokens").json()["api_tokens"]
        xsrf = {"X-XSRFToken": str(admin.client.cookies.get("_xsrf", path="/hub/"))}
        for each in tokens:
            if each.get("oauth_client") and "desk" in str(each["oauth_client"]):
                admin.client.delete(f"/hub/api/users/admin/tokens/{each['id']}", headers=xsrf)
        assert admin.tell("kill").status_code == 403
        assert len(engine.told) == before
        with contextlib.suppress(ConnectionClosed):  # within 15 s; the test's own limit is longer
            async for _ in line:
                pass
    assert line.close_code == ENDED


@pytest.mark.parametrize("path", ["nosuchpage", "tree", "lab"])
def test_what_cannot_be_shown_is_said_in_words(trader: Viewing, path: str) -> None:
    answer = trader.client.get(DESK + path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "There is no such page" in answer.text
    assert f'href="{DESK}"' in answer.text
