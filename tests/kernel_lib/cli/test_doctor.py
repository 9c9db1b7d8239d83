"""What the doctor says of the machine, from files of a machine that the test writes."""

from pathlib import Path

from kernel_lib.cli.doctor import idle


def test_a_processor_that_sleeps_at_once_is_told_with_what_to_do(tmp_path: Path) -> None:
    where = tmp_path / "guest_halt_poll_ns"
    assert idle(where).found == "left to the system"
    where.write_text("0\n")
    asleep = idle(where)
    assert asleep.found.startswith("sleeps at once")
    assert f"echo 3000000 > {where}" in asleep.advice
    where.write_text("3000000\n")
    awake = idle(where)
    assert (awake.found, awake.advice) == ("awake for 3 ms after each piece of work", "")
    where.write_text("garbage")
    assert idle(where).found == "left to the system"
