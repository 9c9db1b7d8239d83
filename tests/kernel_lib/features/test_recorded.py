"""The whole catalogue over a week of recorded quotes, beside another instrument's."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kernel_lib.market.bars import bars as form_bars
from kernel_lib.market.tick import make_ticks
from tests.checks.test_every_feature import FEATURES, ON_BARS


@cache
def recorded(path: Path) -> np.ndarray:
    table = pd.read_parquet(path)
    return make_ticks(pd.DatetimeIndex(table["time"]).as_unit("ns").asi8, table["bid"], table["ask"])


def columns(shown: object) -> np.ndarray:
    return np.column_stack(list(shown.values())) if isinstance(shown, dict) else np.asarray(shown)[:, None]


@pytest.mark.parametrize("feature", [*FEATURES, *ON_BARS], ids=repr)
def test_once_warm_it_has_no_hole_in_a_week_of_quotes(data_dir: Path, feature: object) -> None:
    ticks = recorded(data_dir / "ticks" / "EURUSD_oanda_20140501_20140507_utc.parquet")
    gold = recorded(data_dir / "ticks" / "XAUUSD_oanda_20140501_20140507_utc.parquet")
    shown = columns(feature(ticks, gold if feature.other else None))
    finite = np.isfinite(shown).all(axis=1)
    first = int(np.argmax(finite))
    assert finite[first:].all()
    assert np.isnan(shown[:first]).any(axis=1).all()
    if feature.other is None and feature.bars is None:
        assert first == feature.warmup - 1


@pytest.mark.parametrize("feature", [each for each in ON_BARS if each.other is None], ids=repr)
def test_each_tick_sees_the_bars_that_closed_by_then(data_dir: Path, feature: object) -> None:
    ticks = recorded(data_dir / "ticks" / "EURUSD_oanda_20140501_20140507_utc.parquet")[:20_000]
    closed = form_bars(ticks, feature.bars)
    by_bar = columns(feature(closed))
    n_closed = np.searchsorted(closed["time_ns"] + feature.bars_ns, ticks["time_ns"], side="right")
    seen = np.where((n_closed > 0)[:, None], by_bar[np.maximum(n_closed - 1, 0)], np.nan)
    np.testing.assert_array_equal(columns(feature(ticks)), seen)
