"""Values from outside and evaluated features: the same in the compiled loop and one tick at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.errors import BadData
from kernel_lib.features.evaluated import Evaluated
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategy import Proposer, Strategy, strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from tests.kernel_lib.backtest.test_replay import walk

T0 = 1_549_238_400 * 10**9
SECOND = 10**9


class Sum:
    """Adds its inputs to what it gave before, and counts its calls."""

    def __init__(self) -> None:
        self.total = 0.0
        self.rows: list[tuple[int, float]] = []

    def evaluate(self, row: np.ndarray, seen: Any) -> Sequence[float]:
        self.rows.append((seen.time_ns, float(row[0])))
        self.total += float(np.nansum(row))
        return (self.total, seen.position.exposure)

    def state(self) -> bytes:
        return np.float64(self.total).tobytes()

    def restore(self, state: bytes) -> None:
        self.total = float(np.frombuffer(state)[0])


def summed() -> Evaluated:
    return Evaluated(
        "summed", {}, Sum(), {"change": f.price_change(3, bars="1m")}, outputs=("value", "exposure"), bars="1m"
    )


def contrarian(evaluated: Evaluated) -> Strategy:
    @strategy(on="tick", features={"sum": evaluated, "fast": f.ema(20)})
    def against(x, position, p):
        return -1.0 if x.sum > 0.0 else 1.0

    return against


def one_at_a_time(chosen: Strategy, ticks: Ticks, told: dict[int, list[tuple[int, float]]]) -> np.ndarray:
    """The same run as the engine's: tick by tick, through bytes in the middle."""
    book = Book(EURUSD, AccountConfig(), RiskLimits(), Costs())
    proposer = Proposer(chosen, EURUSD)
    rows = []
    for at, tick in enumerate(ticks):
        if at == len(ticks) // 2:
            saved = proposer.snapshot()
            proposer = Proposer(chosen, EURUSD)
            proposer.restore(saved)
        for channel, number in told.get(at, ()):
            proposer.tell(channel, number)
        time_ns, bid, ask = tick.item()
        view = book.on_tick(time_ns, bid, ask)
        book.on_target(*proposer.on_tick(time_ns, bid, ask, view))
        rows.append(book.drain())
    return np.concatenate(rows)


def test_an_evaluated_feature_gives_the_same_run_in_the_loop_and_tick_by_tick() -> None:
    ticks = walk(3_000)
    evaluated = summed()
    run = replay(contrarian(evaluated), ticks, progress=False)
    calls = len(evaluated.evaluator.rows)
    assert run.book.numbers["n_orders"] > 3
    assert calls > 10
    again = one_at_a_time(contrarian(evaluated), ticks, {})
    assert again.tobytes() == run.events.tobytes()
    np.testing.assert_array_equal(evaluated.evaluator.rows[calls:], evaluated.evaluator.rows[:calls])


def test_an_evaluated_feature_is_asked_when_its_bar_closes_and_holds_until_the_next() -> None:
    evaluated = summed()
    ticks = make_ticks(
        T0 + np.array([0, 30, 61, 62, 119, 125, 300]) * SECOND, np.full(7, 1.1), np.full(7, 1.1001)
    )  # fmt: skip
    replay(contrarian(evaluated), ticks, progress=False)
    assert [(time_ns - T0) // SECOND for time_ns, _ in evaluated.evaluator.rows] == [61, 125, 300]


def test_a_decision_that_numba_cannot_compile_sees_evaluated_features_too() -> None:
    ticks = walk(2_000)
    evaluated = summed()

    @strategy(on="1m", features={"sum": evaluated, "fast": f.ema(20)})
    def plain(x, position, p):
        return float({True: "-1", False: "1"}[x.sum > 0.0])

    @strategy(on="1m", features={"sum": evaluated, "fast": f.ema(20)})
    def compiled(x, position, p):
        return -1.0 if x.sum > 0.0 else 1.0

    assert Proposer(plain, EURUSD).plain_python != ""
    assert Proposer(compiled, EURUSD).plain_python == ""
    first, second = replay(plain, ticks, progress=False), replay(compiled, ticks, progress=False)
    assert first.events.tobytes() == second.events.tobytes()
    assert first.book.numbers["n_orders"] > 0


def follower() -> Strategy:
    @strategy(on="tick", features={"other": f.outside("GBPUSD"), "news": f.outside("news", bars="1m")})
    def follow(x, position, p):
        return 1.0 if x.other > 1.3 and x.news > 0.0 else -1.0

    return follow


def test_values_from_outside_come_before_the_first_tick_at_or_after_them() -> None:
    ticks = walk(2_000)
    random = np.random.default_rng(5)
    rows = np.sort(random.integers(0, len(ticks), 300))
    pounds = make_ticks(ticks["time_ns"][rows] - 1, 1.3 + random.normal(0, 1e-3, 300), np.full(300, 1.31))
    pounds["ask"] = pounds["bid"] + 1e-4
    news = pd.Series([0.5, -0.5, 0.25], pd.to_datetime(ticks["time_ns"][[3, 900, 1500]], utc=True))
    run = replay(follower(), ticks, outside={"GBPUSD": pounds, "news": news}, progress=False)
    assert run.book.numbers["n_orders"] > 10
    told: dict[int, list[tuple[int, float]]] = {}
    for tick in pounds:
        at = int(np.searchsorted(ticks["time_ns"], tick["time_ns"]))
        told.setdefault(at, []).append((0, float((tick["bid"] + tick["ask"]) * 0.5)))
    for at, number in ((3, 0.5), (900, -0.5), (1500, 0.25)):
        told.setdefault(at, []).append((1, number))
    assert one_at_a_time(follower(), ticks, told).tobytes() == run.events.tobytes()


def test_what_comes_from_outside_must_be_what_the_strategy_reads() -> None:
    ticks = walk(100)
    with pytest.raises(BadData, match=r"reads 'GBPUSD', 'news' from outside; give outside=\{'GBPUSD'"):
        replay(follower(), ticks)
    good = (np.array([T0]), np.array([1.0]))
    with pytest.raises(BadData, match="it also held 'EURGBP'"):
        replay(follower(), ticks, outside={"GBPUSD": good, "news": good, "EURGBP": good})
    with pytest.raises(BadData, match="must not go back"):
        replay(follower(), ticks, outside={"GBPUSD": good, "news": (np.array([2, 1]), np.array([1.0, 1.0]))})
    with pytest.raises(BadData, match="carry their zone"):
        replay(follower(), ticks, outside={"GBPUSD": good, "news": pd.Series([1.0], pd.to_datetime(["2019-02-04"]))})


def test_an_evaluator_that_raises_stops_the_strategy_and_says_where() -> None:
    class Broken(Sum):
        def evaluate(self, row: np.ndarray, seen: Any) -> Sequence[float]:
            raise ValueError("no answer")

    broken = Evaluated("broken", {}, Broken(), {"fast": f.ema(3)}, outputs=("value",), bars="1m")

    @strategy(on="tick", features={"sum": broken})
    def hopeful(x, position, p):
        return 1.0

    run = replay(hopeful, walk(500), progress=False)
    assert "ValueError: no answer" in run.fault
    assert run.book.numbers["n_orders"] == 0
