"""A quant's own feature, written in a cell: the same in notebook, backtest, sweep and live; or a clear no."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import Proposer, load_strategy
from kernel_lib.trading.record import VIEW

CELL = '''
import math
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@f.feature(state=2, outputs=("value", "age"), warmup=lambda p: p.window)
def pull(state, bar, window=20, weight=0.5):
    """Where the price is, against its own slow average."""
    state[0] += (bar.close - state[0]) / window if state[1] > 0 else bar.close
    state[1] += 1.0
    return weight * (bar.close - state[0]), state[1]

@strategy(
    on="tick", features=lambda p: {"fast": pull(p.window), "slow": pull(window=5, bars="20s")}, params={"window": 10}
)
def mine(x, position, p):
    """Follow both."""
    if x.fast > 0.0 and x.slow > 0.0 and x.fast_age > 5.0:
        return 1.0
    if x.fast < 0.0 and x.slow < 0.0:
        return -1.0
    return position.exposure
'''


def ticks(n_ticks: int = 6_000) -> np.ndarray:
    random = np.random.default_rng(2)
    bid = 1.1 + np.cumsum(random.normal(0, 1e-5, n_ticks))
    return make_ticks(1_549_238_400 * 10**9 + np.arange(n_ticks) * 2 * 10**9, bid, bid + 1e-5)


def ema_by_hand(prices: np.ndarray, window: int) -> np.ndarray:
    average = prices[0]
    shown = []
    for price in prices:
        average += (price - average) / window if shown else 0.0
        shown.append(0.5 * (price - average))
    return np.array(shown)


def test_it_gives_in_a_notebook_what_its_python_says() -> None:
    namespace: dict[str, object] = {}
    exec(CELL, namespace)
    pull = namespace["pull"]
    prices = ticks(500)["bid"]
    shown = pull(7)(prices)
    assert np.isnan(shown["value"][:6]).all()
    np.testing.assert_allclose(shown["value"][6:], ema_by_hand(prices, 7)[6:], rtol=1e-12, atol=1e-18)
    assert shown["age"][-1] == 500.0
    assert repr(pull(7, bars="5m")) == "pull(window=7, weight=0.5, bars='5m')"
    assert pull(7).to_source() == "pull(window=7, weight=0.5)"
    assert pull(7).warmup == 7
    assert "Where the price is" in pull(7)._repr_html_()
    assert pull(7) == pull(window=7)
    assert pull(7) != pull(8)


def test_it_trades_in_a_backtest_and_the_live_step_asks_the_same() -> None:
    """The source text is what the engine gets: it is loaded afresh for either, and the live half runs tick by tick."""
    quotes = ticks()
    done = replay(load_strategy(CELL, "mine"), quotes, progress=False)
    assert done.fault == ""
    assert done.book.numbers["n_orders"] > 3
    live = Proposer(load_strategy(CELL, "mine"), EURUSD)
    assert live.plain_python == ""
    view = np.zeros(1, VIEW)
    for tick in quotes:
        live.on_tick(*tick.item(), view)
    again = load_strategy(CELL, "mine")
    fast = again.features["fast"](quotes)
    slow = again.features["slow"](quotes)
    size = again.features["fast"].state.size
    assert live.features[:2].tolist() == [fast["value"][-1], fast["age"][-1]]
    assert live.features[size : size + 2].tolist() == [slow["value"][-1], slow["age"][-1]]


def test_parameters_can_be_swept() -> None:
    mine = load_strategy(CELL, "mine")
    orders = {window: replay(mine, ticks(), params={"window": window}, progress=False).book.numbers["n_orders"]
              for window in (5, 40)}  # fmt: skip
    assert orders[5] != orders[40]


def test_a_default_that_is_whole_stays_whole_and_another_does_not() -> None:
    @f.feature(state=lambda p: p.window)
    def widest(state, bar, window=3, scale=1.0):
        for place in range(window - 1):
            state[place] = state[place + 1]
        state[window - 1] = bar.close
        return scale * (state.max() - state.min())

    assert widest(2, scale=2)([1.0, 2.0, 4.0]).tolist() == [2.0, 2.0, 4.0]
    with pytest.raises(BadData, match="finite number"):
        widest(scale="wide")
    with pytest.raises(BadData, match="unexpected keyword"):
        widest(width=3)
    assert widest.__signature__.parameters.keys() == {"window", "scale", "bars"}


def test_it_may_read_from_outside() -> None:
    @f.feature(other="GBPUSD")
    def gap(state, bar):
        return bar.close - bar.other

    assert gap()([2.0, 3.0], other=[1.0, 1.0]).tolist() == [1.0, 2.0]
    with pytest.raises(BadData, match="GBPUSD"):
        gap()([2.0, 3.0])


def attribute(state, bar):
    return bar.price


def beyond(state, bar):
    state[5] = bar.close
    return state[5]


def sometimes(state, bar):
    if bar.close > 1.0:
        return 1.0


def pair(state, bar):
    return 1.0, 2.0


def chance(state, bar):
    return np.random.normal()


def imports(state, bar):
    import pandas as pd

    return pd.Series([bar.close]).mean()


def unknown(state, bar):
    return nowhere  # noqa: F821


def text(state, bar):
    return "up"


def raises(state, bar):
    if bar.close > 1.1:
        raise ValueError("too high")
    return 0.0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (attribute, r"Unknown attribute 'price'.*line [0-9]+"),
        (beyond, r"state of 2 places, state\[0\] to state\[1\]"),
        (sometimes, "one number on every path"),
        (pair, "return one number"),
        (chance, "take the randomness out"),
        (imports, "cannot be compiled"),
        (unknown, "nowhere"),
        (text, "return one number"),
        (raises, "ValueError: too high"),
        (lambda bar: 1.0, r"must take \(state, bar\)"),
        (lambda state, bar, **more: 1.0, r"must take \(state, bar\)"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(function, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        f.feature(state=2)(function)


@pytest.mark.parametrize("outputs", ["value", (), ("a", "a"), ("a b",), (1,)])
def test_outputs_must_be_names(outputs: object) -> None:
    with pytest.raises(Misconfigured, match="outputs must be"):
        f.feature(outputs=outputs)


def test_a_warmup_below_one_is_refused() -> None:
    with pytest.raises(Misconfigured, match="warmup must be at least 1"):
        f.feature(warmup=0)(lambda state, bar: 1.0)
