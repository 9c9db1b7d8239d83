"""The data service gives what the tier allows, says no in words to the rest, and records without doubling."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest

from hub.services.data import data_app
from hub.services.doorman import Doorman, TokenSource
from hub.services.hold_out import HoldOuts
from hub.services.recorder import Recorder
from hub.services.seal import Seal
from kernel_lib.config import Home
from kernel_lib.market.tick import make_ticks
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.hold_out import HoldOutStore
from kernel_lib.stores.live import START, RedisLive
from kernel_lib.stores.ticks import ClickHouseTicks, ticks_of
from kernel_lib.wire import Quarantined, Streams, decode, encode, tick_block
from tests.hub.services.running import NameTokens, SilentTokens, running, token

T0 = 1_549_238_400 * 10**9
DAY = 86_400 * 10**9
SECOND = 10**9
PREFIX = "/services/data"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseTicks]:
    opened = ClickHouseTicks(f"chdb://{tmp_path_factory.mktemp('ticks')}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(accounts: PostgresAccounts, live: RedisLive, store: ClickHouseTicks) -> Iterator[httpx.Client]:
    def build() -> object:
        return app_of(NameTokens(), accounts, live, store)

    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as place, running(build, Path(place) / "data.sock") as opened:  # type: ignore[arg-type]
        yield opened


def app_of(tokens: TokenSource, accounts: PostgresAccounts, live: RedisLive, store: ClickHouseTicks) -> object:
    seal = Seal(HoldOutStore(accounts))
    hold_outs = HoldOuts(accounts, store, seal, Home(Path("/nowhere")))
    return data_app(Doorman(tokens, accounts), live, store, Recorder(live, store, list), seal, hold_outs)


def put(store: ClickHouseTicks, tenant: str, symbol: str, times_ns: list[int], seq: int = 1) -> None:
    ticks = make_ticks(times_ns, np.full(len(times_ns), 1.25), np.full(len(times_ns), 1.5))
    store.insert(tenant, [tick_block("agent", symbol, seq, ticks, terminal_ns=0, read_ns=0)])


def arrow(response: httpx.Response) -> pa.Table:
    assert response.status_code == 200, response.text
    with pa.ipc.open_stream(response.content) as reader:
        return reader.read_all()


def test_ticks_and_bars_come_as_arrow(
    client: httpx.Client, store: ClickHouseTicks, tenants: dict[str, str], accounts: PostgresAccounts
) -> None:
    tenant = tenants["pro"]
    put(store, tenant, "EURUSD", [T0 + i * SECOND for i in range(120)])
    got = arrow(client.get(f"{PREFIX}/ticks?symbol=EURUSD", headers=token(f"{tenant}-quant")))
    assert ticks_of(got)["time_ns"].tolist() == [T0 + i * SECOND for i in range(120)]
    newest = arrow(client.get(f"{PREFIX}/ticks?symbol=EURUSD&limit=2", headers=token(f"{tenant}-trader")))
    assert newest["time_ns"].to_pylist() == [T0 + 118 * SECOND, T0 + 119 * SECOND]
    bars = arrow(client.get(f"{PREFIX}/bars?symbol=EURUSD&length=1m", headers=token(f"{tenant}-quant")))
    assert [(row["time_ns"], row["volume"]) for row in bars.to_pylist()] == [(T0, 60.0), (T0 + 60 * SECOND, 60.0)]
    assert accounts.usage(tenant, datetime.now(UTC).date()) == {"rows_read": 124}
    some = f"{PREFIX}/ticks?symbol=EURUSD&start=2019-02-04T00:00:10Z&end={T0 + 12 * SECOND}"
    ranged = arrow(client.get(some, headers=token(f"{tenant}-quant")))
    assert ranged["time_ns"].to_pylist() == [T0 + 10 * SECOND, T0 + 11 * SECOND]


def test_another_tenant_sees_nothing(client: httpx.Client, store: ClickHouseTicks, tenants: dict[str, str]) -> None:
    put(store, tenants["pro"], "CANARY", [T0])
    theirs = token(f"{tenants['free']}-quant")
    assert client.get(f"{PREFIX}/symbols", headers=theirs).json() == []
    refused = client.get(f"{PREFIX}/ticks?symbol=CANARY", headers=theirs)
    assert (refused.status_code, refused.json()["error"]) == (404, "unknown_symbol")
    assert "CANARY" not in refused.json()["message"].replace("'CANARY'", "")


def test_rows_beyond_the_tier_are_refused_and_never_cut(
    client: httpx.Client, store: ClickHouseTicks, tenants: dict[str, str]
) -> None:
    tenant = tenants["free"]
    put(store, tenant, "EURUSD", [T0 + i * SECOND for i in range(101)])
    mine = token(f"{tenant}-quant")
    for query in ("ticks?symbol=EURUSD", "ticks?symbol=EURUSD&limit=101", "bars?symbol=EURUSD&length=1s"):
        refused = client.get(f"{PREFIX}/{query}", headers=mine)
        assert refused.status_code == 403, query
        answer = refused.json()
        assert (answer["error"], answer["needed_tier"]) == ("tier_rows", "pro")
        assert "the pro tier allows it" in answer["message"]
    assert arrow(client.get(f"{PREFIX}/ticks?symbol=EURUSD&limit=100", headers=mine)).num_rows == 100


def test_days_beyond_the_tier_are_refused(
    client: httpx.Client, store: ClickHouseTicks, tenants: dict[str, str]
) -> None:
    tenant = tenants["free"]
    put(store, tenant, "EURUSD", [T0 - 30 * DAY, T0 - 6 * DAY, T0])
    mine = token(f"{tenant}-quant")
    refused = client.get(f"{PREFIX}/ticks?symbol=EURUSD&start={T0 - 30 * DAY}", headers=mine)
    assert (refused.status_code, refused.json()["error"]) == (403, "tier_days")
    assert refused.json()["needed_tier"] == "pro"
    # Without a start the tier's reach is the start; that is what the documentation of the route says.
    assert arrow(client.get(f"{PREFIX}/ticks?symbol=EURUSD", headers=mine)).num_rows == 2


def test_symbols_beyond_the_tier_are_refused(
    client: httpx.Client, store: ClickHouseTicks, tenants: dict[str, str]
) -> None:
    tenant = tenants["free"]
    for number in range(6):
        put(store, tenant, f"S{9 - number}", [T0 + number], seq=number + 1)
    mine = token(f"{tenant}-quant")
    listed = client.get(f"{PREFIX}/symbols", headers=mine).json()
    assert [(each["symbol"], each["open"]) for each in listed] == [
        ("S9", True), ("S8", True), ("S7", True), ("S6", True), ("S5", True), ("S4", False),
    ]  # fmt: skip
    refused = client.get(f"{PREFIX}/ticks?symbol=S4", headers=mine)
    assert (refused.status_code, refused.json()["error"], refused.json()["needed_tier"]) == (403, "tier_symbols", "pro")
    assert arrow(client.get(f"{PREFIX}/ticks?symbol=S5", headers=mine)).num_rows == 1


@pytest.mark.parametrize(
    "query",
    ["ticks", "ticks?symbol=", "ticks?symbol=A&symbol=B", "ticks?symbol=A&limit=-1", "ticks?symbol=A&limit=1e3",
     "ticks?symbol=A&limit=99999999999999999999", "ticks?symbol=A&start=yesterday", "ticks?symbol=A&drop=1",
     f"ticks?symbol=A&start={'9' * 400}", "ticks?symbol=%ff%fe", "symbols?x=1"],
)  # fmt: skip
def test_garbage_is_a_bad_request(client: httpx.Client, tenants: dict[str, str], query: str) -> None:
    response = client.get(f"{PREFIX}/{query}", headers=token(f"{tenants['pro']}-quant"))
    assert response.status_code == 400, response.text
    assert response.json()["error"] == "bad_request"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (f"start={T0 // 10**9}", f"nanoseconds since 1970, {T0 // 10**9} is too few"),
        (f"start={T0 // 1000}", f"nanoseconds since 1970, {T0 // 1000} is too few"),
        ("start=2030-01-01", "recorded, which ends at 2019-02-04T00:00:00+00:00, it was 2030-01-01T00:00:00+00:00"),
        (
            "start=2019-02-05&end=2019-02-04T12:00",
            "start must lie before end, they were 2019-02-05T00:00:00+00:00 and 2019-02-04T12:00:00+00:00",
        ),
    ],
)
def test_times_that_hold_nothing_are_told_as_times(
    client: httpx.Client, store: ClickHouseTicks, tenants: dict[str, str], query: str, told: str
) -> None:
    put(store, tenants["pro"], "EURUSD", [T0])
    response = client.get(f"{PREFIX}/ticks?symbol=EURUSD&{query}", headers=token(f"{tenants['pro']}-quant"))
    assert response.json()["error"] == "bad_request"
    assert told in response.json()["message"]


def test_a_bar_length_of_nonsense_is_a_bad_request(
    client: httpx.Client, store: ClickHouseTicks, tenants: dict[str, str]
) -> None:
    put(store, tenants["pro"], "EURUSD", [T0])
    for length in ("0m", "1x", "", "-1m", "99999d", "1m;"):
        path = f"{PREFIX}/bars?symbol=EURUSD&length={length}"
        assert client.get(path, headers=token(f"{tenants['pro']}-quant")).status_code == 400


@pytest.mark.parametrize("path", ["ticks?symbol=A", "bars?symbol=A", "symbols", "", "nothing", "../api/me"])
@pytest.mark.parametrize("header", ["", "token", "token bad", "Basic dDp0", "Bearer x y", f"token {'x' * 5000}"])
def test_without_a_good_token_nobody_gets_in(client: httpx.Client, path: str, header: str) -> None:
    response = client.get(f"{PREFIX}/{path}", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json()["error"] in {"no_token", "bad_token"}


def test_a_user_without_a_tenant_is_refused(client: httpx.Client) -> None:
    response = client.get(f"{PREFIX}/symbols", headers=token("nobody-at-all"))
    assert (response.status_code, response.json()["error"]) == (403, "unknown_user")


def test_more_than_the_burst_has_to_wait(client: httpx.Client, tenants: dict[str, str]) -> None:
    mine = token(f"{tenants['free']}-quant")
    answers = [client.get(f"{PREFIX}/symbols", headers=mine) for _ in range(40)]
    slow = [each for each in answers if each.status_code == 429]
    assert slow
    assert slow[0].json()["error"] == "rate"
    assert int(slow[0].headers["Retry-After"]) >= 1


def test_a_silent_hub_lets_nobody_in(
    accounts: PostgresAccounts, live: RedisLive, store: ClickHouseTicks, tmp_path: Path
) -> None:
    def build() -> object:
        return app_of(SilentTokens(), accounts, live, store)

    with running(build, tmp_path / "s.sock") as client:  # type: ignore[arg-type]
        assert client.get(f"{PREFIX}/symbols", headers=token("x")).status_code == 503


def test_the_recorder_keeps_each_tick_once_and_resumes(
    live: RedisLive, store: ClickHouseTicks, tenants: dict[str, str]
) -> None:
    tenant = tenants["pro"]
    streams = Streams(tenant)
    ticks = make_ticks(np.arange(30) + T0, np.full(30, 1.25), np.full(30, 1.5))
    blocks = [
        encode(tick_block("agent", "EURUSD", 1 + at, ticks[at : at + 10], terminal_ns=0, read_ns=0))
        for at in (0, 10, 20)
    ]
    first = Recorder(live, store, lambda: [tenant])
    live.append(streams.ticks, blocks[0])
    live.append(streams.ticks, b"not a message")
    live.append(streams.ticks, blocks[1])
    assert first.step() == 20
    assert first.step() == 0
    # It died after writing and before saving its place: the next one reads everything again.
    live.set_position(tenant, "recorder", START)
    live.append(streams.ticks, blocks[2])
    second = Recorder(live, store, lambda: [tenant])
    assert second.step() == 30
    assert Recorder(live, store, lambda: [tenant]).step() == 0
    assert np.array_equal(ticks_of(store.ticks(tenant, "EURUSD")), ticks)
    refused = decode(live.read({streams.quarantine: START}, count=10)[streams.quarantine][0][1])
    assert isinstance(refused, Quarantined)
    assert (refused.rule, refused.tick) == ("unreadable_entry", b"not a message")


def test_the_socket_of_a_dead_service_is_taken_over(
    accounts: PostgresAccounts, live: RedisLive, store: ClickHouseTicks, home: Home, tenants: dict[str, str]
) -> None:
    def build() -> object:
        return app_of(NameTokens(), accounts, live, store)

    path = home / "run" / f"{uuid.uuid4().hex[:6]}.sock"
    for _ in range(2):
        with running(build, path) as client:  # type: ignore[arg-type]
            assert client.get(f"{PREFIX}/symbols", headers=token(f"{tenants['pro']}-quant")).status_code == 200
            assert path.stat().st_mode & 0o777 == 0o666
