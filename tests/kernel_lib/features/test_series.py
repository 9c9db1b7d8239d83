"""What a quant may hand to a feature, what comes back, and what is refused."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kernel_lib import features as f
from kernel_lib.errors import BadData
from kernel_lib.market.bar import BAR
from kernel_lib.market.bars import bars as form_bars
from kernel_lib.market.tick import TICK, make_ticks

SECOND = 10**9
PRICES = [1.0, 2.0, 4.0, 8.0]
TIMES = pd.date_range("2019-02-04", periods=4, freq="1min", tz="UTC")


def frame() -> pd.DataFrame:
    return pd.DataFrame({"Open": PRICES, "High": PRICES, "Low": PRICES, "Close": PRICES}, index=TIMES)


def ticks(n_ticks: int = 400, seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    times = 1_549_238_400 * SECOND + np.cumsum(random.integers(0, 20, n_ticks)) * SECOND
    bid = 1.1 + np.cumsum(random.normal(0, 1e-4, n_ticks))
    return make_ticks(times, bid, bid + 1e-4)


def test_pandas_in_gives_pandas_out_with_the_same_index() -> None:
    series = f.sma(2)(pd.Series(PRICES, index=TIMES))
    pd.testing.assert_series_equal(series, pd.Series([np.nan, 1.5, 3.0, 6.0], index=TIMES, name="sma(window=2)"))
    shown = f.bollinger(2)(frame())
    assert list(shown.columns) == ["middle", "upper", "lower"]
    assert shown.index.equals(TIMES)
    assert f.sma(2)(pd.Series(PRICES, index=list("abcd"))).index.tolist() == list("abcd")


def test_arrow_in_gives_arrow_out() -> None:
    assert f.sma(2)(pa.array(PRICES)).to_pylist()[1:] == [1.5, 3.0, 6.0]
    assert f.sma(2)(pa.chunked_array([PRICES[:2], PRICES[2:]])).to_pylist()[1:] == [1.5, 3.0, 6.0]
    table = pa.table({"time_ns": pa.array([1, 2, 3, 4]), "close": PRICES})
    assert f.sma(2)(table).to_pylist()[1:] == [1.5, 3.0, 6.0]
    assert f.bollinger(2)(table).column_names == ["middle", "upper", "lower"]


def test_all_forms_of_the_same_prices_give_the_same_numbers() -> None:
    quotes = ticks()
    table = pd.DataFrame({name: quotes[name] for name in TICK.names})
    by_time = table[["bid", "ask"]].set_index(pd.to_datetime(table["time_ns"], utc=True))
    for feature in (f.rsi(5), f.tick_rate(5), f.spread(), f.rsi(5, bars="1m")):
        want = feature(quotes)
        for form in (table, by_time, pa.Table.from_pandas(table), quotes[::-1][::-1]):
            np.testing.assert_array_equal(np.asarray(feature(form)), want)


def test_fewer_rows_than_the_warmup_are_all_nan() -> None:
    assert np.isnan(f.ema(5)(PRICES)).all()
    assert f.ema(5)([]).shape == (0,)


def test_ticks_on_bars_show_what_each_tick_would_see() -> None:
    """The value changes only at the tick that closes a bar, and is that of the bars closed by then."""
    quotes = ticks()
    shown = f.ema(3, bars="1m")(quotes)
    closed = form_bars(quotes, "1m")
    by_bar = f.ema(3, bars="1m")(closed)
    for row in range(len(quotes)):
        n_closed = int((closed["time_ns"] + 60 * SECOND <= quotes["time_ns"][row]).sum())
        want = by_bar[n_closed - 1] if n_closed else np.nan
        np.testing.assert_equal(shown[row], want)


def test_an_outside_series_is_seen_as_of_each_rows_own_time() -> None:
    quotes = make_ticks(np.array([10, 20, 30]) * SECOND, [1.0] * 3, [1.0] * 3)
    news = pd.Series([0.1, 0.2], index=pd.to_datetime([20, 25], unit="s", utc=True))
    np.testing.assert_array_equal(f.outside("news")(quotes, news)["value"], [np.nan, 0.1, 0.2])
    pair = np.array([20, 25]) * SECOND, [0.1, 0.2]
    np.testing.assert_array_equal(f.outside("news")(quotes, pair)["value"], [np.nan, 0.1, 0.2])
    with pytest.raises(BadData, match="one time"):
        f.outside("news")(quotes, (np.array([0.5]), [0.1]))
    other = make_ticks(np.array([20, 25]) * SECOND, [0.1, 0.2], [0.3, 0.4])
    np.testing.assert_allclose(f.outside("X")(quotes, other)["value"], [np.nan, 0.2, 0.3])


def test_an_outside_bar_is_not_seen_before_its_close() -> None:
    quotes = make_ticks(np.array([0, 59, 60, 61]) * SECOND + 60 * SECOND, [1.0] * 4, [1.0] * 4)
    other = np.zeros(2, BAR)
    other["time_ns"] = [0, 60 * SECOND]
    other["close"] = other["open"] = other["high"] = other["low"] = [5.0, 6.0]
    shown = f.outside("X", bars="1m")(quotes, other)["value"]
    assert shown.tolist()[2:] == [6.0, 6.0]  # the bar that closes at 120 s is seen by the tick at 120 s
    own = other.copy()
    assert f.outside("X", bars="1m")(own, other)["value"].tolist() == [5.0, 6.0]
    at_ticks = make_ticks(np.array([59, 60, 119, 120]) * SECOND, [1.0] * 4, [7.0, 9.0, 11.0, 13.0])
    assert f.outside("X", bars="1m")(own, at_ticks)["value"].tolist() == [5.0, 7.0]
    with pytest.raises(BadData, match="name the length"):
        f.outside("X")(quotes, other)
    with pytest.raises(BadData, match="name the length"):
        f.outside("X")(own, at_ticks)


def test_what_reads_from_outside_must_be_given_it_and_nothing_else_may() -> None:
    with pytest.raises(BadData, match="give its values as other="):
        f.correlation("GBPUSD")(PRICES)
    with pytest.raises(BadData, match="leave other= away"):
        f.ema(3)(PRICES, other=PRICES)
    with pytest.raises(BadData, match="a value for each of 4 rows"):
        f.correlation("GBPUSD")(PRICES, other=PRICES[:3])
    with pytest.raises(BadData, match="the rows must have them too"):
        f.correlation("GBPUSD")(PRICES, other=pd.Series(PRICES, index=TIMES))


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (np.zeros((2, 2)), "one dimension"),
        (np.array(["1.0"]), "must be numbers"),
        (["1.0", "2.0"], "must be numbers"),
        ([1.0, [2.0]], "it was given list"),
        (pd.Series(["1.0", "2.0"]), "must be numbers"),
        (pd.DataFrame({"close": ["1.0", "2.0"]}), "must be numbers"),
        (pa.array(["1.0"]), "must be numbers"),
        (np.array([True]), "must be numbers"),
        (np.array([1j]), "must be numbers"),
        (np.array(["2019-02-04"], "datetime64[ns]"), "must be numbers"),
        (np.zeros(3, [("a", "f8")]), "dtype TICK or BAR"),
        ("EURUSD", "must be numbers"),
        (object(), "it was given object"),
        ({"close": [1.0, 2.0]}, "a mapping: make a frame of it"),
        (pd.DataFrame({"price": PRICES}), "'close' column"),
        (pd.DataFrame({"Close": PRICES, "close": PRICES}), "each column once"),
        (pd.DataFrame({"close": PRICES, "time_ns": [0.5] * 4}), "whole UTC nanoseconds"),
        (pa.table({"price": PRICES}), "'close' column"),
        (frame().iloc[::-1], "must not go back"),
        (frame().iloc[[0, 1, 1, 2]], "time of its own"),
        (ticks()[::-1], "must not go back"),
    ],
)
def test_what_is_no_series_of_prices_is_refused(series: object, message: str) -> None:
    with pytest.raises(BadData, match=message):
        f.sma(2)(series)


def test_mixed_time_zones_are_refused() -> None:
    mixed = [pd.Timestamp("2019-02-04", tz="UTC"), pd.Timestamp("2019-02-05", tz="Asia/Tokyo")]
    with pytest.raises(BadData, match="mixed"):
        f.sma(2)(pd.Series([1.0, 2.0], index=pd.Index(mixed, dtype=object)))
    with pytest.raises(BadData, match="mixed"):
        f.correlation("X")(pd.Series(PRICES, index=TIMES), pd.Series(PRICES, index=TIMES.tz_localize(None)))
    tokyo = f.session()(pd.Series(PRICES, index=TIMES.tz_convert("Asia/Tokyo")))
    pd.testing.assert_frame_equal(
        tokyo.tz_convert("UTC"), f.session()(pd.Series(PRICES, index=TIMES)), check_freq=False
    )


def test_rows_closer_together_than_the_bars_asked_for_are_refused() -> None:
    with pytest.raises(BadData, match="give ticks"):
        f.sma(2, bars="5m")(frame())
    assert f.sma(2, bars="1m")(frame()).tolist()[1:] == [1.5, 3.0, 6.0]


def test_what_is_missing_in_any_form_is_a_row_without_a_price() -> None:
    want = [1.0, np.nan, 1.5]
    nullable = pd.Series([1.0, None, 2.0], dtype="Float64")
    for form in ([1.0, None, 2.0], nullable, pa.array([1.0, None, 2.0]), pd.DataFrame({"close": nullable})):
        np.testing.assert_array_equal(np.asarray(f.rank(2)(form))[2:], [1.0])
        np.testing.assert_array_equal(np.asarray(f.vwap()(form)), want)


def test_gaps_between_bars_are_fine() -> None:
    assert f.sma(2)(frame().iloc[[0, 1, 3]]).tolist()[1:] == [1.5, 5.0]


def test_nothing_is_written_to_what_is_read() -> None:
    quotes = ticks()
    quotes.setflags(write=False)
    f.rsi(5, bars="1m")(quotes)
    held = np.array(PRICES)
    f.minmax(2)(held)
    assert held.tolist() == PRICES


def test_a_feature_draws_itself() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    axes = f.bollinger(2).plot(frame())
    assert [line.get_label() for line in axes.lines] == ["middle", "upper", "lower"]
    assert axes.get_title(loc="left") == "bollinger(window=2, deviations=2)"
    assert f.rsi(2).plot(PRICES, ax=axes) is axes
    plt.close("all")


def test_the_catalogue_lists_itself_and_completes() -> None:
    table = f.catalogue()
    assert list(table.index) == list(f.CATALOGUE)
    assert (table["formula"] != "").all()
    assert set(f.CATALOGUE) <= set(dir(f))
    assert set(f.CATALOGUE) <= set(f.__all__)
