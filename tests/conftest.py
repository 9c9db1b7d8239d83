"""Shared fixtures: where the recorded market data lies, and a private home for each test."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_lib.config import Home

DATA = Path(os.environ.get("TICKHUB_DATA", Path(__file__).resolve().parent.parent.parent / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> Iterator[None]:
    """Let Ctrl-C interrupt: a run that was started in the background ignores it, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of recorded data; tests that need it skip by name where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"recorded market data is absent: {DATA} (set TICKHUB_DATA)")
    return DATA


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()
