"""``tickhub kill --resume``: who trades again, and who does not."""

from kernel_lib.cli.engine import _left_out

STATES = [
    {"name": "cross", "hash": "aa", "state": "active", "reason": ""},
    {"name": "fade", "hash": "bb", "state": "paused", "reason": "ValueError: no"},
    {"name": "old", "hash": "cc", "state": "withdrawn", "reason": "approval withdrawn; goes flat"},
]


def test_what_stays_paused_is_named_and_what_was_taken_off_is_not() -> None:
    answer = {"ok": True, "state": {"strategies": STATES}}
    assert [each["name"] for each in _left_out(answer, "")] == ["fade"]
    assert [each["name"] for each in _left_out(answer, "bb")] == ["fade"]
    assert _left_out(answer, "cross") == []
    assert _left_out({"ok": True}, "") == []
