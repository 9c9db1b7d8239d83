"""The ticks store keeps its promises, embedded and on a server named by ``TICKHUB_TEST_TICKS_URL``."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.stores.ticks import ClickHouseTicks, Span, ticks_of
from kernel_lib.wire import TickBlock, tick_block

SERVER = "TICKHUB_TEST_TICKS_URL"
MINUTE = 60 * 10**9
#: 2019-02-04 00:00:00 UTC.
T0 = 1_549_238_400 * 10**9


@pytest.fixture(scope="module", params=["embedded", "server"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseTicks]:
    if request.param == "server":
        url = os.environ.get(SERVER, "")
        if not url:
            pytest.skip(f"ClickHouse server: {SERVER} names none")
    else:
        url = f"chdb://{tmp_path_factory.mktemp('ticks')}"
    opened = ClickHouseTicks(url)
    yield opened
    opened.close()


@pytest.fixture
def tenant() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


def block(symbol: str, seq_first: int, ticks: Ticks) -> TickBlock:
    return tick_block("agent", symbol, seq_first, ticks, terminal_ns=0, read_ns=0)


def test_a_block_sent_twice_is_kept_once(store: ClickHouseTicks, tenant: str) -> None:
    # Two quotes share one instant, and two are equal throughout: only the sequence number tells them apart.
    ticks = make_ticks([T0, T0, T0 + 5, T0 + 5], [1.1, 1.2, 1.3, 1.3], [1.15, 1.25, 1.35, 1.35])
    for _ in range(2):
        assert store.insert(tenant, [block("EURUSD", 1, ticks)]) == 4
    assert store.insert(tenant, []) == 0
    assert np.array_equal(ticks_of(store.ticks(tenant, "EURUSD")), ticks)
    assert store.count(tenant, "EURUSD") == 4
    assert store.spans(tenant) == [Span("EURUSD", 4, T0, T0 + 5)]


def test_an_overlapping_block_adds_only_what_is_new(store: ClickHouseTicks, tenant: str) -> None:
    ticks = make_ticks(np.arange(10) + T0, np.full(10, 1.1), np.full(10, 1.2))
    store.insert(tenant, [block("EURUSD", 1, ticks[:6])])
    store.insert(tenant, [block("EURUSD", 4, ticks[3:])])
    assert np.array_equal(ticks_of(store.ticks(tenant, "EURUSD")), ticks)


def test_a_range_is_closed_at_its_start_and_open_at_its_end(store: ClickHouseTicks, tenant: str) -> None:
    ticks = make_ticks(np.arange(10) + T0, np.arange(10) + 1.0, np.arange(10) + 1.5)
    store.insert(tenant, [block("EURUSD", 1, ticks)])
    assert np.array_equal(ticks_of(store.ticks(tenant, "EURUSD", start_ns=T0 + 2, end_ns=T0 + 5)), ticks[2:5])
    assert np.array_equal(ticks_of(store.ticks(tenant, "EURUSD", limit=3)), ticks[-3:])
    assert store.count(tenant, "EURUSD", start_ns=T0 + 2, end_ns=T0 + 5) == 3


def test_bars_are_those_worked_out_by_hand(store: ClickHouseTicks, tenant: str) -> None:
    times = [T0 + 1, T0 + 2, T0 + 3, T0 + 2 * MINUTE, T0 + 2 * MINUTE]
    ticks = make_ticks(times, [1.5, 1.75, 1.25, 2.0, 2.5], [1.625, 1.875, 1.5, 2.125, 3.0])
    store.insert(tenant, [block("EURUSD", 1, ticks)])
    table = store.bars(tenant, "EURUSD", MINUTE)
    assert table.column_names == ["time_ns", "open", "high", "low", "close", "volume", "spread"]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (T0, 1.5, 1.75, 1.25, 1.25, 3.0, 0.25),
        (T0 + 2 * MINUTE, 2.0, 2.5, 2.0, 2.5, 2.0, 0.5),
    ]
    assert store.bars(tenant, "EURUSD", MINUTE, limit=1).to_pylist() == table.to_pylist()[1:]


def test_one_tenant_never_reads_another(store: ClickHouseTicks, tenant: str) -> None:
    store.insert(tenant, [block("CANARY", 1, make_ticks([T0], [1.0], [1.1]))])
    for other in (f"{tenant}x", tenant[:-1], "", "' OR 1=1 --", "%"):
        assert store.ticks(other, "CANARY").num_rows == 0
        assert store.bars(other, "CANARY", MINUTE).num_rows == 0
        assert store.spans(other) == []
        assert store.count(other, "CANARY") == 0


@pytest.mark.parametrize("symbol", ["", "nothing", "' OR 1=1 --", "EUR\x00USD", "é" * 100, "{tenant:String}", "\\'"])
def test_an_unknown_symbol_has_no_ticks(store: ClickHouseTicks, tenant: str, symbol: str) -> None:
    store.insert(tenant, [block("EURUSD", 1, make_ticks([T0], [1.0], [1.1]))])
    assert store.ticks(tenant, symbol).num_rows == 0


def test_a_bar_of_no_length_is_refused(store: ClickHouseTicks, tenant: str) -> None:
    with pytest.raises(BadData, match="longer than 0"):
        store.bars(tenant, "EURUSD", 0)


def test_a_torn_block_is_refused_whole(store: ClickHouseTicks, tenant: str) -> None:
    good = block("EURUSD", 1, make_ticks([T0], [1.0], [1.1]))
    torn = TickBlock(agent="agent", symbol="EURUSD", seq_first=2, ticks=b"torn", terminal_ns=0, read_ns=0)
    with pytest.raises(BadData, match="multiple of 24"):
        store.insert(tenant, [good, torn])
    assert store.count(tenant, "EURUSD") == 0


@pytest.mark.parametrize("url", ["", "http://x", "file:///x", "postgresql://x"])
def test_a_foreign_url_is_misconfigured(url: str) -> None:
    with pytest.raises(Misconfigured, match="TICKHUB_TICKS_URL"):
        ClickHouseTicks(url)


def test_a_second_process_is_told_why_it_cannot_open_the_directory(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c",
         "import sys; from kernel_lib.stores.ticks import ClickHouseTicks; s = ClickHouseTicks(sys.argv[1]); "
         "print('open', flush=True); sys.stdin.read()", f"chdb://{tmp_path}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        second = subprocess.run(
            [sys.executable, "-c",
             "import sys; from kernel_lib.stores.ticks import ClickHouseTicks; ClickHouseTicks(sys.argv[1])",
             f"chdb://{tmp_path}"], capture_output=True, text=True, check=False,
        )  # fmt: skip
        first.kill()
    assert "Misconfigured: the ticks store must open" in second.stderr
