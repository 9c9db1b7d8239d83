"""The promise the product stands on: what a backtest did, the live desk does, row for row.

The same real ticks go through ``backtest.replay`` and, one by one, through the live desk: journal, trusted book, and
the strategy in its sandboxed process.
"""

import itertools
import os
import random
from pathlib import Path

import numpy as np
import pytest

from kernel_lib.backtest.replay import replay
from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.sandbox import capabilities
from kernel_lib.strategies import CATALOGUE
from kernel_lib.trading.account import Costs
from live_engine.strategy_process import HostConfig, StrategyHost
from live_engine.trading import Desk
from tests.live_engine.desk_kit import blocks_of, desk_bundle, journaled_rows


@pytest.fixture(scope="module")
def day(data_dir: Path) -> Ticks:
    return read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks


@pytest.mark.flow
@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_live_desk_repeats_the_backtest_row_for_row(name: str, day: Ticks, tmp_path: Path) -> None:
    strategy = CATALOGUE[name]
    costs = Costs(latency_ms=40, latency_jitter_ms=15, slippage_random_points=2, seed=11)
    expected = replay(strategy, day, costs=costs)
    dice = random.Random(name)
    host = StrategyHost(f"parity-{name}-{os.getpid()}", HostConfig(answer_s=2.0, trusted=not capabilities().isolates))
    desk = Desk(tmp_path, "acme", host, send=lambda intent: None)
    try:
        desk.reload(desk_bundle(strategy, costs=costs), {})
        for entry_id, raw in blocks_of(day, (dice.randint(1, 200) for _ in itertools.count())):
            desk.on_block(entry_id, raw)
        state = desk.state()
    finally:
        desk.close()
    rows = journaled_rows(tmp_path)
    assert len(rows) > 20
    first = next(
        (k for k, (ours, theirs) in enumerate(zip(rows, expected.events, strict=False)) if ours != theirs), None
    )
    if rows.tobytes() != expected.events.tobytes():
        pytest.fail(f"first difference at row {first}: {rows[first or 0]} against {expected.events[first or 0]}")
    (mine,) = state.strategies
    n = expected.book.numbers
    assert (mine.ticks, mine.decisions, mine.orders, mine.fills) == (
        len(day), n["n_decisions"], n["n_orders"], n["n_fills"],
    )  # fmt: skip
    assert np.isclose(mine.profit * 100, n["equity_minor"] - n["deposit_minor"])
