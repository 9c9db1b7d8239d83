"""``tickhub ticks-import``: what it cannot read or write is refused, and nothing half written is left."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kernel_lib.importers.__main__ import main

TRUEFX = "EUR/USD,20130101 00:00:00.000,1.32,1.3201\nEUR/USD,20130101 00:00:01.000,1.3201,1.3202\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "EURUSD.csv"
    path.write_text(TRUEFX)
    return path


def test_a_file_is_read_and_written(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    done = CliRunner().invoke(main, [str(file), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "2013-01-01T00:00:00.000000000Z" in done.output
    assert "refused  none" in done.output
    assert [each.name for each in tmp_path.iterdir() if each != file] == ["out.parquet"]


def test_a_place_that_is_not_there_is_refused_before_the_file_is_read(file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [str(file), "--out", str(tmp_path / "nowhere" / "out.parquet")])
    assert done.exit_code == 2
    assert "there is no directory" in done.output


def test_a_full_disk_leaves_no_half_file_and_the_old_one_whole(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"
    out.write_bytes(b"old")

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kernel_lib.importers.__main__.write_parquet", full)
    done = CliRunner().invoke(main, [str(file), "--out", str(out)])
    assert done.exit_code == 1
    assert "No space left on device" in done.output
    assert out.read_bytes() == b"old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["EURUSD.csv", "out.parquet"]


def test_a_directory_without_hours_is_called_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [str(tmp_path)])
    assert done.exit_code == 1
    assert "a directory must hold Dukascopy's hours" in done.output
