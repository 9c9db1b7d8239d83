"""Single agents by hand arithmetic."""

import math

import msgspec
import pytest

from kernel_lib import risk
from kernel_lib.agents import (
    CATALOGUE,
    Execution,
    Headline,
    ModelReport,
    Orchestrator,
    Portfolio,
    Quality,
    Release,
    Snapshot,
    Vote,
    should_trade,
)
from tests.kernel_lib.agents.moments import HOUR, MINUTE, NOW, empty, full

replace = msgspec.structs.replace


def asked(key: str, snapshot: Snapshot) -> Vote:
    return CATALOGUE[key]().analyze(snapshot)


def test_a_strong_trend_over_all_lengths_is_bought_and_its_mirror_sold() -> None:
    rising = replace(empty(), features={"slope_12": 3e-4, "slope_36": 3e-4, "slope_96": 3e-4, "atr_14": 6e-4,
                                        "adx_14": 45.0, "zscore_50": 1.0})  # fmt: skip
    up = asked("market_analysis", rising)
    # share of trend is 1, so the direction is the mean of tanh(slope sqrt(n) / (0.8 atr))
    assert up.direction == pytest.approx(sum(math.tanh(0.625 * math.sqrt(n)) for n in (12, 36, 96)) / 3)
    down = asked("market_analysis", replace(rising, features={
        name: -number if name.startswith(("slope", "zscore")) else number for name, number in rising.features.items()
    }))  # fmt: skip
    assert (down.direction, down.confidence) == (-up.direction, up.confidence)


def test_a_range_is_faded() -> None:
    high = replace(empty(), features={"slope_12": 0.0, "slope_36": 0.0, "slope_96": 0.0, "atr_14": 6e-4,
                                      "adx_14": 10.0, "zscore_50": 2.0})  # fmt: skip
    assert asked("market_analysis", high).direction == pytest.approx(-math.tanh(1.0) / 2)


def test_oversold_counters_rule_a_range_and_followers_a_trend() -> None:
    falling = {"rsi_14": 25.0, "stochastic_14": 10.0, "percent_b_20": 0.0, "aroon_25": -90.0, "cci_20": -150.0,
               "supertrend_side": -1.0}  # fmt: skip
    ranging = asked("technical_indicator", replace(empty(), features={**falling, "adx_14": 10.0}))
    trending = asked("technical_indicator", replace(empty(), features={**falling, "adx_14": 40.0}))
    assert ranging.direction == pytest.approx(1.0)
    assert trending.direction == pytest.approx(-1.0)
    assert "RSI" in ranging.reason
    assert "supertrend" in trending.reason


def test_news_fades_with_age_and_turns_for_the_quote_currency() -> None:
    news = (
        Headline(text="a", known_ns=NOW, about=("EUR",), score=0.5),
        Headline(text="b", known_ns=NOW - 4 * HOUR, about=("USD",), score=0.5),
        Headline(text="c", known_ns=NOW - 25 * HOUR, about=("EUR",), score=-1.0),
        Headline(text="d", known_ns=NOW, about=("JPY",), score=-1.0),
    )
    vote = asked("news_sentiment", replace(empty(), headlines=news))
    # one half-life: weights 1 and 1/2
    assert vote.direction == pytest.approx((0.5 - 0.25) / 1.5)
    assert vote.confidence == pytest.approx(1.5 / 4.5 * vote.direction)
    assert vote.number["headlines"] == 2


def test_a_surprise_is_measured_in_its_usual_size_and_fades() -> None:
    told = (
        Release(time_ns=NOW - 12 * HOUR, currency="EUR", name="PMI", actual=52.0, forecast=51.0, deviation=0.5),
        Release(time_ns=NOW - 12 * HOUR, currency="USD", name="Claims", impact="medium", actual=240.0, forecast=230.0,
                deviation=10.0, higher_is_better=False),
    )  # fmt: skip
    vote = asked("fundamental_analysis", replace(empty(), releases=told))
    # half-life over: EUR 0.5 * 2, USD 0.25 * -1
    assert vote.direction == pytest.approx(math.tanh(1.0 + 0.25))
    assert vote.confidence == pytest.approx(0.75 / 2.75)
    assert "USD Claims missed" in vote.reason


def test_a_release_ahead_keeps_out_of_the_market() -> None:
    ahead = replace(full(), releases=(Release(time_ns=NOW + 10 * MINUTE, currency="USD", name="NFP"),))
    assert asked("execution_timing", ahead).veto
    assert "a release in 10 min" in asked("execution_timing", ahead).reason
    assert "next release in 10 min" in asked("fundamental_analysis", ahead).reason
    elsewhere = replace(full(), releases=(Release(time_ns=NOW + 10 * MINUTE, currency="JPY", name="BoJ"),))
    assert not asked("execution_timing", elsewhere).veto
    not_told = replace(full(), features={**full().features, "minutes_to_release": -2.0}, releases=())
    assert asked("execution_timing", not_told).veto


def test_a_release_just_past_keeps_out_of_the_market_by_the_calendar_too() -> None:
    def after(minutes: float, *, later: float = 60.0) -> Snapshot:
        told = (
            Release(time_ns=NOW - int(minutes * MINUTE), currency="USD", name="NFP"),
            Release(time_ns=NOW + int(later * MINUTE), currency="EUR", name="ECB"),
        )
        return replace(full(), releases=told)

    two = asked("execution_timing", after(2.0))
    assert two.veto
    assert "a release 2 min ago" in two.reason
    assert asked("execution_timing", after(5.0)).veto
    assert not asked("execution_timing", after(5.5)).veto
    assert "next release in 60 min" in asked("fundamental_analysis", after(2.0)).reason
    said = Orchestrator("enterprise", muted=["execution_timing"]).decide(after(2.0)).consensus
    assert "a release is 2 min past" in should_trade(said, after(2.0)).against
    assert "a release is" not in " ".join(should_trade(said, after(6.0)).against)


@pytest.mark.parametrize(
    ("equity", "scale", "veto"), [(10_000.0, 1.0, False), (9_250.0, 0.5, False), (9_000.0, 0.0, True)]
)
def test_risk_shrinks_as_the_drawdown_nears_its_limit(equity: float, scale: float, veto: bool) -> None:
    held = Portfolio(equity=equity, peak_equity=10_000.0, day_start_equity=equity)
    vote = asked("risk_assessment", replace(full(), portfolio=held))
    assert vote.scale == pytest.approx(risk.drawdown_control(1 - equity / 10_000.0, 0.10), abs=1e-12)
    assert (vote.scale, vote.veto) == (pytest.approx(scale), veto)


def test_risk_stops_the_day_at_its_loss() -> None:
    held = Portfolio(equity=9_690.0, peak_equity=10_000.0, day_start_equity=10_000.0)
    vote = asked("risk_assessment", replace(full(), portfolio=held))
    assert vote.veto
    assert "loss of the day 3.1 %" in vote.reason


def test_value_at_risk_is_that_of_the_risk_library() -> None:
    returns = tuple(0.03 * math.sin(1.7 * k) ** 3 for k in range(101))
    held = Portfolio(equity=1e4, peak_equity=1e4, day_start_equity=1e4, returns=returns)
    vote = asked("risk_assessment", replace(full(), portfolio=held))
    expected = risk.value_at_risk(returns, confidence=0.95)
    assert vote.number["value at risk 95 %"] == pytest.approx(expected, rel=1e-12)
    assert vote.scale == pytest.approx(0.02 / expected)


def test_an_unknown_risk_is_a_veto() -> None:
    for portfolio in (None, Portfolio(), Portfolio(equity=1e4, risk_active=False)):
        assert asked("risk_assessment", replace(full(), portfolio=portfolio)).veto


def test_what_only_repeats_other_holdings_is_made_smaller() -> None:
    said = (Vote(agent="market_analysis", direction=1.0, confidence=1.0, reason="up", inputs=(), known_ns=NOW),)
    held = Portfolio(equity=1e4, weights=(("GBPUSD", 0.5),), correlations=(("GBPUSD", 0.8),))
    vote = asked("portfolio_optimization", replace(full(), portfolio=held, votes=said))
    # overlap 0.8 at half of the full weight
    assert vote.scale == pytest.approx(1 - 0.8 * 0.5)
    short = replace(held, weights=(("GBPUSD", -0.5),))
    assert asked("portfolio_optimization", replace(full(), portfolio=short, votes=said)).scale == 1.0


def test_monitors_shrink_by_what_they_find() -> None:
    assert asked("data_quality", replace(full(), quality=Quality(ticks=100, refused=10))).scale == pytest.approx(0.5)
    assert asked("data_quality", replace(full(), bid=1.2)).scale == 0.0
    assert asked("data_quality", replace(full(), quality=Quality(age_s=45.0))).scale == pytest.approx(0.5)
    assert asked("execution_quality", replace(full(), execution=Execution(orders=8, rejected=2))).scale == 0.5
    done = Execution(orders=8, slippage_points=6.0, expected_slippage_points=1.0)
    assert asked("execution_quality", replace(full(), execution=done)).scale == 0.5
    moved = replace(full(), models=(ModelReport(name="m", stability=0.3),))
    assert asked("model_drift", moved).scale == pytest.approx(0.5)
    health = full().health
    assert health is not None
    assert asked("system_health", replace(full(), health=replace(health, links_down=("bridge",)))).scale == 0.0
    assert asked("system_health", replace(full(), health=replace(health, loop_delay_ms=525.0))).scale == 0.5


def test_a_model_below_its_card_is_heard_less() -> None:
    worse = ModelReport(name="m", outcomes=100, hit_rate=0.5, expected_hit_rate=0.6, brier=0.25)
    vote = asked("model_improvement", replace(full(), models=(worse,)))
    deviations = -0.1 / math.sqrt(0.6 * 0.4 / 100)
    assert vote.number["weight.model m"] == pytest.approx(1 + deviations / 3)
    assert "train anew" in vote.reason
