"""``tickhub demo``: the main job, headless, with the engine killed in the middle."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.flow

MINE = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="1m", features={"change": f.price_change(3, bars="1m")}, stop_loss_points=80)
def momentum(x, position, p):
    return 1.0 if x.change > 0.0001 else -1.0 if x.change < -0.0001 else position.exposure
"""


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kernel_lib.cli", "demo", "--json", *arguments],
        capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip


def test_a_recorded_day_trades_as_it_was_backtested_though_the_engine_is_killed(data_dir: Path) -> None:
    done = demo("--ticks", str(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ticks_in"] == 136_741
    assert (report["lost"], report["doubled"], report["quarantined"]) == (0, 0, 0)
    assert report["parity"] == "identical"
    assert report["restarts"] == 1
    assert report["orders"] == report["fills"] > 100
    assert report["account"]["fills"] > 10
    assert report["journal"]["replays_identically"]
    assert {"p50", "p99", "max"} <= set(report["latency_us"]["decision"])


def test_a_strategy_of_ones_own_trades_on_generated_ticks(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    done = demo("--strategy", f"{mine}:momentum")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["strategy"] == "momentum"
    assert report["parity"] == "identical"
    assert report["fills"] > 2


def test_times_that_are_finer_than_a_terminals_are_neither_lost_nor_a_difference(tmp_path: Path) -> None:
    random, n_ticks = np.random.default_rng(3), 6_000
    times = 1_398_988_800_000_000_000 + np.cumsum(random.integers(100, 2 * 10**9, n_ticks)) // 100 * 100
    bid = np.round(1284.0 + np.cumsum(random.normal(0.0, 0.05, n_ticks)), 3)
    file = tmp_path / "XAUUSD_fine.parquet"
    frame = pd.DataFrame({"time": pd.to_datetime(times, utc=True), "bid": bid, "ask": np.round(bid + 0.3, 3)})
    frame.to_parquet(file)
    done = demo("--ticks", str(file))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ticks_in"] + report["quarantined"] == n_ticks
    assert (report["lost"], report["doubled"], report["parity"]) == (0, 0, "identical")
    assert report["fills"] > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--speed", "fast"), "must be market seconds a second"),
        (("--strategy", "nobody"), "a strategy is one of"),
        (("--ticks", "absent.csv"), "there is no file"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(arguments: tuple[str, str], message: str) -> None:
    done = demo(*arguments)
    assert done.returncode in {1, 2}
    assert message in done.stderr
    assert "Traceback" not in done.stderr
