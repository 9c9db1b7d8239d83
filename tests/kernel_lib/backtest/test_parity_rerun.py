"""A backtest that can stop anywhere gives what the replay gives, and finds the tick of each row again."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.backtest.outside import outside_events
from kernel_lib.backtest.parity_gap import first_difference
from kernel_lib.backtest.parity_moment import state_of, values_of
from kernel_lib.backtest.parity_rerun import Event, Rerun, events_told, tick_of_row
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.record import Control, Kind, State


@strategy(on="tick", features={"other": f.outside("GBPUSD")})
def by_other(x, position, p):  # type: ignore[no-untyped-def]
    return 1.0 if x.other > 0.0 else -1.0


@strategy(on="tick", features={"wide": f.spread()})
def raises(x, position, p):  # type: ignore[no-untyped-def]
    if x.time_ns > 500 * 10**9:
        raise ValueError("no more")
    return 1.0


def walk(n_ticks: int = 3_000) -> Ticks:
    random = np.random.default_rng(5)
    bid = np.round(1.1 + np.cumsum(random.normal(0, 4e-5, n_ticks)), 5)
    return make_ticks(np.arange(1, n_ticks + 1) * 10**9, bid, bid + 6e-5)


def run_of(made: object = ma_cross, **settings: object) -> Rerun:
    given: dict[str, object] = {
        "instrument": EURUSD, "account": AccountConfig(), "limits": RiskLimits(), "costs": Costs(), **settings,
    }  # fmt: skip
    return Rerun(made, walk(), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("stops", [(), (1,), (700, 701, 703, 2_999), tuple(range(0, 3_000, 13))])
def test_stopping_changes_nothing(stops: tuple[int, ...]) -> None:
    whole = replay(ma_cross, walk(), progress=False)
    run = run_of()
    for stop in stops:
        run.to(stop)
    assert run.finish().rows.tobytes() == whole.events.tobytes()
    assert run.book.numbers == whole.book.numbers


def test_each_row_is_found_at_its_tick() -> None:
    rows = replay(ma_cross, walk(), progress=False).events
    asked = np.flatnonzero(rows["kind"] == int(Kind.DECISION))
    times = walk()["time_ns"]
    for number in (int(asked[0]), int(asked[-1])):
        tick, repeats = tick_of_row(run_of, rows, number)
        assert (times[tick], repeats) == (rows["time_ns"][number], True)
    fills = np.flatnonzero(rows["kind"] == int(Kind.FILL))
    tick, _ = tick_of_row(run_of, rows, int(fills[0]))
    assert times[tick - 1] < rows["time_ns"][fills[0]] < times[tick]
    changed = rows.copy()
    changed["units"][asked[0]] += 1
    assert tick_of_row(run_of, changed, int(asked[0]))[1] is False


def test_a_moment_shows_what_the_features_show_over_the_array() -> None:
    moment = run_of().moment(900)
    mid = (walk()["bid"] + walk()["ask"]) / 2
    shown = {each.name: each.number for each in moment.shown}
    assert shown == {"fast": f.ema(100)(mid)[900], "slow": f.ema(500)(mid)[900]}
    run = run_of().to(901)
    state = state_of(ma_cross, run.proposer.snapshot())
    assert state is not None
    assert values_of(ma_cross, state) == moment.shown
    assert state_of(ma_cross, b"short") is None


def test_what_comes_from_outside_comes_where_the_replay_takes_it() -> None:
    given = {"GBPUSD": (walk()["time_ns"][10:2_000:77] - 1, np.resize([1.0, -1.0], 26))}
    whole = replay(by_other, walk(), outside=given, progress=False)
    events = events_told(walk(), outside_events(("GBPUSD",), given))
    assert run_of(by_other, events=events).finish().rows.tobytes() == whole.events.tobytes()
    assert whole.book.numbers["n_orders"] > 5


def test_a_strategy_that_raises_stops_at_the_same_tick() -> None:
    whole = replay(raises, walk(), progress=False)
    for stops in ((), (499,), (500,), (501,)):
        run = run_of(raises)
        for stop in stops:
            run.to(stop)
        assert run.finish().rows.tobytes() == whole.events.tobytes()
        assert run.fault == "tick 500: ValueError: no more"


def test_controls_and_stale_quotes_come_where_they_came() -> None:
    paused = run_of(events=[Event(600, "control", int(Control.PAUSE), time_ns=7)]).finish()
    rows = paused.rows
    control = rows[rows["kind"] == int(Kind.CONTROL)][0]
    assert control["time_ns"] == 7
    assert paused.book.state is State.PAUSED
    ages = np.full(3_000, 10**12, np.int64)
    stale = run_of(ages_ns=ages).finish().rows
    assert set(stale["kind"]) == {int(Kind.DECISION), int(Kind.DENIED)}


def test_the_first_difference_is_of_bytes() -> None:
    rows = replay(ma_cross, walk(), progress=False).events
    other = rows.copy()
    other["open_points"][3] = -0.0
    assert first_difference(rows, rows) == -1
    assert first_difference(rows, rows[:-2]) == len(rows) - 2
    assert rows["open_points"][3] == 0.0
    assert first_difference(rows, other) == 3
