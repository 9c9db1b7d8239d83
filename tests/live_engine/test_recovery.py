"""A desk that finds its snapshot and its journal at odds does not start; one that finds only a draft does."""

import shutil
from pathlib import Path

import pytest

from kernel_lib.errors import Broken
from kernel_lib.importers import read_ticks
from kernel_lib.strategies import ma_cross
from tests.live_engine.desk_kit import blocks_of, desk_bundle
from tests.live_engine.test_desk import crash, feed, open_desk


@pytest.fixture
def folder(data_dir: Path, tmp_path: Path) -> Path:
    """A desk's folder after some trading and a clean end, so with a snapshot at its journal's last record."""
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:2_000]
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(ma_cross.with_params(fast=10, slow=40)), {})
    feed(desk, blocks_of(ticks, [25] * 80))
    desk.close()
    return tmp_path


def test_a_snapshot_newer_than_the_journal_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "journal")
    with pytest.raises(Broken, match=r"the journal must reach record [0-9]+ of the snapshot, it ends at 0"):
        open_desk(folder)


def test_a_snapshot_that_was_being_written_when_the_desk_died_is_passed_over(folder: Path) -> None:
    before = open_desk(folder)
    content = before.slots[1].book.snapshot()
    crash(before)
    (folder / "snapshot.draft").write_bytes((folder / "snapshot").read_bytes()[:100])
    again = open_desk(folder)
    assert again.slots[1].book.snapshot() == content
    crash(again)


def test_without_its_snapshot_a_desk_is_rebuilt_from_the_whole_journal(folder: Path) -> None:
    before = open_desk(folder)
    content = before.slots[1].book.snapshot()
    crash(before)
    (folder / "snapshot").unlink()
    again = open_desk(folder)
    assert again.slots[1].book.snapshot() == content
    crash(again)
