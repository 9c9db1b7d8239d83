"""Bars of ticks."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.market.bars import bars
from kernel_lib.market.tick import make_ticks

MINUTE = 60 * 10**9


def test_a_bar_holds_its_ticks_and_the_open_one_is_not_given() -> None:
    ticks = make_ticks(
        np.array([0, 30, 59, 60, 185, 240]) * 10**9,
        [1.0, 3.0, 2.0, 5.0, 4.0, 9.0],
        [1.5, 3.5, 2.25, 5.5, 4.5, 9.5],
    )
    shown = bars(ticks, "1m")
    assert shown.tolist() == [
        (0, 1.0, 3.0, 1.0, 2.0, 3.0, 0.25),
        (MINUTE, 5.0, 5.0, 5.0, 5.0, 1.0, 0.5),
        (3 * MINUTE, 4.0, 4.0, 4.0, 4.0, 1.0, 0.5),
    ]


def test_a_tick_without_a_price_is_left_out() -> None:
    ticks = make_ticks(np.array([0, 30, 60]) * 10**9, [1.0, np.nan, 2.0], [1.5, 3.5, 2.5])
    assert bars(ticks, "1m")["volume"].tolist() == [1.0]
    assert len(bars(ticks[:0], "1m")) == 0


def test_what_is_no_series_of_ticks_is_refused() -> None:
    with pytest.raises(BadData, match="dtype TICK"):
        bars(np.zeros(3), "1m")
    with pytest.raises(BadData, match="tick 1 does"):
        bars(make_ticks([2, 1], [1.0, 1.0], [1.1, 1.1]), "1m")
    with pytest.raises(BadData, match="bar length"):
        bars(make_ticks([1], [1.0], [1.1]), "fortnight")
