"""A week of currencies is five daily returns, in a report and in a sweep."""

import numpy as np
import pandas as pd

from kernel_lib.backtest import replay
from kernel_lib.backtest.sweep import sweep
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategies import CATALOGUE

WEEKS = 8


def weeks_of_currency() -> Ticks:
    """Ticks each ten minutes from Sunday 22:00 to Friday 22:00, UTC."""
    times = pd.date_range("2019-02-03 22:00", periods=WEEKS * 7 * 144, freq="10min")
    opens = times[(times.day_of_week < 4) | ((times.day_of_week == 4) & (times.hour < 22)) | (
        (times.day_of_week == 6) & (times.hour >= 22))]  # fmt: skip
    mid = np.round(1.1 + np.cumsum(np.random.default_rng(3).normal(0, 2e-4, len(opens))), 5)
    return make_ticks(opens.to_numpy().astype("datetime64[ns]").astype(np.int64), mid, np.round(mid + 5e-5, 5))


def test_eight_weeks_have_forty_daily_returns_in_a_report_and_in_a_sweep() -> None:
    ticks = weeks_of_currency()
    run = replay(CATALOGUE["ma_cross"], ticks)
    periods = run.report().periods
    assert (periods.name, periods.per_year) == ("day", 252.0)
    assert len(periods.returns) == 5 * WEEKS
    assert set(pd.to_datetime(periods.ends_ns).day_of_week) == {0, 1, 2, 3, 4}
    # By hand: the equity at the last point of each of pandas' business days (Sunday rolls forward to Monday).
    equity = pd.Series(run.equity["equity_minor"] / 100.0, pd.to_datetime(run.equity["time_ns"]))
    days = equity.index.normalize().map(pd.offsets.BDay().rollforward)
    closes = equity.groupby(days).last().to_numpy()
    returns = np.diff(np.concatenate([[10_000.0], closes])) / np.concatenate([[10_000.0], closes[:-1]])
    np.testing.assert_allclose(periods.returns, returns, atol=1e-15)
    found = sweep(CATALOGUE["ma_cross"], ticks, {"fast": [int(run.strategy.params["fast"])]}, progress=False)
    for name in ("sharpe_ratio", "annual_volatility_pct", "sortino_ratio"):
        np.testing.assert_allclose(found.table[name].iloc[0], run.report().statistics[name], rtol=1e-9)
