"""What the journal holds comes back as it was put in, and a snapshot is on disk, whole, before it has its name."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kernel_lib.errors import Broken
from live_engine import entries
from live_engine.entries import Inbound, Snapshot
from live_engine.strategy_wire import Answer

KEPT = Snapshot(
    seq=7, tick_id="1-2", report_id="3-4", report_seqs={"pc1": 5}, control=0, control_reason="", slots=[], n_ticks=11,
    n_blocks=2, n_lost=1, n_doubled=3, next_seqs={"pc1": 12}, outside={"news": 0.5},
)  # fmt: skip


def test_answers_come_back_each_number_in_its_place() -> None:
    given = {3: Answer(0.7, 11, 50, 80, 1), 4: Answer(-1.0, -12, 0, 90, -110_023), 9: Answer(0.0, 0, 1 << 40, 0, 2)}
    index, rows = entries.unpack_proposals(entries.pack_proposals(5, given))
    assert index == 5
    assert entries.answers_in(rows) == given


def test_a_message_comes_back_with_its_place_in_the_stream() -> None:
    given = Inbound(1_549_238_400_000_000_123, "1549238400000-17", b"raw")
    assert entries.unpack_inbound(entries.pack_inbound(given)) == given


def test_a_snapshot_is_synced_whole_under_another_name_before_it_takes_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshot"
    synced: list[tuple[int, bool]] = []
    sync = os.fsync

    def watched(fd: int) -> None:
        synced.append((os.fstat(fd).st_size, path.exists()))
        sync(fd)

    monkeypatch.setattr(os, "fsync", watched)
    entries.write_snapshot(path, KEPT)
    assert synced == [(path.stat().st_size, False)]
    assert entries.read_snapshot(path) == KEPT


def test_there_may_be_no_snapshot(tmp_path: Path) -> None:
    assert entries.read_snapshot(tmp_path / "snapshot") is None


@pytest.mark.parametrize("at", [0, 31, 32, 60, -1])
def test_a_snapshot_with_one_changed_byte_is_broken(tmp_path: Path, at: int) -> None:
    path = tmp_path / "snapshot"
    entries.write_snapshot(path, KEPT)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(Broken, match="checksum"):
        entries.read_snapshot(path)


@pytest.mark.parametrize("change", [1, -1])
def test_a_snapshot_of_another_version_is_broken(tmp_path: Path, change: int) -> None:
    path = tmp_path / "snapshot"
    other: Any = msgspec.structs.replace(KEPT, version=KEPT.version + change)
    entries.write_snapshot(path, other)
    with pytest.raises(Broken, match="version"):
        entries.read_snapshot(path)
