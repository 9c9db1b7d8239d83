"""Bars as ticks: the tester's walk by hand arithmetic, and a replay over bars that sees the very bars."""

import itertools
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.backtest.bar_ticks import ticks_from_bars
from kernel_lib.backtest.sweep import sweep
from kernel_lib.backtest.walkforward import walkforward
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.importers import read_bars
from kernel_lib.market.bar import BAR, Bars
from kernel_lib.market.bars import bars as formed
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import Strategy, strategy
from kernel_lib.trading.account import Costs
from kernel_lib.trading.record import Kind
from tests.kernel_lib.backtest.test_outside import summed

MINUTE = 60 * 10**9
MONDAY = 1_549_238_400 * 10**9
FEATURES = {"fast": f.ema(3, bars="1m"), "range": f.atr(5, bars="1m"), "slow": f.ema(9, bars="5m")}
BY = "net_profit_money"
FREE = Costs(commission_per_lot=0.0, latency_ms=0.0, swap=False)


def walked_bars(n_bars: int = 400, seed: int = 3) -> Bars:
    random = np.random.default_rng(seed)
    close = 110_000 + np.cumsum(random.integers(-30, 31, n_bars))
    opened = np.r_[110_000, close[:-1]] + random.integers(-2, 3, n_bars)
    return in_points(
        opened, np.maximum(opened, close) + random.integers(0, 12, n_bars),
        np.minimum(opened, close) - random.integers(0, 12, n_bars), close, random.integers(4, 60, n_bars),
    )  # fmt: skip


def in_points(opened, high, low, close, volume, spread=8) -> Bars:  # type: ignore[no-untyped-def]
    bars = np.zeros(np.size(opened), BAR)
    bars["time_ns"] = MONDAY + np.arange(len(bars)) * MINUTE
    for name, points in (("open", opened), ("high", high), ("low", low), ("close", close)):
        bars[name] = np.asarray(points) / 1e5
    bars["volume"], bars["spread"] = volume, spread / 1e5
    return bars


def path(*bars: tuple[int, int, int, int, int]) -> list[int]:
    """The bids that come of bars of open, high, low, close and volume, in points above 1.00000."""
    columns = np.array(bars).T
    ticks = ticks_from_bars(in_points(*(columns[:4] + 100_000), columns[4]))
    return (np.round(ticks["bid"] * 1e5).astype(int) - 100_000).tolist()


def test_bars_of_up_to_three_ticks_are_their_own_prices() -> None:
    assert path((0, 0, 0, 0, 1)) == [0]
    assert path((0, 5, 0, 5, 2)) == [0, 5]
    assert path((0, 9, 0, 5, 3)) == [0, 9, 5]
    assert path((0, 5, -4, 5, 3)) == [0, -4, 5]


def test_a_rising_bar_goes_down_first_and_a_falling_one_up() -> None:
    assert path((0, 30, -10, 20, 4)) == [0, -10, 30, 20]
    assert path((20, 30, -10, 0, 4)) == [20, 30, -10, 0]


def test_a_doji_goes_against_the_bar_before_it() -> None:
    rising, doji = (0, 10, 0, 10, 2), (10, 20, 0, 10, 4)
    assert path(rising, doji)[2:] == [10, 20, 0, 10]  # as a falling one
    assert path((20, 20, 10, 10, 2), doji)[2:] == [10, 0, 20, 10]


def test_eleven_support_points_are_three_five_and_three() -> None:
    # Open shadow of 100: 75, back to 25, 100. Range of 300: up 150, back 75, and so on. Close shadow of 100.
    expected = [0, -75, -25, -100, 50, -25, 125, 50, 200, 125, 175, 100]
    assert path((0, 200, -100, 100, 12)) == expected
    assert path((0, 200, -100, 100, 8)) == [0, -50, -100, 100, 0, 200, 150, 100]  # 2-3-2


def test_a_shadow_that_is_not_there_leaves_its_points_to_the_range() -> None:
    # Volume 6 asks for 1-3-1; no shadow at the open: four points, an even number, so that the wave keeps three.
    assert path((0, 90, 0, 60, 6)) == [0, 60, 30, 90, 75, 60]


def test_ticks_beyond_the_support_points_lie_on_the_way_and_never_outside_the_bar() -> None:
    found = path((0, 20, -10, 10, 200))
    assert len(found) == 200
    assert (min(found), max(found)) == (-10, 20)
    assert found[0] == 0
    assert found[-1] == 10
    assert max(abs(b - a) for a, b in itertools.pairwise(found)) <= 2


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(*(st.integers(low, high) for low, high in ((-40, 40), (-40, 40), (0, 15), (0, 15), (4, 90)))),
        min_size=2, max_size=30,
    )
)  # fmt: skip
def test_bars_formed_of_the_ticks_are_the_bars_that_came_in(rows: list[tuple[int, int, int, int, int]]) -> None:
    opened, closed, above, below, volume = np.array(rows).T
    bars = in_points(
        110_000 + opened, 110_000 + np.maximum(opened, closed) + above, 110_000 + np.minimum(opened, closed) - below,
        110_000 + closed, volume,
    )  # fmt: skip
    ticks = ticks_from_bars(bars)
    again = formed(ticks, "1m")
    for name in ("time_ns", "open", "high", "low", "close", "volume"):
        assert again[name].tolist() == bars[name][:-1].tolist(), name
    assert np.round(again["spread"] * 1e5).tolist() == [8.0] * (len(bars) - 1)
    assert (np.diff(ticks["time_ns"]) > 0).all()


def test_a_week_of_recorded_minutes_comes_back_whole(data_dir: Path) -> None:
    bars = read_bars(data_dir / "bars" / "mt5_layout_EURUSD_M1_20140501_20140507.csv.gz", symbol="EURUSD").bars
    again = formed(ticks_from_bars(bars, spread_points=10), "1m")
    for name in ("time_ns", "open", "high", "low", "close"):
        assert np.array_equal(again[name], bars[name][:-1]), name


@pytest.mark.parametrize(
    ("name", "number", "message"),
    [("high", 1.0, "open and close must lie within low and high; bar 2"), ("low", np.nan, "finite and positive; bar 2"),
     ("close", -1.0, "finite and positive"), ("open", 1.1000001, "5 digits, open has more"),
     ("volume", 2.5, "volume must count ticks"), ("volume", 0.0, "volume must count ticks"),
     ("volume", 3e7, "volume must count ticks"), ("spread", -1e-5, "spread must be finite and not negative"),
     ("time_ns", MONDAY, "times must go forward")],
)  # fmt: skip
def test_bars_that_cannot_be_believed_are_refused_with_their_row(name: str, number: float, message: str) -> None:
    bars = in_points([110_000] * 4, [110_005] * 4, [109_995] * 4, [110_001] * 4, 9)
    bars[name][2] = number
    with pytest.raises(BadData, match=message) as refused:
        ticks_from_bars(bars)
    assert refused.value.line == 2


def test_no_bars_no_spread_and_no_mode_are_refused_in_words() -> None:
    bars = walked_bars(5)
    with pytest.raises(BadData, match="at least one bar"):
        ticks_from_bars(bars[:0])
    with pytest.raises(BadData, match='mode="m1" or mode="open"'):
        replay(crossing(), bars)
    with pytest.raises(Misconfigured, match='"m1" or "open"'):
        ticks_from_bars(bars, "closes")  # type: ignore[arg-type]
    bars["spread"] = 0.0
    with pytest.raises(BadData, match="carry no spread; say what to reckon with"):
        replay(crossing(), bars, mode="m1")
    assert replay(crossing(), bars, mode="open", spread_points=0).n_ticks == 5


@cache
def crossing() -> Strategy:
    @strategy(
        on="1m", features={"fast": f.ema(3, bars="1m"), "range": f.atr(5, bars="1m"), "slow": f.ema(9, bars="5m")}
    )
    def cross(x, position, p):
        return 1.0 if x.fast > x.slow + 0.1 * x.range else -1.0

    return cross


def test_opening_prices_decide_and_fill_as_the_ticks_of_the_same_bars_do() -> None:
    # On closed bars, without latency or stops, both see the same bars and trade at the same opens.
    bars = walked_bars()
    walked, opened = (replay(crossing(), bars, mode=mode, costs=FREE) for mode in ("m1", "open"))  # type: ignore[arg-type]
    assert (walked.events["kind"] == int(Kind.FILL)).sum() > 20
    assert opened.events.tobytes() == walked.events.tobytes()
    assert opened.n_ticks == len(bars)
    fills = opened.events[opened.events["kind"] == int(Kind.FILL)]
    rows = np.searchsorted(bars["time_ns"], fills["time_ns"])
    asks = np.round(bars["open"][rows] * 1e5).astype(int) + np.where(fills["side"] > 0, 8, 0)
    assert fills["points"].tolist() == asks.tolist()


def test_plain_python_and_evaluated_features_see_whole_bars_too() -> None:
    bars = walked_bars(120)

    @strategy(
        on="1m", features={"fast": f.ema(3, bars="1m"), "range": f.atr(5, bars="1m"), "slow": f.ema(9, bars="5m")}
    )
    def plain(x, position, p):
        return {"up": 1.0}.get("up" if x.fast > x.slow + 0.1 * x.range else "down", -1.0) + 0.0 * len(f"{p}")

    runs = [replay(each, bars, mode="open", costs=FREE) for each in (crossing(), plain)]
    assert runs[0].events.tobytes() == runs[1].events.tobytes()

    def against(x, position, p):  # type: ignore[no-untyped-def]
        return -1.0 if x.sum > 0.0 else 1.0

    def evaluated() -> Strategy:
        return strategy(on="1m", features={"sum": summed()})(against)

    whole, walked = (replay(evaluated(), bars, mode=mode, costs=FREE) for mode in ("open", "m1"))  # type: ignore[arg-type]
    assert whole.events.tobytes() == walked.events.tobytes()
    assert (whole.events["kind"] == int(Kind.FILL)).sum() > 2


def test_a_sweep_runs_over_opening_prices() -> None:
    opens = ticks_from_bars(walked_bars(), "open")
    made = strategy(
        on="1m", params={"fast": 3}, features=lambda p: {"fast": f.ema(p.fast, bars="1m"), "slow": f.ema(20, bars="1m")}
    )

    @made
    def cross(x, position, p):
        return 1.0 if x.fast > x.slow else -1.0

    table = sweep(cross, opens, {"fast": [3, 5]}, progress=False).table
    for row, fast in zip(table.to_dict("records"), (3, 5), strict=True):
        report = replay(cross, opens, params={"fast": fast}).report()
        assert row["net_profit_money"] == report.statistics["net_profit_money"]
        assert row["trades_count"] == len(report.trades) > 5


@pytest.mark.parametrize("mode", ["m1", "open"])
def test_sweep_and_walk_forward_take_bars_with_a_mode_as_a_replay_does(mode: Literal["m1", "open"]) -> None:
    given = walked_bars()
    ticks = ticks_from_bars(given, mode, spread_points=12)
    grid = {"fast": [10, 30], "slow": [60]}
    swept = sweep(ma_cross, given, grid, mode=mode, spread_points=12, progress=False)
    assert swept.table.equals(sweep(ma_cross, ticks, grid, progress=False).table)
    walked = walkforward(ma_cross, given, grid, folds=2, rows=12, least_trades=0, mode=mode, spread_points=12, by=BY)
    expected = walkforward(ma_cross, ticks, grid, folds=2, rows=12, least_trades=0, by=BY)
    assert walked.table.equals(expected.table)
    for run in (sweep, walkforward):
        with pytest.raises(BadData, match='mode="m1" or mode="open"'):
            run(ma_cross, given, grid)


def test_bars_shorter_than_the_history_are_refused() -> None:
    bars = walked_bars(40)
    bars["time_ns"] = MONDAY + np.arange(40) * 60 * MINUTE
    with pytest.raises(Misconfigured, match="bars of 1m cannot be formed of bars of 3600 s"):
        replay(crossing(), bars, mode="open")
