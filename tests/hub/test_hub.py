"""The hub from the outside: log in, start a real server, compute in it, and stay out of everybody else's."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from kernel_lib.config import Secret
from kernel_lib.market.tick import make_ticks
from kernel_lib.sandbox import capabilities
from kernel_lib.stores.live import RedisLive
from kernel_lib.wire import Streams, encode, tick_block
from tests.hub.platform_up import Person, Platform, platform_up

pytestmark = pytest.mark.flow

T0 = 1_549_238_400 * 10**9


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with platform_up() as running:
        yield running


def run_cell(person: Person, code: str) -> str:
    """Run code in a fresh kernel of the person's server; gives what it printed, or the error."""
    base = f"/user/{person.name}/api/kernels"
    kernel = person.client.post(base, headers=person.headers, json={"name": "python3"}).json()["id"]
    printed = printed_in(person, kernel, code)
    person.client.delete(f"{base}/{kernel}", headers=person.headers)
    return printed


def printed_in(person: Person, kernel: str, code: str, *, wait: bool = True) -> str:
    """Run code in a kernel; gives what it printed; without ``wait`` nothing, for a kernel that will not answer."""
    base = f"/user/{person.name}/api/kernels"
    address = f"{person.url.replace('http', 'ws')}{base}/{kernel}/channels"
    request = {
        "header": {"msg_id": uuid.uuid4().hex, "username": "t", "session": "t", "msg_type": "execute_request",
                   "version": "5.3"},
        "parent_header": {}, "metadata": {}, "channel": "shell",
        "content": {"code": code, "silent": False, "store_history": False, "user_expressions": {},
                    "allow_stdin": False, "stop_on_error": True},
    }  # fmt: skip
    printed = ""
    with connect(address, additional_headers=person.headers, proxy=None, max_size=None) as socket:
        socket.send(json.dumps(request))
        while wait:
            message = json.loads(socket.recv(timeout=90))
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
            if message["msg_type"] == "error":
                printed += f"{message['content']['ename']}: {message['content']['evalue']}"
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
    return printed


@pytest.mark.parametrize("name", ["quant", "nobody", "Quant", "", "quant ", "../admin", "a" * 5000])
def test_a_wrong_password_gets_nobody_in(platform: Platform, name: str) -> None:
    person = Person(platform.url, name)
    answer = person.log_in(Secret("wrong"))
    person.client.close()
    assert answer.status_code == 403
    assert "jupyterhub-hub-login" not in person.client.cookies
    assert "a" * 1000 not in platform.log("hub")


def test_posts_through_the_proxy_are_never_lost(platform: Platform) -> None:
    # Fast answers on unix sockets once made one POST in ten a 503.
    codes = {httpx.post(f"{platform.url}/services/api/strategies", content=b"x" * 100).status_code for _ in range(80)}
    assert codes == {401}


def test_too_many_wrong_passwords_have_to_wait(platform: Platform) -> None:
    person = Person(platform.url, "nosuchuser")
    answers = [person.log_in(Secret("wrong")).status_code for _ in range(7)]
    person.client.close()
    assert answers[:5] == [403] * 5
    assert answers[5:] == [429] * 2


def test_a_trader_logs_in_and_gets_no_server(platform: Platform) -> None:
    trader = platform.person("trader")
    answer = trader.client.post("/hub/api/users/trader/server", headers={"X-XSRFToken": trader.xsrf})
    assert answer.status_code == 403
    assert trader.servers() == {}
    me = httpx.get(f"{platform.url}/services/api/me", headers=trader.headers).json()
    assert (me["tenant"], me["role"], me["tier"]) == ("demo", "trader", "pro")


def test_a_cell_in_a_real_server_reaches_the_platform(platform: Platform) -> None:
    live = RedisLive(platform.urls.live)
    ticks = make_ticks(np.arange(600) * 10**9 + T0, np.full(600, 1.25), np.full(600, 1.5))
    live.append(Streams("demo").ticks, encode(tick_block("agent", "EURUSD", 1, ticks, terminal_ns=0, read_ns=0)))
    live.close()
    quant = platform.person("quant")
    deadline = time.monotonic() + 20
    while not httpx.get(f"{platform.url}/services/data/symbols", headers=quant.headers).json():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    quant.start_server()
    printed = run_cell(
        quant,
        "from kernel_lib import client\n"
        "me = client.me()\n"
        "bars = client.bars('EURUSD', '1m')\n"
        "print(me['user'], me['tenant'], len(client.ticks('EURUSD', limit=7)), len(bars), bars['volume'].iloc[0])\n"
        "try:\n"
        "    client.ticks('NOTHING')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error.code)\n",
    )
    assert printed == "quant demo 7 10 60.0\nRefused unknown_symbol\n"


SWEEP = """
import numpy as np, os, signal
from kernel_lib.backtest import replay
from kernel_lib.backtest.sweep import sweep
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategies import ma_cross
mid = 1.1 + 1e-3 * np.sin(np.arange(9000) / 200)
ticks = make_ticks(1_704_672_000 * 10**9 + np.arange(9000) * 10**9, mid, mid + 1e-5)
"""


def test_a_sweep_is_counted_though_its_kernel_is_killed_and_the_next_report_deflates_by_it(platform: Platform) -> None:
    quant = platform.person("quant")
    if not quant.servers():
        quant.start_server()
    base = f"/user/{quant.name}/api/kernels"
    kernel = quant.client.post(base, headers=quant.headers, json={"name": "python3"}).json()["id"]
    grid = '{"fast": list(range(5, 25)), "slow": [50, 100, 150]}'
    swept = f"{SWEEP}print(sweep(ma_cross, ticks, {grid}, progress=False).n_trials)\n"
    assert printed_in(quant, kernel, swept) == "60\n"
    printed_in(quant, kernel, "os.kill(os.getpid(), signal.SIGKILL)", wait=False)
    quant.client.delete(f"{base}/{kernel}", headers=quant.headers)
    lives = (
        f"{SWEEP}honesty = replay(ma_cross, ticks, params=dict(fast=7, slow=100)).report().honesty\n"
        "print(honesty.n_trials, honesty.counted.n_runs, honesty.counted.by)\n"
        "print(dict(honesty.rows())['Trials behind this result'])\n"
    )
    assert run_cell(quant, lives) == (
        "60 61 platform\n60 in 61 runs for 'ma_cross', counted by the platform; 60 on EURUSD for all hypotheses\n"
    )
    # From outside, the same; nobody of another tenant sees it, and no method takes it away.
    url = f"{platform.url}/services/api/trials"
    told = httpx.get(url, headers=platform.person("admin").headers).json()
    assert [(each["hypothesis"], each["n_trials"], each["n_runs"]) for each in told["hypotheses"]] == [
        ("ma_cross", 60, 61)
    ]
    assert httpx.get(url, headers=platform.person("outsider").headers).json()["hypotheses"] == []
    assert httpx.delete(url, headers=platform.person("admin").headers).status_code == 405
    quota = httpx.get(f"{platform.url}/services/api/quota", headers=quant.headers).json()["backtest_seconds"]
    assert 0.0 < quota["used"] < quota["limit"] == 20_000.0


@pytest.mark.skipif(not capabilities().isolates, reason="this machine cannot isolate (bubblewrap, user namespaces)")
def test_a_cell_sees_nothing_of_the_machine(platform: Platform) -> None:
    quant = platform.person("quant")
    if not quant.servers():
        quant.start_server()
    code = f"""
import os, socket
from pathlib import Path
def tried(what):
    try:
        return what()
    except OSError as error:
        return type(error).__name__
def reach(address):
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as s:
        s.settimeout(3)
        s.connect(address)
    return "REACHED"
print(sorted(os.listdir("/home")))
print(tried(lambda: os.listdir({str(platform.home / "keys")!r})))
print(tried(lambda: reach(("127.0.0.1", {platform.ports.hub}))))
print(tried(lambda: reach({str(platform.home / "run/redis/redis.sock")!r})))
print(tried(lambda: Path({str(os.path.realpath(sys.prefix))!r}, "planted").write_text("x")))
print(sorted(os.listdir("/run/tickhub")), os.getuid() > 0)
print(len([p for p in os.listdir("/proc") if p.isdigit()]) < 12)
"""
    assert run_cell(quant, code).splitlines() == [
        "['quant']", "FileNotFoundError", "ConnectionRefusedError", "FileNotFoundError", "OSError",
        "['hub', 'services', 'singleuser.py'] True", "True",
    ]  # fmt: skip


def test_another_tenants_user_stays_outside(platform: Platform) -> None:
    quant, outsider = platform.person("quant"), platform.person("outsider")
    if not quant.servers():
        quant.start_server()
    for path in ("/user/quant/api/contents", "/user/quant/api/kernels", "/user/quant/lab"):
        assert httpx.get(platform.url + path, headers=outsider.headers).status_code == 403, path
    theirs = httpx.get(f"{platform.url}/services/data/symbols", headers=outsider.headers)
    assert theirs.json() == []
    refused = httpx.get(f"{platform.url}/services/data/ticks?symbol=EURUSD", headers=outsider.headers)
    assert refused.json()["error"] == "unknown_symbol"
    for method, path in (("GET", "users/quant"), ("DELETE", "users/quant/server"), ("POST", "users/quant/tokens"),
                         ("GET", "users"), ("GET", "proxy"), ("GET", "services"), ("POST", "shutdown")):  # fmt: skip
        answer = httpx.request(method, f"{platform.url}/hub/api/{path}", headers=outsider.headers)
        assert answer.status_code in {403, 404}, (path, answer.text)


def test_an_admins_reach_ends_at_the_own_tenant(platform: Platform) -> None:
    admin = platform.person("admin")
    listed = admin.client.get("/hub/api/users").json()
    assert "outsider" not in {user["name"] for user in listed}
    assert admin.client.get("/hub/api/users/outsider").status_code == 404


def test_servers_and_services_outlive_a_killed_hub(platform: Platform) -> None:
    quant = platform.person("quant")
    if not quant.servers():
        quant.start_server()
    before = quant.client.get("/user/quant/api/status", headers=quant.headers).json()["started"]
    platform.stop("hub", kill=True)
    platform.start("hub")
    after = quant.client.get("/user/quant/api/status", headers=quant.headers)
    assert (after.status_code, after.json()["started"]) == (200, before)
    for name in ("api", "data"):
        platform.stop(name, kill=True)
        platform.start(name)
    assert (
        run_cell(quant, "from kernel_lib import client; print(len(client.symbols()), client.me()['user'])")
        == "1 quant\n"
    )
    quant.stop_server()
    assert httpx.get(f"{platform.url}/user/quant/api/status", headers=quant.headers).status_code in {302, 403, 424, 503}


@pytest.mark.parametrize(
    "path",
    ["/services/nothing/", "/services/api/../../hub/api/users", "/hub/api/users/%2e%2e", "/%00",
     "/user/x/../../services/data/symbols", "/hub/login?next=//evil.example"],
)  # fmt: skip
def test_garbage_opens_nothing(platform: Platform, path: str) -> None:
    answer = httpx.get(platform.url + path, follow_redirects=True)
    assert answer.status_code in {200, 400, 401, 403, 404}
    assert answer.url.host == "127.0.0.1"
    if answer.status_code == 200:
        # What anybody may see: the login page, and the hub's version.
        assert answer.url.path == "/hub/login" or set(answer.json()) == {"version"}


def test_a_taken_port_is_named(platform: Platform) -> None:
    program = platform.programs["proxy"]
    done = subprocess.run(
        program.argv, env={**os.environ, **program.env}, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert f"127.0.0.1:{platform.ports.hub} is not" in done.stderr
    assert "TICKHUB_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_secret_is_in_a_command_line_or_a_log(platform: Platform) -> None:
    secrets = [password.reveal() for password in platform.passwords.values()]
    secrets += [path.read_text() for path in (platform.home / "keys").glob("*.token")]
    assert len(secrets) == len(platform.passwords) + 4  # tokens of the proxy and the three services
    for program in platform.programs.values():
        shown = " ".join([*program.argv, *program.env.values()])
        assert not any(secret in shown for secret in secrets)
        assert not any(secret in platform.log(program.name) for secret in secrets)
    for path in (platform.home / "keys").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_a_user_added_while_the_platform_is_up_logs_in_at_once_and_a_removed_one_is_out(platform: Platform) -> None:
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("TICKHUB")},
        "TICKHUB_HOME": str(platform.home.root),
    }
    command = [sys.executable, "-m", "kernel_lib.cli", "user"]
    add = [*command, "add", "ann", "--tenant", "demo", "--role", "quant", "--json"]
    password = Secret(json.loads(subprocess.run(add, env=env, capture_output=True, check=True).stdout)["password"])
    ann = Person(platform.url, "ann")
    assert ann.log_in(password).status_code == 200
    me = httpx.get(f"{platform.url}/services/api/me", headers=ann.headers).json()
    assert (me["user"], me["tenant"], me["role"]) == ("ann", "demo", "quant")
    subprocess.run([*command, "remove", "ann"], env=env, capture_output=True, check=True)
    assert httpx.get(f"{platform.url}/services/api/me", headers=ann.headers).status_code == 403
    ann.client.cookies.clear()
    assert ann.log_in(password).status_code == 403
    ann.client.close()


def test_the_admins_page_says_who_adds_people(platform: Platform) -> None:
    page = platform.person("admin").client.get("/hub/admin")
    assert page.status_code == 200
    assert "tickhub user add NAME" in page.text
    assert ".add-users-button" in page.text
