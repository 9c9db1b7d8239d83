"""The ``@strategy`` decorator refuses what could only fail later, and a source runs on its own."""

import pytest

from kernel_lib import features as f
from kernel_lib.errors import BadData, Misconfigured, StrategyFault
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import RiskFraction, load_strategy, strategy

SOURCE = '''
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(features=lambda p: {"fast": f.ema(p.fast)}, params={"fast": 3})
def mine(x, position, p):
    """Mine."""
    return 1.0 if x.bid > x.fast else 0.0
'''


def decide(x, position, p):
    return 0.0


def test_parameters_can_be_windows() -> None:
    changed = ma_cross.with_params(fast=7)
    assert repr(changed.features["fast"]) == "ema(span=7)"
    assert repr(ma_cross.features["fast"]) == "ema(span=100)"


def test_its_source_runs_on_its_own() -> None:
    again = load_strategy(ma_cross.source, "ma_cross")
    assert repr(again) == repr(ma_cross)
    mine = load_strategy(SOURCE, "mine")
    assert mine.doc == "Mine."
    assert mine.source == SOURCE


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def (", "SyntaxError"),
        ("raise ValueError(1)", "ValueError"),
        ("x = 1", "defines none"),
        (SOURCE, "defines mine"),
    ],
)
def test_a_source_that_does_not_make_the_strategy_is_a_fault_with_its_reason(source: str, message: str) -> None:
    with pytest.raises(StrategyFault, match=message):
        load_strategy(source, "absent")


def test_what_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(Misconfigured, match=r"x\.bid"):
        strategy(features={"bid": f.ema(2)})(decide)
    with pytest.raises(BadData, match="plain name"):
        strategy(features={"class": f.ema(2)})(decide)
    with pytest.raises(Misconfigured, match="must be a feature"):
        strategy(features={"a": 3})(decide)  # type: ignore[dict-item]
    with pytest.raises(Misconfigured, match="finite number"):
        strategy(features={}, params={"a": float("nan")})(decide)
    with pytest.raises(Misconfigured, match="names the parameter"):
        strategy(features={}, stop_loss_points="far")(decide)
    with pytest.raises(Misconfigured, match="must take"):
        strategy(features={})(lambda x: 0.0)  # type: ignore[arg-type, misc]
    with pytest.raises(BadData, match="bar length"):
        strategy(on="fortnight", features={})(decide)


def test_sizing_by_risk_needs_a_stop() -> None:
    from kernel_lib.market.instrument import EURUSD
    from kernel_lib.strategy import Proposer

    risky = strategy(features={}, sizing=RiskFraction(0.01))(decide)
    with pytest.raises(Misconfigured, match="stop_loss_points"):
        Proposer(risky, EURUSD)


def test_a_strategy_shows_itself_in_a_notebook() -> None:
    assert "p.fast" in ma_cross._repr_html_()
    assert "ema(span=100)" in repr(ma_cross)
