"""The consensus as a feature: the same run in the compiled loop, tick by tick, and through bytes in the middle."""

import msgspec
import numpy as np
import pytest

from kernel_lib import agents
from kernel_lib import features as f
from kernel_lib.agents import panel_features
from kernel_lib.agents.inputs import INPUTS
from kernel_lib.agents.panel import Panel
from kernel_lib.backtest import Member, replay, replay_account
from kernel_lib.errors import BadData, Refused
from kernel_lib.features import shelf
from kernel_lib.features.evaluated import Evaluated
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.models import Facts, LogisticRegression, labels
from kernel_lib.strategy import Strategy, strategy
from kernel_lib.strategy.position import Position, Seen, Traded
from kernel_lib.trading.account import Costs
from kernel_lib.trading.record import Kind
from tests.kernel_lib.backtest.test_outside import one_at_a_time

SECOND = 10**9
#: Monday 4 February 2019, 20:00 UTC: the walk goes over midnight, where weights are learned.
T0 = 1_549_310_400 * SECOND


def walk(n_ticks: int, seed: int = 7) -> Ticks:
    random = np.random.default_rng(seed)
    bid = 1.1 + np.cumsum(np.round(random.normal(0, 3, n_ticks))) * 1e-5
    spread = random.integers(5, 12, n_ticks) * 1e-5
    return make_ticks(T0 + np.cumsum(random.integers(1, 12, n_ticks)) * SECOND, bid, bid + spread)


def follower(panel: Evaluated) -> Strategy:
    @strategy(on="tick", features={"panel": panel, "fast": f.ema(5)})
    def follow(x, position, p):
        return x.panel * x.panel_scale if x.panel_vetoed == 0.0 else position.exposure

    return follow


def evaluator(panel: Evaluated) -> Panel:
    assert isinstance(panel.evaluator, Panel)
    return panel.evaluator


@pytest.mark.parametrize("tier", ["free", "enterprise"])
def test_the_consensus_gives_the_same_run_in_the_loop_and_tick_by_tick(tier: str) -> None:
    ticks = walk(4_000)
    panel = agents.consensus(tier, bars="1m", symbol="EURUSD")
    run = replay(follower(panel), ticks, progress=False)
    assert run.fault == ""
    assert run.book.numbers["n_orders"] > 3
    kept = evaluator(panel).state()
    again = one_at_a_time(follower(agents.consensus(tier, bars="1m", symbol="EURUSD")), ticks, {})
    assert again.tobytes() == run.events.tobytes()
    replay(follower(panel), ticks, progress=False)
    assert evaluator(panel).state() == kept


def test_what_the_agents_lack_in_a_step_they_name() -> None:
    panel = agents.consensus("enterprise", bars="1m", symbol="EURUSD")
    run = replay(follower(panel), walk(4_000), progress=False)
    assert run.book.numbers["n_orders"] > 3
    decision = evaluator(panel).decision
    assert decision is not None
    said = {each.agent: each for each in decision.votes}
    for agent, what in {
        "system_health": "the machine's state is not known",
        "model_drift": "no model is in use", "news_sentiment": "no news to go by",
        "fundamental_analysis": "no surprise",
    }.items():  # fmt: skip
        assert said[agent].reason.startswith(what)
        assert (said[agent].confidence, said[agent].scale) == (0.0, 1.0)
    assert "overlap" not in said["portfolio_optimization"].number


def test_the_panel_judges_by_the_strategys_own_trades_and_fills() -> None:
    panel = agents.consensus("enterprise", bars="1m", symbol="EURUSD")
    costs = Costs(commission_per_lot=3.5, latency_ms=300, slippage_points=2)
    run = replay(follower(panel), walk(4_000), costs=costs, progress=False)
    decision = evaluator(panel).decision
    assert decision is not None
    said = {each.agent: each.number for each in decision.votes}
    # What was known when the panel was last asked, by the record.
    rows = run.events[run.events["time_ns"] < decision.consensus.known_ns]
    fills, closed = (rows[rows["kind"] == int(kind)] for kind in (Kind.FILL, Kind.CLOSED))
    nets = (closed["profit_minor"] + closed["swap_minor"] - closed["commission_minor"]) / 100.0
    assert len(closed) > 3
    assert said["performance_analysis"]["trades"] == len(closed)
    assert said["performance_analysis"]["hit rate"] == pytest.approx(float(np.mean(nets > 0.0)))
    assert said["performance_analysis"]["expectancy"] == pytest.approx(float(nets.mean()))
    assert said["execution_quality"]["orders"] == len(fills)
    assert said["execution_quality"]["rejected"] == 0.0
    assert said["execution_quality"]["expected slippage, points"] == 2.0
    asked = {int(row["order_id"]): row for row in rows[rows["kind"] == int(Kind.ORDER)]}
    deals = [row for row in fills if int(row["order_id"]) in asked]
    worse = [int(row["side"]) * int(row["points"] - asked[int(row["order_id"])]["points"]) for row in deals]
    assert said["execution_quality"]["slippage, points"] == pytest.approx(float(np.mean(worse)))


def test_a_broker_worse_than_reckoned_with_shrinks_the_size() -> None:
    panel = agents.consensus("enterprise", bars="1m", symbol="EURUSD")
    row = np.ones(len(panel.inputs))
    traded = Traded(fills=20, slippage_points=6.0, expected_slippage_points=1.0)
    scale = panel.answer(row, seen(T0)._replace(traded=traded))[panel.outputs.index("scale")]
    said = evaluator(panel).decision
    assert said is not None
    vote = said.consensus.vote_of("execution_quality")
    assert vote is not None
    assert vote.scale == pytest.approx((1.0 + 2.0) / 6.0)  # expected and slack, over what it was
    assert scale <= 0.5


def test_other_holdings_come_through_a_channel() -> None:
    panel = agents.consensus("enterprise", bars="1m", symbol="EURUSD", holdings="holdings:EURUSD")
    assert "holdings='holdings:EURUSD'" in repr(panel)
    at = list(panel.inputs).index("holdings")

    def overlap(worth: float) -> float | None:
        row = np.ones(len(panel.inputs))
        row[at] = worth
        panel.answer(row, seen(T0))
        decision = evaluator(panel).decision
        assert decision is not None
        vote = decision.consensus.vote_of("portfolio_optimization")
        assert vote is not None
        return vote.number.get("overlap")

    alike, against = overlap(0.6), overlap(-0.6)
    assert alike is not None
    assert against is not None
    assert alike == -against != 0.0
    assert overlap(float("nan")) is None


def test_each_book_of_an_account_sees_its_own_trades() -> None:
    ticks = walk(3_000)
    panels = [agents.consensus("enterprise", bars="1m", symbol="EURUSD", horizon=k) for k in (3, 6)]
    members = [Member(follower(panel), "EURUSD", name) for name, panel in zip(("one", "two"), panels, strict=True)]
    run = replay_account(members, {"EURUSD": ticks})
    for name, panel in zip(("one", "two"), panels, strict=True):
        decision = evaluator(panel).decision
        assert decision is not None
        vote = decision.consensus.vote_of("performance_analysis")
        assert vote is not None
        rows = run[name].events
        closed = rows[(rows["kind"] == int(Kind.CLOSED)) & (rows["time_ns"] < decision.consensus.known_ns)]
        assert vote.number["trades"] == len(closed) > 0


def test_weights_change_between_days_and_never_within_one() -> None:
    panel = agents.consensus("enterprise", bars="1m")
    held: dict[int, set[tuple[tuple[str, float], ...]]] = {}
    inner = evaluator(panel)
    random = np.random.default_rng(5)
    numbers = random.uniform(0.5, 1.5, (600, len(panel.inputs)))
    mids = 1.1 + np.cumsum(random.normal(0, 1e-4, 600))
    for minute, (row, mid) in enumerate(zip(numbers, mids, strict=True)):
        panel.answer(row, seen(T0 + minute * 60 * SECOND, mid=float(mid)))
        assert inner.decision is not None
        day = inner.decision.consensus.known_ns // (86_400 * SECOND)
        held.setdefault(day, set()).add(tuple(sorted(inner.orchestrator.weights.items())))
    assert [len(each) for each in held.values()] == [1, 1]
    (first,), (second,) = held.values()
    assert first == ()
    assert {name for name, _ in second} == {"market_analysis", "technical_indicator"}
    assert all(0.1 < weight < 2.0 and weight != 1.0 for _, weight in second)


def test_a_calendar_and_news_come_in_by_their_channels() -> None:
    ticks = walk(3_000)
    panel = agents.consensus("enterprise", bars="1m", symbol="EURUSD", calendar="calendar:USD", news="news:EURUSD")
    assert follower(panel).channels == ("calendar:USD", "news:EURUSD")
    release_s = float(ticks["time_ns"][1_500] // SECOND)
    told = {
        "calendar:USD": (np.array([T0]), np.array([release_s])),
        "news:EURUSD": (np.array([T0, T0 + 3600 * SECOND]), np.array([0.2, 0.9])),
    }
    run = replay(follower(panel), ticks, outside=told, progress=False)
    assert run.fault == ""
    inner = evaluator(panel)
    assert inner.decision is not None
    news = inner.decision.consensus.vote_of("news_sentiment")
    assert news is not None
    assert news.direction == pytest.approx(0.9)
    again = one_at_a_time(
        follower(panel), ticks,
        {0: [(0, release_s), (1, 0.2)], int(np.searchsorted(ticks["time_ns"], T0 + 3600 * SECOND)): [(1, 0.9)]},
    )  # fmt: skip
    assert again.tobytes() == run.events.tobytes()


def test_near_a_release_the_panel_vetoes() -> None:
    panel = agents.consensus("enterprise", bars="1m", symbol="EURUSD", calendar="calendar:USD")
    row = np.full(len(panel.inputs), np.nan)
    row[list(panel.inputs).index("minutes_to_release")] = 7.0
    shown = dict(zip(panel.outputs, panel.answer(row, seen(T0)), strict=True))
    assert (shown["vetoed"], shown["scale"]) == (1.0, 0.0)


def seen(time_ns: int, mid: float = 1.1, equity: float = 10_000.0) -> Seen:
    return Seen(time_ns, mid - 4e-5, mid + 4e-5, Position(0.0, 0.0, float("nan"), 0.0, 0, equity))


def test_before_its_features_are_warm_it_has_no_opinion() -> None:
    panel = agents.consensus("pro", bars="1m")
    shown = dict(zip(panel.outputs, panel.answer(np.full(len(panel.inputs), np.nan), seen(T0)), strict=True))
    assert (shown["value"], shown["confidence"], shown["n_votes"]) == (0.0, 0.0, 0.0)


def test_a_loss_of_the_day_is_vetoed_and_forgotten_the_next() -> None:
    panel = agents.consensus("pro", bars="1m")
    row = np.ones(len(panel.inputs))
    vetoed = panel.outputs.index("vetoed")
    answers = [
        panel.answer(row, seen(T0 + hours * 3600 * SECOND, equity=equity))[vetoed]
        for hours, equity in ((0, 10_000.0), (1, 9_800.0), (2, 9_690.0), (5, 9_690.0))
    ]
    assert answers == [0.0, 0.0, 1.0, 0.0]


def test_damaged_memory_and_closed_agents_are_refused() -> None:
    panel = agents.consensus("pro", bars="1m")
    with pytest.raises(BadData, match="memory"):
        panel.evaluator.restore(b"\x00\x01")
    with pytest.raises(Refused, match="enterprise"):
        agents.consensus("free", agents=["news_sentiment"])
    with pytest.raises(BadData, match="also read oracle"):
        panel_features(["oracle"], "1m")


def test_each_label_is_one_feature_that_runs() -> None:
    made = panel_features(INPUTS, "5m")
    assert list(made) == list(INPUTS)
    assert repr(agents.consensus("free", bars="1m", muted=["market_analysis"])) == (
        "consensus(tier='free', muted=('market_analysis',), horizon=6, bars='1m')"
    )


def test_a_kept_model_is_heard_as_one_more_rule_and_travels_along() -> None:
    random = np.random.default_rng(1)
    made = {"rsi": f.rsi(9, bars="1m"), "slope": f.price_change(5, bars="1m")}
    rows = random.normal(size=(400, 2))
    outcome = labels.direction(1e6 + np.cumsum(10 * rows[:, 0]), 1)
    model = LogisticRegression(folds=2).fit(dict(zip(made, rows.T, strict=True)), outcome)
    facts = Facts(symbol="EURUSD", bars="1m", sources=tuple(map(repr, made.values())))
    with shelf.holding({"side": model.bundle(facts)}):
        panel = agents.consensus("pro", bars="1m", models=["side"])
    assert list(panel.files) == ["side"]
    ticks = walk(2_000)
    run = replay(follower(panel), ticks, progress=False)
    assert run.fault == ""
    decision = evaluator(panel).decision
    assert decision is not None
    technical = decision.consensus.vote_of("technical_indicator")
    assert technical is not None
    assert technical.number["rule model side"] in (-1.0, 1.0)
    assert one_at_a_time(follower(panel), ticks, {}).tobytes() == run.events.tobytes()


def summed_up(said: agents.Consensus) -> tuple[float, float, float]:
    """As the feature rounds it."""
    return round(said.direction, 6) + 0.0, round(said.confidence, 6), round(said.scale, 6)


def test_memory_of_another_panel_is_refused_and_leaves_its_own() -> None:
    panel = evaluator(agents.consensus("pro", bars="1m", symbol="EURUSD"))
    row = np.full(len(panel.labels), np.nan)
    for at in range(30):
        panel.evaluate(row, Seen(T0 + at * 60 * SECOND, 1.1, 1.1001, Position(0.0, 0.0, np.nan, 0.0, 0, 10_000.0)))
    own = panel.state()
    others = msgspec.msgpack.decode(own)
    others["models"], others["day"] = [b"one"], 3
    with pytest.raises(BadData, match="the memory is of 1 models, the panel has 0"):
        panel.restore(msgspec.msgpack.encode(others))
    assert panel.state() == own
