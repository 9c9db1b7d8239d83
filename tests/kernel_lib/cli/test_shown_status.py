"""``tickhub status`` for a person: what ended and why, what trades and for how much, and no raw JSON."""

import io

import pytest
from rich.console import Console

from kernel_lib.cli.shown_status import show_desk, show_programs

STRATEGY = {
    "name": "fade", "hash": "ab" * 32, "symbol": "XAUUSD", "mode": "mt5", "currency": "EUR", "state": "paused",
    "reason": "pause by trader: lunch", "refusal": "rejected: No money", "lots": -0.1, "profit": -12.5,
    "profit_today": 1234.5, "fills": 3, "denied": 1, "rejected": 2,
}  # fmt: skip
STATE = {
    "state": "active", "profit": -12.5, "profit_today": 1234.5, "strategies": [STRATEGY], "orders": [{}],
    "counts": {"ticks": 12345, "lost": 0, "doubled": 0}, "warnings": ["make room on the disk"],
    "latency_us": {"tick_to_order": {"n": 9, "p50": 45.2, "p99": 310.0, "max": 900.0}, "decision": {"n": 0}},
    "refused": {"cd" * 32: "its signature is not ours"},
    "orphans": [{"ticket": 4711, "words": "EURUSD long 0.1 lots at agent pc1 (ticket 4711, magic 77) has no owner"}],
}  # fmt: skip


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def said(console: Console) -> str:
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(ord(each) >= 32 or each == "\n" for each in text)
    return str(text)


def test_a_program_says_how_often_it_ended_and_why_within_a_terminals_width(console: Console) -> None:
    row = {"name": "redis", "state": "running", "pid": 4711, "detail": "pid 4711, uptime 0:12:03"}
    fresh = {"restarts": 0, "last_end": ""}
    killed = {"restarts": 2, "last_end": "2026-11-22 03:53:47: terminated by SIGKILL"}
    stopped = {"name": "agent", "state": "stopped", "pid": None, "detail": "Nov 22 04:01 AM"}
    show_programs(console, [row | fresh, row | killed, stopped | fresh], today="2026-11-22")
    _, first, second, third = said(console).splitlines()
    assert first.split() == ["redis", "running", "4711", "up", "0:12:03"]
    assert second.rstrip().endswith("up 0:12:03, ended 2x, last 03:53:47 SIGKILL")
    assert third.split() == ["agent", "stopped", "Nov", "22", "04:01", "AM"]


def test_a_desk_says_what_it_trades_with_units_and_what_is_wrong(console: Console) -> None:
    show_desk(console, "demo", {"condition": "running", "state": STATE})
    text = said(console)
    assert "desk demo: active, profit today +1,234.50 EUR, in total -12.50 EUR; 12,345 ticks" in text
    assert "fade XAUUSD mt5 paused -0.10 +1,234.50 -12.50 3 3" in " ".join(text.split())
    assert "fade: pause by trader: lunch" in text
    assert "tick to order: median 45 us, 99 % 310 us" in text
    assert "make room on the disk" in text
    assert "EURUSD long 0.1 lots at agent pc1 (ticket 4711, magic 77) has no owner" in text
    assert "strategy cdcdcdcdcdcd is not run: its signature is not ours" in text
    assert "{" not in text


def test_a_desk_that_starts_is_said_to(console: Console) -> None:
    show_desk(console, "demo", {"condition": "starting", "last_error": "it was killed"})
    assert said(console).strip() == "desk demo: starting, does not answer yet: it was killed"
