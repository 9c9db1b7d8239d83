"""A feature, evaluator or decision of one's own that reads its cell's data ahead of time is named before it is used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.backtest.leak_first import check_first_use, unchecked_notes
from kernel_lib.errors import BadData
from kernel_lib.features.captured import LeakUnchecked, captured, unchecked
from kernel_lib.features.evaluated import Evaluated
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import strategy

PRICES = np.cumsum(np.random.default_rng(1).normal(0, 1e-4, 400)) + 1.1
TIMES = 1_549_238_400 * 10**9 + np.arange(400) * 60 * 10**9
WEIGHTS = np.array([0.5, 0.3, 0.2])


@pytest.fixture(autouse=True)
def fresh_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKHUB_CACHE", str(tmp_path))


def tomorrow(at: int) -> float:
    return float(PRICES[at + 1])


def test_a_feature_that_reads_the_next_price_is_named_with_line_and_column() -> None:
    with pytest.raises(BadData, match=r"ahead reads PRICES beyond row .*captured.py, line \d+, column \d+") as told:

        @f.feature(state=1)
        def ahead(state, bar):  # type: ignore[no-untyped-def]
            at = int(state[0])
            state[0] += 1.0
            return PRICES[min(at, 380) + 1]

    assert "return PRICES[min(at, 380) + 1]" in str(told.value)


def test_a_feature_that_knows_where_the_history_ends_is_named() -> None:
    with pytest.raises(BadData, match="with all of PRICES known"):

        @f.feature(state=1)
        def scaled(state, bar):  # type: ignore[no-untyped-def]
            return bar.close / PRICES[-1]


def test_what_was_known_then_and_parameters_pass() -> None:
    @f.feature(state=1)
    def now(state, bar):  # type: ignore[no-untyped-def]
        at = int(state[0])
        state[0] += 1.0
        return PRICES[min(at, 399)]

    @f.feature(state=3)
    def weighted(state, bar):  # type: ignore[no-untyped-def]
        return bar.close * WEIGHTS[0] + state[1] * WEIGHTS[2]

    assert np.isfinite(now()([1.0, 1.1])).all()
    assert captured(weighted._function) == []


def test_a_clean_answer_is_kept_for_the_same_text_and_data(tmp_path: Path) -> None:
    def now(state, bar):  # type: ignore[no-untyped-def]
        state[0] += 1.0
        return PRICES[int(state[0]) - 1]

    f.feature(state=1)(now)
    kept = list(tmp_path.rglob("leaks/*"))
    assert len(kept) == 1
    f.feature(state=1)(now)
    assert list(tmp_path.rglob("leaks/*")) == kept


class Oracle:
    """An evaluator that looks its answer up."""

    def __init__(self, ahead: int) -> None:
        self.table = PRICES
        self.ahead, self.at = ahead, 0

    def evaluate(self, row: Any, seen: Any) -> Sequence[float]:
        self.at += 1
        return [float(self.table[self.at - 1 + self.ahead])]

    def state(self) -> bytes:
        return self.at.to_bytes(8, "little")

    def restore(self, state: bytes) -> None:
        self.at = int.from_bytes(state, "little")


def evaluated(oracle: Oracle) -> Evaluated:
    return Evaluated("oracle", {}, oracle, {"x": f.rsi(9, bars="1m")}, outputs=("value",), bars="1m")


def test_an_evaluator_that_looks_ahead_is_named_and_one_that_does_not_is_left_as_it_was() -> None:
    with pytest.raises(BadData, match=r"Oracle.evaluate reads self.table beyond row"):
        evaluated(Oracle(ahead=1))
    honest = Oracle(ahead=0)
    evaluated(honest)
    assert (honest.at, len(honest.table)) == (0, 400)


@strategy(on="1m", features={"rsi": f.rsi(9, bars="1m")})
def by_table(x, position, p):  # type: ignore[no-untyped-def]
    at = np.searchsorted(TIMES, x.time_ns)
    return 1.0 if PRICES[at + 3] > PRICES[at] else -1.0


@strategy(on="1m", features={"rsi": f.rsi(9, bars="1m")})
def by_helper(x, position, p):  # type: ignore[no-untyped-def]
    return 1.0 if tomorrow(int(np.searchsorted(TIMES, x.time_ns))) > x.mid else -1.0


@strategy(on="1m", features={"rsi": f.rsi(9, bars="1m")})
def by_past(x, position, p):  # type: ignore[no-untyped-def]
    at = np.searchsorted(TIMES, x.time_ns)
    return 1.0 if PRICES[at] > PRICES[max(at - 5, 0)] else -1.0


def test_a_decision_that_looks_its_signal_up_is_named_also_where_a_function_does_it() -> None:
    with pytest.raises(BadData, match=r"by_table .*PRICES\[at \+ 3\]"):
        check_first_use(by_table)
    with pytest.raises(BadData, match=r"by_helper .*tomorrow, "):
        check_first_use(by_helper)
    check_first_use(by_past)


def test_switched_off_it_warns_and_the_report_says_so() -> None:
    assert unchecked_notes(by_table) == ()
    with unchecked(), pytest.warns(LeakUnchecked, match="by_table reads TIMES .* was not checked"):
        check_first_use(by_table)
    assert "by_table" in unchecked_notes(by_table)[0]
    mid = np.full(400, 1.1)
    with unchecked(), pytest.warns(LeakUnchecked):
        run = replay(by_table, make_ticks(TIMES, mid, mid + 1e-4), progress=False)
    report = run.report()
    assert "warning" in repr(report)
    assert "may know the future" in report.advice()[0]
    with pytest.raises(BadData, match="by_table"):
        replay(by_table, make_ticks(TIMES, mid, mid + 1e-4), progress=False)
