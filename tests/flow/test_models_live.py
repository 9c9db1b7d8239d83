"""A model's prediction and another instrument's price in a strategy: the sandboxed desk repeats the backtest."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib import models
from kernel_lib.backtest.replay import replay
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.features import shelf
from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.models import Facts, LogisticRegression, labels
from kernel_lib.sandbox import capabilities
from kernel_lib.strategy import Strategy, load_strategy
from live_engine.strategy_process import HostConfig, StrategyHost
from live_engine.trading import Desk
from tests.live_engine.desk_kit import blocks_of, desk_bundle, journaled_rows
from tests.live_engine.test_desk import crash

BY_MODEL = """
from kernel_lib import features as f
from kernel_lib import models
from kernel_lib.strategy import strategy

@strategy(on="1m", features=dict(up=models.predicted("direction"), wide=f.spread()))
def by_model(x, position, p):
    if x.up_p_up > 0.6:
        return 1.0
    if x.up_p_up < 0.4:
        return -1.0
    return position.exposure
"""

BY_PAIR = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="tick", features=dict(z=f.spread_zscore("GBPUSD", 50), other=f.outside("GBPUSD")))
def by_pair(x, position, p):
    return 1.0 if x.z < -1.0 else -1.0 if x.z > 1.0 else position.exposure
"""


@pytest.fixture(scope="module")
def day(data_dir: Path) -> Ticks:
    return read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:60_000]


@pytest.fixture(scope="module")
def bundle(day: Ticks) -> bytes:
    made = {"rsi": f.rsi(9, bars="1m"), "slope": f.price_change(5, bars="1m")}
    closes = np.flatnonzero(np.diff(day["time_ns"] // (60 * 10**9))) + 1
    columns = {name: each(day)[closes] for name, each in made.items()}
    outcome = labels.direction(1e6 + np.cumsum(np.nan_to_num(columns["rsi"] - 50.0)), 1)  # what can be learned
    model = LogisticRegression().fit(columns, outcome)
    return model.bundle(Facts(symbol="EURUSD", bars="1m", sources=tuple(map(repr, made.values()))))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    held = Desk(tmp_path, "acme", host_named("first"), send=lambda intent: None)
    yield held
    held.close()


def host_named(name: str) -> StrategyHost:
    return StrategyHost(f"models-{name}-{os.getpid()}", HostConfig(answer_s=2.0, trusted=not capabilities().isolates))


def loaded(source: str, entry: str, **bundles: bytes) -> Strategy:
    return load_strategy(source, entry, models=bundles)


@pytest.mark.flow
def test_a_strategy_with_a_model_trades_live_as_in_the_backtest(
    day: Ticks, bundle: bytes, desk: Desk, tmp_path: Path
) -> None:
    strategy = loaded(BY_MODEL, "by_model", direction=bundle)
    expected = replay(strategy, day, progress=False)
    assert expected.book.numbers["n_orders"] > 5
    desk.reload(desk_bundle(strategy), {})
    blocks = blocks_of(day, iter(lambda: 50, None))
    for at, (entry_id, raw) in enumerate(blocks):
        desk.on_block(entry_id, raw)
        if at == len(blocks) // 2:
            desk.snapshot()
    (mine,) = desk.state().strategies
    assert (mine.state, mine.reason) == ("active", "")
    assert journaled_rows(tmp_path).tobytes() == expected.events.tobytes()


@pytest.mark.flow
def test_a_strategy_that_reads_another_instrument_trades_live_as_in_the_backtest(
    day: Ticks, desk: Desk, tmp_path: Path
) -> None:
    own = day[:8_000]
    random = np.random.default_rng(3)
    rows = np.sort(random.choice(np.arange(1, len(own)), 3_000, replace=False))
    pounds = make_ticks(own["time_ns"][rows], 1.3 + np.cumsum(random.normal(0, 1e-4, 3_000)), np.full(3_000, 9.0))
    pounds["ask"] = pounds["bid"] + 1e-4
    strategy = loaded(BY_PAIR, "by_pair")
    expected = replay(strategy, own, outside={"GBPUSD": pounds}, progress=False)
    assert expected.book.numbers["n_orders"] > 5
    desk.reload(desk_bundle(strategy), {})
    theirs = iter(blocks_of(pounds, iter(lambda: 1, None), symbol="GBPUSD"))
    told = set(rows.tolist())
    for at, (_, raw) in enumerate(blocks_of(own, iter(lambda: 1, None))):
        if at in told:
            desk.on_block(f"{2 * at + 1}-0", next(theirs)[1])
        desk.on_block(f"{2 * at + 2}-0", raw)
        if at == 4_000:  # a killed engine: all that the strategy was told comes from the journal again
            crash(desk)
            desk = Desk(tmp_path, "acme", host_named("again"), send=lambda intent: None)
    (mine,) = desk.state().strategies
    assert (mine.state, mine.reason) == ("active", "")
    desk.close()
    assert journaled_rows(tmp_path).tobytes() == expected.events.tobytes()


def test_a_model_that_is_not_kept_or_does_not_fit_is_named(bundle: bytes) -> None:
    with pytest.raises(Misconfigured, match="no model is kept as 'nothing'"):
        models.predicted("nothing")
    with shelf.holding({"direction": bundle}):
        with pytest.raises(Misconfigured, match="must be given rsi, slope in this order, it was given slope, rsi"):
            models.predicted("direction", inputs={"slope": f.price_change(5, bars="1m"), "rsi": f.rsi(9, bars="1m")})
        assert models.predicted("direction").bars == "1m"
    with shelf.holding({"direction": bundle[:-20]}), pytest.raises(BadData):
        models.predicted("direction")
