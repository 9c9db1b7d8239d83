"""What a replay is given that it cannot use: each refused, or kept and marked, in words."""

from typing import Any

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import Member, price, replay, replay_account, sweep, walkforward
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.record import Kind
from tests.kernel_lib.backtest.test_replay import walk


def test_a_strategy_that_raises_at_tick_700000_keeps_what_came_before_and_says_where() -> None:
    ticks = walk(700_100)
    at_ns = int(ticks["time_ns"][700_000])

    @strategy(features={"fast": f.ema(50), "slow": f.ema(400)}, params={"at_ns": at_ns})
    def raises(x, position, p):
        if x.time_ns >= p.at_ns:
            raise ZeroDivisionError("seven hundred thousand")
        return 1.0 if x.fast > x.slow else -1.0

    run = replay(raises, ticks, progress=False)
    assert "tick 700000 (" in run.fault
    assert "ZeroDivisionError: seven hundred thousand" in run.fault
    assert "stopped: tick 700000" in repr(run)
    whole = replay(raises, ticks[:700_000], progress=False)
    assert whole.fault == ""
    before = run.events[: len(whole.events)]
    assert before.tobytes() == whole.events.tobytes()
    assert run.events[len(before)]["kind"] == int(Kind.FAULT)
    assert "stopped: tick 700000" in repr(run.report())


def test_a_name_that_a_decision_reads_and_does_not_have_is_told_with_the_one_that_was_meant() -> None:
    @strategy(features={"fast": f.ema(5), "slow": f.ema(9)}, params={"edge": 1.0})
    def of_x(x, position, p):
        return 1.0 if x.fats > x.slow else -1.0

    @strategy(features={"fast": f.ema(5)}, params={"edge": 1.0})
    def of_p(x, position, p):
        return 1.0 if x.fast > p.egde else -1.0

    @strategy(features={"fast": f.ema(5)})
    def of_position(x, position, p):
        return position.exposur

    told = [replay(each, walk(50), progress=False).fault for each in (of_x, of_p, of_position)]
    assert "x has no feature 'fats' (did you mean x.fast?); it has fast, slow, bid" in told[0]
    assert "p has no parameter 'egde' (did you mean p.edge?); it has edge" in told[1]
    assert "position has no field 'exposur' (did you mean position.exposure?)" in told[2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"costs": 5}, "costs must be a Costs or None, it was 5"),
        ({"account": 10_000}, "account must be an AccountConfig or None, it was 10000"),
        ({"limits": {}}, "limits must be a RiskLimits or None, it was {}"),
        ({"instrument": 5}, "instrument must be an Instrument or a text, it was 5"),
        ({"outside": [1]}, r"outside must be a mapping of names or None, it was \[1\]"),
    ],
)
def test_terms_of_another_kind_are_refused_in_words(given: dict[str, Any], said: str) -> None:
    ma_cross, ticks = CATALOGUE["ma_cross"], walk(50)
    with pytest.raises(BadData, match=f"replay: {said}"):
        replay(ma_cross, ticks, **given)
    with pytest.raises(BadData, match=f"sweep: {said}"):
        sweep(ma_cross, ticks, {"fast": [3]}, **given)
    with pytest.raises(BadData, match=f"walkforward: {said}"):
        walkforward(ma_cross, ticks, {"fast": [3]}, **given)
    with pytest.raises(BadData, match=f"price: {said}"):
        price(ma_cross, ticks, {"fast": [3]}, **given)


def test_parameters_that_are_no_mapping_and_a_strategy_that_is_none_are_refused_in_words() -> None:
    with pytest.raises(BadData, match=r"replay: params must be a mapping of names or None, it was \[1\]"):
        replay(CATALOGUE["ma_cross"], walk(50), params=[1])  # type: ignore[arg-type]
    with pytest.raises(BadData, match="replay: strategy must be a Strategy, it was 'ma_cross'"):
        replay("ma_cross", walk(50))  # type: ignore[arg-type]


def test_no_history_and_one_out_of_order_are_refused() -> None:
    ticks = walk(50)
    with pytest.raises(BadData, match="a replay needs at least one tick, it was given none"):
        replay(CATALOGUE["ma_cross"], ticks[:0])
    with pytest.raises(BadData, match="times must not go back, tick 1 does; sort by time_ns first"):
        replay(CATALOGUE["ma_cross"], ticks[::-1].copy())


def test_a_symbol_without_contract_data_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadData, match=r"no contract data for symbol 'XYZ'; known are .*; or pass an Instrument"):
        replay(CATALOGUE["ma_cross"], walk(50), instrument="XYZ")


def test_a_target_of_nan_stops_the_strategy_and_says_when_in_a_time_that_can_be_read() -> None:
    @strategy(features={"change": f.price_change()})
    def broken(x, position, p):
        return float("nan")

    run = replay(broken, walk(50))
    assert run.fault.startswith(f"{np.datetime64(int(walk(50)['time_ns'][1]), 'ns')}Z: the decision must give a number")
    assert run.fault.endswith("it gave nan")
    member = replay_account([Member(broken, "EURUSD")], {"EURUSD": walk(50)}).members[0]
    assert member.fault == run.fault


@pytest.mark.parametrize("answer", [None, "long", [1.0]])
def test_an_answer_that_is_no_number_stops_the_strategy_and_is_shown(answer: object) -> None:
    @strategy(features={"change": f.price_change()})
    def silent(x, position, p):
        return None

    @strategy(features={"change": f.price_change()})
    def words(x, position, p):
        return "long"

    @strategy(features={"change": f.price_change()})
    def listed(x, position, p):
        return [1.0]

    chosen = {"None": silent, "'long'": words, "[1.0]": listed}[repr(answer)]
    said = f"a decision must give a number from -1 to 1, or an order; {chosen.name} gave {answer!r}"
    assert said in replay(chosen, walk(50)).fault


def test_what_an_account_cannot_use_is_named_by_its_symbol_once() -> None:
    ticks = walk(50)
    cross = CATALOGUE["ma_cross"]
    for given, message in (
        (ticks[::-1].copy(), r"EURUSD:1: times must not go back, tick 1 does; sort by time_ns first"),
        (ticks[:0], r"EURUSD: a replay needs at least one tick, it was given none"),
        (
            ticks.tolist(),
            r"EURUSD: ticks must be .* as kernel_lib.market.tick.make_ticks\(times_ns, bid, ask\) makes one",
        ),
    ):
        with pytest.raises(BadData, match=f"^{message}"):
            replay_account([Member(cross, "EURUSD")], {"EURUSD": given})


def test_a_spread_of_zero_is_traded_without_one() -> None:
    @strategy(features={"change": f.price_change()})
    def long(x, position, p):
        return 1.0

    ticks = walk(100)
    ticks["ask"] = ticks["bid"]
    run = replay(long, ticks, costs=Costs(latency_ms=0.0, commission_per_lot=0.0))
    first = run.events[run.events["kind"] == int(Kind.FILL)][0]
    assert first["points"] == round(ticks["bid"][1] * 1e5)
    assert not run.fault


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"params": {"fast": 0}}, "span must be a whole number from 1 to 100000, it was 0"),
        ({"params": {"fast": 2.5}}, "parameter fast must be a whole number, it was 2.5"),
        ({"costs": Costs(latency_ms=-1.0)}, "latency_ms must be at least 0, it was -1.0"),
        ({"costs": Costs(commission_fraction=float("nan"))}, "commission_fraction must be at least 0, it was nan"),
        ({"account": AccountConfig(deposit=0.0)}, "deposit must be above 0.0, it was 0.0"),
        ({"limits": RiskLimits(max_lots=-1.0)}, "max_lots must be above 0.0, it was -1.0"),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(settings: dict[str, object], message: str) -> None:
    with pytest.raises((Misconfigured, BadData), match=message):
        replay(CATALOGUE["ma_cross"], walk(50), **settings)  # type: ignore[arg-type]


def test_distances_out_of_range_are_refused_by_name() -> None:
    for name in ("stop_loss_points", "take_profit_points", "trailing_points"):
        with pytest.raises(Misconfigured, match=f"{name} must be a whole number of points from 0 on, it was -5"):
            strategy(features={"change": f.price_change()}, **{name: -5})(lambda x, position, p: 1.0)


def test_a_quote_of_nan_is_refused_with_its_row() -> None:
    ticks = make_ticks(np.arange(3), [1.1, np.nan, 1.1], [1.1, 1.1, 1.1])
    with pytest.raises(BadData, match="quotes must be finite, positive and not crossed, tick 1 is") as refused:
        replay(CATALOGUE["ma_cross"], ticks)
    assert refused.value.line == 1
