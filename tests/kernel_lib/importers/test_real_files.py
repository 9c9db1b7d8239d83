import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kernel_lib.importers import read_bars, read_ticks
from kernel_lib.market.tick import Ticks

FIRST_OF_DUKASCOPY = 1_549_238_400_994_000_000  # 2019-02-04 00:00:00.994 UTC, from the csv's first line


def _quote_changes(ticks: Ticks) -> Ticks:
    """Without the ticks on which only a volume changed."""
    same = (ticks["bid"][1:] == ticks["bid"][:-1]) & (ticks["ask"][1:] == ticks["ask"][:-1])
    return ticks[np.concatenate(([True], ~same))]


def test_csv_and_bi5_and_mt5_layout_hold_the_same_ticks(data_dir: Path) -> None:
    csv = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz")
    bi5 = read_ticks(data_dir / "ticks" / "dukascopy_bi5")
    mt5 = read_ticks(data_dir / "ticks" / "mt5_layout_EURUSD_201902040200_201902050159.csv.gz")
    assert (csv.layout, bi5.layout, mt5.layout) == ("dukascopy", "bi5", "mt5")
    assert {csv.symbol, bi5.symbol, mt5.symbol} == {"EURUSD"}
    assert len(csv.ticks) == 136_741
    assert int(csv.ticks["time_ns"][0]) == FIRST_OF_DUKASCOPY
    assert csv.ticks.tobytes() == bi5.ticks.tobytes()
    assert _quote_changes(csv.ticks).tobytes() == _quote_changes(mt5.ticks).tobytes()
    assert len(mt5.ticks) == 116_183


def test_the_zip_and_the_mt5_layout_of_gold_agree_with_the_parquet(data_dir: Path) -> None:
    week = read_ticks(data_dir / "ticks" / "XAUUSD_oanda_20140501_20140507_utc.parquet").ticks
    lean = read_ticks(data_dir / "ticks" / "lean_raw_XAUUSD_oanda_20140502_quote.zip").ticks
    start = np.searchsorted(week["time_ns"], 1_398_988_800_000_000_000)
    day = week[start : start + len(lean)]
    # LEAN writes whole milliseconds with a fraction; the parquet keeps microseconds.
    assert np.abs(day["time_ns"] - lean["time_ns"]).max() < 1_000_000
    assert day["bid"].tolist() == lean["bid"].tolist()
    assert day["ask"].tolist() == lean["ask"].tolist()


@pytest.mark.parametrize(
    ("name", "symbol", "layout", "n_ticks"),
    [
        ("histdata_layout_EURUSD_20200101_est.csv.gz", "EURUSD", "histdata", 9500),
        ("truefx_USDJPY_20130101_utc.csv", "USDJPY", "dukascopy", 1000),
        ("EURUSD_oanda_20140501_20140507_utc.parquet", "EURUSD", "parquet", 186_092),
    ],
)
def test_a_format_is_recognised(data_dir: Path, name: str, symbol: str, layout: str, n_ticks: int) -> None:
    imported = read_ticks(data_dir / "ticks" / name)
    assert (imported.symbol, imported.layout, len(imported.ticks)) == (symbol, layout, n_ticks)
    assert (np.diff(imported.ticks["time_ns"]) >= 0).all()


def test_histdata_is_five_hours_behind_utc(data_dir: Path) -> None:
    imported = read_ticks(data_dir / "ticks" / "histdata_layout_EURUSD_20200101_est.csv.gz")
    assert int(imported.ticks["time_ns"][0]) == 1_577_916_000_065_000_000  # 2020-01-01 17:00:00.065 EST


def test_crossed_quotes_of_a_real_file_are_counted_with_their_lines(data_dir: Path) -> None:
    imported = read_ticks(data_dir / "ticks" / "lean_raw_EURUSD_fxcm_20140502_quote.zip")
    assert set(imported.refused) == {"crossed"}
    assert len(imported.ticks) + imported.refused["crossed"] == 96_406
    assert imported.first_refused[0].rule == "crossed"


def test_mt5_bars_stand_at_utc(data_dir: Path) -> None:
    bars = read_bars(data_dir / "bars" / "mt5_layout_EURUSD_M1_20140501_20140507.csv.gz").bars
    assert int(bars["time_ns"][0]) == 1_398_902_400_000_000_000
    assert [float(bars[name][0]) for name in ("open", "high", "low", "close")] == [1.38676, 1.38686, 1.38669, 1.38686]
    assert bars["volume"][0] == 43


def test_every_recorded_bar_csv_is_read(data_dir: Path) -> None:
    for path in sorted((data_dir / "bars").glob("ejtrader_mt5_h*/??????_*.csv.gz")):
        imported = read_bars(path)
        assert len(imported.bars) > 1000, path
        assert (np.diff(imported.bars["time_ns"]) > 0).all(), path


def test_the_command_line_tells_and_writes(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "ticks" / "truefx_USDJPY_20130101_utc.csv"
    out = tmp_path / "USDJPY.parquet"
    command = [sys.executable, "-m", "kernel_lib.importers", str(source), "--json", "--out", str(out)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert told["ticks"] == 1000
    assert read_ticks(out).ticks.tobytes() == read_ticks(source).ticks.tobytes()
    command[3] = str(tmp_path / "absent.csv")
    failed = subprocess.run(command, check=False, capture_output=True, timeout=60, text=True)
    assert failed.returncode != 0
    assert "absent.csv" in failed.stderr
    assert "Traceback" not in failed.stderr
