"""A feature that runs in a notebook, update by update."""

import math

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.errors import BadData
from kernel_lib.market.bar import Bar

PRICES = [1.0, 2.0, 4.0, 3.0, 5.0]


def test_it_gives_one_update_at_a_time_what_the_array_gives() -> None:
    running = f.rsi(2).start()
    np.testing.assert_array_equal([running.update(price) for price in PRICES], f.rsi(2)(PRICES))
    assert running.is_warm
    assert running.n_updates == 5
    bands = f.bollinger(2).start()
    assert bands.update(1.0) != bands.update(3.0) == (2.0, 4.0, 0.0)
    assert repr(f.ema(3).start()) == "<ema(span=3) after 0 updates: nan>"


def test_it_takes_bars_and_outside_values() -> None:
    reach = f.donchian(1).start()
    assert reach.update(Bar(0, 2.0, 3.0, 1.0, 2.5, 1.0, 0.0, math.nan)) == (2.0, 3.0, 1.0)
    news = f.outside("news").start()
    assert math.isnan(news.update(1.0)[0])
    assert news.update(1.0, other=0.25)[0] == 0.25


def test_a_price_that_is_missing_is_left_out() -> None:
    running = f.sma(2).start()
    running.update(1.0)
    assert math.isnan(running.update(math.nan))
    assert not running.is_warm
    assert running.update(3.0) == 2.0


def test_an_evaluated_feature_does_not_run_by_itself() -> None:
    from kernel_lib.features.evaluated import Evaluated

    class Sum:
        def evaluate(self, row, seen):
            return [row.sum()]

        def state(self) -> bytes:
            return b""

        def restore(self, state: bytes) -> None:
            pass

    total = Evaluated("total", {}, Sum(), {"fast": f.ema(2)}, outputs=("value",), bars="1m")
    with pytest.raises(BadData, match="inside a strategy's step"):
        total.start()


def test_a_snapshot_goes_on_where_it_was_and_reset_begins_anew() -> None:
    running = f.ema(2).start()
    for price in PRICES[:3]:
        running.update(price)
    other = f.ema(2).start()
    other.restore(running.snapshot())
    assert [other.update(price) for price in PRICES[3:]] == [running.update(price) for price in PRICES[3:]]
    assert other.n_updates == 5
    running.reset()
    assert math.isnan(running.update(1.0))
    with pytest.raises(BadData, match="must have"):
        f.sma(3).start().restore(running.snapshot())
