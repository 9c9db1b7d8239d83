import gzip
import lzma
import struct
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kernel_lib.errors import BadData
from kernel_lib.importers import read_bars, read_ticks
from kernel_lib.importers.opening import Limits

DUKASCOPY = "time,bid,ask,bid_vol,ask_vol\n2019-02-04 00:00:00.994,1.1,1.2,1,1\n"
MT5 = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\r\n2019.02.04\t02:00:00.994\t1.1\t1.2\t\t\t6\r\n"
HISTDATA = "20200101 170000065,1.1,1.2,0\n"
TRUEFX = "EUR/USD,20130101 22:00:00.295,1.1,1.2\n"


def _refused(path: Path, *words: str) -> None:
    with pytest.raises(BadData) as caught:
        read_ticks(path, symbol="EURUSD")
    message = str(caught.value)
    assert path.name in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DUKASCOPY + "2019-02-04 00:00:01.0,oops,1.2,1,1\n", (":3:", "bid", "oops")),
        (DUKASCOPY + "2019-02-04 00:00:01.0,,1.2,1,1\n", (":3:", "bid")),
        (DUKASCOPY + "2019-02-04 00:00:01.0,1.1\n", (":3:", "5 columns")),
        (DUKASCOPY + "2019-02-04 00:00:01.0,1.1,1.2,1,1,7,8\n", (":3:", "5 columns")),
        (DUKASCOPY + "yesterday,1.1,1.2,1,1\n", (":3:", "yesterday")),
        (MT5 + "2019.02.04\t02:00:01.000\toops\t\t\t\t2\r\n", (":3:", "bid", "oops")),
        (MT5 + "2019.02.04\tlater\t1.1\t\t\t\t2\r\n", (":3:", "later")),
        (MT5.replace("<LAST>\t", ""), ("6 columns",)),
        (HISTDATA + "20200101 17,1.1,1.2,0\n", (":2:", "20200101 17")),
        (HISTDATA + "20209901 170000065,1.1,1.2,0\n", (":2:",)),
        (TRUEFX + "GBP/USD,20130101 22:00:00.295,1.1,1.2\n", (":2:", "one pair")),
        ("time,bid,price\n1,2,3\n", ("none begins with",)),
        ("<html>not found</html>", ("none begins with",)),
        ("time,bid,ask\n", ("at least one row",)),
        ("", ("empty",)),
        ("time,bid,ask\n" + "9" * 200_000, ("",)),
    ],
)
def test_a_broken_text_is_refused_with_file_line_and_reason(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text(text, newline="")
    _refused(path, *words)
    packed = tmp_path / "ticks.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    _refused(packed, *words)


def test_bad_ticks_are_counted_and_the_good_ones_kept(tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.csv"
    path.write_text(
        DUKASCOPY
        + "2019-02-04 00:00:00.994,1.1,1.2,2,2\n2019-02-04 00:00:00.5,1.1,1.2,1,1\n2019-02-04 00:00:01.5,1.3,1.2,1,1\n"
        + "2019-02-04 00:00:02.5,0,1.2,1,1\n2019-02-04 00:00:03.5,1.1,1.3,1,1\n"
    )
    imported = read_ticks(path)
    assert len(imported.ticks) == 2
    assert imported.refused == {"repeated": 1, "out_of_order": 1, "crossed": 1, "not_positive": 1}
    assert (imported.first_refused[0].line, imported.first_refused[0].rule) == (3, "repeated")


def test_an_mt5_export_that_begins_with_one_side_counts_what_it_cannot_use(tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.csv"
    header, line = MT5.splitlines(keepends=True)
    path.write_text(header + "2019.02.04\t02:00:00.100\t\t1.2\t\t\t4\r\n" + line, newline="")
    imported = read_ticks(path)
    assert (len(imported.ticks), imported.refused) == (1, {"one_sided": 1})


def test_a_cut_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv.gz"
    path.write_bytes(gzip.compress((DUKASCOPY * 5000).encode())[:-20])
    _refused(path, "whole")


def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv.gz"
    path.write_bytes(gzip.compress(DUKASCOPY.encode() + b"0" * 5_000_000))
    with pytest.raises(BadData, match="at most 1000000 bytes"):
        read_ticks(path, symbol="EURUSD", limits=Limits(1_000_000))
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("20140502_eurusd_tick_quote.csv", b"0" * 5_000_000)
    with pytest.raises(BadData, match="at most 1000000 bytes"):
        read_ticks(archive, "EURUSD", limits=Limits(1_000_000))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"../20140502_eurusd_tick_quote.csv": "1,1.1,1.2\n"}, "plain name"),
        ({"/etc/20140502_eurusd_tick_quote.csv": "1,1.1,1.2\n"}, "plain name"),
        ({"notes.txt": "1,1.1,1.2\n"}, "must hold"),
        ({"20140532_eurusd_tick_quote.csv": "1,1.1,1.2\n"}, "day"),
        ({"20140502_eurusd_tick_quote.csv": ""}, "at least one row"),
        ({"20140502_eurusd_tick_quote.csv": "86400000,1.1,1.2\n"}, "midnight"),
        ({"20140502_eurusd_tick_quote.csv": "1,1.1\n"}, "3 columns"),
        ({"a.csv": "", "b.csv": ""}, "one file"),
    ],
)
def test_a_zip_with_a_trick_or_a_fault_is_refused(tmp_path: Path, members: dict[str, str], reason: str) -> None:
    path = tmp_path / "quote.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    _refused(path, reason)


def _bi5(*records: tuple[int, int, int, float, float]) -> bytes:
    return lzma.compress(b"".join(struct.pack(">IIIff", *each) for each in records), format=lzma.FORMAT_ALONE)


def test_a_bi5_hour_is_read_from_its_name(tmp_path: Path) -> None:
    path = tmp_path / "EURUSD_20190204_07h_ticks.bi5"
    path.write_bytes(_bi5((5, 114545, 114543, 1.0, 2.0)))
    imported = read_ticks(path)
    assert imported.ticks[0].item() == (1_549_263_600_005_000_000, 1.14543, 1.14545)
    served = tmp_path / "EURUSD" / "2019" / "01" / "04" / "07h_ticks.bi5"  # months are counted from 0 there
    served.parent.mkdir(parents=True)
    served.write_bytes(path.read_bytes())
    assert read_ticks(served).ticks.tobytes() == imported.ticks.tobytes()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("EURUSD_20190204_07h_ticks.bi5", b"not lzma at all", "LZMA"),
        ("EURUSD_20190204_07h_ticks.bi5", _bi5((5, 2, 1, 1.0, 1.0))[:-6], "LZMA"),
        ("EURUSD_20190204_07h_ticks.bi5", lzma.compress(b"x" * 21, format=lzma.FORMAT_ALONE), "20 bytes"),
        ("EURUSD_20190204_07h_ticks.bi5", _bi5((3_600_000, 2, 1, 1.0, 1.0)), "within the hour"),
        ("EURUSD_20190299_07h_ticks.bi5", _bi5((5, 2, 1, 1.0, 1.0)), "must say the hour"),
        ("hour.bi5", _bi5((5, 2, 1, 1.0, 1.0)), "must say the hour"),
    ],
)
def test_a_broken_bi5_hour_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    _refused(path, reason)


def test_binary_noise_is_refused_whatever_the_layout(tmp_path: Path) -> None:
    path = tmp_path / "noise.csv"
    path.write_bytes(bytes(range(256)) * 50)
    for layout in (None, "mt5", "histdata", "truefx", "dukascopy", "parquet", "lean"):
        with pytest.raises(BadData, match=r"noise\.csv"):
            read_ticks(path, symbol="EURUSD", layout=layout)


def test_parquet_without_the_columns_or_with_nan_or_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.parquet"
    time = pa.array([1, 2], pa.timestamp("ns", tz="UTC"))
    pq.write_table(pa.table({"time": time, "bid": [1.1, 1.1]}), path)
    _refused(path, "ask")
    pq.write_table(pa.table({"time": time, "bid": ["a", "b"], "ask": [1.2, 1.2]}), path)
    _refused(path, "parquet")
    pq.write_table(pa.table({"time": time, "bid": [1.1, None], "ask": [1.2, 1.2]}), path)
    assert read_ticks(path).refused == {"not_finite": 1}
    pq.write_table(pa.table({"time": time, "bid": [1.1, float("nan")], "ask": [1.2, 1.2]}), path)
    assert read_ticks(path).refused == {"not_finite": 1}
    path.write_bytes(path.read_bytes()[:-30])
    _refused(path, "parquet")


def test_an_unknown_symbol_or_layout_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text(DUKASCOPY)
    with pytest.raises(BadData, match="pass symbol="):
        read_ticks(path)
    with pytest.raises(BadData, match="must be one of"):
        read_ticks(path, layout="csv2")


def test_bars_that_do_not_hold_together_are_refused_by_rule(tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.csv"
    path.write_text(
        "time,open,high,low,close\n2019-02-04 00:00:00,1,2,0.5,1\n2019-02-04 01:00:00,1,0.9,0.5,1\n"
        "2019-02-04 00:00:00,1,2,0.5,1\n2019-02-03 00:00:00,1,2,0.5,1\n2019-02-04 02:00:00,1,2,0,1\n"
    )
    imported = read_bars(path)
    assert imported.refused == {"crossed": 1, "out_of_order": 2, "not_positive": 1}
    path.write_text("time,open,high,low,close\n2019-02-04 00:00:00,1,2,x,1\n")
    with pytest.raises(BadData, match=r"EURUSD\.csv:2"):
        read_bars(path)
