"""The live store keeps its promises, embedded and on a server named by ``TICKHUB_TEST_LIVE_URL``."""

import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_lib.errors import Misconfigured, Refused, Transient
from kernel_lib.stores.embedded import embedded
from kernel_lib.stores.live import START, RedisLive
from kernel_lib.wire import Streams

SERVER = "TICKHUB_TEST_LIVE_URL"


@pytest.fixture(scope="module", params=["embedded", "server"])
def live(request: pytest.FixtureRequest) -> Iterator[RedisLive]:
    if request.param == "server":
        url = os.environ.get(SERVER, "")
        if not url:
            pytest.skip(f"Redis server: {SERVER} names none")
        store = RedisLive(url)
        yield store
        store.close()
    else:
        with embedded(with_postgres=False) as (_, urls):
            store = RedisLive(urls.live)
            yield store
            store.close()


@pytest.fixture
def streams() -> Streams:
    return Streams(f"t{uuid.uuid4().hex[:12]}")


def test_entries_come_back_in_order_and_resume_after_an_id(live: RedisLive, streams: Streams) -> None:
    ids = [live.append(streams.ticks, bytes([number])) for number in range(5)]
    first = live.read({streams.ticks: START}, count=3)[streams.ticks]
    assert first == [(ids[number], bytes([number])) for number in range(3)]
    rest = live.read({streams.ticks: first[-1][0]}, count=10)[streams.ticks]
    assert [message for _, message in rest] == [b"\x03", b"\x04"]
    assert live.read({streams.ticks: ids[-1]}, count=10, block_ms=1) == {}
    assert live.last_id(streams.ticks) == ids[-1]
    assert live.last_id(streams.reports) == START
    assert live.read({}, count=1) == {}


def test_two_streams_are_read_at_once(live: RedisLive, streams: Streams) -> None:
    live.append(streams.ticks, b"tick")
    live.append(streams.reports, b"report")
    found = live.read({streams.ticks: START, streams.reports: START}, count=10)
    assert {name: rows[0][1] for name, rows in found.items()} == {streams.ticks: b"tick", streams.reports: b"report"}


def test_the_latest_value_replaces_the_one_before(live: RedisLive, streams: Streams) -> None:
    live.set_latest(streams.tenant, "EURUSD", b"1")
    live.set_latest(streams.tenant, "EURUSD", b"2")
    assert live.latest(streams.tenant) == {"EURUSD": b"2"}
    assert live.latest("nobody") == {}


def test_a_reader_finds_its_place_again(live: RedisLive, streams: Streams) -> None:
    assert live.position(streams.tenant, "recorder") == START
    live.set_position(streams.tenant, "recorder", "5-1")
    assert live.position(streams.tenant, "recorder") == "5-1"


def test_the_tiers_are_those_that_were_told_last(live: RedisLive) -> None:
    live.set_tiers({"acme": "pro", "globex": "free"})
    live.set_tiers({"acme": "enterprise"})
    assert (live.tier_of("acme"), live.tier_of("globex")) == ("enterprise", "")
    live.set_tiers({})
    assert live.tier_of("acme") == ""


def test_a_ticket_works_once_whoever_is_first(live: RedisLive) -> None:
    ticket = live.issue_ticket(b"content")
    assert ticket.reveal() not in repr(ticket)
    won: list[bytes] = []

    def redeem() -> None:
        try:
            won.append(live.redeem_ticket(ticket.reveal()))
        except Refused as refused:
            assert refused.code == "ticket_invalid"  # noqa: PT017  asserted in a thread

    threads = [threading.Thread(target=redeem) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [b"content"]


@pytest.mark.parametrize("ticket", ["", "x", "*", "a" * 10_000, "../", "\x00"])
def test_a_made_up_ticket_is_refused(live: RedisLive, ticket: str) -> None:
    with pytest.raises(Refused, match="fresh and unused"):
        live.redeem_ticket(ticket)


def test_a_lock_is_held_by_one(live: RedisLive) -> None:
    name = uuid.uuid4().hex
    with (
        live.lock(name, lifetime_s=30),
        pytest.raises(Refused, match="another process"),
        live.lock(name, lifetime_s=30),
    ):
        pass
    with live.lock(name, lifetime_s=30):
        pass


def test_a_burst_passes_and_what_follows_waits(live: RedisLive) -> None:
    key = uuid.uuid4().hex
    # One a minute after a burst of three: the fourth within the same minute has to wait nearly all of it.
    waits = [live.admit(key, per_minute=1, burst=3) for _ in range(4)]
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert 55.0 < waits[3] <= 60.0
    assert live.admit(uuid.uuid4().hex, per_minute=1, burst=1) == 0.0


def test_nobody_there_is_worth_a_retry(tmp_path: Path) -> None:
    with pytest.raises(Transient, match="did not"):
        RedisLive(f"unix://{tmp_path}/no.sock")


def test_a_foreign_url_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match="TICKHUB_LIVE_URL"):
        RedisLive("http://example.org")


def test_a_store_that_takes_no_writes_for_a_while_is_transient() -> None:
    with embedded(with_postgres=False) as (_, urls):
        store = RedisLive(urls.live)
        store._redis.replicaof("127.0.0.1", "1")
        with pytest.raises(Transient, match="must take writes"):
            store.append("x", b"y")
        store._redis.replicaof("NO", "ONE")
        assert store.append("x", b"y")
        store.close()
