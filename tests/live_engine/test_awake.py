"""Idle processors are kept awake from the first tick on until the market is quiet, and let go with the process."""

import os
import struct
import time
from pathlib import Path

import pytest

from live_engine.awake import DEVICE, Awake


def test_the_wish_is_held_from_a_tick_until_the_market_is_quiet(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_bytes(b"as it was")
    awake = Awake(device, quiet_s=0.05)
    awake.look(ticked=False)
    assert not awake.held
    assert device.read_bytes() == b"as it was"
    awake.look(ticked=True)
    assert awake.held
    assert device.read_bytes()[:4] == bytes(4)
    awake.look(ticked=False)
    assert awake.held
    time.sleep(0.06)
    awake.look(ticked=True)
    awake.look(ticked=False)
    assert awake.held, "each tick begins anew"
    time.sleep(0.06)
    awake.look(ticked=False)
    assert not awake.held
    awake.look(ticked=True)
    assert awake.held
    awake.close()
    awake.close()
    assert not awake.held


@pytest.mark.parametrize("device", ["missing", "."])
def test_whoever_may_not_wish_trades_without(tmp_path: Path, device: str) -> None:
    awake = Awake(tmp_path / device)
    for _ in range(3):
        awake.look(ticked=True)
        assert not awake.held
    awake.close()


def test_a_device_that_refuses_the_wish_is_not_asked_again() -> None:
    before = len(os.listdir("/proc/self/fd"))
    awake = Awake(Path("/dev/full"))
    awake.look(ticked=True)
    awake.look(ticked=True)
    assert not awake.held
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_kernel_heard_the_wish() -> None:
    try:
        asked = os.open(DEVICE, os.O_RDWR)
    except OSError as error:
        pytest.skip(f"{DEVICE} is not for this user, or not there: {error}")
    try:
        awake = Awake()
        awake.look(ticked=True)
        assert struct.unpack("=i", os.pread(asked, 4, 0)) == (0,)
        awake.close()
    finally:
        os.close(asked)
