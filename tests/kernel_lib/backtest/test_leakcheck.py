"""The leak tripwire: known leaks are named with row, column and line, and what is sound passes."""

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import features as f
from kernel_lib.backtest.known_series import KnownSeries
from kernel_lib.backtest.leak_magic import check_cell
from kernel_lib.backtest.leakcheck import leakcheck
from kernel_lib.errors import BadData, Refused
from kernel_lib.market.bars import bars
from tests.kernel_lib.backtest.test_replay import walk


def prices(n_rows: int = 300) -> pd.Series:
    steps = np.random.default_rng(1).normal(0, 1e-4, n_rows)
    return pd.Series(1.1 + np.cumsum(steps), pd.date_range("2019-02-04", periods=n_rows, freq="min", tz="UTC"))


def frame(n_rows: int = 300) -> pd.DataFrame:
    return pd.DataFrame({"close": prices(n_rows), "volume": np.arange(n_rows, dtype=float)})


SOUND = {
    "rolling": lambda x: x.rolling(5).mean(),
    "exponential": lambda x: x.ewm(span=10).mean(),
    "shifted back": lambda x: x.shift(3),
    "expanding rank": lambda x: x.expanding().rank(),
    "cumulative": lambda x: np.log(x).diff().cumsum(),
    "forward fill": lambda x: x.where(x > x.shift(1)).ffill(),
}
LEAKS = {
    "centred": lambda x: x.rolling(5, center=True).mean(),
    "shifted ahead": lambda x: x.shift(-1),
    "whole mean": lambda x: x - x.mean(),
    "whole rank": lambda x: x.rank(pct=True),
    "backward fill": lambda x: x.where(x.index.minute % 10 == 9).bfill(),
    "day's close": lambda x: x.groupby(x.index.floor("h")).transform("last"),
    "reversed": lambda x: x[::-1].ewm(span=5).mean()[::-1],
    "spectrum": lambda x: pd.Series(np.fft.irfft(np.fft.rfft(x - 1.1)[:20], len(x)), x.index),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_looks_only_back_passes(name: str) -> None:
    assert leakcheck(SOUND[name], prices()).clean


@pytest.mark.parametrize("name", LEAKS)
def test_what_looks_ahead_is_found(name: str) -> None:
    report = leakcheck(LEAKS[name], prices())
    assert not report.clean
    with pytest.raises(BadData, match="must not depend on the future"):
        report.require_clean()


def test_the_first_row_that_leaks_is_exact() -> None:
    # Of a centred window of five, the last two rows known change when the next become known.
    report = leakcheck(lambda x: pd.Series(x).rolling(5, center=True).mean().to_numpy(), np.arange(200.0), n_cuts=5)
    leak = report.leaks[0]
    assert leak.row == min(report.cuts) - 2
    assert leak.cut == min(report.cuts)
    assert leak.with_future == f"{leak.row}"
    assert leak.without == "nan"


def two_features(x: pd.DataFrame) -> pd.DataFrame:
    made = pd.DataFrame({"past": x["close"].shift(1)})
    made["ahead"] = x["close"].shift(-1)
    return made


def test_the_line_and_the_column_are_named() -> None:
    report = leakcheck(two_features, frame())
    assert [leak.column for leak in report.leaks] == ["ahead"]
    leak = report.leaks[0]
    assert leak.line == two_features.__code__.co_firstlineno + 2
    assert leak.source == 'made["ahead"] = x["close"].shift(-1)'
    assert leak.variable == "made.ahead"
    assert leak.where == "two_features"
    assert leak.label.startswith("2019-02-04")
    for part in ("two_features", "'ahead'", "shift(-1)", "row"):
        assert part in str(leak)


def test_tracing_is_put_back_as_it_was() -> None:
    before = sys.gettrace()
    leakcheck(two_features, frame())
    with pytest.raises(ZeroDivisionError):
        leakcheck(lambda x: 1 / 0, frame())
    assert sys.gettrace() is before


FEATURES = (f.rsi(14), f.ema(5), f.bollinger(20), f.atr(14), f.supertrend(10), f.kama(10))


@pytest.mark.parametrize("feature", FEATURES, ids=repr)
def test_features_of_the_catalogue_pass(feature: Any) -> None:
    report = leakcheck(feature, bars(walk(20_000), "1m"), n_cuts=5)
    assert report.clean, report


def test_arrays_mappings_and_tuples_are_checked_by_column() -> None:
    data = {"a": np.arange(50.0), "b": np.arange(50.0) ** 2}
    report = leakcheck(lambda d: {"fine": d["a"].cumsum(), "bad": d["b"] / d["b"].max()}, data)
    assert [leak.column for leak in report.leaks] == ["bad"]
    pair = leakcheck(lambda x: (np.cumsum(x), x[::-1].copy()), np.arange(50.0))
    assert [leak.column for leak in pair.leaks] == ["1"]
    assert leakcheck(lambda x: [each * 2 for each in x], list(range(50))).clean
    words = leakcheck(lambda x: np.where(x > x.mean(), "high", "low"), np.arange(50.0))
    assert words.leaks[0].with_future == "low"
    assert words.leaks[0].without == "high"


def test_the_data_are_not_changed_and_a_seed_gives_the_same_report() -> None:
    data = frame()

    def spoils(x: pd.DataFrame) -> pd.Series:
        x["close"] = 0.0
        return x["close"]

    assert leakcheck(spoils, data).clean
    pd.testing.assert_frame_equal(data, frame())
    assert leakcheck(LEAKS["centred"], prices(), seed=4) == leakcheck(LEAKS["centred"], prices(), seed=4)


def test_what_cannot_be_checked_is_refused_in_words() -> None:
    with pytest.raises(BadData, match="at least 4 rows"):
        leakcheck(np.cumsum, np.arange(3.0))
    with pytest.raises(BadData, match="a row for each row"):
        leakcheck(lambda x: float(x.mean()), np.arange(30.0))
    with pytest.raises(BadData, match="number of cuts"):
        leakcheck(np.cumsum, np.arange(30.0), n_cuts=0)
    with pytest.raises(BadData, match="must have rows"):
        leakcheck(np.cumsum, 3)

    def only_whole(x: np.ndarray) -> np.ndarray:
        if len(x) < 30:
            raise ValueError("too few")
        return x

    with pytest.raises(BadData, match="could not be computed on any part"):
        leakcheck(only_whole, np.arange(30.0))


CELL = """\
import numpy as np

def smooth(x):
    back = x.rolling(5).mean()
    both = x.rolling(5, center=True).mean()
    return back - both

data["past"] = data["close"].shift(1)
data["ahead"] = data["close"].shift(-1)
data["range"] = data["volume"] / data["volume"].max()
wave = smooth(data["close"])
doubled = data["ahead"] * 2
fine = data["past"].cumsum()
"""


def test_each_leak_of_a_cell_is_named_once_where_it_begins() -> None:
    report = check_cell(CELL, {"data": frame()})
    found = {(leak.variable, leak.column): leak for leak in report.leaks}
    assert set(found) == {("data", "ahead"), ("data", "range"), ("wave", "")}  # doubled only inherits
    assert (found["data", "ahead"].line, found["data", "range"].line) == (9, 10)
    assert found["wave", ""].line == 5
    assert found["wave", ""].source == "both = x.rolling(5, center=True).mean()"
    assert "smooth" in found["wave", ""].where
    assert set(report.checked) >= {"wave", "doubled", "fine"}


def test_functions_features_and_strategies_of_a_cell_are_checked_though_not_called() -> None:
    cell = """\
from kernel_lib import features as f
from kernel_lib.strategy import strategy

def peeks(close):
    return close / close.iloc[-1]

def needs_more(close, window):
    return close.rolling(window).mean()

quick = f.ema(5)

@strategy(on="1m", features={"fast": f.ema(5)})
def follows(x, position, p):
    return 1.0
"""
    close = prices()
    report = check_cell(cell, {"close": close})
    assert [leak.where for leak in report.leaks] == ["peeks"]
    assert report.leaks[0].line == 5
    assert any("needs_more: TypeError" in each for each in report.unchecked)


def test_several_inputs_are_cut_at_one_time() -> None:
    fast, slow = prices(300), prices(300).iloc[::5]
    cell = "joined = fast - slow.reindex(fast.index, method='ffill')\n"
    assert check_cell(cell, {"fast": fast, "slow": slow}).clean
    ahead = "joined = fast - slow.reindex(fast.index, method='bfill')\n"
    assert not check_cell(ahead, {"fast": fast, "slow": slow}).clean
    report = check_cell("c = fast.to_numpy()[:40].sum() + other", {"fast": fast, "other": np.arange(40.0)})
    assert any("other was not cut" in each for each in report.unchecked)


def test_the_namespace_of_a_checked_cell_is_left_alone() -> None:
    data = frame()
    namespace: dict[str, Any] = {"data": data}
    check_cell("data['twice'] = data['close'] * 2\nnew = 1", namespace)
    assert list(namespace) == ["data"]
    assert list(data.columns) == ["close", "volume"]
    with pytest.raises(BadData, match="cutting data that it reads"):
        check_cell("x = 1", {"data": data})
    with pytest.raises(BadData, match="cutting data that it reads"):
        check_cell("x = data", {"data": data}, data=["nothing"])


def test_the_magic_runs_the_cell_and_gives_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        shell.history_manager.enabled = False
        shell.run_line_magic("load_ext", "kernel_lib.backtest.leak_magic")
        shell.user_ns["data"] = frame()
        report = shell.run_cell_magic(
            "leakcheck", "data --cuts 4", "data['ahead'] = data['close'].shift(-1)\nprint('ran')"
        )
        assert list(shell.user_ns["data"].columns) == ["close", "volume", "ahead"]
        assert [(leak.variable, leak.column, leak.line) for leak in report.leaks] == [("data", "ahead", 1)]
        assert capsys.readouterr().out.count("ran") == 1
        clean = shell.run_cell_magic("leakcheck", "", "past = data['close'].shift(1)")
        assert clean.clean
        assert "no leak in past" in repr(clean)
    finally:
        InteractiveShell.clear_instance()


def test_a_value_is_not_read_before_it_was_known() -> None:
    jobs = KnownSeries([30, 60, 90], [175.0, 210.0, 190.0], about_ns=[10, 10, 40], name="payrolls")
    assert jobs.read(about_ns=10, now_ns=30) == 175.0
    assert jobs.read(about_ns=10, now_ns=89) == 210.0
    with pytest.raises(Refused, match="payrolls about 40 was known from 90 on, it was read at 89") as caught:
        jobs.read(about_ns=40, now_ns=89)
    assert caught.value.code == "not_yet_known"
    with pytest.raises(Refused, match="had no value at 29; the first is known from 30 on"):
        jobs.latest(29)
    assert jobs.latest(70) == 210.0
    assert len(jobs.until(60)) == 2
    np.testing.assert_array_equal(jobs.at_times([0, 30, 1000]), [np.nan, 175.0, 190.0])
    with pytest.raises(Refused, match="read with the time of reading"):
        jobs[0]
    with pytest.raises(BadData, match="no value about 11"):
        jobs.read(about_ns=11, now_ns=99)
    with pytest.raises(BadData, match="one value a row"):
        KnownSeries([1, 2], [1.0])
    with pytest.raises(BadData, match="whole nanoseconds"):
        KnownSeries([1.5], [1.0])


def test_a_calendar_becomes_a_known_series_and_feeds_a_replay() -> None:
    calendar = pd.DataFrame(
        {
            "released": pd.to_datetime(["2019-02-04 00:05", "2019-02-04 00:10"], utc=True),
            "month": pd.to_datetime(["2018-12-01", "2019-01-01"], utc=True),
            "actual": [1.0, -1.0],
        }
    )
    known = KnownSeries.from_frame(calendar, "actual", known="released", about="month")
    times, values = known.outside
    assert times.tolist() == [1_549_238_700 * 10**9, 1_549_239_000 * 10**9]
    assert values.tolist() == [1.0, -1.0]
    assert "actual: 2 values" in repr(known)
    shown = f.outside("news")(np.ones(3), other=known.at_times(times[[0, 0, 1]] + [-1, 0, 0]))
    np.testing.assert_array_equal(shown["value"], [np.nan, 1.0, -1.0])
    with pytest.raises(BadData, match="carry their zone"):
        KnownSeries.from_frame(
            calendar.assign(released=calendar["released"].dt.tz_localize(None)), "actual", known="released"
        )
