"""The page on backtesting: its code runs, and what it names is there."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "backtesting.md").read_text(encoding="utf-8")


def test_the_code_on_the_page_runs_and_says_what_the_page_says() -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(code, "docs/backtesting.md", "exec"), names)
    assert "not told from luck" in names["report"].honesty.verdict
    assert names["best"].p_value > 0.05  # twelve trials of noise
    assert names["both"].names == ["ma_cross", "breakout"]
    assert names["page"].startswith("<!doctype html>")


def test_every_file_and_name_on_the_page_is_there() -> None:
    files = re.findall(r"`(kernel_lib/[\w/.]+)`", PAGE)
    assert len(files) >= 12
    assert [each for each in files if not (ROOT / each).exists()] == []
    from kernel_lib.backtest import sharpe

    named = re.findall(r"`(\w+_(?:ratio|sharpe|record))`", PAGE)
    assert len(named) == 4
    assert [each for each in named if each not in sharpe.__all__] == []
