"""Track-record measures against the cases of empyrical's own tests (eight decimals)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib.risk import benchmark, growth, ratios
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
