"""Numbers of a lane as the bridge knows them, what is on disk when a call returns, and before an order leaves."""

import os
from pathlib import Path
from typing import Any

import pytest

from mt5_feed.lane import Lane
from mt5_feed.spool import SpoolConfig
from tests.mt5_feed.order_bench import Make, intent, path_of


def lane_in(folder: Path, *, segment_bytes: int = 4 << 20) -> Lane:
    made = Lane("test", folder, lambda: b"owner", SpoolConfig(segment_bytes=segment_bytes))
    made.recover(lambda _: None, lambda _: None)
    return made


def numbers(lane: Lane) -> tuple[int, int, int, int]:
    return lane.last, lane.acked, lane.n_unacked, lane.n_in_flight


def test_numbers_count_from_what_the_bridge_has(tmp_path: Path) -> None:
    lane = lane_in(tmp_path)
    lane.append(b"three", 3)
    assert numbers(lane) == (3, 0, 3, 0)  # nobody has welcomed it: its own numbers
    lane.welcome(41)
    assert numbers(lane) == (44, 41, 3, 0)
    number, record = lane.next() or (0, None)
    assert (number, record.payload if record else b"") == (42, b"three")
    assert numbers(lane) == (44, 41, 3, 3)
    lane.ack(42)
    assert numbers(lane) == (44, 42, 2, 2)
    lane.append(b"one")
    lane.welcome(44)  # a new link: all but the last is there
    assert numbers(lane) == (45, 44, 1, 0)
    number, record = lane.next() or (0, None)
    assert (number, record.payload if record else b"") == (45, b"one")
    lane.ack(45)
    assert numbers(lane) == (45, 45, 0, 0)
    lane.close()


@pytest.mark.parametrize("known", [0, 2, 5])
def test_a_bridge_that_has_anything_between_the_acknowledged_and_the_newest_is_agreed_with(
    tmp_path: Path, known: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = lane_in(tmp_path)
    lane.welcome(100)
    for _ in range(5):
        lane.append(b"x")
    lane.welcome(100 + known)
    assert (lane.shift, lane.n_unacked) == (100, 5 - known)
    assert "numbers_disagree" not in capsys.readouterr().out
    lane.close()


@pytest.mark.parametrize("told", [101, 108])
def test_a_bridge_that_has_less_than_was_acknowledged_or_more_than_there_is_is_said_and_loses_nothing(
    tmp_path: Path, told: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = lane_in(tmp_path)
    lane.welcome(100)
    for _ in range(5):
        lane.append(b"x")
    lane.ack(102)
    lane.welcome(told)
    assert "numbers_disagree" in capsys.readouterr().out
    found = []
    while (each := lane.next()) is not None:
        found.append(each[0])
    assert found == [told + 1, told + 2, told + 3]
    lane.close()


def test_the_bridge_s_numbers_outlive_the_segment_that_they_were_noted_in(tmp_path: Path) -> None:
    lane = lane_in(tmp_path, segment_bytes=200)
    lane.welcome(41)
    for _ in range(20):
        lane.append(bytes(50))
        lane.ack(lane.last)
    assert not any(b"shift 41" in each.read_bytes() for each in tmp_path.glob("*.seg"))
    lane.close()
    again = lane_in(tmp_path, segment_bytes=200)
    assert (again.shift, again.last) == (41, 61)
    again.close()


def test_a_note_is_synced_when_it_returns_and_an_item_where_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = lane_in(tmp_path)
    lane.append(b"first")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    lane.append(b"not yet")
    assert synced == []
    lane.note(b"now")
    assert synced == [lane.n_bytes]
    lane.append(b"now", sync=True)
    assert synced[1:] == [lane.n_bytes]
    monkeypatch.undo()
    lane.close()


def test_an_intent_is_synced_before_its_order_leaves_and_a_report_when_it_is_made(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make(path_of(1.1))
    seen: list[tuple[str, bool]] = []
    send, sync = bench.terminal.order_send, os.fsync

    def holds(what: bytes) -> bool:
        return any(what in each.read_bytes() for each in bench.folder.rglob("*.seg"))

    def watched_send(request: Any) -> Any:
        seen.append(("send", holds(b"k1")))
        return send(request)

    def watched_sync(fd: int) -> None:
        seen.append(("sync", holds(b"filled")))
        sync(fd)

    bench.terminal.order_send = watched_send  # type: ignore[method-assign]
    monkeypatch.setattr(os, "fsync", watched_sync)
    bench.desk.receive(intent("k1"))
    assert seen == [("sync", False), ("send", True), ("sync", True)]
