"""Track-record measures against the cases of empyrical's own tests (eight decimals)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib.risk import benchmark, downside, drawdown, growth, ratios
from kernel_lib.risk.series import matched


@pytest.fixture(scope="module")
def cases(data_dir: Path) -> dict[str, Any]:
    path = data_dir / "reference/empyrical_cases.json"
    if not path.is_file():
        pytest.skip(f"the empyrical cases are absent: {path}")
    held: dict[str, Any] = json.loads(path.read_text())
    return held


def _read(thing: Any, cases: dict[str, Any]) -> Any:
    if isinstance(thing, dict) and "series" in thing:
        named = cases["series"][thing["series"]]
        return _series(named["values"], named["index"])
    if isinstance(thing, dict) and "series_inline" in thing:
        if "one" in thing["index"]:
            return np.array(thing["series_inline"])
        return _series(thing["series_inline"], thing["index"])
    if isinstance(thing, dict):
        frame = pd.DataFrame(thing["frame"])
        return frame.set_axis(["one", "two"], axis=1) if frame.shape[1] == 2 else frame.to_numpy()
    if isinstance(thing, list):
        return np.array([_read(each, cases) for each in thing])
    return float(thing) if thing in ("nan", "inf", "-inf") else thing


def _series(values: list[float | None], index: list[str]) -> pd.Series:
    numbers = [np.nan if each is None else float(each) for each in values]
    return pd.Series(numbers, index=pd.to_datetime(index), dtype=float)


OURS: dict[str, Callable[..., Any]] = {
    "test_simple_returns": growth.simple_returns,
    "test_cum_returns": growth.cumulative_returns,
    "test_aggregate_returns": lambda returns, to: growth.aggregate_returns(returns, to.lower()),
    "test_annual_ret": lambda returns, period: growth.annual_return(returns, period.lower()),
    "test_annual_volatility": lambda returns, period: growth.annual_volatility(returns, period.lower()),
    "test_sharpe_ratio": ratios.sharpe_ratio,
    "test_sortino": lambda returns, required, period: ratios.sortino_ratio(returns, required, period.lower()),
    "test_alpha_beta": benchmark.alpha_beta,
    "test_alpha": benchmark.alpha,
    "test_beta": lambda returns, other, *_: benchmark.beta(returns, other),
    "test_roll_sharpe_ratio": lambda returns, window: ratios.rolling(ratios.sharpe_ratio, returns, window),
    "test_roll_alpha_beta": lambda returns, other, window: _rolling_pair(*matched(returns, other), window),
}


def _rolling_pair(returns: np.ndarray, other: np.ndarray, window: int) -> np.ndarray:
    return ratios.rolling(benchmark.alpha_beta, returns, window, other)


@pytest.mark.parametrize("name", OURS)
def test_it_agrees_with_empyrical(cases: dict[str, Any], name: str) -> None:
    tried = 0
    for case in cases["tests"][name]["cases"]:
        given = [_read(each, cases) for each in case]
        n_params = cases["tests"][name]["params"].index("expected")
        expected, arguments = given[n_params], given[:n_params]
        got = OURS[name](*arguments)
        # The running totals are published with few digits, cut and not rounded.
        decimals = 4 if name == "test_cum_returns" else given[n_params + 1] if len(given) > n_params + 1 else 8
        np.testing.assert_almost_equal(np.asarray(got), np.asarray(expected), decimal=decimals, err_msg=str(case)[:200])
        tried += 1
    assert tried == len(cases["tests"][name]["cases"]) > 0


ALL_NEGATIVE = np.array([-2.0, -6.0, -7.0, -1.0, -9.0, -2.0, -6.0, -8.0, -5.0]) / 100.0

# Asserted in empyrical's tests/test_stats.py with eight decimals, of series that the cases hold.
PUBLISHED: list[tuple[str, Callable[[dict[str, Any]], float], float]] = [
    ("max_drawdown", lambda s: drawdown.max_drawdown(s["mixed_returns"]), -0.1),
    ("max_drawdown of losses", lambda s: drawdown.max_drawdown(s["negative_returns"]), -0.36590730349873601),
    ("max_drawdown of one", lambda s: drawdown.max_drawdown(s["one_return"]), 0.0),
    ("calmar_ratio", lambda s: ratios.calmar_ratio(s["mixed_returns"]), 19.135925373194233),
    ("calmar_ratio weekly", lambda s: ratios.calmar_ratio(s["weekly_returns"], "weekly"), 2.4690830513998208),
    ("calmar_ratio monthly", lambda s: ratios.calmar_ratio(s["monthly_returns"], "monthly"), 0.52242061386048144),
    ("omega_ratio", lambda s: ratios.omega_ratio(s["mixed_returns"], 0.0, 10.0), 0.83354263497557934),
    ("omega_ratio over a series", lambda s: ratios.omega_ratio(s["mixed_returns"], s["flat_line_1"]), 0.8125),
    ("omega_ratio of gains", lambda s: ratios.omega_ratio(s["positive_returns"], 0.011), 1.125),
    ("downside_risk", lambda s: downside.downside_deviation(s["mixed_returns"], 0.0, 252), 0.60448325038829653),
    ("downside_risk of 10 %", lambda s: downside.downside_deviation(s["mixed_returns"], 0.1, 252), 1.7161730681956295),
    ("stability", lambda s: ratios.stability(s["mixed_returns"]), 0.1529973665111273),
    ("stability of a line", lambda s: ratios.stability(s["flat_line_1_tz"]), 1.0),
    ("cagr of one", lambda s: growth.annual_return(s["one_return"]), 11.274002099240244),
    ("capture", lambda s: benchmark.capture(ALL_NEGATIVE, s["mixed_returns"]), -0.52257643222960259),
    (
        "excess_sharpe",
        lambda s: benchmark.information_ratio(s["mixed_returns"], s["flat_line_1"]),
        -0.06515583641446039,
    ),
    ("tail_ratio of one", lambda s: ratios.tail_ratio(s["one_return"]), 1.0),
]


@pytest.mark.parametrize(("ours", "published"), [each[1:] for each in PUBLISHED], ids=[each[0] for each in PUBLISHED])
def test_it_is_the_figure_in_empyricals_tests(
    cases: dict[str, Any], ours: Callable[[dict[str, Any]], float], published: float
) -> None:
    series = {
        name: np.array([np.nan if each is None else float(each) for each in held["values"]])
        for name, held in cases["series"].items()
    }
    assert ours(series) == pytest.approx(published, abs=5e-9)


def test_a_table_compounds_column_by_column() -> None:
    """empyrical's df_input and df_100_expected, four decimals."""
    one = [np.nan, 0.01322056, 0.03063862, -0.01422057, -0.00489779, 0.01268925, -0.03357711, 0.01797036]
    two = [0.01846232, 0.00793951, -0.01448395, 0.00422537, -0.00339611, 0.03756813, 0.0151531, np.nan]
    frame = pd.DataFrame({"one": one, "two": two}, index=pd.date_range("2000-1-30", periods=8))
    found = growth.cumulative_returns(frame, 100)
    expected_one = [100.0, 101.322056, 104.426424, 102.941421, 102.437235, 103.737087, 100.253895, 102.055494]
    expected_two = [101.846232, 102.654841, 101.167994, 101.595466, 101.250436, 105.054226, 106.646123, 106.646123]
    np.testing.assert_almost_equal(found.to_numpy(), np.column_stack([expected_one, expected_two]), 4)
    assert found.index.equals(frame.index)
    np.testing.assert_array_equal(growth.cumulative_returns(frame.to_numpy(), 100), found.to_numpy())
    risk_of_both = downside.downside_deviation(pd.DataFrame({"one": [-0.01, 0.02], "two": [0.01, -0.02]}), 0.0, "daily")
    np.testing.assert_allclose(risk_of_both, np.array([0.01, 0.02]) / np.sqrt(2) * np.sqrt(252))
