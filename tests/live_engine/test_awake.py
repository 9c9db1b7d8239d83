"""Idle processors are kept awake while ticks come thick, and let go with the process."""

import os
import struct
import time
from pathlib import Path

import pytest

from live_engine.awake import DEVICE, Awake


def looks(awake: Awake, ticked: bool, seconds: float = 0.12) -> None:
    """Look every millisecond or so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        awake.look(ticked=ticked)
        time.sleep(0.001)


def quick(device: Path) -> Awake:
    return Awake(device, least_per_s=50.0, window_s=0.05)


def test_the_wish_is_held_while_ticks_come_thick(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_bytes(b"as it was")
    awake = quick(device)
    awake.look(ticked=True)
    assert not awake.held, "one is not many"
    looks(awake, ticked=False)
    assert not awake.held
    assert device.read_bytes() == b"as it was"
    looks(awake, ticked=True)
    assert awake.held
    assert device.read_bytes()[:4] == bytes(4)
    looks(awake, ticked=False)
    assert not awake.held
    looks(awake, ticked=True)
    assert awake.held
    time.sleep(1.2)
    awake.look(ticked=True)  # a tick after a pause
    assert not awake.held
    looks(awake, ticked=True)
    awake.close()
    awake.close()
    assert not awake.held


@pytest.mark.parametrize("device", ["missing", "."])
def test_whoever_may_not_wish_trades_without(tmp_path: Path, device: str) -> None:
    awake = quick(tmp_path / device)
    looks(awake, ticked=True, seconds=0.2)
    assert not awake.held
    awake.close()


def test_a_device_that_refuses_the_wish_is_asked_once() -> None:
    before = len(os.listdir("/proc/self/fd"))
    awake = quick(Path("/dev/full"))
    looks(awake, ticked=True, seconds=0.2)
    assert not awake.held
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_kernel_heard_the_wish() -> None:
    try:
        asked = os.open(DEVICE, os.O_RDWR)
    except OSError as error:
        pytest.skip(f"{DEVICE} is not for this user, or not there: {error}")
    try:
        awake = quick(DEVICE)
        looks(awake, ticked=True)
        assert struct.unpack("=i", os.pread(asked, 4, 0)) == (0,)
        awake.close()
    finally:
        os.close(asked)
