"""Every run is counted for its hypothesis: distinct trials and runs, Sharpe ratios, and what a report makes of them."""

from collections.abc import Iterator

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay, sweep_lanes
from kernel_lib.backtest.counting import hypothesis, set_hypothesis, tally_of, trial_identities, uncounted
from kernel_lib.backtest.loop import EQUITY
from kernel_lib.backtest.sharpe import deflated_sharpe_ratio
from kernel_lib.backtest.sweep import sweep
from kernel_lib.backtest.sweep_price import Price, day_quota, price
from kernel_lib.backtest.walkforward import walkforward
from kernel_lib.counter import TRIAL_BYTES, Runs, Tally, offer
from kernel_lib.errors import BadData, Refused, Transient
from kernel_lib.features.evaluated import Evaluated
from kernel_lib.features.feature import Feature
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import strategy
from tests.kernel_lib.backtest.test_replay import walk
from tests.kernel_lib.backtest.waiting_lane import WaitingLane

GRID = {"fast": [10, 20, 30], "slow": [60, 90, 120, 150]}


class ToldCounter:
    """Remembers what it is told; ``left_s`` and ``silent`` say how it answers."""

    def __init__(self, left_s: float | None = None, *, silent: bool = False) -> None:
        self.told: list[Runs] = []
        self.left_s = left_s
        self.silent = silent

    def count(self, runs: Runs) -> None:
        self.told.append(runs)

    def tally(self, hypothesis: str, symbol: str) -> Tally:
        if self.silent:
            raise Transient("the service 'api' must answer, it did not")
        return Tally(
            hypothesis=hypothesis, symbol=symbol, n_trials=500, n_runs=900, n_on_instrument=4_000,
            sharpe_deviation=1.5, by="platform",
        )  # fmt: skip

    def left_seconds(self, *, ask: bool = False) -> float | None:
        return self.left_s


@pytest.fixture
def told() -> Iterator[ToldCounter]:
    counter = ToldCounter()
    offer(lambda: counter)
    yield counter
    offer(None)


def ids(runs: Runs) -> list[bytes]:
    return [runs.trials[at : at + TRIAL_BYTES] for at in range(0, len(runs.trials), TRIAL_BYTES)]


def test_a_replay_and_the_sweeps_point_of_the_same_parameters_are_one_trial(told: ToldCounter) -> None:
    ticks = walk(20_000)
    run = replay(CATALOGUE["ma_cross"], ticks, params={"fast": 20, "slow": 90})
    found = sweep(CATALOGUE["ma_cross"], ticks, GRID, progress=False)
    alone, many = told.told
    assert (alone.kind, alone.hypothesis, alone.symbol, alone.n_runs) == ("replay", "ma_cross", "EURUSD", 1)
    assert (many.kind, many.n_runs) == ("sweep", 12)
    assert len(set(ids(many))) == 12
    assert ids(many).index(ids(alone)[0]) == found.sets.index({"fast": 20, "slow": 90})
    sharpes = np.frombuffer(many.sharpes)
    np.testing.assert_allclose(sharpes, found.table["sharpe_ratio"])
    assert np.frombuffer(alone.sharpes)[0] == pytest.approx(run.report().statistics["sharpe_ratio"])
    assert many.seconds == pytest.approx(found.seconds)


def test_one_cell_run_in_a_loop_is_a_trial_for_each_thing_it_tried() -> None:
    def tried(window: int, least: float, stop: int, model: bytes = b"") -> bytes:
        ema = f.ema(window)
        if model:
            ema = evaluated(ema, model)

        @strategy(features={"ma": ema}, stop_loss_points=stop)
        def one(x, position, p):  # type: ignore[no-untyped-def]
            return 1.0 if x.ma > least else -1.0

        return trial_identities(one, "EURUSD", [(0, 10, 5)], [{}])

    def evaluated(ema: Feature, model: bytes) -> Feature:
        return Evaluated(
            "guess", {}, _Nothing(), {"ma": ema}, outputs=("guess",), bars="1m", files={"direction": model}
        )

    kinds = [(5, 0.1, 0), (10, 0.1, 0), (5, 0.2, 0), (5, 0.1, 30), (5, 0.1, 0, b"one"), (5, 0.1, 0, b"two")]
    found = [tried(*each) for each in kinds]
    assert len(set(found)) == len(kinds)
    assert [tried(*each) for each in kinds] == found


class _Nothing:
    """An evaluator that says nothing and remembers nothing."""

    def evaluate(self, row: object, seen: object) -> tuple[float, ...]:
        return (0.0,)

    def state(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        assert state == b""


def test_what_is_uncounted_inside_another_leaves_the_outer_one_uncounted(told: ToldCounter) -> None:
    with uncounted():
        with uncounted():
            pass
        replay(CATALOGUE["ma_cross"], walk(500))
    assert told.told == []


def test_source_parameters_instrument_and_span_each_make_another_trial() -> None:
    mine = CATALOGUE["ma_cross"]
    span = (0, 10, 5)
    base = trial_identities(mine, "EURUSD", [span], [{}])
    assert trial_identities(mine, "EURUSD", [span], [{"fast": float(mine.params["fast"])}]) == base
    others = [
        trial_identities(CATALOGUE["breakout"], "EURUSD", [span], [{}]),
        trial_identities(mine, "EURUSD", [span], [{"fast": 7}]),
        trial_identities(mine, "GBPUSD", [span], [{}]),
        trial_identities(mine, "EURUSD", [(0, 11, 5)], [{}]),
        trial_identities(mine, "EURUSD", [(0, 10, 6)], [{}]),
        trial_identities(mine, "EURUSD", [span, span], [{}]),
        trial_identities(mine, "EURUSD", [span], [{}], np.ones(3, EQUITY)),
    ]
    assert len({base, *others}) == 8


def test_every_refit_of_a_walk_forward_is_counted(told: ToldCounter) -> None:
    done = walkforward(CATALOGUE["ma_cross"], walk(30_000), GRID, folds=3, rows=30, by="net_profit_money")
    assert [each.kind for each in told.told] == ["walkforward"] * 3
    assert sum(each.n_runs for each in told.told) == done.n_trials == 36
    assert len({key for each in told.told for key in ids(each)}) == 36


def test_a_strategy_that_runs_in_python_counts_each_set_once(told: ToldCounter) -> None:
    @strategy(features={}, params={"edge": 0.0})
    def plain(x, position, p):
        held = [open]
        return 1.0 if x.mid > 1.1 + p.edge and held else -1.0

    sweep(plain, walk(2_000), {"edge": [0.0, 0.001]}, progress=False)
    assert [(each.kind, each.n_runs) for each in told.told] == [("sweep", 2)]


def test_a_hypothesis_has_a_name_of_its_own(told: ToldCounter) -> None:
    ticks = walk(2_000)
    with hypothesis("news fade"):
        replay(CATALOGUE["ma_cross"], ticks)
    set_hypothesis("whole notebook")
    replay(CATALOGUE["ma_cross"], ticks)
    set_hypothesis(None)
    replay(CATALOGUE["ma_cross"], ticks)
    assert [each.hypothesis for each in told.told] == ["news fade", "whole notebook", "ma_cross"]
    for bad in ("", " ", "x" * 201, "a\nb"):
        with pytest.raises(BadData, match="1 to 200 printable"), hypothesis(bad):
            pass


def test_a_report_deflates_with_the_ledgers_count_and_deviation(told: ToldCounter) -> None:
    report = replay(CATALOGUE["ma_cross"], walk(40_000)).report()
    returns, a_year = report.periods.returns, report.periods.per_year
    expected = deflated_sharpe_ratio(returns, 500, sharpe_deviation=1.5, periods_per_year=a_year)
    assert report.honesty.deflated_sharpe == expected
    assert dict(report.honesty.rows())["Trials behind this result"] == (
        "500 in 900 runs for 'ma_cross', counted by the platform; 4,000 on EURUSD for all hypotheses"
    )
    assert not any("counted" in each for each in report.honesty.warnings)
    assert replay(CATALOGUE["ma_cross"], walk(40_000)).report(n_trials=3).honesty.n_trials == 3


def test_a_silent_platform_is_named_and_this_process_is_counted() -> None:
    offer(lambda: ToldCounter(silent=True))
    try:
        ticks = walk(3_000)
        with hypothesis("a silent platform"):
            for _ in range(2):
                run = replay(CATALOGUE["ma_cross"], ticks)
            sweep(CATALOGUE["ma_cross"], ticks, GRID, progress=False)
            honesty = run.report().honesty
    finally:
        offer(None)
    assert honesty.n_trials == 13  # the replay's, twice run, and twelve sets of which none is the same
    assert honesty.counted is not None
    assert (honesty.counted.n_runs, honesty.counted.by) == (14, "process")
    assert any("could not be asked: the service 'api' must answer" in each for each in honesty.warnings)
    tally = tally_of("a silent platform", "EURUSD")
    assert tally.note == "no platform keeps the count"
    assert tally.n_on_instrument >= tally.n_trials == 13
    assert tally.sharpe_deviation is not None


def test_without_seconds_left_nothing_begins() -> None:
    offer(lambda: ToldCounter(0.0))
    try:
        for begin in (
            lambda: replay(CATALOGUE["ma_cross"], walk(500)),
            lambda: sweep(CATALOGUE["ma_cross"], walk(500), GRID, progress=False),
            lambda: walkforward(CATALOGUE["ma_cross"], walk(500), GRID),
        ):
            with pytest.raises(Refused, match="begin anew at midnight UTC") as caught:
                begin()
            assert caught.value.code == "quota_backtest_seconds"
    finally:
        offer(None)


def test_a_sweep_is_charged_as_it_goes_and_stops_when_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_lanes, "Lane", WaitingLane)
    counter = ToldCounter(12.5)
    offer(lambda: counter)
    try:
        quota = day_quota("ma_cross")
        assert quota is not None
        for _ in range(12):
            quota.charge(1.0)
        assert [(each.kind, each.seconds, each.n_runs) for each in counter.told] == [
            ("charge", 5.0, 0), ("charge", 5.0, 0),
        ]  # fmt: skip
        assert quota.left_s == 0.5
        assert price(CATALOGUE["ma_cross"], walk(5_000), GRID).left_seconds == 12.5
        counter.left_s = 1e-9
        found = sweep(CATALOGUE["ma_cross"], walk(20_000), {"fast": range(5, 45), "slow": [50, 90]}, progress=False)
        assert found.partial
        assert "quota" in found.note
        assert counter.told[-1].n_runs == found.n_trials
    finally:
        offer(None)
    assert price(CATALOGUE["ma_cross"], walk(5_000), GRID).left_seconds is None
    assert Price(seconds=1.0, n_sets=1, n_ticks=1, probe_seconds=0.0).left_seconds is None
