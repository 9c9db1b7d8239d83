import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_lib.errors import Broken, Misconfigured
from mt5_feed.lane import Lane
from mt5_feed.spool import ITEM, NOTE, Spool, SpoolConfig, SpoolFull


def _spool(folder: Path, **limits: int) -> Spool:
    return Spool(folder, lambda: b"state", SpoolConfig(**limits))


def _items(spool: Spool, after: int = 0) -> list[tuple[int, bytes]]:
    reader = spool.read(after)
    found = []
    while (record := next(reader)) is not None:
        found.append((record.first, record.payload))
    reader.close()
    return found


def test_numbers_go_on_across_restarts_and_segments(tmp_path: Path) -> None:
    expected = []
    for part in range(4):
        spool = _spool(tmp_path, segment_bytes=200)
        for at in range(10):
            expected.append((spool.append(b"%d-%d" % (part, at), count=3), b"%d-%d" % (part, at)))
        assert _items(spool) == expected
        spool.close()
    assert [first for first, _ in expected] == list(range(1, 121, 3))
    assert len(list(tmp_path.glob("*.seg"))) > 4


def test_acknowledged_segments_go_and_the_numbers_stay(tmp_path: Path) -> None:
    spool = _spool(tmp_path, segment_bytes=200)
    for at in range(50):
        spool.append(b"%03d" % at)
    n_before = len(list(tmp_path.glob("*.seg")))
    spool.ack(50)
    assert len(list(tmp_path.glob("*.seg"))) == 1 < n_before
    spool.close()
    again = _spool(tmp_path, segment_bytes=200)
    assert again.append(b"next") == 51
    assert again.recovered[0].payload == b"state"
    again.close()


def test_a_reader_waits_and_goes_on(tmp_path: Path) -> None:
    spool = _spool(tmp_path, segment_bytes=100)
    reader = spool.read(0)
    assert next(reader) is None
    for at in range(1, 20):
        spool.append(b"x" * 30)
        record = next(reader)
        assert record is not None
        assert record.first == at
        assert next(reader) is None
        spool.ack(at - 1)
    reader.close()
    spool.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=12), st.integers(0, 10_000))
def test_a_torn_tail_is_cut_off_wherever_the_crash_came(tmp_path_factory, payloads: list[bytes], cut: int) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = _spool(folder)
    for payload in payloads:
        spool.append(payload)
    spool.close()
    (path,) = folder.glob("*.seg")
    whole = path.read_bytes()
    path.write_bytes(whole[: cut % (len(whole) + 1)])
    again = _spool(folder)
    kept = _items(again)
    assert kept == [(at + 1, payload) for at, payload in enumerate(payloads)][: len(kept)]
    assert again.append(b"new") == len(kept) + 1
    assert _items(again)[-1] == (len(kept) + 1, b"new")
    again.close()


def test_a_reader_goes_on_when_the_segment_it_has_read_is_forgotten(tmp_path: Path) -> None:
    spool = _spool(tmp_path, segment_bytes=200)
    reader = spool.read(0)
    for at in range(1, 50):
        spool.append(b"x" * 60)  # a new segment now and then, and all before it is acknowledged
        record = next(reader)
        assert record is not None
        assert record.first == at
        assert next(reader) is None
        spool.ack(at)
    assert len(list(tmp_path.glob("*.seg"))) == 1
    reader.close()
    spool.close()


@pytest.mark.parametrize("left", [0, 10, 23])
def test_a_crash_while_a_segment_begins_keeps_the_state_of_the_one_before(tmp_path: Path, left: int) -> None:
    spool = _spool(tmp_path, segment_bytes=100)
    for _ in range(6):
        spool.append(b"x" * 40)
    spool.close()
    newest = sorted(tmp_path.glob("*.seg"))[-1]
    newest.rename(tmp_path / "aside")
    (tmp_path / newest.name).write_bytes((tmp_path / "aside").read_bytes()[:left])
    again = _spool(tmp_path, segment_bytes=100)
    assert again.recovered[0].payload == b"state"
    assert again.append(b"next") == again.last
    assert [first for first, _ in _items(again)] == list(range(1, again.last + 1))
    again.close()


def test_damage_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    spool = _spool(tmp_path, segment_bytes=100)
    for _ in range(10):
        spool.append(b"x" * 40)
    spool.close()
    path = sorted(tmp_path.glob("*.seg"))[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Broken, match=path.name):
        _spool(tmp_path, segment_bytes=100)


def test_a_full_spool_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = _spool(tmp_path, max_bytes=1000, segment_bytes=200)
    written = []
    while spool.n_bytes + 84 <= 1000 and (spool.n_bytes % 1000) < 880:
        written.append((spool.append(b"%060d" % len(written)), b"%060d" % len(written)))
    for _ in range(3):
        with pytest.raises(SpoolFull, match="1000 bytes"):
            spool.append(b"x" * 500)
    assert 5 < len(written) < 15
    assert _items(spool) == written
    spool.ack(len(written) - 2)
    assert spool.append(b"fits again") == len(written) + 1
    spool.close()
    again = _spool(tmp_path, max_bytes=1000, segment_bytes=200)
    assert _items(again)[-1] == (len(written) + 1, b"fits again")
    again.close()


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A file size limit stands in for a full disk: the write stops in the middle of a record."""
    spool = _spool(tmp_path)
    spool.append(b"kept")
    size = spool.n_bytes
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
    try:
        with pytest.raises(SpoolFull, match="free disk space"):
            spool.append(b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert spool.n_bytes == size
    assert spool.append(b"after") == 2
    assert _items(spool) == [(1, b"kept"), (2, b"after")]
    spool.close()


def test_a_second_agent_cannot_open_the_same_spool(tmp_path: Path) -> None:
    spool = _spool(tmp_path)
    with pytest.raises(Misconfigured, match="one agent"):
        _spool(tmp_path)
    spool.close()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="writable"):
        _spool(tmp_path / "file" / "spool")


def _lane(folder: Path) -> Lane:
    lane = Lane("test", folder, lambda: b"owner", SpoolConfig())
    lane.recover(lambda _: None, lambda _: None)
    return lane


def _sent(lane: Lane) -> list[tuple[int, bytes]]:
    found = []
    while (each := lane.next()) is not None:
        found.append((each[0], each[1].payload))
    return found


def test_a_lane_follows_the_bridge_s_numbers_and_keeps_them(tmp_path: Path) -> None:
    lane = _lane(tmp_path)
    lane.append(b"a")
    assert lane.next() is None  # nothing leaves before the welcome
    lane.welcome(41)
    lane.append(b"b")
    assert _sent(lane) == [(42, b"a"), (43, b"b")]
    lane.ack(42)
    lane.close()
    lane = _lane(tmp_path)
    lane.append(b"c")
    lane.welcome(42)
    assert _sent(lane) == [(43, b"b"), (44, b"c")]
    lane.close()


def test_a_bridge_that_lost_its_memory_gets_what_nobody_acknowledged(tmp_path: Path) -> None:
    lane = _lane(tmp_path)
    lane.welcome(0)
    for at in range(5):
        lane.append(b"%d" % at)
    lane.ack(3)
    lane.welcome(0)
    assert _sent(lane) == [(1, b"3"), (2, b"4")]
    lane.close()


def test_notes_are_not_sent_and_come_back(tmp_path: Path) -> None:
    lane = _lane(tmp_path)
    lane.welcome(0)
    lane.note(b"remember")
    lane.append(b"item")
    assert _sent(lane) == [(1, b"item")]
    lane.close()
    again = Lane("test", tmp_path, lambda: b"owner", SpoolConfig())
    states: list[bytes] = []
    kinds: list[tuple[int, bytes]] = []
    again.recover(states.append, lambda record: kinds.append((record.kind, record.payload)))
    assert states == [b"owner"]
    assert kinds == [(NOTE, b"remember"), (ITEM, b"item")]
    again.close()
