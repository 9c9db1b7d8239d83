"""The page on risk says what is there: its example runs, its names and files exist, its numbers are the defaults."""

import re
from pathlib import Path

from kernel_lib import risk
from kernel_lib.tiers import TIERS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "risk.md").read_text()


def test_the_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "docs/risk.md", "exec"), names)
    assert isinstance(names["report"], risk.RiskReport)
    assert isinstance(names["weights"], risk.Portfolio)


def test_every_name_and_file_is_there() -> None:
    named = set(re.findall(r"\brisk\.([a-z]\w+)", PAGE)) - {"md"}
    assert len(named) > 8
    assert sorted(name for name in named if not hasattr(risk, name)) == []
    assert [path for path in re.findall(r"`(kernel_lib/[\w/.]+)`", PAGE) if not (ROOT / path).exists()] == []


def test_the_defaults_are_the_ones_in_force() -> None:
    limits = risk.default_limits(TIERS["pro"])
    for text in (
        f"{100 * limits.order_risk_fraction:g} % of the equity at an order's stop",
        f"{100 * limits.strategy_drawdown_fraction:g} % drawdown of a strategy",
        f"{100 * limits.daily_loss_fraction:g} % loss in a day",
        f"{100 * limits.total_drawdown_fraction:g} %\ndrawdown of a tenant",
        f"{limits.collar_pips:g} pips or {limits.collar_atr:g} ATR",
        f"{limits.orders_per_minute} orders a minute",
    ):
        assert text in PAGE
