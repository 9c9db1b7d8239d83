"""The last part of a long history is sealed for every notebook; the platform looks at it once a strategy."""

import asyncio
import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from hub.services import hold_out as service
from hub.services.data import data_app
from hub.services.doorman import Doorman
from hub.services.hold_out import HoldOuts, JudgeConfig
from hub.services.judge import Limits
from hub.services.recorder import Recorder
from hub.services.seal import Seal, SealConfig
from kernel_lib.client import Client
from kernel_lib.config import Home, Secret
from kernel_lib.errors import Misconfigured, Refused
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import make_ticks
from kernel_lib.passport import build_passport
from kernel_lib.sandbox import Capabilities, capabilities
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.hold_out import HoldOutStore
from kernel_lib.stores.live import RedisLive
from kernel_lib.stores.ticks import ClickHouseTicks, Span
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import load_strategy
from kernel_lib.wire import tick_block
from tests.hub.services.running import NameTokens, running, token

PREFIX = "/services/data"
DAY = 86_400 * 10**9
T0 = 17_931 * DAY  # Monday, 4 February 2019
isolates = pytest.mark.skipif(not capabilities().isolates, reason="this machine cannot isolate")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseTicks]:
    opened = ClickHouseTicks(f"chdb://{tmp_path_factory.mktemp('ticks')}")
    yield opened
    opened.close()


class Data:
    """The data service on a socket, with a seal and a judge."""

    def __init__(self, place: Path, accounts: PostgresAccounts, live: RedisLive, store: ClickHouseTicks) -> None:
        self.place, self._accounts, self._live, self._store = place, accounts, live, store
        self.home = Home(place / "home").create()

    def up(self, config: JudgeConfig | None = None) -> contextlib.AbstractContextManager[httpx.Client]:
        judged = config or JudgeConfig(limits=Limits(load_s=40.0, answer_s=2.0, whole_s=60.0, memory_bytes=400 << 20))

        def build() -> object:
            seal = Seal(HoldOutStore(self._accounts))
            hold_outs = HoldOuts(self._accounts, self._store, seal, self.home, judged)
            recorder = Recorder(self._live, self._store, list)
            return data_app(Doorman(NameTokens(), self._accounts), self._live, self._store, recorder, seal, hold_outs)

        return running(build, self.place / "data.sock")  # type: ignore[arg-type]

    def client(self, user: str) -> Client:
        return Client(Secret(f"t-{user}"), services=str(self.place))


@pytest.fixture
def data(accounts: PostgresAccounts, live: RedisLive, store: ClickHouseTicks) -> Iterator[Data]:
    with TemporaryDirectory() as place:
        yield Data(Path(place), accounts, live, store)


def record(store: ClickHouseTicks, tenant: str, days: float, *, begin: float = 0.0, every_min: int = 10) -> None:
    times = T0 + np.arange(int(begin * 1440), int(days * 1440), every_min) * 60 * 10**9
    mid = 1.1 + 5e-3 * np.sin(np.arange(len(times)) / 40.0)
    ticks = make_ticks(times, np.round(mid, 5), np.round(mid + 5e-5, 5))
    for at in range(0, len(ticks), 8000):
        block = tick_block(
            "agent", "EURUSD", 1 + int(begin * 1440) + at, ticks[at : at + 8000], terminal_ns=0, read_ns=0
        )
        store.insert(tenant, [block])


def arrow(response: httpx.Response) -> list[int]:
    assert response.status_code == 200, response.text
    with pa.ipc.open_stream(response.content) as reader:
        return list(reader.read_all()["time_ns"].to_pylist())


def submit(accounts: PostgresAccounts, tenant: str, strategy: Any = None, seed: int = 1) -> str:
    passport = build_passport(
        strategy or CATALOGUE["ma_cross"], instrument=EURUSD, author=f"{tenant}-quant", tenant=tenant, created_ns=seed
    )
    return accounts.submit(tenant, f"{tenant}-quant", passport.name, passport.encode()).hash


# The mark of opened history


def span(first_days: float, last_days: float) -> Span:
    return Span("EURUSD", 10, T0 + int(first_days * DAY), T0 + int(last_days * DAY))


def marks(accounts: PostgresAccounts, tenant: str, *spans: Span, config: SealConfig | None = None) -> list[float]:
    seal = Seal(HoldOutStore(accounts), config)
    return [(seal.opened_until(tenant, each) - T0) / DAY for each in spans]


def test_an_imported_history_is_sealed_before_anybody_saw_its_end(
    accounts: PostgresAccounts, tenants: dict[str, str]
) -> None:
    # A fifth of 1000.5 days is 200.1: from day 800.4, the midnight before it.
    assert marks(accounts, tenants["pro"], span(0, 1000.5)) == [800]


def test_a_history_that_grows_live_seals_what_comes_and_moves_with_it(
    accounts: PostgresAccounts, tenants: dict[str, str]
) -> None:
    grown = [span(0, each) for each in (0.1, 30.2, 59.9, 60.1, 70.0, 76.0, 100.0)]
    # All is open while it is short, by whole days; what was open at day 59.9 stays so until four fifths reach beyond.
    assert marks(accounts, tenants["pro"], *grown) == [1, 31, 60, 60, 60, 60, 80]


def test_the_mark_never_moves_back(accounts: PostgresAccounts, tenants: dict[str, str]) -> None:
    tenant = tenants["pro"]
    assert marks(accounts, tenant, span(0, 100), span(-900, 100)) == [80, 80]
    # Also not for another process, with other settings.
    assert marks(accounts, tenant, span(0, 100), config=SealConfig(share=0.5)) == [80]
    assert marks(accounts, tenant, span(0, 100), config=SealConfig(share=0.0)) == [101]
    assert marks(accounts, tenant, span(0, 100)) == [101]


def test_settings_that_cannot_be_are_refused() -> None:
    assert SealConfig.from_environ({"TICKHUB_HOLD_OUT_SHARE": "0.3"}) == SealConfig(share=0.3)
    for bad in ({"TICKHUB_HOLD_OUT_SHARE": "0.6"}, {"TICKHUB_HOLD_OUT_LEAST_DAYS": "0"},
                {"TICKHUB_HOLD_OUT_SHARE": "x"}, {"TICKHUB_HOLD_OUT_SHARE": "nan"}):  # fmt: skip
        with pytest.raises(Misconfigured, match="hold-out"):
            SealConfig.from_environ(bad)


# What may be read


def test_nothing_of_the_seal_is_read_by_any_tier(
    data: Data, store: ClickHouseTicks, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant = tenants["pro"]
    accounts.set_tier(tenant, "enterprise")
    record(store, tenant, 100)
    sealed = T0 + 79 * DAY  # a fifth of 99.993 days before 99.993
    mine = token(f"{tenant}-admin")
    with data.up() as http:
        listed = http.get(f"{PREFIX}/symbols", headers=mine).json()[0]
        assert (listed["sealed_from_ns"], listed["n_ticks"]) == (sealed, 14_400)
        got = arrow(http.get(f"{PREFIX}/ticks?symbol=EURUSD", headers=mine))
        assert (got[0], got[-1], len(got)) == (T0, sealed - 600 * 10**9, 79 * 144)
        newest = arrow(http.get(f"{PREFIX}/ticks?symbol=EURUSD&limit=3", headers=mine))
        assert newest[-1] == got[-1]
        assert arrow(http.get(f"{PREFIX}/ticks?symbol=EURUSD&end={sealed}", headers=mine)) == got
        for length in ("1m", "1h", "1d", "7d"):
            bars = arrow(http.get(f"{PREFIX}/bars?symbol=EURUSD&length={length}", headers=mine))
            assert max(bars) < sealed
        for query in (f"end={sealed + 1}", f"start={sealed}", f"start={sealed + DAY}", f"start={T0}&end={10**18 * 3}",
                      f"start={sealed - 1}&end={sealed + 1}", "end=9223372036854775807",
                      f"start={sealed + 900 * DAY}"):  # fmt: skip
            for route in ("ticks", "bars"):
                refused = http.get(f"{PREFIX}/{route}?symbol=EURUSD&{query}", headers=mine)
                assert (refused.status_code, refused.json()["error"]) == (403, "sealed"), query
        assert "open up to 2019-04-24T00:00:00+00:00" in refused.json()["message"]
    client = data.client(f"{tenant}-quant")
    with data.up():
        assert client.symbols()["sealed_from"][0].value == sealed
        client.close()


def test_a_tiers_days_are_counted_back_from_the_seal(
    data: Data, store: ClickHouseTicks, tenants: dict[str, str]
) -> None:
    tenant = tenants["free"]
    record(store, tenant, 100, every_min=480)
    with data.up() as http:
        got = arrow(http.get(f"{PREFIX}/ticks?symbol=EURUSD", headers=token(f"{tenant}-quant")))
        assert got[-1] == T0 + 79 * DAY - 480 * 60 * 10**9
        assert got[0] >= got[-1] - 7 * DAY
        early = http.get(f"{PREFIX}/ticks?symbol=EURUSD&start={T0}", headers=token(f"{tenant}-quant"))
        assert early.json()["error"] == "tier_days"


def test_a_short_history_has_no_hold_out(
    data: Data, store: ClickHouseTicks, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant = tenants["pro"]
    record(store, tenant, 20)
    with data.up() as http:
        mine = token(f"{tenant}-quant")
        assert http.get(f"{PREFIX}/symbols", headers=mine).json()[0]["sealed_from_ns"] is None
        assert len(arrow(http.get(f"{PREFIX}/ticks?symbol=EURUSD", headers=mine))) == 20 * 144
        refused = http.post(f"{PREFIX}/hold-out/{submit(accounts, tenant)}", headers=mine)
        assert (refused.status_code, refused.json()["error"]) == (403, "no_hold_out")
        assert "not counted as a look" in refused.json()["message"]
    assert HoldOutStore(accounts).recent_looks(tenant) == {}


# Looks


@isolates
def test_a_look_is_taken_once_and_answered_the_same_for_ever(
    data: Data, store: ClickHouseTicks, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant = tenants["pro"]
    record(store, tenant, 100)
    bundle_hash = submit(accounts, tenant)
    looks = HoldOutStore(accounts)
    for day in (datetime.date(2019, 4, 24), datetime.date(2019, 5, 1), datetime.date(2020, 1, 1)):
        looks.count_watching(tenant, day)
    with data.up() as http:
        client = data.client(f"{tenant}-quant")
        first = client.hold_out(bundle_hash, wait_s=90)
        assert set(first) == {
            "hash", "symbol", "asked_by", "asked_at", "verdict", "reason", "profit", "sharpe", "trades", "days",
            "n_look", "watched_days",
        }  # fmt: skip
        assert first["verdict"] in {"pass", "fail", "inconclusive"}
        assert first["profit"] in {"+", "-"}
        assert (first["n_look"], first["days"], first["watched_days"]) == (1, 21, 2)
        record(store, tenant, 130, begin=100)
        assert client.hold_out(bundle_hash, wait_s=0) == first
        client.close()
        assert http.get(f"{PREFIX}/hold-out/{bundle_hash}", headers=token(f"{tenant}-admin")).json() == first
        theirs = http.get(f"{PREFIX}/hold-out/{bundle_hash}", headers=token(f"{tenants['free']}-admin"))
        assert (theirs.status_code, theirs.json()["error"]) == (404, "no_such_look")
        for user in (f"{tenant}-trader", f"{tenants['free']}-quant"):
            assert http.post(f"{PREFIX}/hold-out/{bundle_hash}", headers=token(user)).status_code in {403, 404}
    assert looks.recent_looks(tenant) == {"EURUSD": 1}
    assert accounts.audit(tenant, 1)[0].what == "hold_out_judged"
    assert list((data.home / "engine").iterdir()) == []


@isolates
def test_a_strategy_that_raises_has_looked_all_the_same(
    data: Data, store: ClickHouseTicks, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant = tenants["pro"]
    record(store, tenant, 100)
    source = (
        "from kernel_lib.strategy import strategy\n"
        "@strategy(features={})\n"
        "def bad(x, position, p):\n"
        "    raise ValueError(f'{open} saw {x.mid}')\n"
    )
    bundle_hash = submit(accounts, tenant, load_strategy(source, "bad"))
    with data.up():
        client = data.client(f"{tenant}-quant")
        answer = client.hold_out(bundle_hash, wait_s=90)
        client.close()
    assert (answer["verdict"], answer["reason"]) == ("inconclusive", "the strategy raised an error")
    assert HoldOutStore(accounts).recent_looks(tenant) == {"EURUSD": 1}


def test_looks_of_a_tier_are_counted_by_instrument(accounts: PostgresAccounts, tenants: dict[str, str]) -> None:
    tenant, looks = tenants["free"], HoldOutStore(accounts)
    hashes = [submit(accounts, tenant, seed=seed) for seed in range(4)]
    taken = [looks.take(tenant, each, "EURUSD", "q", (1, 2), 2).n_look for each in hashes[:2]]
    assert taken == [1, 2]
    with pytest.raises(Refused, match="at most 2 within 30 days") as refused:
        looks.take(tenant, hashes[2], "EURUSD", "q", (1, 2), 2)
    assert refused.value.code == "hold_out_looks"
    assert looks.take(tenant, hashes[2], "GBPUSD", "q", (1, 2), 2).n_look == 1
    assert looks.take(tenant, hashes[0], "EURUSD", "q", (5, 9), 2).begin_ns == 1
    assert looks.recent_looks(tenant) == {"EURUSD": 2, "GBPUSD": 1}
    assert looks.recent_looks(tenants["pro"]) == {}


def test_a_verdict_stands_as_it_was_first_given(accounts: PostgresAccounts, tenants: dict[str, str]) -> None:
    tenant, looks = tenants["free"], HoldOutStore(accounts)
    bundle_hash = submit(accounts, tenant)
    looks.take(tenant, bundle_hash, "EURUSD", "q", (1, 2), 2)
    looks.keep_verdict(tenant, bundle_hash, {"verdict": "fail"})
    looks.keep_verdict(tenant, bundle_hash, {"verdict": "pass"})
    kept = looks.look(tenant, bundle_hash)
    assert kept is not None
    assert kept.content == {"verdict": "fail"}


@isolates
def test_a_look_whose_run_was_cut_off_is_run_again_and_not_counted_again(
    data: Data, store: ClickHouseTicks, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant, looks = tenants["free"], HoldOutStore(accounts)
    record(store, tenant, 100)
    bundle_hash = submit(accounts, tenant)
    # As a service leaves it that is killed in the middle.
    looks.take(tenant, bundle_hash, "EURUSD", "q", (T0 + 79 * DAY, T0 + 100 * DAY), 2)
    with data.up() as http:
        standing = http.get(f"{PREFIX}/hold-out/{bundle_hash}", headers=token(f"{tenant}-quant"))
        assert (standing.status_code, standing.json()["verdict"]) == (202, "running")
        client = data.client(f"{tenant}-quant")
        assert client.hold_out(bundle_hash, wait_s=90)["n_look"] == 1
        client.close()
    assert looks.recent_looks(tenant) == {"EURUSD": 1}


def test_without_a_sandbox_nothing_is_looked_at(
    data: Data, store: ClickHouseTicks, tenants: dict[str, str], accounts: PostgresAccounts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    tenant = tenants["pro"]
    record(store, tenant, 100)
    bare = Capabilities(
        root=False, bubblewrap=False, user_namespaces=False, cgroup="none", seccomp=False, reasons=["no bubblewrap"]
    )
    monkeypatch.setattr(service, "capabilities", lambda: bare)
    with data.up() as http:
        refused = http.post(f"{PREFIX}/hold-out/{submit(accounts, tenant)}", headers=token(f"{tenant}-quant"))
        assert (refused.status_code, refused.json()["error"]) == (403, "no_sandbox")
    assert HoldOutStore(accounts).recent_looks(tenant) == {}


@pytest.mark.parametrize("path", ["hold-out/zz", "hold-out/", f"hold-out/{'0' * 63}"])
def test_a_path_that_is_no_hash_is_no_route(data: Data, tenants: dict[str, str], path: str) -> None:
    with data.up() as http:
        assert http.post(f"{PREFIX}/{path}", headers=token(f"{tenants['pro']}-quant")).status_code == 404
        unknown = http.post(f"{PREFIX}/hold-out/{'0' * 64}", headers=token(f"{tenants['pro']}-quant"))
        assert unknown.json()["error"] == "unknown_strategy"


def test_closing_without_a_run_is_quick(accounts: PostgresAccounts, store: ClickHouseTicks, tmp_path: Path) -> None:
    async def close() -> None:
        seal = Seal(HoldOutStore(accounts))
        await HoldOuts(accounts, store, seal, Home(tmp_path)).close()

    asyncio.run(close())
