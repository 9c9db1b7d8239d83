"""A journal that somebody wrote into is refused, although every record in it bears a right checksum."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel_lib.errors import Broken
from live_engine.journal import Journal, JournalConfig
from live_engine.segment import CHAIN_KIND, FIRST_RECORD, Record, encode_record, read_journal

WIDE = JournalConfig(segment_bytes=65_536, sync_interval_ms=10_000.0)
Change = Callable[[list[Record]], list[Record]]


def journal_of(directory: Path) -> tuple[Path, list[Record]]:
    """Nine records in three synced groups, with the CHAIN record behind each."""
    journal = Journal(directory, WIDE)
    for number in range(1, 10):
        journal.append(3, b"payload %d" % number)
        if number % 3 == 0:
            journal.wait_durable(number)
    journal.close()
    (path,) = directory.glob("*.wal")
    content, at, found = path.read_bytes(), FIRST_RECORD, []
    while seq := int.from_bytes(content[at + 8 : at + 16], "little"):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        found.append(Record(seq, content[at + 16], content[at + 24 : at + 24 + length]))
        at += 24 + length + -length % 8
    return path, found


def written(path: Path, records: list[Record]) -> None:
    content = path.read_bytes()[:FIRST_RECORD] + b"".join(encode_record(*each) for each in records)
    path.write_bytes(content.ljust(65_536, b"\0"))


def test_the_records_lie_as_the_module_s_page_says(tmp_path: Path) -> None:
    path, records = journal_of(tmp_path)
    assert [(each.seq, each.kind) for each in records] == [
        (1, 3), (2, 3), (3, 3), (3, CHAIN_KIND), (4, 3), (5, 3), (6, 3), (6, CHAIN_KIND), (7, 3), (8, 3), (9, 3),
        (9, CHAIN_KIND),
    ]  # fmt: skip
    written(path, records)
    assert [each.payload for each in read_journal(tmp_path)] == [b"payload %d" % number for number in range(1, 10)]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda all_: [*all_[:4], all_[4]._replace(payload=b"payment 4"), *all_[5:]], "the hash chain must hold"),
        (lambda all_: [*all_[:4], all_[4]._replace(kind=4), *all_[5:]], "the hash chain must hold"),
        (lambda all_: [*all_[:7], all_[7]._replace(payload=bytes(32)), *all_[8:]], "the hash chain must hold"),
        (lambda all_: [*all_[:7], all_[7]._replace(seq=5), *all_[8:]], "the hash chain must hold"),
        (lambda all_: [*all_[:5], *all_[6:]], "record 5 must come here, it is 6"),
        (lambda all_: [*all_[:5], all_[4], *all_[5:]], "record 5 must come here, it is 4"),
        (lambda all_: [*all_[:4], *all_[8:]], "record 4 must come here, it is 7"),  # a whole group
        (lambda all_: [all_[1], all_[0], *all_[2:]], "record 1 must come here, it is 2"),
        (lambda all_: [*all_[:3], *all_[4:]], "the hash chain must hold"),  # two groups made one
    ],
    ids=["payload", "kind", "chain", "chain_number", "dropped", "doubled", "group", "order", "no_chain"],
)
def test_a_record_cannot_be_changed_dropped_doubled_or_moved(tmp_path: Path, change: Change, what: str) -> None:
    path, records = journal_of(tmp_path)
    written(path, change(records))
    with pytest.raises(Broken, match=what):
        list(read_journal(tmp_path))
    with pytest.raises(Broken, match=what):
        Journal(tmp_path, WIDE)


def test_what_was_not_synced_is_chained_when_the_journal_goes_on(tmp_path: Path) -> None:
    path, records = journal_of(tmp_path)
    written(path, records[:-1])  # the crash came before the last group's CHAIN record
    again = Journal(tmp_path, WIDE)
    again.append(3, b"payload 10")
    again.close()
    assert [each.seq for each in read_journal(tmp_path)] == list(range(1, 11))
    changed = path.read_bytes().replace(encode_record(8, 3, b"payload 8"), encode_record(8, 3, b"payment 8"))
    path.write_bytes(changed)
    with pytest.raises(Broken, match="the hash chain must hold"):
        list(read_journal(tmp_path))


def test_a_segment_is_on_disk_at_its_full_length_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, int, list[str]]] = []

    def watched(fd: int) -> None:
        told = os.fstat(fd)
        names = [each.name for each in tmp_path.glob("*.wal")]
        synced.append((stat.S_ISDIR(told.st_mode), 0 if stat.S_ISDIR(told.st_mode) else told.st_size, names))

    monkeypatch.setattr(os, "fsync", watched)
    Journal(tmp_path, WIDE).close()
    assert synced == [(False, 65_536, []), (True, 0, ["00000001.wal"])]


def test_a_journal_that_is_opened_and_needs_a_new_segment_at_once_goes_on_with_its_chain(tmp_path: Path) -> None:
    small = JournalConfig(segment_bytes=4096, sync_interval_ms=10_000.0)
    for n_bytes in (1_000, 2_900, 3_000):  # each fits no more beside what was there when it was opened
        journal = Journal(tmp_path, small)
        journal.append(3, bytes(n_bytes))
        journal.close()
    assert [len(each.payload) for each in read_journal(tmp_path)] == [1_000, 2_900, 3_000]
    assert len(list(tmp_path.glob("*.wal"))) == 3


def test_what_a_crash_left_unchained_is_chained_when_the_journal_is_opened_and_closed(tmp_path: Path) -> None:
    path, records = journal_of(tmp_path)
    written(path, records[:-1])
    Journal(tmp_path, WIDE).close()
    assert encode_record(*records[-1]) in path.read_bytes()
