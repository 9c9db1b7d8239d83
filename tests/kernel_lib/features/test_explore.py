"""The panel that draws features; driven as its fields would be."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.errors import BadData
from kernel_lib.market.tick import make_ticks

TICKS = make_ticks(
    1_549_238_400 * 10**9 + np.arange(600) * 10**9,
    1.1 + np.cumsum(np.random.default_rng(1).normal(0, 1e-5, 600)),
    1.2 + np.zeros(600),
)


def picture(panel: f.Explorer) -> bytes:
    return bytes(panel.panel.children[1].children[1].value)


def test_turning_a_parameter_draws_anew_and_gives_the_line_to_copy() -> None:
    panel = f.explore(TICKS)
    assert panel.feature == f.rsi(14)
    first = picture(panel)
    assert first.startswith(b"\x89PNG")
    assert panel.turn(window=30) == f.rsi(30)
    assert picture(panel) != first
    assert panel.turn(feature="bollinger", window=50, bars="15s") == f.bollinger(50, bars="15s")
    assert "f.bollinger(window=50, deviations=2, bars=&#x27;15s&#x27;)" in panel.panel.children[0].children[3].value


def test_what_makes_no_feature_is_said_and_the_last_one_stays() -> None:
    panel = f.explore(TICKS)
    first = picture(panel)
    panel.turn(window=0)
    assert "window must be a whole number" in panel.complaint
    assert picture(panel) == first
    assert panel.feature == f.rsi(14)
    panel.turn(window=20)
    assert panel.complaint == ""
    with pytest.raises(BadData, match="no parameter 'span'"):
        panel.turn(span=3)


def test_what_reads_from_outside_is_offered_where_there_is_something_to_read() -> None:
    with pytest.raises(BadData, match="start must be one of"):
        f.explore(TICKS, start="correlation")
    panel = f.explore(TICKS, other=TICKS["bid"], start="correlation")
    assert panel.feature == f.correlation("other", 50)


@pytest.mark.parametrize("name", [name for name in f.CATALOGUE if name != "regime"])
def test_every_feature_but_a_fitted_one_can_be_drawn(name: str) -> None:
    panel = f.explore(TICKS, other=TICKS["bid"], start=name)
    assert panel.complaint == ""
    assert panel.feature.name == name


def test_it_is_shown_as_a_widget() -> None:
    assert "application/vnd.jupyter.widget-view+json" in f.explore(TICKS)._repr_mimebundle_()
