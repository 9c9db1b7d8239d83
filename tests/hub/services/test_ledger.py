"""A kernel's runs reach the platform's ledger whatever happens to the kernel; what the passport claims is checked."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import msgspec
import numpy as np
import pytest

from hub.services.api import api_app
from hub.services.doorman import Doorman
from kernel_lib.client import Client
from kernel_lib.client_trials import PlatformCounter, counter_from
from kernel_lib.config import Home, Secret
from kernel_lib.counter import Runs, offer
from kernel_lib.errors import Refused, Transient
from kernel_lib.keys import create_keys, read_private_key
from kernel_lib.machine_code import cache_dir
from kernel_lib.market.instrument import EURUSD
from kernel_lib.passport import MAX_BUNDLE_BYTES, Passport
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.live import RedisLive
from kernel_lib.stores.trials import TrialLedger
from kernel_lib.strategies import CATALOGUE
from kernel_lib.trading.account import RiskLimits
from tests.hub.services.running import NameTokens, ObedientDesk, running, token

PREFIX = "/services/api"


class Api:
    """The api on a socket that can be stopped and started again."""

    def __init__(self, place: Path, accounts: PostgresAccounts, live: RedisLive) -> None:
        self.place, self._accounts, self._live = place, accounts, live
        self._home = Home(place / "home").create()
        create_keys(self._home)

    def up(self) -> contextlib.AbstractContextManager[httpx.Client]:
        def build() -> object:
            doorman, key = Doorman(NameTokens(), self._accounts), read_private_key(self._home)
            return api_app(doorman, self._live, self._accounts, ObedientDesk(), self._home, key)

        return running(build, self.place / "api.sock", max_body_bytes=MAX_BUNDLE_BYTES)  # type: ignore[arg-type]

    def counter(self, user: str) -> PlatformCounter:
        client = Client(Secret(f"t-{user}"), services=str(self.place))
        return PlatformCounter(client, self.place / "spool")

    def environ(self, user: str) -> dict[str, str]:
        return {
            "JUPYTERHUB_API_TOKEN": f"t-{user}", "TICKHUB_SERVICES": str(self.place),
            "TICKHUB_CACHE": str(self.place / "cache"), "NUMBA_CACHE_DIR": str(cache_dir()),
        }  # fmt: skip


@pytest.fixture
def api(accounts: PostgresAccounts, live: RedisLive) -> Iterator[Api]:
    with TemporaryDirectory() as place:
        yield Api(Path(place), accounts, live)


def some(first: int, n_runs: int, hypothesis: str = "idea", seconds: float = 0.0) -> Runs:
    trials = b"".join(number.to_bytes(16, "big") for number in range(first, first + n_runs))
    sharpes = np.zeros(n_runs, "<f8").tobytes()
    return Runs(
        kind="sweep", hypothesis=hypothesis, strategy="ma_cross", symbol="EURUSD", trials=trials, sharpes=sharpes,
        seconds=seconds,
    )  # fmt: skip


def test_runs_are_counted_and_charged(api: Api, tenants: dict[str, str]) -> None:
    tenant = tenants["free"]
    with api.up() as http:
        counter = api.counter(f"{tenant}-quant")
        counter.count(some(0, 40, seconds=600.0))
        counter.count(some(20, 40, seconds=150.0))
        tally = counter.tally("idea", "EURUSD")
        assert (tally.n_trials, tally.n_runs, tally.n_on_instrument, tally.by) == (60, 80, 60, "platform")
        assert tally.sharpe_deviation == 0.0
        assert counter.left_seconds() == 250.0
        counter.count(some(0, 1, seconds=300.0))
        assert counter.left_seconds() == 0.0  # also before it is sent
        quota = http.get(f"{PREFIX}/quota", headers=token(f"{tenant}-trader")).json()
        counter.close()
    assert quota["tier"] == "free"
    assert quota["backtest_seconds"]["limit"] == 1000.0
    assert quota["hold_out_looks"] == {"limit": 2, "days": 30, "used": {}}
    assert quota["resets_at"].endswith("T00:00:00Z")
    assert list((api.place / "spool").glob("*.draft")) == []


def test_a_fresh_kernel_has_no_more_seconds_than_the_one_before_it(api: Api, tenants: dict[str, str]) -> None:
    tenant = tenants["free"]
    with api.up():
        spent = api.counter(f"{tenant}-quant")
        spent.count(some(0, 1, seconds=1_200.0))
        spent.send(10.0)
        spent.close()
        with contextlib.closing(api.counter(f"{tenant}-quant")) as fresh:
            assert fresh.left_seconds() == 0.0
        done = kernel(api, f"{tenant}-quant", "replay")
    assert "quota_backtest_seconds" in done.stderr or "backtest-seconds must not be used up" in done.stderr, done


def test_what_ran_while_the_api_was_down_is_sent_by_the_next_kernel(api: Api, tenants: dict[str, str]) -> None:
    user = f"{tenants['pro']}-quant"
    first = api.counter(user)
    for number in range(30):
        first.count(some(10 * number, 10))
    with pytest.raises(Transient, match=r"must answer.*30 runs wait to be sent"):
        first.tally("idea", "EURUSD")
    first.close()
    with api.up():
        second = api.counter(user)
        assert second.tally("idea", "EURUSD").n_trials == 300
        second.close()
    assert list((api.place / "spool").glob("*.runs")) == []


def test_a_file_that_the_platform_refuses_does_not_keep_the_others(api: Api, tenants: dict[str, str]) -> None:
    with api.up():
        counter = api.counter(f"{tenants['pro']}-quant")
        counter.count(some(0, 5))
        (api.place / "spool" / "00-broken.runs").write_bytes(b"\x80")
        counter.count(some(5, 5))
        tally = counter.tally("idea", "EURUSD")
        counter.close()
    assert tally.n_trials == 10
    assert "the platform refused some runs" in tally.note
    assert [each.name for each in (api.place / "spool" / "refused").iterdir()] == ["00-broken.runs"]


KERNEL = """
    import numpy as np, os, signal, sys
    from kernel_lib.backtest import replay
    from kernel_lib.backtest.sweep import sweep
    from kernel_lib.market.tick import make_ticks
    from kernel_lib.strategies import ma_cross
    mid = 1.1 + 1e-3 * np.sin(np.arange(9000) / 200)
    ticks = make_ticks(1_704_672_000 * 10**9 + np.arange(9000) * 10**9, mid, mid + 1e-5)
    if sys.argv[1] == "replay":
        print(replay(ma_cross, ticks, progress=False))
        sys.exit()
    found = sweep(ma_cross, ticks, {"fast": list(range(5, 25)), "slow": [50, 100, 150]}, progress=False)
    print(found.n_trials, flush=True)
    if sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    honesty = replay(ma_cross, ticks, params=found.sets[7]).report().honesty
    print(honesty.n_trials, honesty.counted.n_runs, honesty.counted.by)
    print(honesty.warnings)
"""


def kernel(api: Api, user: str, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KERNEL), what], env={**os.environ, **api.environ(user)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_kernel_that_is_killed_has_been_counted_and_the_next_ones_report_says_so(
    api: Api, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant = tenants["pro"]
    # Killed at the moment its sweep is done, with nobody to take the count.
    died = kernel(api, f"{tenant}-quant", "die")
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "60\n")
    with api.up():
        # The dead kernel's sixty, its own sixty, and one of them replayed.
        lived = kernel(api, f"{tenant}-quant", "live")
    assert lived.returncode == 0, lived.stderr
    assert lived.stdout.splitlines()[:2] == ["60", "60 121 platform"]
    assert "counted in this process" not in lived.stdout
    counted = TrialLedger(accounts).hypotheses(tenant)
    assert [(each.hypothesis, each.symbol, each.n_trials, each.n_runs) for each in counted] == [
        ("ma_cross", "EURUSD", 60, 121)
    ]
    assert counted[0].sharpe_deviation is not None


def test_without_a_token_there_is_no_counter() -> None:
    assert counter_from({}) is None
    assert counter_from({"JUPYTERHUB_API_TOKEN": "x"}) is None  # and no address


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff" * 50, b"\x90\x90", msgspec.msgpack.encode([{"kind": "sweep"}]),
     msgspec.msgpack.encode([some(0, 3)] * 1001),
     msgspec.msgpack.encode([msgspec.structs.replace(some(0, 3), batch="x")]),
     msgspec.msgpack.encode([msgspec.structs.replace(some(0, 3), seconds=-1.0)]),
     msgspec.msgpack.encode([msgspec.structs.replace(some(0, 3), kind="forget")]),
     msgspec.msgpack.encode([msgspec.structs.replace(some(0, 3), hypothesis="")]),
     msgspec.msgpack.encode([msgspec.structs.replace(some(0, 3), trials=b"odd")])],
)  # fmt: skip
def test_garbage_is_not_counted(api: Api, tenants: dict[str, str], body: bytes) -> None:
    mine = token(f"{tenants['pro']}-quant")
    with api.up() as http:
        answer = http.post(f"{PREFIX}/trials", content=body, headers=mine)
        assert answer.status_code == 400, answer.text
        assert http.get(f"{PREFIX}/trials", headers=mine).json() == {"hypotheses": [], "instruments": []}


def test_the_ledger_is_added_to_by_quants_read_by_the_tenant_and_cut_by_nobody(
    api: Api, tenants: dict[str, str]
) -> None:
    tenant = tenants["pro"]
    body = msgspec.msgpack.encode([msgspec.structs.replace(some(0, 3), batch=uuid.uuid4().hex)])
    with api.up() as http:
        refused = http.post(f"{PREFIX}/trials", content=body, headers=token(f"{tenant}-trader"))
        assert (refused.status_code, refused.json()["error"]) == (403, "role")
        assert http.post(f"{PREFIX}/trials", content=body, headers=token(f"{tenant}-quant")).json()["counted"] == 1
        assert http.post(f"{PREFIX}/trials", content=body, headers=token(f"{tenant}-admin")).json()["counted"] == 0
        read = http.get(f"{PREFIX}/trials", headers=token(f"{tenant}-trader")).json()
        assert read["hypotheses"][0]["n_trials"] == read["instruments"][0]["n_trials"] == 3
        theirs = token(f"{tenants['free']}-admin")
        assert http.get(f"{PREFIX}/trials", headers=theirs).json()["hypotheses"] == []
        for method in ("DELETE", "PUT", "PATCH"):
            assert http.request(method, f"{PREFIX}/trials", headers=token(f"{tenant}-admin")).status_code == 405
        assert http.get(f"{PREFIX}/trials?symbol=EURUSD", headers=token(f"{tenant}-admin")).status_code == 400


def submitted(http: httpx.Client, tenant: str, evidence: dict[str, str], created_ns: int = 1) -> httpx.Response:
    passport = Passport(
        name="ema_cross", source="# a strategy", entry="ema_cross", instrument=EURUSD, author=f"{tenant}-quant",
        tenant=tenant, created_ns=created_ns, limits=RiskLimits(max_lots=0.1), evidence=evidence,
    )  # fmt: skip
    return http.post(f"{PREFIX}/strategies", content=passport.encode(), headers=token(f"{tenant}-quant"))


def test_a_passport_may_not_claim_other_trials_than_the_platform_counted(
    api: Api, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant = tenants["pro"]
    with api.up() as http:
        counter = api.counter(f"{tenant}-quant")
        counter.count(some(0, 40, hypothesis="ema_cross"))
        counter.count(some(0, 60, hypothesis="other"))
        counter.send(10)
        counter.close()
        for claim in ({"trials": "1"}, {"trials_on_instrument": "40"}, {"hypothesis": "new", "trials": "40"},
                      {"trials_run": "none"}, {"hold_out": "pass"}):  # fmt: skip
            refused = submitted(http, tenant, claim)
            assert (refused.status_code, refused.json()["error"]) == (400, "bundle_evidence"), claim
        good = submitted(http, tenant, {"trials": "40", "trials_run": "40", "trials_on_instrument": "60"})
        silent = submitted(http, tenant, {}, created_ns=2)
        assert (good.status_code, silent.status_code) == (201, 201)
        admin = token(f"{tenant}-admin")
        for each in (good, silent):  # the platform's own count stands beside both
            read = http.get(f"{PREFIX}/strategies/{each.json()['hash']}", headers=admin).json()
            trials = read["findings"]["trials"]
            assert (trials["hypothesis"], trials["n_trials"], trials["n_on_instrument"]) == ("ema_cross", 40, 60)
        counter = api.counter(f"{tenant}-quant")
        counter.count(some(100, 10, hypothesis="ema_cross"))
        counter.send(10)
        counter.close()
        again = submitted(http, tenant, {"trials": "40", "trials_run": "40", "trials_on_instrument": "60"})
        assert again.status_code == 201  # the same bundle was checked when it came first


def test_promoting_puts_the_platforms_count_into_the_passport(
    api: Api, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant = tenants["pro"]
    with api.up() as http:
        counter = api.counter(f"{tenant}-quant")
        offer(lambda: counter)
        try:
            counter.count(some(0, 7, hypothesis="ma_cross"))
            client = Client(Secret(f"t-{tenant}-quant"), services=str(api.place))
            limits = RiskLimits(max_lots=0.1)
            passport_hash = client.promote(
                CATALOGUE["ma_cross"], instrument=EURUSD, limits=limits, evidence={"why": "it looked good"}
            )
            client.close()
        finally:
            offer(None)
            counter.close()
        read = http.get(f"{PREFIX}/strategies/{passport_hash}", headers=token(f"{tenant}-admin")).json()
    assert json.dumps(read["evidence"]).count("ma_cross")
    bundle = accounts.bundle(tenant, passport_hash)
    assert bundle is not None
    assert msgspec.msgpack.decode(bundle, type=Passport).evidence == {
        "why": "it looked good", "hypothesis": "ma_cross", "trials": "7", "trials_run": "7",
        "trials_on_instrument": "7",
    }  # fmt: skip


def test_a_role_that_may_not_add_is_told_in_the_report(api: Api, tenants: dict[str, str]) -> None:
    with api.up():
        counter = api.counter(f"{tenants['pro']}-trader")
        counter.count(some(0, 5))
        tally = counter.tally("idea", "EURUSD")
        counter.close()
    assert tally.n_trials == 0
    assert "this needs the role quant or admin" in tally.note


def test_a_bad_token_keeps_the_runs_for_a_better_one(api: Api, tenants: dict[str, str]) -> None:
    with api.up():
        bad = PlatformCounter(Client(Secret("worthless"), services=str(api.place)), api.place / "spool")
        bad.count(some(0, 5))
        with pytest.raises((Transient, Refused)):
            bad.tally("idea", "EURUSD")
        bad.close()
        good = api.counter(f"{tenants['pro']}-quant")
        assert good.tally("idea", "EURUSD").n_trials == 5
        good.close()
