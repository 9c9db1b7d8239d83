"""What the doctor says of the machine, from files of a machine that the test writes."""

from pathlib import Path

import pytest

from kernel_lib.cli.doctor import idle


def test_processors_that_sleep_between_two_ticks_are_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TICKHUB_AWAKE", raising=False)
    wish, driver = tmp_path / "cpu_dma_latency", tmp_path / "current_driver"
    assert idle(wish, driver).found == "left to the system"
    wish.touch()
    assert idle(wish, driver).found == "left to the system"
    driver.write_text("none\n")
    assert idle(wish, driver).found == "left to the system"
    driver.write_text("haltpoll\n")
    assert idle(wish, driver).found.startswith("kept awake while ticks come thick")
    monkeypatch.setenv("TICKHUB_AWAKE", "no")
    assert idle(wish, driver).found == "sleep between two ticks: TICKHUB_AWAKE says so"
    monkeypatch.delenv("TICKHUB_AWAKE")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # as for a user who may not; root may everything
    asleep = idle(wish, driver)
    assert (asleep.found, str(wish) in asleep.advice) == (
        "sleep between two ticks; an order may take twice as long", True,
    )  # fmt: skip
