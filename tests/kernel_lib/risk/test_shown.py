"""Results that are printed say what a notebook shows, and never dump their arrays."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import risk
from kernel_lib.errors import BadData

RANDOM = np.random.default_rng(0)
DAILY = RANDOM.normal(0.0, 0.01, 500)
TABLE = pd.DataFrame(RANDOM.normal(0.0, 0.01, (300, 3)), columns=["a", "b", "c"])
RESULTS: dict[str, Any] = {
    "drawdown": risk.drawdown_report(DAILY), "portfolio": risk.min_variance(TABLE),
    "comovement": risk.comovement(TABLE),
    "report": risk.risk_report(DAILY), "exceptions": risk.value_at_risk_exceptions(DAILY, 0.02),
    "stress": risk.stress_report(by_currency={"EUR": 1e4}, currency="USD", equity=1e4),
    "exposure": risk.exposure({"EURUSD": 1.0}, {"EURUSD": 1.1}, equity=1e5),
    "parts": risk.value_at_risk_parts(TABLE.cov(), [1.0, 2.0, 3.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_prints_as_a_small_table_with_the_words_of_the_notebook(name: str) -> None:
    printed, shown = repr(RESULTS[name]), RESULTS[name]._repr_html_()
    assert "array(" not in printed
    assert len(printed) < 1_500
    title, *rows = printed.split("\n")
    assert f"<b>{title}</b>" in shown
    assert len(rows) == shown.count("<tr>") >= 3
    for row in rows:
        assert row.split("  ")[0].strip() in shown


def test_a_drawdown_is_read_off_its_text() -> None:
    lines = repr(risk.drawdown_report([0.1, -0.2, 0.1, 0.3])).splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["Drawdown"], ["maximum", "-20.00", "%"], ["peak", "at", "0"], ["trough", "at", "1"],
    ]  # fmt: skip


def test_a_report_names_what_it_holds_where_something_else_is_asked_for() -> None:
    with pytest.raises(BadData, match=r"holds historical at 0.95, .*it has no 'historic' at 0.95"):
        risk.risk_report(DAILY).at("historic", 0.95)
