"""What was appended comes back, in order and unchanged; damage is cut when torn, refused when not."""

import errno
import random
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_lib.errors import Broken, Misconfigured
from live_engine import journal as journal_module
from live_engine import segment
from live_engine.journal import Journal, JournalConfig
from live_engine.segment import read_journal

SMALL = JournalConfig(segment_bytes=4096, sync_interval_ms=1.0)


def filled(directory: Path, n_records: int = 200, config: JournalConfig = SMALL) -> list[tuple[int, int, bytes]]:
    journal = Journal(directory, config)
    written = []
    for number in range(n_records):
        payload = bytes([number % 256]) * (number % 50)
        written.append((journal.append(number % 7, payload), number % 7, payload))
        if number % 10 == 9:
            journal.wait_durable(journal.last_seq)
    journal.close()
    return written


def test_records_come_back_over_segments_and_restarts(tmp_path: Path) -> None:
    written = filled(tmp_path)
    assert len(list(tmp_path.glob("*.wal"))) > 2
    again = Journal(tmp_path, SMALL)
    assert again.last_seq == 200
    written.append((again.append(9, b"more"), 9, b"more"))
    again.close()
    assert [tuple(record) for record in read_journal(tmp_path)] == written
    assert [tuple(record) for record in read_journal(tmp_path, after=150)] == written[150:]


def test_short_and_long_records_held_and_not_come_back_whatever_the_thread_syncs(tmp_path: Path) -> None:
    dice, journal = random.Random(11), Journal(tmp_path, JournalConfig(segment_bytes=400_000, sync_interval_ms=0.05))
    written = []
    for _ in range(3_000):
        length = dice.choice((0, 7, 8, 300, 5_000)) if dice.random() < 0.98 else dice.randrange(60_000, 350_000)
        payload = dice.randbytes(length)
        written.append((journal.append(5, payload, hold=dice.random() < 0.7), 5, payload))
    journal.close()
    assert [tuple(record) for record in read_journal(tmp_path)] == written


def test_durable_number_follows_the_sync(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SMALL)
    seq = journal.append(1, b"x")
    journal.wait_durable(seq)
    assert journal.durable_seq == seq
    journal.close()


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(min_value=64, max_value=8191), garbage=st.binary(max_size=40))
def test_a_tail_torn_at_any_byte_loses_only_what_is_behind_it(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    directory = tmp_path_factory.mktemp("torn")
    written = filled(directory, 150, JournalConfig(segment_bytes=8192, sync_interval_ms=1.0))
    last = sorted(directory.glob("*.wal"))[-1]
    content = last.read_bytes()
    last.write_bytes(content[:cut] + garbage)
    before = [tuple(record) for record in written if record[0] < first_seq_of(last)]
    again = Journal(directory, JournalConfig(segment_bytes=8192))
    survivors = [tuple(record) for record in read_journal(directory)]
    assert survivors == written[: len(survivors)]
    assert len(survivors) >= len(before)
    assert again.append(1, b"on") == len(survivors) + 1
    again.close()
    assert [record.payload for record in read_journal(directory)][-1] == b"on"


def first_seq_of(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:24], "little")


def test_one_flipped_bit_before_the_end_is_found_and_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    paths = sorted(tmp_path.glob("*.wal"))
    dice = random.Random(7)
    for _ in range(40):
        path = dice.choice(paths[:-1])
        content = path.read_bytes()
        place = dice.randrange(64, len(content.rstrip(b"\0")))
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << dice.randrange(8))]) + content[place + 1 :])
        with pytest.raises(Broken, match=path.name):
            list(read_journal(tmp_path))
        path.write_bytes(content)
    assert len(list(read_journal(tmp_path))) == 200


def test_damage_inside_the_last_segment_with_synced_groups_behind_it_is_refused_at_open(tmp_path: Path) -> None:
    filled(tmp_path, 60, JournalConfig(segment_bytes=65536, sync_interval_ms=1.0))
    (path,) = tmp_path.glob("*.wal")
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    with pytest.raises(Broken, match="synced group lies behind"):
        Journal(tmp_path)


def test_a_missing_or_foreign_segment_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    paths = sorted(tmp_path.glob("*.wal"))
    paths[1].rename(tmp_path / "kept")
    with pytest.raises(Broken, match="without a gap"):
        Journal(tmp_path, SMALL)
    (tmp_path / "kept").rename(paths[1])
    paths[0].write_bytes(b"not a journal")
    with pytest.raises(Broken, match="whole header"):
        list(read_journal(tmp_path))


def test_a_killed_process_loses_nothing_that_append_returned(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from live_engine.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "while True:\n"
        "    sys.stdout.write(f'{journal.append(1, b\"tick\")}\\n'); sys.stdout.flush()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        seen = [child.stdout.readline() for _ in range(300)]
        child.send_signal(signal.SIGKILL)
        seen += child.stdout.readlines()
    told = [int(line) for line in seen if line.endswith("\n")]
    journal = Journal(tmp_path)
    journal.close()
    assert journal.last_seq >= told[-1]
    assert [record.seq for record in read_journal(tmp_path)] == list(range(1, journal.last_seq + 1))


def test_a_full_disk_stops_the_journal_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from live_engine.journal import Journal, JournalConfig\n"
        "from kernel_lib.errors import Broken\n"
        "journal = Journal(pathlib.Path(sys.argv[1]), JournalConfig(segment_bytes=4096))\n"
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))\n"
        "try:\n"
        "    while True: journal.append(1, b'x' * 20)\n"
        "except Broken as error: print(journal.last_seq, error)\n"
        "try: journal.append(1, b'')\n"
        "except Broken: print('still refused')\n"
        "journal.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    last, text = done.stdout.splitlines()[0].split(" ", 1)
    assert "must be writable, it failed" in text
    assert "still refused" in done.stdout
    assert len(list(read_journal(tmp_path))) == int(last) > 10


def test_a_failed_sync_is_never_taken_for_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, SMALL)

    def broken_disk(fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(journal_module.os, "fdatasync", broken_disk)
    seq = journal.append(1, b"x")
    with pytest.raises(Broken, match="input/output error"):
        journal.wait_durable(seq)
    assert journal.durable_seq < seq
    with pytest.raises(Broken):
        journal.append(1, b"y")
    journal.close()


def test_a_directory_without_room_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="needs room"):
        Journal(tmp_path / "file" / "journal")


def test_a_record_larger_than_a_segment_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SMALL)
    with pytest.raises(Broken, match="must fit a segment"):
        journal.append(1, bytes(5000))
    journal.close()


@pytest.mark.timeout(60)
def test_a_journal_closes_whatever_its_thread_is_about_to_do(tmp_path: Path) -> None:
    # The thread went to sleep on a wake-up that had come already, and the engine's stop waited for it for ever.
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(1_000):
            Journal(tmp_path, JournalConfig(segment_bytes=4096, sync_interval_ms=0.001)).close()
    finally:
        sys.setswitchinterval(usual)


def test_a_journal_of_an_older_release_is_refused_by_its_version(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    (first,) = tmp_path.glob("*.wal")
    content = bytearray(first.read_bytes())
    size = segment._HEADER.size
    magic, version, *rest = segment._HEADER.unpack_from(content)
    assert version == 3
    head = segment._HEADER.pack(magic, 2, *rest)
    content[: size + 4] = head + zlib.crc32(head).to_bytes(4, "little")
    first.write_bytes(bytes(content))
    with pytest.raises(Broken, match="a journal of version 3 is needed, it has 2 of another release; go flat"):
        Journal(tmp_path, SMALL)
